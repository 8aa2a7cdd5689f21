"""Losses that a student learns a teacher's knowledge with: divergence, features, and new writers beside."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (the usual name)

from sigzoo.interfaces import Loss, TrainingBatch, UsageError

__all__ = ["ContinualLoss", "DistillationLoss", "FeatureLoss"]

_LOGITS = frozenset({"writer_logits", "teacher_logits"})
_FEATURES = frozenset({"features", "teacher_features"})


class DistillationLoss(Loss):
    """Kullback-Leibler divergence of the student's writers from the teacher's, mean over the batch.

    ``KL(softmax(t / T) || softmax(s / T))`` as Viana et al. 2024 minimise it: the sum over the
    writers, divided by the number of signatures, with T = 1. No label is looked at.

    Parameters
    ----------
    temperature
        T; more lets the unlikely writers count for more.
    scale_by_temperature
        Multiply by T squared, so that gradients stay as large as with T = 1 (Hinton, Vinyals, Dean,
        *Distilling the Knowledge in a Neural Network*, 2015, arXiv 1503.02531, section 2).
    """

    needs: ClassVar[frozenset[str]] = _LOGITS

    def __init__(self, *, temperature: float = 1.0, scale_by_temperature: bool = False) -> None:
        super().__init__()
        _check_temperature(temperature)
        self.temperature, self.scale_by_temperature = temperature, scale_by_temperature

    def forward(self, batch: TrainingBatch) -> Tensor:
        """Return the mean divergence of the batch.

        Raises
        ------
        UsageError
            If student and teacher know different numbers of writers.
        """
        student, teacher = _logits(batch)
        if student.shape != teacher.shape:
            raise UsageError(
                f"The student tells {student.shape[1]} writers apart, its teacher {teacher.shape[1]}: the"
                " divergence between them needs equal numbers (new writers need the loss continual)."
            )
        value = _divergence(student, teacher, self.temperature)
        return value * self.temperature**2 if self.scale_by_temperature else value


class FeatureLoss(Loss):
    """The divergence of `DistillationLoss`, and the distance of the student's features from the teacher's.

    The distance is ``sum |P s - t|^2 / sum |t|^2`` over the batch: 0 for features that agree, 1 for
    features that are all 0, whatever the teacher's scale. P is the identity, or a matrix that is
    learnt with the student (a regressor as in Romero et al., *FitNets*, 2015, arXiv 1412.6550).

    Parameters
    ----------
    feature_weight, kl_weight
        Factors on the two terms. Without the divergence (0) the student gets no writer head.
    temperature, scale_by_temperature
        Of the divergence.
    projection
        Whether P is learnt; by default only where the dimensions differ.
    """

    needs: ClassVar[frozenset[str]] = _FEATURES | _LOGITS

    def __init__(
        self,
        *,
        feature_weight: float = 1.0,
        kl_weight: float = 1.0,
        temperature: float = 1.0,
        scale_by_temperature: bool = False,
        projection: bool | None = None,
    ) -> None:
        super().__init__()
        if not (feature_weight > 0 and kl_weight >= 0):
            raise UsageError(
                "feature_weight must be above 0 and kl_weight at least 0, got"
                f" {feature_weight} and {kl_weight}."
            )
        self.feature_weight, self.kl_weight = feature_weight, kl_weight
        self.divergence = DistillationLoss(temperature=temperature, scale_by_temperature=scale_by_temperature)
        if kl_weight == 0:
            self.needs = _FEATURES  # type: ignore[misc]  # what is needed follows from the options
        self._wanted, self._teacher_dim = projection, 0
        self.projection: nn.Linear | None = None

    def prepare_for_teacher(self, *, feature_dim: int, writers: int) -> None:
        """Remember the size of the teacher's features."""
        self._teacher_dim = feature_dim

    def prepare(self, *, feature_dim: int, writers: int) -> None:
        """Build the projection where there is one; without a word of the teacher its size is the student's.

        Raises
        ------
        UsageError
            If the dimensions differ and a projection is ruled out.
        """
        theirs = self._teacher_dim or feature_dim
        wanted = theirs != feature_dim if self._wanted is None else self._wanted
        if wanted:
            self.projection = nn.Linear(feature_dim, theirs, bias=False)
        elif theirs != feature_dim:
            raise UsageError(
                f"The student has {feature_dim} features, its teacher {theirs}: they need a projection."
            )

    def forward(self, batch: TrainingBatch) -> Tensor:
        """Return the weighted sum of the two terms."""
        assert batch.teacher_features is not None
        student = batch.features if self.projection is None else self.projection(batch.features)
        teacher = batch.teacher_features.to(student.dtype)
        least = torch.finfo(teacher.dtype).tiny
        distance = (student - teacher).square().sum() / teacher.square().sum().clamp_min(least)
        value: Tensor = self.feature_weight * distance
        return value + self.kl_weight * self.divergence(batch) if self.kl_weight else value


