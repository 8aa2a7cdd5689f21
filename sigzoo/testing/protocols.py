"""What every evaluation protocol must do: the same error rates each time, in any order; errors of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sigzoo.errors import DataError
from sigzoo.interfaces.protocols import IMPOSTORS, KINDS, EvaluationProtocol, Measured, Signatures, Trials
from sigzoo.testing.suites import Suite, expect, expect_error

__all__ = ["PROTOCOL", "check_protocol"]

PROTOCOL: Suite[EvaluationProtocol] = Suite()

_WRITERS, _GENUINE, _FORGED = 8, 24, 6


def check_protocol(protocol: EvaluationProtocol, *, skip: tuple[str, ...] = ()) -> None:
    """Check that a protocol does what `sigzoo.interfaces.EvaluationProtocol` promises.

    Parameters
    ----------
    protocol
        Built with its options; the data have eight writers, 24 genuine signatures and six forgeries each.
    skip
        Names of checks to leave out: those of ``sigzoo.testing.PROTOCOL.checks``.

    Raises
    ------
    ConformanceFailure
        If it does not; a line for each check that failed.
    """
    PROTOCOL.run(protocol, type(protocol).__name__, skip)


@dataclass(frozen=True)
class _Data:
    features: NDArray[np.float32]
    known: Signatures

    def at(self, order: NDArray[np.int64]) -> _Data:
        """These signatures in this order."""
        names = np.asarray(self.known.identity)[order].tolist()
        forged = np.asarray(self.known.forged)[order].tolist()
        return _Data(self.features[order], Signatures(names, names, forged))


def _data(
    writers: int = _WRITERS, genuine: int = _GENUINE, forged: int = _FORGED, noise: float = 0.6
) -> _Data:
    """Writers around centres of their own; forgeries lie between a centre and another."""
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(writers + 1, 16))
    features, names, labels = [], [], []
    for writer in range(writers):
        near = centres[writer] + noise * rng.normal(size=(genuine, 16))
        far = (centres[writer] + centres[writer + 1]) / 2 + noise * rng.normal(size=(forged, 16))
        features += [near, far]
        names += [f"w{writer}"] * (genuine + forged)
        labels += [False] * genuine + [True] * forged
    array = np.concatenate(features).astype(np.float32)
    return _Data(array, Signatures(names, list(names), labels))


def _measure(protocol: EvaluationProtocol, data: _Data) -> Mapping[str, Measured]:
    return protocol.measure(data.features, data.known)


def _rates(found: Mapping[str, Measured]) -> dict[str, tuple[float, ...]]:
    return {kind: (each.eer, each.low, each.high, *each.draws) for kind, each in found.items()}


@PROTOCOL.check
def answer(protocol: EvaluationProtocol) -> None:
    """It gives an equal error rate in percent, with its interval, for kinds of impostor that there are."""
    found = _measure(protocol, _data())
    expect(found, "measures nothing")
    expect(
        set(found) <= set(IMPOSTORS),
        f"{sorted(set(found) - set(IMPOSTORS))} is no kind of impostor: {', '.join(sorted(IMPOSTORS))}",
    )
    for kind, rate in found.items():
        expect(
            isinstance(rate, Measured), f"{kind} is a {type(rate).__name__}, no sigzoo.interfaces.Measured"
        )
        numbers = (rate.eer, rate.low, rate.high, *rate.draws)
        expect(all(0 <= each <= 100 for each in numbers), f"{kind}: {numbers} are not all percent, 0 to 100")
        expect(rate.low <= rate.high, f"{kind}: the interval goes from {rate.low} to {rate.high}")


@PROTOCOL.check
def separable(protocol: EvaluationProtocol) -> None:
    """Writers who lie far apart are told apart, and features that say nothing give about half errors."""
    clear = _measure(protocol, _data(noise=0.01))
    for kind, rate in clear.items():
        most = 5 if kind == "random" else 25  # a forgery lies half way to another writer
        expect(
            rate.eer <= most,
            f"{kind}: writers a hundred times as far apart as their signatures: an EER of {rate.eer:.1f} %",
        )
    data = _data()
    blind = _Data(np.random.default_rng(1).normal(size=data.features.shape).astype(np.float32), data.known)
    for kind, rate in _measure(protocol, blind).items():
        expect(25 <= rate.eer <= 75, f"{kind}: features that say nothing give an EER of {rate.eer:.1f} %")


@PROTOCOL.check
def determinism(protocol: EvaluationProtocol) -> None:
    """The same features give the same numbers, again and again."""
    data = _data()
    kept = data.features.copy()
    first, second = _rates(_measure(protocol, data)), _rates(_measure(protocol, data))
    expect(first == second, f"measures {first}, then {second}")
    expect(np.array_equal(kept, data.features), "changes the features that it is given")


@PROTOCOL.check
def order_of_writers(protocol: EvaluationProtocol) -> None:
    """Where a writer's signatures stand among the others' does not matter."""
    data = _data()
    each = _GENUINE + _FORGED
    blocks = np.arange(_WRITERS * each).reshape(_WRITERS, each)
    turned = blocks[::-1].ravel()
    woven = blocks.T.ravel()
    wanted = _rates(_measure(protocol, data))
    for order in (turned, woven):
        found = _rates(_measure(protocol, data.at(order)))
        same = set(found) == set(wanted) and all(
            np.allclose(found[kind], wanted[kind], rtol=0, atol=1e-3) for kind in wanted
        )
        expect(same, f"measures {found} for another order of the writers, {wanted} before")


@PROTOCOL.check
def trials(protocol: EvaluationProtocol) -> None:
    """Trials, where it gives any, hold each comparison with what it is; references are nobody's question."""
    data = _data()
    found = protocol.trials(data.features, data.known)
    identity, forged = np.asarray(data.known.identity), np.asarray(data.known.forged)
    for draw in found:
        _expect_whole(draw, len(identity))
        for name, rows in zip(draw.identities, draw.references, strict=True):
            own = len(rows) and bool((identity[rows] == name).all()) and not forged[rows].any()
            expect(
                own, f"the references of {name} are rows {rows.tolist()}, not genuine signatures of {name}"
            )
        claimed = np.asarray(draw.identities)[draw.claimed]
        mine = identity[draw.questioned] == claimed
        wanted = np.where(mine, np.where(forged[draw.questioned], "skilled", "genuine"), "random")
        wrong = int((np.asarray(KINDS)[draw.kinds] != wanted).sum())
        expect(not wrong, f"{wrong} trials are of another kind than the signatures say")
        again = sum(int(np.isin(rows, draw.questioned[mine]).sum()) for rows in draw.references)
        expect(not again, f"{again} references are also questioned as their own writer's")
    if found:
        kinds = {kind for draw in found for kind in draw.impostors()}
        expect(
            kinds == set(_measure(protocol, data)),
            f"the trials have {sorted(kinds)}, what is measured other kinds",
        )


