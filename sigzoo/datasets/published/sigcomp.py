"""SigComp2009 and SigComp2011: names that say who held the pen and whose signature it is to be."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from sigzoo.datasets.image_files import is_folder
from sigzoo.datasets.layout import Part, PublishedLayout, Slot, peek

__all__ = ["SigComp2009", "SigComp2011"]


class SigComp2009(PublishedLayout):
    """SigComp2009: NISDCC (training), its preview, and NFI (evaluation); the forger is known.

    ``NISDCC-021_001_003_6g.png`` and, in the preview, ``021001_003.png``: written by 21, as the signature of
    1, the third; ``NFI-00602023.png``: written by 6, the second, as the signature of 23. Blankers, van den
    Heuvel, Franke, Vuurpijl, *ICDAR 2009 Signature Verification Competition*, ICDAR 2009. Of NFI the
    publication gives no list of files.
    """

    title: ClassVar[str] = "SigComp2009"
    example: ClassVar[str] = "NISDCC-021_001_003_6g.png, 021001_003.png, NFI-00602023.png"
    pattern: ClassVar[re.Pattern[str]] = re.compile(
        r"(?P<part>NISDCC)-(?P<hand>\d{3})_(?P<writer>\d{3})_(?P<number>\d{3})(?:_6g)?"
        r"|(?P<hand2>\d{3})(?P<writer2>\d{3})_(?P<number2>\d{3})"
        r"|(?P<part3>NFI)-(?P<hand3>\d{3})(?P<number3>\d{2})(?P<writer3>\d{3})",
        re.IGNORECASE,
    )
    parts: ClassVar[tuple[Part, ...]] = (
        Part("NISDCC", range(1, 13), {"genuine": range(1, 6), "skilled": range(1, 6)}, range(21, 52)),
        Part("", range(1, 13), {"genuine": range(5), "skilled": range(5)}, range(21, 22)),
    )

    def slot(self, path: Path, folder: Path) -> Slot | None:
        """Genuine is what a writer wrote as his own."""
        found = self.pattern.fullmatch(path.stem)
        if found is None:
            return None
        read = {name.rstrip("23"): text for name, text in found.groupdict().items() if text is not None}
        hand, writer = int(read["hand"]), int(read["writer"])
        part, number = read.get("part", "").upper(), int(read["number"])
        if hand == writer:
            return Slot(part, writer, "genuine", number)
        return Slot(part, writer, "skilled", number, hand)

    def part_name(self, part: str) -> str:
        """The preview's files have no name of a part."""
        return part or "the preview"

    def writer_name(self, slot: Slot) -> str:
        """Three digits, as in the names."""
        return f"{slot.part}{slot.writer:03d}"

    def file_name(self, slot: Slot) -> str:
        """As the data set names it."""
        hand = slot.writer if slot.forger is None else slot.forger
        if slot.part:
            return f"NISDCC-{hand:03d}_{slot.writer:03d}_{slot.number:03d}_6g"
        return f"{hand:03d}{slot.writer:03d}_{slot.number:03d}"

    def expected(self, found: set[Slot]) -> Iterator[Slot]:
        """All files of the writers found; of NFI, of which there is no list, those that are there."""
        yield from super().expected(found)
        yield from (slot for slot in found if slot.part == "NFI")


_TOTALS = {"dutch-train-": 362, "dutch-test-": 1932, "chinese-train-": 575, "chinese-test-": 602}
"""Files of each part, as the competition's page at IAPR TC11 counts them; it gives no list."""


class SigComp2011(PublishedLayout):
    """SigComp2011, offline, Dutch and Chinese: ``001_01.PNG`` genuine, ``0119001_01.PNG`` by forger 119.

    Liwicki, Malik, van den Heuvel, Chen, Berger, Stoel, Blumenstein, Found, *Signature Verification
    Competition for Online and Offline Skilled Forgeries (SigComp2011)*, ICDAR 2011. Each folder numbers its
    own writers: those of ``Dutch`` and ``Chinese``, training and test, are told apart by the folders' names.
    """

    title: ClassVar[str] = "SigComp2011"
    example: ClassVar[str] = "Dutch/TrainingSet/Offline Genuine/001_01.PNG, .../0119001_01.PNG"
    pattern: ClassVar[re.Pattern[str]] = re.compile(
        r"(?:(?P<forged>)(?P<forger>\d{4}))?(?P<writer>\d{3})_(?P<number>\d{1,2})"
    )

    names_are_unique: ClassVar[bool] = False

    def recognises(self, place: str) -> bool:
        """Whether names fit; there must be forgeries, as folders of anyone's are named ``001_01.png`` too."""
        if not is_folder(place) or not super().recognises(place):
            return False
        folder = Path(place).expanduser()
        slots = (self.slot(path, folder) for path in peek(folder))
        return any(each is not None and each.kind == "skilled" for each in slots)

    def slot(self, path: Path, folder: Path) -> Slot | None:
        """With the part that the folders' names say."""
        found = super().slot(path, folder)
        return None if found is None else found._replace(part=_part(path))

    def writer_name(self, slot: Slot) -> str:
        """Three digits, as in the names, after the part."""
        return f"{slot.part}{slot.writer:03d}"

    def counts(self, found: Sequence[Slot]) -> Iterator[str]:
        """Files of each part, where they differ from the competition's page."""
        for part, count in sorted(Counter(slot.part for slot in found).items()):
            wanted = _TOTALS.get(part)
            if wanted is not None and count != wanted:
                yield f"{count} files of {part.rstrip('-')} are there, the publication counts {wanted}"


def _part(path: Path) -> str:
    """The language's folder, and whether what lies in it is of the test set."""
    names = [name.lower() for name in path.parts[:-1]]
    for at in range(len(names) - 1, -1, -1):
        if names[at] in ("dutch", "chinese"):
            testing = any(name.startswith(("ref", "questioned")) for name in names[at + 1 :])
            return f"{names[at]}-{'test' if testing else 'train'}-"
    return ""
