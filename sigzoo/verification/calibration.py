"""The file that turns a model's scores into likelihood ratios and error rates, and reading it."""

from __future__ import annotations

import math
import os
import threading
from bisect import bisect_right
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from sigzoo.common import atomic
from sigzoo.common.bounded_files import read_bounded
from sigzoo.common.messages import shortened
from sigzoo.common.terminal import safe_text
from sigzoo.errors import DataError, UsageError

__all__ = [
    "FORMAT",
    "LEVELS",
    "Calibration",
    "CalibrationSet",
    "Impostor",
    "LikelihoodModel",
    "Rates",
    "ReferenceCount",
    "read_calibration",
    "write_calibration",
]

FORMAT = 1
"""Version of the file; another one is refused."""

MAX_CALIBRATION = 4 << 20
"""Bytes of a calibration file; the bundled ones have some 100,000."""

Impostor = Literal["skilled", "random"]
"""Against whom: a forger who knows the signature, or somebody who signs with a name of his own."""

LEVELS: tuple[float, ...] = (
    *(0.0, 0.0005, 0.001, 0.002, 0.005),
    *(round(0.01 * step, 2) for step in range(1, 100)),
    *(0.995, 0.998, 0.999, 0.9995, 1.0),
)
"""Shares of the scores below each quantile that the file holds: closer together at the ends, where
thresholds for few false acceptances lie."""

_MOST_TRIALS = 10**12

_LOCK = threading.Lock()
"""msgspec describes a type at its first use, and crashes where two threads do so at once."""


class _Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of everything in the file: immutable, and strict about unknown keys."""


class CalibrationSet(_Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One set of signatures that scores were computed on."""

    name: str
    """What the set is called."""
    writers: int
    """How many persons' (or synthetic hands') signatures."""
    genuine: int
    """Genuine signatures."""
    forged: int
    """Skilled forgeries."""
    note: str
    """What one must know of it: where it is from, and what else it was used for."""