def _expect_whole(draw: Trials, signatures: int) -> None:
    """Check the arrays of one draw."""
    sizes = {len(each) for each in (draw.scores, draw.questioned, draw.claimed, draw.kinds)}
    expect(len(sizes) == 1, f"scores, questioned, claimed and kinds have {sorted(sizes)} entries")
    expect(np.isfinite(draw.scores).all(), "a score is not finite")
    expect(len(draw.identities) == len(draw.references), "identities and references differ in number")
    for array, end, what in (
        (draw.questioned, signatures, "questioned"),
        (draw.claimed, len(draw.identities), "claimed"),
        (draw.kinds, len(KINDS), "kinds"),
    ):
        expect(bool(((array >= 0) & (array < end)).all()), f"{what} holds numbers outside 0 to {end - 1}")


@dataclass(frozen=True)
class _Refused:
    what: str
    data: Callable[[], _Data]


def _with(value: float) -> _Data:
    data = _data()
    features = data.features.copy()
    features[3, 2] = value
    return _Data(features, data.known)


_REFUSED = (
    _Refused("features that are not numbers", lambda: _with(float("nan"))),
    _Refused("infinite features", lambda: _with(float("inf"))),
    _Refused("a single writer without forgeries", lambda: _data(1, _GENUINE, 0)),
    _Refused("one genuine signature of each writer", lambda: _data(_WRITERS, 1, 1)),
    _Refused("no signatures", lambda: _Data(np.zeros((0, 16), np.float32), Signatures([], [], []))),
    _Refused("more signatures than features", lambda: _Data(_data().features[:-1], _data().known)),
)


@PROTOCOL.check
def refusals(protocol: EvaluationProtocol) -> None:
    """What cannot be measured is an error of sigzoo's that says so."""
    for case in _REFUSED:
        expect_error(DataError, partial(_measure, protocol, case.data()), case.what)
