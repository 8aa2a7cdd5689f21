"""GPDS-960 and GPDSsynthetic: 24 genuine signatures and 30 skilled forgeries of each writer."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from sigzoo.datasets.image_files import is_folder
from sigzoo.datasets.layout import Part, PublishedLayout, Slot
from sigzoo.interfaces.images import Size

__all__ = ["Gpds", "GpdsSynthetic"]

_LAST_REAL = 960
"""Highest number that a writer of GPDS-960 can have."""


class _Gpds(PublishedLayout):
    """The names that both sets share."""

    example: ClassVar[str] = "001/c-001-01.jpg, 001/cf-001-01.jpg"
    pattern: ClassVar[re.Pattern[str]] = re.compile(
        r"(?:(?P<forged>cf)|(?P<genuine>c))-(?P<writer>\d+)-(?P<number>\d+)", re.IGNORECASE
    )

    def file_name(self, slot: Slot) -> str:
        """As the data set names it."""
        return f"{'c' if slot.kind == 'genuine' else 'cf'}-{slot.writer:03d}-{slot.number:02d}"


class Gpds(_Gpds):
    """GPDS-960, the grey-scale release of 881 writers: ``001/c-001-01.jpg`` and ``001/cf-001-01.jpg``.

    Vargas, Ferrer, Travieso, Alonso, *Off-line Handwritten Signature GPDS-960 Corpus*, ICDAR 2007. The
    published programs number its 881 writers from 0. Canvas: Hafemann, Sabourin, Oliveira, Pattern
    Recognition 70, 2017.
    """

    title: ClassVar[str] = "GPDS-960"
    canvas: ClassVar[Size | None] = (952, 1360)
    parts: ClassVar[tuple[Part, ...]] = (
        Part("", range(1, 882), {"genuine": range(1, 25), "skilled": range(1, 31)}),
    )

    def recognises(self, place: str) -> bool:
        """Whether names fit and nothing says that it is the synthetic set."""
        return not _says_synthetic(place) and super().recognises(place)


class GpdsSynthetic(_Gpds):
    """GPDSsyntheticSignature, 4,000 invented writers, named as GPDS-960 names its files.

    Ferrer, Diaz-Cabrera, Morales, *Static Signature Synthesis: A Neuromotor Inspired Approach for
    Biometrics*, IEEE TPAMI 37 (3), 2015. It is taken for this one where the folder's name holds ``synth`` or
    a writer's number is above 960. Canvas: contrastive_sigver.
    """

    title: ClassVar[str] = "GPDSsynthetic"
    canvas: ClassVar[Size | None] = (2078, 3307)
    parts: ClassVar[tuple[Part, ...]] = (
        Part("", range(1, 4001), {"genuine": range(1, 25), "skilled": range(1, 31)}),
    )

    def recognises(self, place: str) -> bool:
        """Whether names fit and the folder says that it is the synthetic set."""
        return _says_synthetic(place) and super().recognises(place)


def _says_synthetic(place: str) -> bool:
    if not is_folder(place):
        return False
    folder = Path(place).expanduser()
    try:
        numbers = [int(each.name) for each in folder.iterdir() if each.name.isascii() and each.name.isdigit()]
        return "synth" in folder.resolve().name.lower() or max(numbers, default=0) > _LAST_REAL
    except (OSError, ValueError):
        return False
