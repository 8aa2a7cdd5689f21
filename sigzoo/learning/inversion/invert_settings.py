"""What an inversion is told: one frozen dataclass, checked, and kept as JSON beside the unfinished images."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sigzoo.errors import UnknownNameError
from sigzoo.learning.run_settings import KeptSettings, require

if TYPE_CHECKING:
    from sigzoo.interfaces import Size

__all__ = ["PRECISIONS", "WEIGHTS", "InversionSettings"]

PRECISIONS = ("float32", "bfloat16")
WEIGHTS = ("cross_entropy", "tv_l1", "tv_l2", "l2", "statistics", "competition")
"""The terms of the objective, each of which the setting of its name weighs."""

_WRITERS = re.compile(r"ALL|\d{1,9}|\d{1,9}-\d{1,9}")


@dataclass(frozen=True, kw_only=True)
class InversionSettings(KeptSettings):
    """Everything that decides an inversion.

    The weights are those of terms over images on the scale 0 to 1, whatever scale the teacher
    takes, so that they mean the same for every teacher.

    Raises
    ------
    UsageError
        If a value is out of range.
    UnknownNameError
        If a value is none of those it may take.
    """

    kept_for: ClassVar[tuple[str, str]] = ("an inversion", "inversion")
    elsewhere: ClassVar[frozenset[str]] = frozenset(
        {"output", "device", "plot", "teacher_weights", "student_weights"}
    )
    """Of weights the digest counts, not the place."""

    teacher: str
    """Name of a model with a writer head."""
    output: Path
    """The ``.npz`` file that results."""
    teacher_weights: Path | None = None
    """A local weight file in place of the teacher's published one."""
    writers: str = "ALL"
    """``ALL``, a number N for the first N, or ``A-B``: outputs A to B of the head, from 0."""
    per_writer: int = 24
    """Images of each writer; the published file has 24."""
    first_label: int = 0
    """The label of the head's output 0; 350 numbers SigNet's writers as the published file does."""
    size: Size | None = None
    """``(h, w)`` of the images, for a teacher of any input size whose preprocessor gives any size."""
    compete: str | None = None
    """Name of a student with the teacher's writers: images on which it disagrees are preferred."""
    student_weights: Path | None = None
    """A local weight file in place of the student's published one."""
    batch_size: int = 64
    """Images that are made together; their statistics are compared with the teacher's."""
    iterations: int = 160
    """Steps of Adam for each batch, over both resolutions."""
    half_resolution: float = 0.5
    """Share of the steps at half the resolution, before those at the full one."""
    rate: float = 0.1
    """Highest learning rate, on the scale 0 to 1; it falls along a cosine at each resolution."""
    cross_entropy: float = 1.0
    tv_l1: float = 1.0
    tv_l2: float = 1e-3
    l2: float = 1e-4
    statistics: float = 0.1
    """Weight of the distance of batch statistics from the running ones, summed over the layers."""
    first_statistics: float = 1.0
    """Factor on the first batch normalisation's part in it; the published code has 10."""
    competition: float = 100.0
    """Weight of 1 - JS(teacher, student), with `compete`; JS is small at a temperature of 3."""
    temperature: float = 3.0
    """Of both softmax outputs in the competition."""
    jitter: int = 4
    """Most pixels by which an image is rolled, each way, before each step at full resolution."""
    flip: bool = False
    """Mirror half of the batches; signatures are not mirror images of signatures."""
    noise: float = 0.1
    """Deviation of the noise that an image begins with, on paper of 0."""
    seed: int = 0
    device: str = "auto"
    precision: str = "float32"
    uint8: bool = False
    """Store ``x`` as uint8 0 to 255 in a quarter of the space, in place of float32 0 to 1."""
    plot: Path | None = None
    """PNG file for a contact sheet of the result."""

    def __post_init__(self) -> None:
        for key in ("output", "teacher_weights", "student_weights", "plot"):
            value = getattr(self, key)
            object.__setattr__(self, key, None if value is None else Path(value))
        object.__setattr__(self, "writers", str(self.writers).upper())
        if self.size is not None:
            object.__setattr__(self, "size", tuple(int(side) for side in self.size))
            require(len(self.size) == 2 and min(self.size) >= 1, "size", "height and width", self.size)
        if self.precision not in PRECISIONS:
            raise UnknownNameError("precision", str(self.precision), PRECISIONS)
        wanted = "ALL, a number of writers, or a range such as 0-99"
        require(_WRITERS.fullmatch(self.writers) is not None, "writers", wanted, self.writers)
        for key in ("per_writer", "batch_size", "iterations"):
            require(getattr(self, key) >= 1, key, "at least 1", getattr(self, key))
        for key in (*WEIGHTS, "first_statistics", "noise", "jitter", "seed", "first_label"):
            value = getattr(self, key)
            require(isfinite(value) and value >= 0, key, "at least 0", value)
        for key in ("rate", "temperature"):
            value = getattr(self, key)
            require(isfinite(value) and value > 0, key, "above 0", value)
        share = self.half_resolution
        require(0 <= share < 1, "half_resolution", "from 0 to below 1", share)
        require(self.output.suffix.lower() == ".npz", "output", "a file ending in .npz", str(self.output))
        plot = self.plot
        require(plot is None or plot.suffix.lower() == ".png", "plot", "a file ending in .png", str(plot))

    def weight(self, term: str) -> float:
        """The weight of one of `WEIGHTS`; the competition's is 0 without a student."""
        if term == "competition" and self.compete is None:
            return 0.0
        return float(getattr(self, term))

    def to_json(self) -> dict[str, Any]:
        """The settings as plain data."""
        plain = asdict(self)
        for key in ("output", "teacher_weights", "student_weights", "plot"):
            plain[key] = None if plain[key] is None else str(plain[key])
        return {**plain, "size": None if self.size is None else list(self.size)}

    def for_publication(self) -> dict[str, Any]:
        """What decided the numbers, without the folders of the machine it was done on."""
        return {key: value for key, value in self.to_json().items() if key not in self.elsewhere}
