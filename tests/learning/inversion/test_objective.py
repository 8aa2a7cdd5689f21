"""Each term of the objective against the same computed in another way, in float64."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.special import logsumexp, softmax
from torch import nn

from sigzoo.errors import UsageError
from sigzoo.learning.inversion import objective
from sigzoo.learning.inversion.statistics import StatisticsProbe

EXACT = {"rel": 1e-9, "abs": 1e-9}
IN_FLOAT32 = {"rel": 1e-6, "abs": 1e-6}


@pytest.fixture
def images():
    return np.random.default_rng(0).random((3, 1, 7, 9))


@pytest.fixture
def logits():
    rng = np.random.default_rng(1)
    return 4 * rng.standard_normal((5, 6)), 4 * rng.standard_normal((5, 6))


def neighbours(image):
    """Pairs of neighbouring pixels of (h, w), direction by direction, one at a time."""
    height, width = image.shape
    for down, right in ((0, 1), (1, 0), (1, -1), (1, 1)):
        yield [
            (image[r, c], image[r + down, c + right])
            for r in range(height - down)
            for c in range(max(0, -right), width - max(0, right))
        ]


def test_cross_entropy_is_the_mean_log_loss(logits):
    values, labels = logits[0], np.array([0, 5, 2, 2, 1])
    expected = np.mean([logsumexp(row) - row[label] for row, label in zip(values, labels, strict=True)])
    found = objective.cross_entropy(torch.from_numpy(values), torch.from_numpy(labels))
    assert float(found) == pytest.approx(expected, **EXACT)


def test_total_variation_l1_is_the_mean_difference_of_neighbours(images):
    directions = zip(*(neighbours(image[0]) for image in images), strict=True)
    expected = sum(np.mean([abs(a - b) for image in each for a, b in image]) for each in directions)
    assert float(objective.total_variation_l1(torch.from_numpy(images))) == pytest.approx(expected, **EXACT)


def test_total_variation_l2_is_the_length_of_an_images_differences(images):
    lengths = [[np.sqrt(sum((a - b) ** 2 for a, b in each)) for each in neighbours(x[0])] for x in images]
    expected = np.mean(lengths, axis=0).sum()
    assert float(objective.total_variation_l2(torch.from_numpy(images))) == pytest.approx(expected, **EXACT)


def test_l2_is_the_images_mean_norm(images):
    expected = np.mean([np.sqrt((image**2).sum()) for image in images])
    assert float(objective.image_norm(torch.from_numpy(images))) == pytest.approx(expected, **EXACT)


def test_priors_do_not_depend_on_the_size_of_the_batch(images):
    once, twice = torch.from_numpy(images), torch.from_numpy(np.concatenate([images, images]))
    for prior in (objective.total_variation_l1, objective.total_variation_l2, objective.image_norm):
        assert float(prior(once)) == pytest.approx(float(prior(twice)), **EXACT)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_jensen_shannon_is_scipys(logits, temperature):
    p, q = (softmax(each / temperature, axis=1) for each in logits)
    expected = np.mean(jensenshannon(p, q, axis=1) ** 2)
    ours, theirs = (torch.from_numpy(each) for each in logits)
    assert float(objective.jensen_shannon(ours, theirs, temperature)) == pytest.approx(expected, **EXACT)
    assert float(objective.competition(ours, theirs, temperature)) == pytest.approx(1 - expected, **EXACT)
    single = objective.jensen_shannon(ours.float(), theirs.float(), temperature)
    assert float(single) == pytest.approx(expected, **IN_FLOAT32)


def test_jensen_shannon_lies_between_agreement_and_ln_2():
    sure = torch.tensor([[300.0, 0.0, 0.0], [0.0, 0.0, 300.0]])
    assert float(objective.jensen_shannon(sure, sure, 1.0)) == 0.0
    other = sure.flip(0).requires_grad_()
    divergence = objective.jensen_shannon(sure, other, 1.0)
    assert divergence.item() == pytest.approx(np.log(2), rel=1e-6)
    divergence.backward()
    assert torch.isfinite(other.grad).all()


@pytest.fixture
def network():
    """Two layers of batch normalisation with running statistics of some data."""
    torch.manual_seed(2)
    made = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 4, 3, 2), nn.BatchNorm2d(4)
    )
    made(5 * torch.rand(8, 1, 12, 12))
    return made.eval()


def moments(x):
    """Mean and variance of each channel, one after the other, in float64."""
    values = x.detach().double().numpy()
    channels = [values[:, c].ravel() for c in range(values.shape[1])]
    return np.array([v.mean() for v in channels]), np.array([((v - v.mean()) ** 2).mean() for v in channels])


def expected_distance(network, x, first):
    inputs, total, factor = x, 0.0, first
    for layer in network:
        if isinstance(layer, nn.BatchNorm2d):
            mean, variance = moments(inputs)
            total += factor * np.linalg.norm(mean - layer.running_mean.double().numpy())
            total += factor * np.linalg.norm(variance - layer.running_var.double().numpy())
            factor = 1.0
        inputs = layer(inputs)
    return total


@pytest.mark.parametrize("first", [1.0, 10.0])
def test_statistics_are_compared_layer_by_layer(network, first):
    x = torch.rand(5, 1, 12, 12) + 1
    with StatisticsProbe(network, "it", first) as probe:
        network(x)
        found = probe.take().item()
    assert found == pytest.approx(expected_distance(network, x, first), rel=2e-6)
    double, x = network.double(), x.double()
    with StatisticsProbe(double, "it", first) as probe:
        double(x)
        assert probe.take().item() == pytest.approx(expected_distance(double, x, first), **EXACT)


def test_statistics_far_from_0_lose_no_digits():
    """A mean a thousand times the deviation: the mean square less the squared mean would be noise."""
    rng = np.random.default_rng(3)
    x = 1000 + rng.standard_normal((6, 2, 8, 8))
    mean, variance = np.array([999.0, 1001.0]), np.array([2.0, 0.5])
    own_mean, own_variance = moments(torch.from_numpy(x.astype(np.float32)))
    expected = np.linalg.norm(own_mean - mean) + np.linalg.norm(own_variance - variance)
    single = (torch.from_numpy(each.astype(np.float32)) for each in (x, mean, variance))
    assert float(objective.statistics_distance(*single)) == pytest.approx(expected, rel=1e-4)


def test_the_gradient_of_the_statistics_is_the_numerical_one():
    rng = np.random.default_rng(4)
    x = torch.from_numpy(rng.standard_normal((2, 3, 3, 4))).requires_grad_()
    mean, variance = torch.from_numpy(rng.standard_normal(3)), torch.from_numpy(rng.random(3))
    assert torch.autograd.gradcheck(lambda y: objective.statistics_distance(y, mean, variance), [x])


def test_the_network_is_left_as_it_was(network):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with StatisticsProbe(network, "it") as probe:
        assert len(probe) == 2
        network(torch.rand(2, 1, 12, 12))
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert not any(module._forward_pre_hooks for module in network.modules())


def test_a_network_without_running_statistics_is_refused():
    for bare in (nn.Conv2d(1, 2, 3), nn.BatchNorm1d(3), nn.BatchNorm2d(3, track_running_stats=False)):
        with pytest.raises(UsageError, match="'it' has no BatchNorm2d layer"):
            StatisticsProbe(nn.Sequential(bare), "'it'")
