"""Every check of a loss passes sound ones, and finds the fault it is there for."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from sigzoo.interfaces import Loss, TrainingBatch
from sigzoo.testing import LOSS, ConformanceFailure, check_loss


class Sound(Loss):
    """Cross-entropy over writers."""

    needs: ClassVar[Any] = frozenset({"writers", "writer_logits"})

    def forward(self, batch: TrainingBatch) -> Tensor:
        assert batch.writer_logits is not None
        return functional.cross_entropy(batch.writer_logits, batch.writers)


class WithCentres(Loss):
    """Squared distance to learnt centres."""

    needs = frozenset({"features", "writers"})

    def prepare(self, *, feature_dim: int, writers: int) -> None:
        self.centres = nn.Parameter(torch.randn(writers, feature_dim))

    def forward(self, batch: TrainingBatch) -> Tensor:
        return (batch.features - self.centres[batch.writers]).square().mean()


class NeedsAsAList(Sound):
    needs = ["writers", "writer_logits"]  # noqa: RUF012


class NeedsWhatNobodyHas(Sound):
    needs = frozenset({"writers", "writer_logits", "pen_pressure"})


class DeclaresTooMuch(Sound):
    needs = frozenset({"writers", "writer_logits", "teacher_features"})


class ReadsTheFeaturesSecretly(Sound):
    def forward(self, batch: TrainingBatch) -> Tensor:
        return super().forward(batch) + batch.features.square().mean()


class NeedsForgeriesSecretly(Sound):
    def forward(self, batch: TrainingBatch) -> Tensor:
        genuine = batch.forgery == 0
        return super().forward(batch) * genuine.sum()  # type: ignore[attr-defined]


class OneForEachSignature(WithCentres):
    def forward(self, batch: TrainingBatch) -> Tensor:
        return (batch.features - self.centres[batch.writers]).square().mean(1)


class APlainNumber(Sound):
    def forward(self, batch: TrainingBatch) -> Tensor:
        return float(super().forward(batch))  # type: ignore[return-value]


class DoublePrecision(Sound):
    def forward(self, batch: TrainingBatch) -> Tensor:
        return super().forward(batch).double()


class WritesIntoTheBatch(Sound):
    def forward(self, batch: TrainingBatch) -> Tensor:
        batch.writers.clamp_(max=1)
        return super().forward(batch)


class Detached(Sound):
    def forward(self, batch: TrainingBatch) -> Tensor:
        return super().forward(batch).detach()


class TrainsNothing(Loss):
    needs = frozenset({"writers"})

    def forward(self, batch: TrainingBatch) -> Tensor:
        return batch.writers.float().mean()


class IdleCentres(Sound):
    def prepare(self, *, feature_dim: int, writers: int) -> None:
        self.centres = nn.Parameter(torch.randn(writers, feature_dim))


class RootOfADistance(Loss):
    """The distance to the batch's mean: its gradient at 0 is not finite."""

    needs = frozenset({"features"})

    def forward(self, batch: TrainingBatch) -> Tensor:
        return (batch.features - batch.features.mean(0)).square().sum(1).sqrt().mean()


class CosineByHand(Loss):
    needs = frozenset({"features"})

    def forward(self, batch: TrainingBatch) -> Tensor:
        return (batch.features / batch.features.norm(dim=1, keepdim=True))[:, 0].mean()


class MeanOverForgeries(Loss):
    needs = frozenset({"forgery", "forgery_logits"})

    def forward(self, batch: TrainingBatch) -> Tensor:
        assert batch.forgery_logits is not None
        return batch.forgery_logits[batch.forgery == 1].mean()


class LogOfAProbability(Loss):
    needs = frozenset({"forgery", "forgery_logits"})

    def forward(self, batch: TrainingBatch) -> Tensor:
        assert batch.forgery_logits is not None
        assert batch.forgery is not None
        p = torch.sigmoid(batch.forgery_logits)
        return -(batch.forgery * p.log() + (1 - batch.forgery) * (1 - p).log()).mean()


class LooksAtNeighbours(Loss):
    needs = frozenset({"features"})

    def forward(self, batch: TrainingBatch) -> Tensor:
        return (batch.features[1:] - batch.features[:-1]).square().mean()


BROKEN = [
    ("declarations", NeedsAsAList, "must be a frozenset"),
    ("declarations", NeedsWhatNobodyHas, "names pen_pressure"),
    ("needs", DeclaresTooMuch, "needs teacher_features, but never reads it"),
    ("needs", ReadsTheFeaturesSecretly, "reads features without declaring"),
    ("needs", NeedsForgeriesSecretly, "AttributeError"),
    ("scalar", OneForEachSignature, r"shape \(16,\)"),
    ("scalar", APlainNumber, "gives a float"),
    ("scalar", DoublePrecision, "float64"),
    ("scalar", WritesIntoTheBatch, "writes into writers"),
    ("gradients", Detached, "nothing that is trained gets a gradient"),
    ("gradients", TrainsNothing, "nothing could be trained"),
    ("gradients", IdleCentres, "no gradient reaches its own centres"),
    ("hard_batches", RootOfADistance, "gradient at features is not finite for features that are all alike"),
    ("hard_batches", CosineByHand, "for features that are all 0"),
    ("hard_batches", MeanOverForgeries, "nan.* for (one signature of each writer|genuine signatures only)"),
    ("hard_batches", LogOfAProbability, "for a certain and wrong forgery head"),
    ("permutation", LooksAtNeighbours, "order of the batch"),
]


@pytest.mark.parametrize("kind", [Sound, WithCentres])
def test_a_sound_loss_passes_every_check(kind: type[Loss]) -> None:
    check_loss(kind())


@pytest.mark.parametrize(("check", "kind", "words"), BROKEN, ids=[each[1].__name__ for each in BROKEN])
def test_a_check_finds_its_fault(check: str, kind: type[Loss], words: str) -> None:
    with pytest.raises(ConformanceFailure, match=f"^{check}: .*{words}"):
        LOSS.checks[check](kind())


def test_every_check_has_a_fault_to_find() -> None:
    assert {each[0] for each in BROKEN} == set(LOSS.checks)


def test_all_faults_are_told_in_one_failure() -> None:
    with pytest.raises(ConformanceFailure, match=r"(?s)Detached does not conform:.*gradients: nothing"):
        check_loss(Detached())
