"""The losses of the family against computations in float64 written from their equations."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from sigzoo_signet.contrastive import NTXentLoss, TripletLoss
from sigzoo_signet.losses import WriterAndForgeryLoss, WriterLoss

from sigzoo.interfaces import TrainingBatch, UsageError

WRITERS = 5


def batch(seed=0, count=24, *, forgery=0.4, writers=WRITERS, dtype=torch.float32, dim=16, spread=1.0):
    """Random training quantities; features after a ReLU, as the networks give them."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, writers, count)
    centres = rng.normal(0, 1, (writers, dim))
    features = torch.tensor((centres[labels] + spread * rng.normal(0, 1, (count, dim))).clip(0), dtype=dtype)
    logits = torch.tensor(rng.normal(0, 3, (count, WRITERS)), dtype=dtype)
    forgery_logits = torch.tensor(rng.normal(0, 3, count), dtype=dtype)
    return TrainingBatch(
        features=features.requires_grad_(),
        writers=torch.from_numpy(labels),
        forgery=torch.tensor(rng.random(count) < forgery, dtype=dtype),
        writer_logits=logits.requires_grad_(),
        forgery_logits=forgery_logits.requires_grad_(),
    )


def numbers(value):
    return value.detach().double().numpy()


def cross_entropy(logits, labels):
    chosen = logits[np.arange(len(labels)), labels]
    top = logits.max(axis=1)
    return float(np.mean(top + np.log(np.exp(logits - top[:, None]).sum(axis=1)) - chosen))


def forgery_entropy(logits, truth):
    probability = 1 / (1 + np.exp(-logits))
    return float(-np.mean(truth * np.log(probability) + (1 - truth) * np.log(1 - probability)))


def gradients(loss, quantities):
    """Every gradient the loss gives to features and logits."""
    loss.backward()
    tensors = (quantities.features, quantities.writer_logits, quantities.forgery_logits)
    return [tensor.grad for tensor in tensors if tensor.grad is not None]


def assert_near(got, expected):
    assert got.ndim == 0
    assert abs(got.item() - expected) <= 1e-6 * max(1.0, abs(expected))


@pytest.mark.parametrize("seed", range(5))
def test_signet_is_the_cross_entropy_over_genuine_signatures(seed):
    data = batch(seed)
    genuine = numbers(data.forgery) == 0
    expected = cross_entropy(numbers(data.writer_logits)[genuine], data.writers.numpy()[genuine])
    assert_near(WriterLoss()(data), expected)


def test_signet_takes_all_for_genuine_where_nobody_says_otherwise():
    data = batch(1)
    known = TrainingBatch(data.features, data.writers, writer_logits=data.writer_logits)
    assert_near(WriterLoss()(known), cross_entropy(numbers(data.writer_logits), data.writers.numpy()))


@pytest.mark.parametrize(("seed", "weight"), list(product(range(3), [0.0, 0.5, 0.95, 0.999, 1.0])))
@pytest.mark.parametrize("equation", [3, 4])
def test_signet_f_is_equation_3_or_4_of_the_paper(seed, weight, equation):
    data = batch(seed)
    chosen = numbers(data.forgery) == 0 if equation == 4 else slice(None)
    writer = cross_entropy(numbers(data.writer_logits)[chosen], data.writers.numpy()[chosen])
    forgery = forgery_entropy(numbers(data.forgery_logits), numbers(data.forgery))
    got = WriterAndForgeryLoss(forgery_weight=weight, equation=equation)(data)
    assert_near(got, (1 - weight) * writer + weight * forgery)


def test_signet_fs_default_is_equation_4_with_the_published_weight():
    assert (WriterAndForgeryLoss().forgery_weight, WriterAndForgeryLoss().equation) == (0.95, 4)


def test_a_batch_of_forgeries_teaches_signet_f_no_writer_and_signet_nothing():
    data = batch(2, forgery=1.0)
    expected = 0.95 * forgery_entropy(numbers(data.forgery_logits), numbers(data.forgery))
    assert_near(WriterAndForgeryLoss()(data), expected)
    assert WriterLoss()(data).item() == 0.0
    for gradient in gradients(WriterAndForgeryLoss()(data) + WriterLoss()(data), data):
        assert torch.isfinite(gradient).all()
    assert data.writer_logits.grad.abs().max() == 0


def test_extreme_logits_give_finite_losses_and_gradients():
    data = batch(3)
    with torch.no_grad():
        data.writer_logits.mul_(1e4)
        data.forgery_logits.mul_(1e4)
    loss = WriterAndForgeryLoss()(data)
    assert torch.isfinite(loss)
    assert all(torch.isfinite(gradient).all() for gradient in gradients(loss, data))


def directions(features):
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


