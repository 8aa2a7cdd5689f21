"""What a TIFF says of its pages, and which layouts are read rightly: the rest is refused by a true reason.

Pillow decodes; but it does not read all that it opens as the file means it. The rules here are those of
Pillow's faults that a comparison with another reader (tifffile) of every layout has shown.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import IO, Any

from sigzoo.errors import ImageError

__all__ = ["TiffPage", "check_layout", "read_pages"]

MAX_PAGES = 10_000
MAX_ENTRIES = 4_096
MAX_SEGMENTS = 100_000

(SUBFILE, OLD_SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC) = (254, 255, 256, 257, 258, 259, 262)
(FILL_ORDER, STRIPS, ORIENTATION, SAMPLES, MIN_VALUE, MAX_VALUE, PLANAR) = (266, 273, 274, 277, 280, 281, 284)
(COLOUR_MAP, TILES, EXTRA, FORMAT, SMIN_VALUE, SMAX_VALUE) = (320, 324, 338, 339, 340, 341)
_WANTED = frozenset(
    (SUBFILE, OLD_SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER, ORIENTATION, SAMPLES)
    + (MIN_VALUE, MAX_VALUE, PLANAR, COLOUR_MAP, EXTRA, FORMAT, SMIN_VALUE, SMAX_VALUE)
)
_TYPES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I", 16: "Q", 17: "q"}
_SIZES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}

RAW, OLD_JPEG, JPEG = 1, 6, 7
_COMPRESSIONS = {
    1: "uncompressed",
    2: "CCITT RLE",
    3: "G3",
    4: "G4",
    5: "LZW",
    7: "JPEG",
    8: "deflate",
    32773: "PackBits",
    32946: "deflate",
}
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6
_COLOURS = {0: "grey (white is 0)", 1: "grey", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr", 8: "CIELab"}
_KINDS = {1: "", 2: " signed", 3: " floating point", 4: " untyped", 5: " complex", 6: " complex"}


@dataclass(frozen=True)
class TiffPage:
    """What one page of a file says of itself."""

    tags: dict[int, tuple[Any, ...]]
    segments: int
    """Its strips or tiles."""
    big_endian: bool

    def first(self, tag: int, default: int | None = None) -> Any:
        """A tag's first value."""
        return self.tags[tag][0] if self.tags.get(tag) else default

    @property
    def is_full(self) -> bool:
        """Whether it is a page, rather than a thumbnail or a mask of one."""
        return not self.first(SUBFILE, 0) & 0b101 and self.first(OLD_SUBFILE, 1) != 2

    @property
    def samples(self) -> int:
        """Samples a pixel."""
        return int(self.first(SAMPLES, 1))

    @property
    def bits(self) -> int:
        """Bits a sample."""
        return int(self.first(BITS, 1))

    @property
    def sample_format(self) -> int:
        """1 unsigned, 2 signed, 3 floating point."""
        return int(self.first(FORMAT, 1))

    @property
    def white_is_zero(self) -> bool:
        """Whether 0 is white."""
        return bool(self.first(PHOTOMETRIC, WHITE_IS_ZERO) == WHITE_IS_ZERO)

    @property
    def grey_range(self) -> tuple[float, float] | None:
        """The values of the darkest and brightest sample, where the tags say."""
        top = self.first(SMAX_VALUE, self.first(MAX_VALUE) if self.bits > 8 else None)
        low = self.first(SMIN_VALUE, 0)
        return (float(low), float(top)) if top is not None and top > low else None

    def describe(self) -> str:
        """The layout in words."""
        colour = _COLOURS.get(self.first(PHOTOMETRIC, -1), f"colours of kind {self.first(PHOTOMETRIC)}")
        parts = [
            f"{colour}, {'/'.join(map(str, sorted(set(self.tags.get(BITS, (1,))))))} bits"
            f"{_KINDS.get(self.sample_format, ' of an unknown kind')}",
            f"{self.samples} samples a pixel" if self.samples > 1 else "",
            "in planes" if self.samples > 1 and self.first(PLANAR, 1) == 2 else "",
            _COMPRESSIONS.get(self.first(COMPRESSION, 1), f"compression {self.first(COMPRESSION)}"),
            "bits reversed" if self.first(FILL_ORDER, 1) == 2 else "",
            "big-endian" if self.big_endian else "",
        ]
        return ", ".join(part for part in parts if part)

    def refusal(self) -> ImageError:
        """The error of a layout that is not read."""
        return ImageError(
            f"TIFFs of this layout are not read ({self.describe()}); save it as 8-bit grey or RGB, LZW or"
            " uncompressed."
        )


