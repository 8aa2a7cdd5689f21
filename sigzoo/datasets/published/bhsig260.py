"""BHSig260: 100 writers of Bengali and 160 of Hindi, 24 genuine signatures and 30 forgeries of each."""

from __future__ import annotations

import re
from typing import ClassVar

from sigzoo.datasets.layout import Kind, Part, PublishedLayout, Slot

__all__ = ["BHSig260"]

_EACH: dict[Kind, range] = {"genuine": range(1, 25), "skilled": range(1, 31)}


class BHSig260(PublishedLayout):
    """BHSig260: ``Hindi/001/H-S-1-G-01.tif``, Bengali with B; 24 genuine, 30 forged of each writer.

    Pal, Alaei, Pal, Blumenstein, *Performance of an Off-Line Signature Verification Method Based on Texture
    Features on a Large Indic-Script Signature Dataset*, DAS 2016. The release holds copies of some files
    under other names, which are left out: a copy among the references of its original would be no test.
    """

    title: ClassVar[str] = "BHSig260"
    example: ClassVar[str] = "H-S-1-G-01.tif, B-S-1-F-01.tif"
    pattern: ClassVar[re.Pattern[str]] = re.compile(
        r"(?P<part>[BH])-S-(?P<writer>\d+)-(?:(?P<genuine>G)|(?P<forged>F))-(?P<number>\d+)", re.IGNORECASE
    )
    parts: ClassVar[tuple[Part, ...]] = (Part("B", range(1, 101), _EACH), Part("H", range(1, 161), _EACH))
    leaves_out_identical: ClassVar[bool] = True

    def part_name(self, part: str) -> str:
        """The script."""
        return {"B": "Bengali", "H": "Hindi"}[part]

    def file_name(self, slot: Slot) -> str:
        """As the data set names it."""
        kind = "G" if slot.kind == "genuine" else "F"
        return f"{slot.part}-S-{slot.writer}-{kind}-{slot.number:02d}"