class ContinualLoss(Loss):
    """New writers learnt beside a teacher's old ones, which are not forgotten (Viana et al. 2024).

    With the student's writer head over the old writers and then the new ones, the sum of

    - ``d_lamb`` times the divergence on old data from the teacher's logits, padded with zeros for the
      new writers;
    - ``c_lamb`` times the cross-entropy on new data, over the new writers' logits alone;
    - ``p_lamb`` times the divergence on new data over the old writers' logits: what the teacher
      makes of people it does not know stays as it is.

    Each is a mean over its own signatures; 0 where a batch has none.

    Parameters
    ----------
    d_lamb, c_lamb, p_lamb
        Factors on the three terms.
    temperature
        Of both divergences.
    """

    needs: ClassVar[frozenset[str]] = _LOGITS | {"writers", "new"}

    def __init__(
        self, *, d_lamb: float = 1.0, c_lamb: float = 1.0, p_lamb: float = 1.7, temperature: float = 1.0
    ) -> None:
        super().__init__()
        if min(d_lamb, c_lamb, p_lamb) < 0:
            raise UsageError(f"The factors must be at least 0, got {d_lamb}, {c_lamb} and {p_lamb}.")
        _check_temperature(temperature)
        self.d_lamb, self.c_lamb, self.p_lamb = d_lamb, c_lamb, p_lamb
        self.temperature = temperature

    def forward(self, batch: TrainingBatch) -> Tensor:
        """Return the sum of the three terms.

        Raises
        ------
        UsageError
            If the student's head has no more writers than the teacher's.
        """
        student, teacher = _logits(batch)
        assert batch.new is not None
        added = student.shape[1] - teacher.shape[1]
        if added < 1:
            raise UsageError(
                f"The student tells {student.shape[1]} writers apart, its teacher {teacher.shape[1]}: there"
                " are no new ones."
            )
        old, new = ~batch.new, batch.new
        value = student.sum() * 0.0
        if bool(old.any()):
            padded = F.pad(teacher[old], (0, added))
            value = value + self.d_lamb * _divergence(student[old], padded, self.temperature)
        if bool(new.any()):
            known = teacher.shape[1]
            fresh = F.cross_entropy(student[new, known:], batch.writers[new] - known)
            kept = _divergence(student[new, :known], teacher[new], self.temperature)
            value = value + self.c_lamb * fresh + self.p_lamb * kept
        return value


def _logits(batch: TrainingBatch) -> tuple[Tensor, Tensor]:
    """The student's and the teacher's, of one dtype."""
    assert batch.writer_logits is not None
    assert batch.teacher_logits is not None
    return batch.writer_logits, batch.teacher_logits.to(batch.writer_logits.dtype)


def _divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """KL of softmax(student / T) from softmax(teacher / T): sum over writers, mean over signatures."""
    ours, theirs = (F.log_softmax(each / temperature, dim=1) for each in (student, teacher))
    return F.kl_div(ours, theirs, reduction="batchmean", log_target=True)


def _check_temperature(temperature: float) -> None:
    if not temperature > 0:
        raise UsageError(f"temperature must be above 0, got {temperature}.")
