"""MCYT-75: 75 writers, 15 genuine signatures and 15 skilled forgeries of each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import ClassVar

from sigzoo.datasets.layout import Part, PublishedLayout, Slot
from sigzoo.interfaces.images import Size

__all__ = ["Mcyt"]

_EACH = 15


class Mcyt(PublishedLayout):
    """MCYT-75, offline: ``0002/0002v00.bmp`` genuine, ``0002/0003_0002f00.bmp`` by forger 3; 15 of each.

    Fierrez-Aguilar, Alonso-Hermira, Moreno-Marquez, Ortega-Garcia, *An Off-line Signature Verification System
    Based on Fusion of Local and Global Information*, BioAW 2004. The 75 writers keep their numbers of the
    larger MCYT, which have gaps. Canvas: Hafemann, Sabourin, Oliveira, Pattern Recognition 70, 2017.
    """

    title: ClassVar[str] = "MCYT-75"
    example: ClassVar[str] = "0002/0002v00.bmp, 0002/0003_0002f00.bmp"
    canvas: ClassVar[Size | None] = (600, 850)
    pattern: ClassVar[re.Pattern[str]] = re.compile(
        r"(?:(?P<forger>\d{4})_)?(?P<writer>\d{4})(?:(?P<genuine>v)|(?P<forged>f))(?P<number>\d{2})",
        re.IGNORECASE,
    )
    parts: ClassVar[tuple[Part, ...]] = (Part("", 75, {"genuine": range(_EACH), "skilled": range(_EACH)}),)

    def file_name(self, slot: Slot) -> str:
        """As the data set names it, whoever forged it."""
        return (
            f"{slot.writer:04d}v{slot.number:02d}"
            if slot.kind == "genuine"
            else (f"*_{slot.writer:04d}f{slot.number:02d}")
        )

    def expected(self, found: set[Slot]) -> Iterator[Slot]:
        """All files of the writers found, but forgeries where every forger numbers his own from 0."""
        numbered_apart = self._numbered_apart(found)
        for slot in super().expected(found):
            if slot.kind == "genuine" or slot.writer not in numbered_apart:
                yield slot
        yield from (slot for slot in found if slot.kind == "skilled" and slot.writer in numbered_apart)

    def counts(self, found: Sequence[Slot]) -> Iterator[str]:
        """Writers, and forgeries of those whose forgers number their own."""
        yield from super().counts(found)
        apart = self._numbered_apart(set(found))
        forged = Counter(slot.writer for slot in found if slot.kind == "skilled")
        for writer in sorted(apart):
            if forged[writer] != _EACH:
                yield f"{forged[writer]} forgeries of writer {writer:04d} are there, of {_EACH}"

    def _numbered_apart(self, found: set[Slot]) -> set[int]:
        """Writers of whom two forgeries have one number."""
        uses = Counter((slot.writer, slot.number) for slot in found if slot.kind == "skilled")
        return {writer for (writer, _), count in uses.items() if count > 1}
