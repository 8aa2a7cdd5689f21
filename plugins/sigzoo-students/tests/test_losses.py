"""The losses against their equations in float64, written out with loops."""

import math

import numpy as np
import pytest
import torch
from sigzoo_students.losses import AdditiveMarginSoftmax, VerificationLoss
from torch import nn

from sigzoo.interfaces import TrainingBatch, UsageError


def plain(features, centres, writers, scale, margin):
    """Equation 6 of arXiv 1801.05599, a sample at a time."""
    total = 0.0
    for x, y in zip(features, writers, strict=True):
        cosine = [x @ c / (np.linalg.norm(x) * np.linalg.norm(c)) for c in centres]
        right = math.exp(scale * (cosine[y] - margin))
        wrong = sum(math.exp(scale * c) for j, c in enumerate(cosine) if j != y)
        total -= math.log(right / (right + wrong))
    return total / len(features)


@pytest.mark.parametrize(("scale", "margin"), [(24.0, 0.3), (10.0, 0.0), (30.0, 0.5)])
def test_it_is_the_published_equation(scale, margin):
    rng = np.random.default_rng(0)
    features, writers = rng.normal(size=(12, 7)), rng.integers(0, 5, 12)
    loss = AdditiveMarginSoftmax(scale=scale, margin=margin)
    loss.prepare(feature_dim=7, writers=5)
    loss.double()
    batch = TrainingBatch(features=torch.from_numpy(features), writers=torch.from_numpy(writers))
    expected = plain(features, loss.centres.detach().numpy(), writers, scale, margin)
    assert float(loss(batch).detach()) == pytest.approx(expected, rel=1e-10)


def test_the_length_of_features_does_not_matter():
    loss = AdditiveMarginSoftmax()
    loss.prepare(feature_dim=6, writers=3)
    features, writers = torch.randn(4, 6), torch.tensor([0, 1, 2, 0])
    values = [loss(TrainingBatch(features=f * features, writers=writers)) for f in (1.0, 50.0)]
    torch.testing.assert_close(values[0], values[1])


def test_gradients_reach_features_and_centres_and_are_right():
    loss = AdditiveMarginSoftmax(scale=5.0)
    loss.prepare(feature_dim=4, writers=3)
    loss.double()
    features = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    writers = torch.tensor([0, 1, 2, 2, 1])
    assert torch.autograd.gradcheck(lambda f: loss(TrainingBatch(features=f, writers=writers)), (features,))
    loss(TrainingBatch(features=features, writers=writers)).backward()
    assert float(loss.centres.grad.abs().sum()) > 0


def test_training_with_it_keeps_the_margin_between_writers():
    torch.manual_seed(0)
    loss = AdditiveMarginSoftmax()
    loss.prepare(feature_dim=8, writers=4)
    features = torch.randn(32, 8, requires_grad=True)
    writers = torch.arange(32) % 4
    optimiser = torch.optim.Adam([features, *loss.parameters()], lr=0.05)
    for _ in range(200):
        optimiser.zero_grad()
        loss(TrainingBatch(features=features, writers=writers)).backward()
        optimiser.step()
    cosine = (
        nn.functional.normalize(features.detach(), dim=1) @ nn.functional.normalize(loss.centres, dim=1).T
    )
    own = cosine.gather(1, writers[:, None])
    others = cosine.scatter(1, writers[:, None], -2.0).max(dim=1).values
    assert bool((own[:, 0] > others + loss.margin).all())


def test_it_must_be_prepared_and_takes_sensible_numbers_only():
    with pytest.raises(UsageError, match="prepared"):
        AdditiveMarginSoftmax()(TrainingBatch(features=torch.ones(1, 2), writers=torch.tensor([0])))
    with pytest.raises(UsageError, match="scale"):
        AdditiveMarginSoftmax(scale=0)
    with pytest.raises(UsageError, match="writers"):
        AdditiveMarginSoftmax().prepare(feature_dim=4, writers=0)


def verification_by_hand(features, writers, forged, scale, threshold, references, hardest):
    """The three kinds' mean losses, a signature and a claim at a time."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    kinds = {"genuine": [], "forgery": [], "other": []}
    for w in sorted(set(writers)):
        known = [i for i in range(len(unit)) if writers[i] == w and not forged[i]]
        if len(known) <= references:
            continue
        for i in range(len(unit)):
            others = [j for j in known if j != i]
            score = scale * (np.mean([unit[i] @ unit[j] for j in others]) - threshold)
            if i in known:
                kinds["genuine"].append(math.log1p(math.exp(-score)))
            elif writers[i] == w:
                kinds["forgery"].append(math.log1p(math.exp(score)))
            elif not forged[i]:
                kinds["other"].append(math.log1p(math.exp(score)))
    hard = sorted(kinds["other"], reverse=True)
    kinds["other"] = hard[: math.ceil(hardest * len(hard))]
    return sum(np.mean(each) for each in kinds.values() if each)


@pytest.mark.parametrize(("references", "hardest"), [(1, 1.0), (2, 0.3), (3, 0.05)])
def test_verification_is_the_protocol_with_logistic_losses(references, hardest):
    rng = np.random.default_rng(references)
    writers = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 3, 9])
    forged = np.array([0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0])
    features = rng.normal(size=(len(writers), 5)) + rng.normal(size=(10, 5))[writers]
    loss = VerificationLoss(scale=7.0, references=references, hardest=hardest).double()
    with torch.no_grad():
        loss.threshold.fill_(0.3)
    batch = TrainingBatch(
        features=torch.from_numpy(features),
        writers=torch.from_numpy(writers),
        forgery=torch.from_numpy(forged.astype(np.float64)),
    )
    expected = verification_by_hand(features, writers, forged, 7.0, 0.3, references, hardest)
    assert float(loss(batch).detach()) == pytest.approx(expected, rel=1e-10)


def test_verification_without_claims_is_0_and_has_a_gradient():
    features = torch.randn(3, 4, requires_grad=True)
    value = VerificationLoss()(TrainingBatch(features=features, writers=torch.tensor([0, 1, 2])))
    value.backward()
    assert float(value.detach()) == 0.0
    assert float(features.grad.abs().sum()) == 0.0


def test_training_with_verification_gives_all_writers_one_threshold():
    torch.manual_seed(0)
    # One writer signs much alike, the other does not: their own best thresholds differ at first.
    features = torch.randn(2, 1, 8) + torch.tensor([0.1, 1.5])[:, None, None] * torch.randn(2, 8, 8)
    features = features.reshape(16, 8).requires_grad_()
    loss = VerificationLoss(hardest=1.0)
    batch = TrainingBatch(features=features, writers=torch.arange(16) // 8)
    optimiser = torch.optim.Adam([features, *loss.parameters()], lr=0.02)
    for _ in range(300):
        optimiser.zero_grad()
        loss(batch).backward()
        optimiser.step()
    unit = nn.functional.normalize(features.detach(), dim=1)
    cosine, same = unit @ unit.T, batch.writers[:, None] == batch.writers
    assert float(cosine[same].min()) > float(loss.threshold.detach()) > float(cosine[~same].max())


def test_verification_takes_sensible_numbers_only():
    for options in ({"scale": 0}, {"references": 0}, {"hardest": 0.0}, {"hardest": 1.5}):
        with pytest.raises(UsageError, match="got"):
            VerificationLoss(**options)