def read_pages(file: IO[bytes]) -> list[TiffPage]:
    """The pages of a TIFF or BigTIFF in their order, without their pixels.

    Raises
    ------
    ImageError
        If the directories are damaged, or have more entries, or larger ones, than a file of this size can.
    """
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    try:
        big = struct.unpack(order + "H", head[2:4])[0] == 43
        place = struct.unpack(order + ("Q" if big else "I"), head[8:16] if big else head[4:8])[0]
        pages: list[TiffPage] = []
        seen: set[int] = set()
        while place and place not in seen and len(pages) < MAX_PAGES:
            seen.add(place)
            page, place = _read_page(file, place, order, big, size)
            pages.append(page)
    except struct.error:
        if not pages:
            raise ImageError("damaged or truncated: its directory ends early.") from None
    if not pages:
        raise ImageError("damaged or truncated: it has no page.")
    return pages


def _read_page(file: IO[bytes], place: int, order: str, big: bool, size: int) -> tuple[TiffPage, int]:
    count_type, entry, link = ("Q", "HHQ8s", "Q") if big else ("H", "HHI4s", "I")
    file.seek(place)
    (count,) = struct.unpack(order + count_type, file.read(struct.calcsize(order + count_type)))
    if count > MAX_ENTRIES:
        raise ImageError(f"damaged or hostile: a directory of {count} entries.")
    length = struct.calcsize(order + entry)
    table = file.read(count * length + struct.calcsize(order + link))
    tags: dict[int, tuple[Any, ...]] = {}
    segments = total = 0
    for number in range(count):
        tag, kind, items, value = struct.unpack_from(order + entry, table, number * length)
        held = _SIZES.get(kind, 1) * items
        total += held if held > len(value) else 0
        if tag in (STRIPS, TILES):
            segments = items
        elif tag in _WANTED and kind in _TYPES and items <= 3 * 65_536:
            if held > len(value):
                file.seek(struct.unpack(order + link, value)[0])
                value = file.read(held)
            tags.setdefault(tag, struct.unpack(f"{order}{items}{_TYPES[kind]}", value[:held]))
    # Values lie in the file, each for itself; overlapping ones would be read once for each entry.
    if total > size + (1 << 16):
        raise ImageError("damaged or hostile: its directory names more data than the file has.")
    following = struct.unpack_from(order + link, table, count * length)[0]
    return TiffPage(tags, segments, order == ">"), following


def check_layout(page: TiffPage) -> None:
    """Refuse a layout that Pillow would read otherwise than the file means it.

    Raises
    ------
    ImageError
        If the layout is one of those; describes it.
    """
    colour, compression = page.first(PHOTOMETRIC), page.first(COMPRESSION, RAW)
    if colour is None and compression not in (2, 3, 4):
        raise ImageError("the TIFF does not say whether 0 is black or white (PhotometricInterpretation).")
    if page.segments > MAX_SEGMENTS:
        raise ImageError(f"a TIFF of {page.segments} strips or tiles, over {MAX_SEGMENTS}; save it again.")
    if any((_misread_colours(page), _misread_samples(page), _misread_order(page))):
        raise page.refusal()


def _misread_colours(page: TiffPage) -> bool:
    colour, compression = page.first(PHOTOMETRIC, WHITE_IS_ZERO), page.first(COMPRESSION, RAW)
    if compression not in _COMPRESSIONS or colour not in (0, 1, RGB, PALETTE, CMYK, YCBCR):
        return True
    if compression == JPEG:
        return page.bits != 8 or colour not in (BLACK_IS_ZERO, RGB, YCBCR)
    # Subsampled YCbCr is taken for whole pixels; without JPEG nobody writes it.
    return bool(colour == YCBCR)


def _misread_samples(page: TiffPage) -> bool:
    formats = set(page.tags.get(FORMAT, (1,)))
    if len(formats) > 1 or len(set(page.tags.get(BITS, (1,)))) > 1:
        return True
    if page.sample_format not in (1, 2, 3) or (page.sample_format == 2 and page.bits < 16):
        return True
    # Four samples of RGB without a word on the fourth: alpha to some, nothing to others.
    expected = {RGB: 3, YCBCR: 3, CMYK: 4}.get(page.first(PHOTOMETRIC, 0), 1)
    return page.samples != expected + len(page.tags.get(EXTRA, ()))


def _misread_order(page: TiffPage) -> bool:
    raw, colour = page.first(COMPRESSION, RAW) == RAW, page.first(PHOTOMETRIC, WHITE_IS_ZERO)
    extra = tuple(page.tags.get(EXTRA, ()))
    if (
        raw
        and page.first(FILL_ORDER, 1) == 2
        and not (colour in (0, 1) and page.samples == 1 and page.bits < 8)
    ):
        return True
    if not raw and page.big_endian and (page.bits > 16 or page.sample_format != 1):
        return True
    if page.samples == 1 or page.first(PLANAR, 1) != 2:
        return False
    if colour not in (RGB, CMYK):
        return True
    return raw and (page.bits != 8 or extra not in ((), (0,), (2,)))