class LikelihoodModel(_Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From a score to a likelihood ratio: log10 LR = slope x score + intercept, within bounds.

    Fitted by logistic regression with equal weight for both hypotheses, so that no prior probability is in
    it (Brummer and du Preez, Application-independent evaluation of speaker detection, 2006). Bounded to what
    the number of scores supports (Vergeer et al., Numerical likelihood ratios outputted by LR systems
    are often based on extrapolation: when to stop extrapolating?, 2016).
    """

    slope: float
    """Above 0, so that a higher score is always more in favour of a genuine signature."""
    intercept: float
    low: float
    """Least log10 LR that is given; below 0."""
    high: float
    """Greatest; above 0."""

    def __post_init__(self) -> None:
        if not (self.slope > 0 and self.low <= 0 <= self.high):
            raise ValueError("slope: a likelihood model has a slope above 0 and bounds around 0")

    def log10_lr(self, score: ArrayLike) -> NDArray[np.float64]:
        """Calibrated log10 likelihood ratios of scores, of their shape."""
        return np.clip(self.slope * np.asarray(score, np.float64) + self.intercept, self.low, self.high)

    def is_bounded(self, score: float) -> bool:
        """Whether a score lies so far out that the ratio given for it is the bound."""
        return not self.low < self.slope * score + self.intercept < self.high

    @property
    def even(self) -> float:
        """The score at which the likelihood ratio is 1."""
        return -self.intercept / self.slope


class Rates(_Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the thresholds at a likelihood ratio of 1 do on one set, of which they may know nothing."""

    dataset: str
    """Name of the set."""
    own: bool
    """Whether the calibration was made on this set alone, so that its figures flatter; a set of several that
    it was made on is measured by what the others give."""
    frr: dict[Impostor, float]
    """Share of genuine signatures rejected by the threshold that is meant for a kind of impostor."""
    far: dict[Impostor, float]
    """Share of the impostors of this kind accepted by it."""
    cllr: dict[Impostor, float]
    """Cost of the likelihood ratios in bits: 0 perfect, 1 worth as much as none (Brummer and du Preez)."""
    eer: dict[Impostor, float]
    """With the best threshold for this set alone, which nobody has who verifies."""


class ReferenceCount(_Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The calibration of scores against some number of references."""

    genuine: list[float]
    """Quantiles of the scores of genuine signatures at `LEVELS`."""
    impostor: dict[Impostor, list[float]]
    """The same of impostors, as far as the sets have them."""
    trials: dict[str, int]
    """How many signatures there were: ``genuine``, ``skilled``, ``random``."""
    likelihood: dict[Impostor, LikelihoodModel]
    """From score to likelihood ratio, against each kind of impostor."""
    eer: dict[Impostor, float]
    """Equal error rates on the basis."""
    rates: list[Rates]
    """What it does on each set."""

    def __post_init__(self) -> None:
        if (
            not self.impostor
            or set(self.impostor) != set(self.likelihood)
            or set(self.impostor) != set(self.eer)
        ):
            raise ValueError(
                "impostor: quantiles, likelihood and EER are given for the same kinds, at least one"
            )
        if set(self.trials) != {"genuine", *self.impostor} or not all(
            0 < each < _MOST_TRIALS for each in self.trials.values()
        ):
            raise ValueError(
                "trials: a number of signatures is given for genuine ones and each kind of impostor"
            )
        for field, values in (
            ("genuine", self.genuine),
            *(("impostor", each) for each in self.impostor.values()),
        ):
            if len(values) != len(LEVELS):
                raise ValueError(f"{field}: {len(LEVELS)} quantiles, got {len(values)}")
            if any(high < low for low, high in pairwise(values)):
                raise ValueError(f"{field}: quantiles do not rise")

    @property
    def kind(self) -> Impostor:
        """The hardest impostor that there are scores of."""
        return "skilled" if "skilled" in self.impostor else "random"

    def frr(self, threshold: float) -> float:
        """Share of genuine scores below a threshold."""
        return _share_below(self.genuine, threshold)

    def share_below(self, kind: Impostor, threshold: float) -> float:
        """Share of impostors' scores below a threshold."""
        return _share_below(self.impostor[kind], threshold)

    def threshold(self, far: float, kind: Impostor) -> float:
        """The score from which on a share `far` of impostors lies."""
        return float(np.interp(1.0 - far, LEVELS, self.impostor[kind]))


class Calibration(_Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that a calibration file holds."""

    format: Literal[1]
    """Version of the file."""
    model: str
    """Name of the model whose features were scored."""
    weights_sha256: str
    """SHA-256 of its weight file."""
    preprocessor: str
    preprocessor_options: dict[str, Any]
    input_scale: float
    made: str
    """Date, as ISO 8601 has it."""
    sigzoo_version: str
    """The version that made it."""
    score: str
    """Name of the score."""
    score_options: dict[str, Any]
    """What it was made with, as `Score.options` gives it."""
    protocol: str
    """How references, genuine signatures and impostors were drawn."""
    basis: list[CalibrationSet]
    """The sets that the calibration was made on."""
    checked_on: list[CalibrationSet]
    """Sets that it was only tried on."""
    layer: str
    """The layer that verification takes where none is named."""
    layers: dict[str, dict[int, ReferenceCount]]
    """By layer and number of references."""

    def __post_init__(self) -> None:
        if self.layer not in self.layers:
            raise ValueError(f"layer: {self.layer[:80]!r} is none of the calibrated layers")
        for layer, counts in self.layers.items():
            if not counts or min(counts) < 1:
                raise ValueError(f"layers: {layer[:80]!r}: numbers of references are 1 or more")

    def for_references(self, layer: str, references: int) -> tuple[int, ReferenceCount] | None:
        """The calibration for a number of references, or for the largest number below it.

        Parameters
        ----------
        layer
            Of the features.
        references
            How many there are, at least 1.

        Returns
        -------
        tuple or None
            The number that it is for, and the calibration; `None` where the layer has none so small.
        """
        counts = self.layers.get(layer)
        if not counts:
            return None
        known = sorted(counts)
        place = bisect_right(known, references)
        return (known[place - 1], counts[known[place - 1]]) if place else None

    def differences(self, provenance: dict[str, Any]) -> list[str]:
        """What of a model is not as it was calibrated (see `SignatureModel.provenance`), as words.

        Parameters
        ----------
        provenance
            As `SignatureModel.provenance` gives it.

        Returns
        -------
        list of str
            One for each difference; empty where all is as it was.
        """
        mine = {
            "model": self.model,
            "weights_sha256": self.weights_sha256,
            "preprocessor": self.preprocessor,
            "preprocessor_options": self.preprocessor_options,
            "input_scale": self.input_scale,
        }
        words = {"weights_sha256": "weights", "preprocessor_options": "options of the preprocessor"}
        return [
            words.get(key, key.replace("_", " ")) for key, value in mine.items() if provenance[key] != value
        ]


def _share_below(quantiles: list[float], threshold: float) -> float:
    """The empirical distribution function, linear between the quantiles that are kept."""
    if threshold <= quantiles[0]:
        return 0.0
    if threshold > quantiles[-1]:
        return 1.0
    return float(np.interp(threshold, quantiles, LEVELS))


def read_calibration(path: str | os.PathLike[str]) -> Calibration:
    """Read and check a calibration file.

    Parameters
    ----------
    path
        A JSON file, as `sigzoo calibrate` and `write_calibration` write it.

    Returns
    -------
    Calibration
        Checked, and immutable.

    Raises
    ------
    DataError
        If it cannot be read, is no such file, of another version, or inconsistent; says where.
    """
    shown = safe_text(os.fspath(path))
    content = read_bounded(Path(path), MAX_CALIBRATION, DataError, "no calibration is")
    try:
        with _LOCK:
            found = msgspec.json.decode(content, type=Calibration)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        reason = safe_text(shortened(str(error), 300))
        raise DataError(f"{shown}: is no calibration of format {FORMAT}: {reason}.") from error
    return found


def write_calibration(path: str | os.PathLike[str], calibration: Calibration) -> None:
    """Write a calibration file; what was measured has seven digits.

    Parameters
    ----------
    path
        The JSON file to write; it appears under this name only when whole.
    calibration
        What is written.

    Raises
    ------
    UsageError
        If a number in it is not finite.
    SigzooError
        If the file cannot be written.
    """
    with _LOCK:
        data = msgspec.to_builtins(calibration, str_keys=True)
    layers = _rounded(data.pop("layers"), 7)
    content = msgspec.json.encode({**_rounded(data), "layers": layers})
    with _LOCK:
        msgspec.json.decode(content, type=Calibration)
    with atomic.whole_file(Path(path), suffix=".json") as file:
        file.write(content + b"\n")


def _rounded(value: Any, digits: int = 17) -> Any:
    """A value with its numbers to some digits; 17 leave them as they are."""
    if isinstance(value, dict):
        return {key: _rounded(each, digits) for key, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each, digits) for each in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            raise UsageError("A calibration holds a number that is not finite.")
        return float(f"{value:.{digits}g}")
    return value
