"""CEDAR: 55 writers, 24 genuine signatures and 24 skilled forgeries of each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from sigzoo.datasets.layout import Part, PublishedLayout, Slot
from sigzoo.errors import DataError
from sigzoo.interfaces.images import Size

__all__ = ["Cedar"]


class Cedar(PublishedLayout):
    """CEDAR: ``full_org/original_1_1.png`` and ``full_forg/forgeries_1_1.png``; 55 writers, 24 of each.

    Kalera, Srihari, Xu, *Offline Signature Verification and Identification Using Distance Statistics*, IJPRAI
    18 (7), 2004. Canvas: Hafemann, Sabourin, Oliveira, Pattern Recognition 70, 2017.
    """

    title: ClassVar[str] = "CEDAR"
    example: ClassVar[str] = "full_org/original_1_1.png, full_forg/forgeries_1_1.png"
    canvas: ClassVar[Size | None] = (730, 1042)
    pattern: ClassVar[re.Pattern[str]] = re.compile(
        r"(?:(?P<genuine>original)s?|(?P<forged>forger(?:y|ies)))_(?P<writer>\d+)_(?P<number>\d+)",
        re.IGNORECASE,
    )
    parts: ClassVar[tuple[Part, ...]] = (
        Part("", range(1, 56), {"genuine": range(1, 25), "skilled": range(1, 25)}),
    )

    def check(self, path: Path, *, forged: bool) -> None:
        """Refuse an ``original`` in ``full_forg``, and the other way round."""
        folder = path.parent.name.lower()
        if folder in ("full_org", "full_forg") and (folder == "full_forg") != forged:
            raise DataError(
                f"{path}: its name says {'forged' if forged else 'genuine'}, and its folder the contrary."
            )

    def file_name(self, slot: Slot) -> str:
        """As the data set names it."""
        return f"{'original' if slot.kind == 'genuine' else 'forgeries'}_{slot.writer}_{slot.number}"
