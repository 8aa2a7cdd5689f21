"""Every check of a protocol finds the fault it is there for; our own protocols have none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sigzoo.evaluation.protocols import DistanceProtocol
from sigzoo.testing import PROTOCOL, ConformanceFailure, check_protocol
from sigzoo.zoo import default_zoo


class Sound(DistanceProtocol):
    def __init__(self):
        super().__init__(draws=2, replicates=20)


class Nothing(Sound):
    def measure(self, features, known):
        super().measure(features, known)
        return {}


class OwnKind(Sound):
    def measure(self, features, known):
        return {f"{kind} strangers": each for kind, each in super().measure(features, known).items()}


class Fractions(Sound):
    def measure(self, features, known):
        return {kind: -each.eer for kind, each in super().measure(features, known).items()}


class Inverted(Sound):
    def measure(self, features, known):
        return super().measure(np.random.default_rng(0).normal(size=np.shape(features)), known)


class Forgetful(Sound):
    drawn = 0

    def measure(self, features, known):
        self.drawn += 1
        found = super().measure(features, known)
        return {kind: replace(each, eer=min(100.0, each.eer + self.drawn)) for kind, each in found.items()}


class FirstMatters(Sound):
    def measure(self, features, known):
        found = super().measure(features, known)
        extra = float(known.identity[0] == "w0")
        return {kind: replace(each, eer=min(100.0, each.eer + extra)) for kind, each in found.items()}


class Raw(Sound):
    def measure(self, features, known):
        if not np.isfinite(features).all():
            raise ValueError("NaN")
        return super().measure(features, known)


class AsksItsReferences(Sound):
    def trials(self, features, known, development=None):
        draws = super().trials(features, known)
        return [replace(each, references=(each.questioned[:3], *each.references[1:])) for each in draws]


class ScoresNothing(Sound):
    def trials(self, features, known, development=None):
        draws = super().trials(features, known)
        return [replace(each, scores=np.full(len(each.scores), np.nan)) for each in draws]


def test_our_own_protocols_conform() -> None:
    names = default_zoo().list_components("protocol")
    assert "distance" in names
    for name in names:
        check_protocol(default_zoo().build("protocol", name, draws=2, replicates=20))
    check_protocol(DistanceProtocol(draws=2, replicates=20, score="euclidean"))


FAULTS = [
    (Nothing, "answer"),
    (OwnKind, "answer"),
    (Fractions, "answer"),
    (Inverted, "separable"),
    (Forgetful, "determinism"),
    (FirstMatters, "order_of_writers"),
    (Raw, "refusals"),
    (AsksItsReferences, "trials"),
    (ScoresNothing, "trials"),
]


@pytest.mark.parametrize(("protocol", "check"), FAULTS)
def test_a_fault_is_found_by_its_check(protocol: type, check: str) -> None:
    with pytest.raises(ConformanceFailure, match=f"  {check}: "):
        check_protocol(protocol())


def test_every_check_has_a_fault() -> None:
    assert set(PROTOCOL.checks) == {faulty for _, faulty in FAULTS}
