"""What every sampler must do: valid indices, full shares, the same from seed and epoch, awkward data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sigzoo.errors import SigzooError
from sigzoo.interfaces.samplers import Batch, SampledData, Sampler
from sigzoo.testing.suites import Suite, expect

__all__ = ["SAMPLER", "check_sampler"]

SAMPLER: Suite[Sampler] = Suite()

_SIZE = 12


def check_sampler(sampler: Sampler, *, skip: tuple[str, ...] = ()) -> None:
    """Check that a sampler does what `sigzoo.interfaces.Sampler` promises.

    Parameters
    ----------
    sampler
        Built with its options.
    skip
        Names of checks to leave out: those of ``sigzoo.testing.SAMPLER.checks``.

    Raises
    ------
    ConformanceFailure
        If it does not; a line for each check that failed.
    """
    SAMPLER.run(sampler, type(sampler).__name__, skip)


def _data(writers: int = 6, genuine: int = 8, forgeries: int = 4, *, left_out: int = 0) -> SampledData:
    """Writers with the labels that all data have; the first few signatures may not be drawn."""
    each = genuine + forgeries
    forged = np.tile(np.repeat([0, 1], [genuine, forgeries]), writers)
    writer = np.repeat(np.arange(writers), each)
    labels = {
        "hand": np.unique(2 * writer + forged, return_inverse=True)[1].astype(np.int64),
        "family": writer // 2,
        "role": 2 * forged,
        "part": (writer // 2) % 2,
    }
    return SampledData(np.arange(left_out, writers * each), writer, forged, labels)


def _draw(sampler: Sampler, data: SampledData, epoch: int = 1, processes: int = 1) -> list[Batch]:
    return sampler.batches(data, size=_SIZE, seed=3, epoch=epoch, processes=processes)


def _same(one: Sequence[Batch], other: Sequence[Batch]) -> bool:
    return len(one) == len(other) and all(
        a.kind == b.kind and np.array_equal(a.indices, b.indices) for a, b in zip(one, other, strict=True)
    )


@SAMPLER.check
def indices(sampler: Sampler) -> None:
    """Every index is one that may be drawn; batches hold two signatures or more."""
    data = _data(left_out=7)
    batches = _draw(sampler, data)
    expect(len(batches) > 0, "gives no batches")
    for batch in batches:
        expect(
            isinstance(batch, Batch), f"gives {type(batch).__name__} in place of a sigzoo.interfaces.Batch"
        )
        array = batch.indices
        expect(
            isinstance(array, np.ndarray) and array.ndim == 1 and array.dtype == np.int64,
            "`indices` must be int64 (n,)",
        )
        unknown = np.setdiff1d(array, data.indices)
        expect(not len(unknown), f"draws {unknown[:3].tolist()}, which may not be drawn")
        expect(len(array) >= 2, f"gives a batch of {len(array)}")


@SAMPLER.check
def determinism(sampler: Sampler) -> None:
    """What is drawn follows from seed and epoch, and not from what was drawn before."""
    data = _data()
    first = _draw(sampler, data)
    later = _draw(sampler, data, epoch=2)
    expect(_same(first, _draw(sampler, data)), "draws otherwise the second time")
    expect(_same(later, _draw(sampler, data, epoch=2)), "an epoch depends on what was drawn before")


@SAMPLER.check
def steps(sampler: Sampler) -> None:
    """`steps` tells how many batches there are."""
    data = _data()
    for epoch in (1, 2, 5):
        counted = sampler.steps(data, size=_SIZE, seed=3, epoch=epoch)
        drawn = len(_draw(sampler, data, epoch))
        expect(counted == drawn, f"`steps` says {counted} for epoch {epoch}, and there are {drawn} batches")


@SAMPLER.check
def kinds(sampler: Sampler) -> None:
    """Every batch's kind is one that `kinds` names."""
    data = _data()
    named = list(sampler.kinds(data))
    found = {batch.kind for epoch in (1, 2, 3) for batch in _draw(sampler, data, epoch)}
    expect(named, "`kinds` names none")
    expect(found <= set(named), f"gives batches of {sorted(found - set(named))}, and `kinds` is {named}")


@SAMPLER.check
def processes(sampler: Sampler) -> None:
    """Each of several processes gets an equal part of every batch, two signatures or more."""
    for count in (2, 3):
        for batch in _draw(sampler, _data(24), processes=count):
            share, rest = divmod(len(batch.indices), count)
            expect(
                not rest and share >= 2,
                f"gives a batch of {len(batch.indices)} for {count} processes",
            )


@dataclass(frozen=True)
class _Awkward:
    what: str
    data: Callable[[], SampledData]


_AWKWARD = (
    _Awkward("two signatures", lambda: _data(2, 1, 0)),
    _Awkward("a single writer", lambda: _data(1, 9, 0)),
    _Awkward("no forgeries", lambda: _data(5, 7, 0)),
    _Awkward("one signature of each writer", lambda: _data(13, 1, 0)),
    _Awkward("fewer signatures than a batch", lambda: _data(2, 3, 1)),
    _Awkward("a prime number of signatures", lambda: _data(1, 37, 0)),
    _Awkward("nothing to draw", lambda: _data(2, 3, 1, left_out=8)),
)


@SAMPLER.check
def awkward_data(sampler: Sampler) -> None:
    """Data of any shape give valid batches, or one of sigzoo's errors."""
    for case in _AWKWARD:
        data = case.data()
        try:
            batches = _draw(sampler, data)
        except SigzooError:
            continue
        expect(batches, f"gives no batches, and no error, for {case.what}")
        for batch in batches:
            expect(
                len(batch.indices) >= 2 and np.isin(batch.indices, data.indices).all(),
                f"gives a batch {batch.indices.tolist()} for {case.what}",
            )
