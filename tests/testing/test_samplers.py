"""Every check of a sampler finds the fault it is there for."""

import numpy as np
import pytest

from sigzoo.errors import DataError
from sigzoo.interfaces.samplers import Batch, Sampler
from sigzoo.testing import ConformanceFailure
from sigzoo.testing.samplers import SAMPLER, check_sampler


class Sound(Sampler):
    """Equal parts in a shuffled order."""

    def batches(self, data, *, size, seed, epoch, processes=1):
        whole = min(size, len(data.indices)) // processes * processes
        if whole < 2 * processes:
            raise DataError("too few")
        order = np.random.default_rng([seed, epoch]).permutation(data.indices)
        return [Batch(order[i : i + whole]) for i in range(0, len(order) - whole + 1, whole)]


class LeftOut(Sound):
    def batches(self, data, **how):
        return [Batch(np.arange(4))]


class Lists(Sound):
    def batches(self, data, **how):
        return [batch.indices for batch in super().batches(data, **how)]


class Remembering(Sound):
    drawn = 0

    def batches(self, data, **how):
        self.drawn += 1
        return super().batches(data, **{**how, "epoch": self.drawn})


class Miscounting(Sound):
    def steps(self, data, **how):
        return 1


class SecretKind(Sound):
    def batches(self, data, **how):
        return [Batch(each.indices, "odd") for each in super().batches(data, **how)]


class Unequal(Sound):
    def batches(self, data, **how):
        return [Batch(each.indices[:-1]) for each in super().batches(data, **how) if len(each.indices) > 2]


class Fragile(Sound):
    def batches(self, data, *, size, seed, epoch, processes=1):
        return [Batch(each) for each in np.split(data.indices, len(data.indices) // 4)]


def test_a_sound_sampler_passes():
    check_sampler(Sound())


@pytest.mark.parametrize(
    ("sampler", "check"),
    [
        (LeftOut, "indices"),
        (Lists, "indices"),
        (Remembering, "determinism"),
        (Miscounting, "steps"),
        (SecretKind, "kinds"),
        (Unequal, "processes"),
        (Fragile, "awkward_data"),
    ],
)
def test_a_fault_is_found_by_its_check(sampler, check):
    with pytest.raises(ConformanceFailure, match=f"^{check}: "):
        SAMPLER.checks[check](sampler())
