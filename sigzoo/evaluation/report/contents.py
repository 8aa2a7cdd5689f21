"""What a report shows, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["Comparison", "EmbeddingMap", "Picture", "Rate", "Report", "System"]


@dataclass(frozen=True)
class Picture:
    """An image with its name."""

    name: str
    png: bytes
    """The content of a PNG file; empty where the image cannot be shown."""


@dataclass(frozen=True)
class Comparison:
    """A questioned signature and the references that it was compared with."""

    score: float
    kind: str
    """``genuine``, or the kind of impostor."""
    claimed: str
    """Whose signature it claims to be."""
    questioned: Picture
    references: Sequence[Picture] = ()


@dataclass(frozen=True)
class EmbeddingMap:
    """Signatures in two dimensions."""

    method: str
    """How they got there: ``t-SNE``, or ``PCA`` with the share of variance that is shown."""
    points: NDArray[np.float64]
    """``(N, 2)``."""
    writers: Sequence[str]
    forged: Sequence[bool]
    names: Sequence[str]


@dataclass(frozen=True)
class Rate:
    """A figure with the bounds of its 95 % interval, NaN where there is none."""

    value: float
    low: float = float("nan")
    high: float = float("nan")


@dataclass(frozen=True)
class System:
    """One layer of one model, or a baseline, by one protocol; rates in percent."""

    model: str
    layer: str
    protocol: str
    genuine: NDArray[np.float64]
    """Scores of genuine signatures; higher is more likely genuine. Empty where there are only rates."""
    impostors: Mapping[str, NDArray[np.float64]]
    """Scores of each kind of impostor."""
    eer: Mapping[str, Rate]
    """Equal error rate against each kind, one threshold for all writers."""
    eer_user: Mapping[str, Rate] = field(default_factory=dict)
    """With a threshold for each writer."""
    auc: Mapping[str, Rate] = field(default_factory=dict)
    """Mean area under the ROC curve over the writers, 0 to 1."""
    cllr: Mapping[str, float] = field(default_factory=dict)
    """Cost of the calibrated likelihood ratios, in bits."""
    log10_lr: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = field(default_factory=dict)
    """Log10 likelihood ratios of the genuine signatures and of each kind of impostor, calibrated on other
    writers; without the kinds for which there are too few."""
    threshold: float | None = None
    """Where the hardest kind's errors are equal."""
    of_writers: Mapping[str, float] = field(default_factory=dict)
    """EER of each writer against the hardest kind."""
    hardest: Sequence[Comparison] = ()
    """The genuine signatures of lowest score and the impostors of highest."""
    embedding: EmbeddingMap | None = None
    baseline: bool = False
    scanner_cues: bool = False
    """Whether its features hold what a scanner decides."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Label -> text: weights, preprocessing, settings of the protocol."""
    problem: str = ""
    """Why it could not be measured."""

    @property
    def name(self) -> str:
        """Model and layer."""
        return f"{self.model} {self.layer}"

    @property
    def hardest_kind(self) -> str | None:
        """Skilled forgeries where there are any, else the first kind."""
        return "skilled" if "skilled" in self.eer else next(iter(self.eer), None)


@dataclass(frozen=True)
class Report:
    """An evaluation."""

    title: str
    facts: Mapping[str, str]
    """Label -> text: the data, what was learnt from, versions, the time."""
    systems: Sequence[System]
    """In the order of the table; those of one protocol together."""
    notes: Sequence[str] = ()
    """What was left out, as sentences."""
