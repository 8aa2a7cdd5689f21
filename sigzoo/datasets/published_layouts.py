"""The layouts in which published data sets are handed out, as data sources: their file names tell all."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from sigzoo.datasets.image_files import ImageFiles, NamedFile, is_folder
from sigzoo.errors import DataError
from sigzoo.imaging import find_images
from sigzoo.interfaces.data_sources import DataSource

__all__ = ["BHSig260", "Cedar", "Gpds", "Mcyt"]

_PEEK = 2_000
"""Most names that are looked at to recognise a layout."""


class PublishedLayout(DataSource):
    """A data set whose file names say whose signature each is and whether it is forged.

    A subclass sets `pattern`.
    """

    title: ClassVar[str]
    """What the data set is called."""
    pattern: ClassVar[re.Pattern[str]]
    """Matches the whole of a file's name without its suffix. Groups: ``writer`` (with ``set`` before it,
    where several sets number their writers alike), one of ``genuine`` and ``forged``, and ``forger`` where
    the name has him."""

    def recognises(self, place: str) -> bool:
        """Whether a folder's images are named as those of the data set, the first few thousand of them."""
        if not is_folder(place):
            return False
        try:
            images = find_images([Path(place).expanduser()])[:_PEEK]
            found = [self.pattern.fullmatch(path.stem) for path in images]
        except Exception:  # a place that cannot be read is not recognised; whoever opens it says why
            return False
        return bool(found) and 2 * sum(each is not None for each in found) > len(found)

    def open(self, place: str) -> ImageFiles:
        """Read the names.

        Raises
        ------
        DataError
            If the folder is missing, or a file is not named as the data set names its files.
        """
        folder = Path(place).expanduser()
        if not is_folder(place):
            raise DataError(f"{place}: there is no such folder.")
        files = [self._named(path) for path in find_images([folder])]
        return ImageFiles(sorted(files, key=lambda each: (each.writer, each.forged, each.path)))

    def _named(self, path: Path) -> NamedFile:
        found = self.pattern.fullmatch(path.stem)
        if found is None:
            raise DataError(
                f"{path}: not named as {self.title} names its files ({self.example}). Take it away, or, where"
                " this is another data set, say --data folder:PATH."
            )
        parts = found.groupdict()
        writer = f"{parts.get('set') or ''}{int(parts['writer']):04d}"
        self.check(path, forged=parts.get("forged") is not None)
        return NamedFile(path, writer, parts.get("forged") is not None, parts.get("forger"))

    def check(self, path: Path, *, forged: bool) -> None:
        """Refuse a file that lies where its name says it should not; by default anything may be anywhere."""
        return None


class Cedar(PublishedLayout):
    """CEDAR: ``full_org/original_1_1.png`` and ``full_forg/forgeries_1_1.png``; 55 writers, 24 of each.

    Kalera, Srihari, Xu, *Offline Signature Verification and Identification Using Distance Statistics*, IJPRAI
    18 (7), 2004.
    """

    title: ClassVar[str] = "CEDAR"
    example: ClassVar[str] = "full_org/original_1_1.png, full_forg/forgeries_1_1.png"
    pattern: ClassVar[re.Pattern[str]] = re.compile(
        r"(?:(?P<genuine>original)s?|(?P<forged>forger(?:y|ies)))_(?P<writer>\d+)_\d+", re.IGNORECASE
    )

    def check(self, path: Path, *, forged: bool) -> None:
        """Refuse an ``original`` in ``full_forg``, and the other way round."""
        folder = path.parent.name.lower()
        if folder in ("full_org", "full_forg") and (folder == "full_forg") != forged:
            raise DataError(
                f"{path}: its name says {'forged' if forged else 'genuine'}, and its folder the contrary."
            )


class Mcyt(PublishedLayout):
    """MCYT-75, offline: ``0002/0002v00.bmp`` genuine, ``0002/0003_0002f00.bmp`` by forger 3; 15 of each.

    Fierrez-Aguilar, Alonso-Hermira, Moreno-Marquez, Ortega-Garcia, *An Off-line Signature Verification System
    Based on Fusion of Local and Global Information*, BioAW 2004.
    """

    title: ClassVar[str] = "MCYT-75"
    example: ClassVar[str] = "0002/0002v00.bmp, 0002/0003_0002f00.bmp"
    pattern: ClassVar[re.Pattern[str]] = re.compile(
        r"(?:(?P<forger>\d{4})_)?(?P<writer>\d{4})(?:(?P<genuine>v)|(?P<forged>f))\d{2}", re.IGNORECASE
    )


class BHSig260(PublishedLayout):
    """BHSig260: ``Hindi/001/H-S-1-G-01.tif``, Bengali with B; 24 genuine, 30 forged of each writer.

    Pal, Alaei, Pal, Blumenstein, *Performance of an Off-Line Signature Verification Method Based on Texture
    Features on a Large Indic-Script Signature Dataset*, DAS 2016.
    """

    title: ClassVar[str] = "BHSig260"
    example: ClassVar[str] = "H-S-1-G-01.tif, B-S-1-F-01.tif"
    pattern: ClassVar[re.Pattern[str]] = re.compile(
        r"(?P<set>[BH])-S-(?P<writer>\d+)-(?:(?P<genuine>G)|(?P<forged>F))-\d+", re.IGNORECASE
    )


class Gpds(PublishedLayout):
    """GPDS: ``001/c-001-01.jpg`` genuine and ``001/cf-001-01.jpg`` forged.

    Vargas, Ferrer, Travieso, Alonso, *Off-line Handwritten Signature GPDS-960 Corpus*, ICDAR 2007.
    """

    title: ClassVar[str] = "GPDS"
    example: ClassVar[str] = "001/c-001-01.jpg, 001/cf-001-01.jpg"
    pattern: ClassVar[re.Pattern[str]] = re.compile(
        r"(?:(?P<forged>cf)|(?P<genuine>c))-(?P<writer>\d+)-\d+", re.IGNORECASE
    )
