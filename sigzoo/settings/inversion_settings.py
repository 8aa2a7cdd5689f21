"""What an inversion is told, kept as JSON beside the unfinished images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta
from msgspec.structs import force_setattr

from sigzoo.settings.declaration import Count, NotNegative, Positive, Whole, described
from sigzoo.settings.run_settings import RunSettings, require

__all__ = ["WEIGHTS", "InversionSettings"]

WEIGHTS = ("cross_entropy", "tv_l1", "tv_l2", "l2", "statistics", "competition")
"""The terms of the objective, each of which the setting of its name weighs."""

_WRITERS = r"(?i)^(ALL|\d{1,9}|\d{1,9}-\d{1,9})$"


class InversionSettings(RunSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
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

    label: ClassVar[str] = "inversion"
    # Of weights the digest counts, not the place.
    not_affecting_result: ClassVar[frozenset[str]] = frozenset(
        {"output", "device", "plot", "teacher_weights", "student_weights"}
    )

    teacher: Annotated[str, described("A model whose card keeps a writer head.", metavar="NAME")]
    teacher_weights: Annotated[
        Path | None,
        described("A local weight file in place of the teacher's published one.", metavar="FILE"),
    ] = None
    writers: Annotated[
        str,
        Meta(pattern=_WRITERS),
        described("All, the first N, or outputs A to B of the head, from 0.", metavar="ALL|N|A-B"),
    ] = "ALL"
    per_writer: Annotated[Count, described("Images of each writer; the published file has 24.")] = 24
    output: Annotated[Path, described("The .npz file of the result.", metavar="FILE")]
    first_label: Annotated[
        Whole, described("Label of the head's output 0; 350 for SigNet's as published.")
    ] = 0
    size: Annotated[
        tuple[Count, Count] | None,
        described(
            "Height and width of the images, for a teacher of any input size whose preprocessor gives any"
            " size.",
            metavar="H,W",
        ),
    ] = None
    compete: Annotated[
        str | None, described("A student: prefer images on which it disagrees.", metavar="NAME")
    ] = None
    student_weights: Annotated[
        Path | None,
        described("A local weight file in place of the student's published one.", metavar="FILE"),
    ] = None
    batch_size: Annotated[Count, described("Images made together, whose statistics are compared.")] = 64
    iterations: Annotated[Count, described("Steps of Adam for each batch, over both resolutions.")] = 160
    half_resolution: Annotated[
        float,
        Meta(ge=0, lt=1),
        described("Share of the steps at half the resolution, before those at the full one."),
    ] = 0.5
    learning_rate: Annotated[
        Positive,
        described("Highest learning rate, on the scale 0 to 1; it falls along a cosine at each resolution."),
    ] = 0.1
    cross_entropy: Annotated[
        NotNegative,
        described("Weight of the teacher's cross-entropy.", option="--cross-entropy-weight"),
    ] = 1.0
    tv_l1: Annotated[
        NotNegative,
        described("Weight of the total variation, absolute differences.", option="--tv-l1-weight"),
    ] = 1.0
    tv_l2: Annotated[
        NotNegative, described("Weight of the total variation, Euclidean norm.", option="--tv-l2-weight")
    ] = 1e-3
    l2: Annotated[NotNegative, described("Weight of the image's Euclidean norm.", option="--l2-weight")] = (
        1e-4
    )
    statistics: Annotated[
        NotNegative,
        described(
            "Weight of the distance of batch statistics from the running ones, summed over the layers.",
            option="--statistics-weight",
        ),
    ] = 0.1
    first_statistics: Annotated[
        NotNegative, described("Factor on the first layer's part in that distance; as published 10.")
    ] = 1.0
    competition: Annotated[
        NotNegative,
        described(
            "Weight of 1 - JS(teacher, student), with --compete; JS is small at a temperature of 3.",
            option="--compete-weight",
        ),
    ] = 100.0
    temperature: Annotated[Positive, described("Of the softmax outputs that compete.")] = 3.0
    jitter: Annotated[
        Whole, described("Most pixels by which images are rolled before a step at full resolution.")
    ] = 4
    flip: Annotated[
        bool,
        described("Mirror half of the batches; signatures are not mirror images of signatures."),
    ] = False
    noise: Annotated[NotNegative, described("Deviation of the noise that images begin with.")] = 0.1
    seed: Annotated[Whole, described("Decides everything that is random.")] = 0
    device: Annotated[str, described("auto, cpu, cuda, cuda:1, ...", metavar="DEVICE")] = "auto"
    precision: Annotated[Literal["float32", "bfloat16"], described("What the networks compute in.")] = (
        "float32"
    )
    uint8: Annotated[bool, described("Store x as uint8, 0 to 255, in a quarter of the space of float32.")] = (
        False
    )
    plot: Annotated[Path | None, described("Also draw a contact sheet (PNG).", metavar="FILE")] = None

    def __post_init__(self) -> None:
        if isinstance(self.writers, int) and not isinstance(self.writers, bool):
            force_setattr(self, "writers", str(self.writers))
        super().__post_init__()
        force_setattr(self, "writers", self.writers.upper())
        plot = self.plot
        require(self.output.suffix.lower() == ".npz", "output", "a file ending in .npz", str(self.output))
        require(plot is None or plot.suffix.lower() == ".png", "plot", "a file ending in .png", str(plot))

    def weight(self, term: str) -> float:
        """The weight of one of `WEIGHTS`; the competition's is 0 without a student.

        Parameters
        ----------
        term
            One of `WEIGHTS`.

        Returns
        -------
        float
            At least 0.
        """
        if term == "competition" and self.compete is None:
            return 0.0
        return float(getattr(self, term))

    def for_publication(self) -> dict[str, Any]:
        """What decided the numbers, without the folders of the machine it was done on."""
        return {key: value for key, value in self.to_json().items() if key not in self.not_affecting_result}