def triplet_by_hand(features, writers, margin):
    """Mean over the semi-hard triplets, one triplet at a time."""
    points, losses = directions(features), []
    count = len(writers)
    for anchor, positive, negative in product(range(count), repeat=3):
        if anchor == positive or writers[anchor] != writers[positive] or writers[anchor] == writers[negative]:
            continue
        near = np.linalg.norm(points[anchor] - points[positive])
        far = np.linalg.norm(points[anchor] - points[negative])
        if near < far <= near + margin and near - far + margin > 0:
            losses.append(near - far + margin)
    return float(np.mean(losses)) if losses else 0.0


def nt_xent_by_hand(features, writers, temperature):
    """Mean over the ordered pairs of one writer, one pair at a time."""
    similarity = directions(features) @ directions(features).T / temperature
    losses = []
    for one, other in product(range(len(writers)), repeat=2):
        negatives = similarity[one][writers != writers[one]]
        if one == other or writers[one] != writers[other] or not len(negatives):
            continue
        exponents = np.append(negatives, similarity[one, other])
        top = exponents.max()
        losses.append(top + np.log(np.exp(exponents - top).sum()) - similarity[one, other])
    return float(np.mean(losses)) if losses else 0.0


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("margin", [0.02, 0.1, 1.0])
@pytest.mark.parametrize("spread", [0.2, 1.5])
def test_triplet_is_the_mean_over_the_semi_hard_triplets(seed, margin, spread):
    data = batch(seed, spread=spread)
    expected = triplet_by_hand(numbers(data.features), data.writers.numpy(), margin)
    assert_near(TripletLoss(margin=margin)(data), expected)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("temperature", [0.01, 0.1, 1.0])
@pytest.mark.parametrize("spread", [0.2, 1.5])
def test_nt_xent_is_the_mean_over_the_pairs_of_one_writer(seed, temperature, spread):
    data = batch(seed, spread=spread)
    expected = nt_xent_by_hand(numbers(data.features), data.writers.numpy(), temperature)
    assert_near(NTXentLoss(temperature=temperature)(data), expected)


def test_the_defaults_are_the_published_ones():
    assert TripletLoss().margin == 0.1
    assert NTXentLoss().temperature == 0.01


@pytest.mark.parametrize("loss", [TripletLoss(), NTXentLoss()])
@pytest.mark.parametrize(
    "quantities",
    [
        batch(4, writers=1),
        batch(4, count=1),
        batch(4, count=3, writers=1),
        TrainingBatch(torch.rand(5, 8).requires_grad_(), torch.arange(5)),
    ],
    ids=["one writer", "one signature", "three of one writer", "one signature a writer"],
)
def test_a_batch_without_pairs_to_compare_gives_nothing_and_no_gradient(loss, quantities):
    quantities.features.grad = None
    value = loss(quantities)
    value.backward()
    assert value.item() == 0.0
    assert quantities.features.grad.abs().max() == 0


@pytest.mark.parametrize("loss", [TripletLoss(), TripletLoss(margin=1.0), NTXentLoss()])
def test_equal_opposite_and_vanishing_features_give_finite_gradients(loss):
    features = torch.zeros(8, 6)
    features[1], features[2:4], features[4], features[5:] = 1.0, 0.5, -1.0, torch.eye(6)[:3]
    data = TrainingBatch(features.requires_grad_(), torch.tensor([0, 0, 0, 1, 1, 2, 2, 0]))
    value = loss(data)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(data.features.grad).all()


@pytest.mark.parametrize("loss", [TripletLoss(), NTXentLoss(), WriterLoss(), WriterAndForgeryLoss()])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_the_loss_has_the_dtype_of_what_it_is_computed_from(loss, dtype):
    data = batch(5, dtype=dtype)
    value = loss(data)
    assert value.dtype == dtype
    assert torch.isfinite(value)
    assert all(torch.isfinite(gradient).all() for gradient in gradients(value, data))


@pytest.mark.parametrize("loss", [TripletLoss, NTXentLoss])
def test_gradients_are_those_of_finite_differences(loss):
    writers = torch.tensor([0, 0, 1, 1, 2, 2, 2, 3])
    features = 0.1 + torch.rand(8, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    options = {"margin": 1.0} if loss is TripletLoss else {"temperature": 0.5}

    def value(features):
        return loss(**options)(TrainingBatch(features, writers))

    assert torch.autograd.gradcheck(value, (features.requires_grad_(),))


@pytest.mark.parametrize(
    ("loss", "options"),
    [
        (WriterAndForgeryLoss, {"forgery_weight": 1.5}),
        (WriterAndForgeryLoss, {"forgery_weight": -0.1}),
        (WriterAndForgeryLoss, {"forgery_weight": float("nan")}),
        (WriterAndForgeryLoss, {"equation": 5}),
        (TripletLoss, {"margin": 0.0}),
        (TripletLoss, {"margin": float("nan")}),
        (NTXentLoss, {"temperature": -1.0}),
    ],
)
def test_options_out_of_range_are_refused_by_name(loss, options):
    with pytest.raises(UsageError, match=next(iter(options))):
        loss(**options)
