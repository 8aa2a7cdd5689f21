"""The Brazilian PUC-PR data set: 168 writers, of the first 60 also simple and skilled forgeries."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from sigzoo.datasets.layout import Kind, Part, PublishedLayout, Slot
from sigzoo.interfaces.images import Size

__all__ = ["Brazilian"]

_NUMBERS: dict[Kind, range] = {"genuine": range(1, 41), "simple": range(41, 51), "skilled": range(51, 61)}


class Brazilian(PublishedLayout):
    """Brazilian PUC-PR: ``a001_01.jpg``; numbers to 40 genuine, to 50 simple forgeries, to 60 skilled ones.

    Freitas, Morita, Oliveira, Justino, Yacoubi, Lethelier, Bortolozzi, Sabourin, *Bases de dados de cheques
    bancarios brasileiros*, CLEI 2000. Numbers and canvas: luizgh/sigver.
    """

    title: ClassVar[str] = "Brazilian PUC-PR"
    example: ClassVar[str] = "a001_01.jpg (genuine), a001_41.jpg (simple), a001_51.jpg (skilled)"
    canvas: ClassVar[Size | None] = (700, 1000)
    pattern: ClassVar[re.Pattern[str]] = re.compile(r"a(?P<writer>\d{3})_(?P<number>\d{2})", re.IGNORECASE)
    parts: ClassVar[tuple[Part, ...]] = (
        Part("", range(1, 61), _NUMBERS),
        Part("", range(61, 169), {"genuine": _NUMBERS["genuine"]}),
    )

    def slot(self, path: Path, folder: Path) -> Slot | None:
        """Tell the kind from the number."""
        found = super().slot(path, folder)
        kind = next((kind for kind, numbers in _NUMBERS.items() if found and found.number in numbers), None)
        return None if found is None or kind is None else found._replace(kind=kind)

    def file_name(self, slot: Slot) -> str:
        """As the data set names it."""
        return f"a{slot.writer:03d}_{slot.number:02d}"
