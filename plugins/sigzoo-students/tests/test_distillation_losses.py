"""The losses of distillation against their definitions, computed apart in float64 with numpy and scipy."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, rel_entr, softmax
from sigzoo_students.distillation import ContinualLoss, DistillationLoss, FeatureLoss

from sigzoo.interfaces import TrainingBatch, UsageError

SIGNATURES, WRITERS, ADDED, FEATURES = 24, 9, 4, 7


def divergence(student, teacher, temperature):
    """KL(teacher || student) of each row, in float64."""
    return rel_entr(softmax(teacher / temperature, axis=1), softmax(student / temperature, axis=1)).sum(1)


def numbers(seed, *shape, spread=3.0):
    """As float32 holds them, so that both computations begin with the same numbers."""
    return (spread * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def batch_of(dtype=torch.float32, **fields):
    made = {name: torch.from_numpy(np.asarray(each)) for name, each in fields.items()}
    made = {name: each.to(dtype) if each.is_floating_point() else each for name, each in made.items()}
    made.setdefault("features", torch.empty(0))
    made.setdefault("writers", torch.empty(0, dtype=torch.int64))
    return TrainingBatch(**made)


@pytest.mark.parametrize("temperature", [1.0, 3.0, 0.5])
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_kd_kl_is_the_divergence_a_signature(temperature, scaled, dtype):
    student, teacher = numbers(0, SIGNATURES, WRITERS), numbers(1, SIGNATURES, WRITERS)
    expected = divergence(student.astype(float), teacher.astype(float), temperature).mean()
    loss = DistillationLoss(temperature=temperature, scale_by_temperature=scaled)
    found = loss(batch_of(dtype, writer_logits=student, teacher_logits=teacher))
    assert float(found) == pytest.approx(expected * (temperature**2 if scaled else 1.0), rel=1e-6)


def test_kd_kl_is_0_for_a_student_like_its_teacher_and_looks_at_no_label():
    logits = numbers(2, SIGNATURES, WRITERS)
    for writers in (np.zeros(SIGNATURES, np.int64), np.full(SIGNATURES, -5)):
        batch = batch_of(writer_logits=logits, teacher_logits=logits + 5, writers=writers)
        assert float(DistillationLoss()(batch)) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(("feature_weight", "kl_weight"), [(1.0, 1.0), (2.5, 0.3), (1.0, 0.0)])
def test_kd_feature_is_the_distance_relative_to_the_teacher_and_the_divergence(feature_weight, kl_weight):
    student, teacher = numbers(3, SIGNATURES, FEATURES), numbers(4, SIGNATURES, FEATURES)
    ours, theirs = numbers(5, SIGNATURES, WRITERS), numbers(6, SIGNATURES, WRITERS)
    a, b = student.astype(float), teacher.astype(float)
    expected = feature_weight * ((a - b) ** 2).sum() / (b**2).sum()
    expected += kl_weight * divergence(ours.astype(float), theirs.astype(float), 2.0).mean()
    loss = FeatureLoss(feature_weight=feature_weight, kl_weight=kl_weight, temperature=2.0)
    loss.prepare_for_teacher(feature_dim=FEATURES, writers=WRITERS)
    loss.prepare(feature_dim=FEATURES, writers=WRITERS)
    batch = batch_of(features=student, teacher_features=teacher, writer_logits=ours, teacher_logits=theirs)
    assert float(loss(batch)) == pytest.approx(expected, rel=1e-6)
    assert ("writer_logits" in loss.needs) == (kl_weight > 0)
    assert not list(loss.parameters())


def test_kd_feature_projects_where_the_dimensions_differ():
    student, teacher = numbers(7, SIGNATURES, 5), numbers(8, SIGNATURES, FEATURES)
    loss = FeatureLoss(kl_weight=0.0)
    loss.prepare_for_teacher(feature_dim=FEATURES, writers=WRITERS)
    loss.prepare(feature_dim=5, writers=WRITERS)
    matrix = loss.projection.weight.detach().numpy().astype(float)
    a, b = student.astype(float) @ matrix.T, teacher.astype(float)
    batch = batch_of(features=student, teacher_features=teacher)
    assert float(loss(batch).detach()) == pytest.approx(((a - b) ** 2).sum() / (b**2).sum(), rel=1e-6)


def test_a_projection_learns_features_that_are_turned():
    """The teacher's are the student's times a matrix, which is then found; without it nothing fits."""
    torch.manual_seed(0)
    student = torch.randn(64, 5)
    batch = TrainingBatch(
        features=student,
        writers=torch.zeros(64, dtype=torch.int64),
        teacher_features=student @ torch.randn(5, 5),
    )
    plain = FeatureLoss(kl_weight=0.0)
    plain.prepare(feature_dim=5, writers=2)
    loss = FeatureLoss(kl_weight=0.0, projection=True)
    loss.prepare(feature_dim=5, writers=2)
    optimiser = torch.optim.Adam(loss.parameters(), lr=0.05)
    for _ in range(300):
        optimiser.zero_grad()
        loss(batch).backward()
        optimiser.step()
    assert float(loss(batch).detach()) < 1e-3 < 0.5 < float(plain(batch))


@pytest.mark.parametrize("factors", [(1.0, 1.0, 1.7), (0.4, 2.0, 0.0), (0.0, 0.0, 1.0)])
@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_continual_is_its_three_terms(factors, temperature):
    """Old data against padded logits, new data by label, and what the teacher makes of new people."""
    rng = np.random.default_rng(9)
    new = rng.permutation(SIGNATURES) < 10
    writers = np.where(new, rng.integers(WRITERS, WRITERS + ADDED, SIGNATURES), 0)
    student, teacher = numbers(10, SIGNATURES, WRITERS + ADDED), numbers(11, SIGNATURES, WRITERS)
    s, t = student.astype(float), teacher.astype(float)
    padded = np.concatenate([t[~new], np.zeros((14, ADDED))], axis=1)
    terms = (
        divergence(s[~new], padded, temperature).mean(),
        -log_softmax(s[new][:, WRITERS:], axis=1)[np.arange(10), writers[new] - WRITERS].mean(),
        divergence(s[new][:, :WRITERS], t[new], temperature).mean(),
    )
    loss = ContinualLoss(
        **dict(zip(("d_lamb", "c_lamb", "p_lamb"), factors, strict=True)), temperature=temperature
    )
    found = loss(batch_of(writer_logits=student, teacher_logits=teacher, writers=writers, new=new))
    assert float(found) == pytest.approx(np.dot(factors, terms), rel=1e-6)


def test_the_published_factors_are_the_defaults():
    loss = ContinualLoss()
    assert (loss.d_lamb, loss.c_lamb, loss.p_lamb, loss.temperature) == (1.0, 1.0, 1.7, 1.0)
    assert (DistillationLoss().temperature, DistillationLoss().scale_by_temperature) == (1.0, False)


def test_gradients_are_right():
    def value(student):
        fields = {"writer_logits": student, "teacher_logits": torch.linspace(-1, 1, 18).double().view(6, 3)}
        plain = TrainingBatch(features=student, writers=torch.tensor([0, 1, 2, 3, 4, 3]), **fields)
        new = torch.tensor([False, False, False, True, True, True])
        return ContinualLoss()(TrainingBatch(**{**plain.__dict__, "new": new}))

    student = torch.randn(6, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(value, (student,))


def test_numbers_that_make_no_sense_are_refused():
    for kind, options in [
        (DistillationLoss, {"temperature": 0}),
        (ContinualLoss, {"p_lamb": -1}),
        (FeatureLoss, {"feature_weight": 0}),
    ]:
        with pytest.raises(UsageError, match=next(iter(options)) + "|factors"):
            kind(**options)
    equal = batch_of(
        writer_logits=numbers(0, 4, 3),
        teacher_logits=numbers(1, 4, 3),
        writers=np.zeros(4, np.int64),
        new=np.zeros(4, bool),
    )
    with pytest.raises(UsageError, match="no new ones"):
        ContinualLoss()(equal)
    wider = batch_of(writer_logits=numbers(0, 4, 5), teacher_logits=numbers(1, 4, 3))
    with pytest.raises(UsageError, match="5 writers apart, its teacher 3"):
        DistillationLoss()(wider)
    loss = FeatureLoss(projection=False)
    loss.prepare_for_teacher(feature_dim=8, writers=2)
    with pytest.raises(UsageError, match="projection"):
        loss.prepare(feature_dim=4, writers=2)
