"""Which image formats are read, by suffix and by the first bytes of a file."""

from __future__ import annotations

from pathlib import Path

__all__ = ["COMPANIONS", "FORMATS", "SUFFIXES", "has_image_content", "sniff", "why_not"]

FORMATS = ("PNG", "JPEG", "JPEG2000", "TIFF", "BMP", "GIF", "WEBP", "PPM")
"""What Pillow is asked to open where `sniff` does not know. Formats that run another program (EPS) or hold no
scan are not."""

KNOWN = "PNG, JPEG, JPEG 2000, TIFF, BMP, GIF, WebP, PGM and PPM, AVIF, HEIC"
"""The same for people."""

SUFFIXES = frozenset(
    (".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".jp2", ".j2k", ".jpf", ".jpx", ".tif", ".tiff")
    + (".bmp", ".dib", ".gif", ".webp", ".pgm", ".ppm", ".pbm", ".pnm", ".avif", ".heic", ".heif", ".hif")
)
"""Suffixes that make a file of a folder an image."""

COMPANIONS = frozenset(
    (".txt", ".csv", ".tsv", ".json", ".jsonl", ".yaml", ".yml", ".toml", ".xml", ".md", ".rst", ".html")
    + (".log", ".ini", ".npz", ".npy", ".mat", ".py", ".db", ".zip", ".partial")
)
"""Suffixes of files that lie beside images and are passed by without a word."""

HEAD = 64
"""Bytes of a file's beginning that `sniff` and `why_not` look at."""

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
)

_HEIF_BRANDS = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
)

_OTHERS = (
    (b"%PDF", "a PDF: save its page as PNG or TIFF first (`pdftoppm -r 300 -png`)"),
    (b"%!PS", "PostScript, which is a program and is not run: save it as PNG first"),
    (b"8BPS", "a Photoshop file: export it as PNG or TIFF"),
    (b"PK\x03\x04", "a zip archive: unpack it first"),
    (b"\x93NUMPY", "a numpy array: pass numpy.load's result"),
    (b"<svg", "SVG, which is no image of pixels: export it as PNG"),
    (b"\x00\x00\x01\x00", "an icon, no image of a signature"),
)


def sniff(head: bytes) -> str | None:
    """The format that a file's first bytes name; `None` if they name none that is read."""
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        brands = {head[8:12], *(head[at : at + 4] for at in range(16, len(head) - 3, 4))}
        if brands & {b"avif", b"avis"}:
            return "AVIF"
        return "HEIF" if brands & _HEIF_BRANDS else None
    # Two letters alone make no bitmap: its reserved bytes are 0 as well.
    if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0":
        return "BMP"
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace():
        return "PPM"
    return None


def why_not(head: bytes) -> str:
    """Say of what `sniff` does not know why it is not read."""
    for magic, reason in _OTHERS:
        if head.lstrip().lower().startswith(magic.lower()):
            return f"not an image but {reason}."
    if head.lstrip()[:5] == b"<?xml" and b"svg" in head:
        return "not an image but SVG, which is no image of pixels: export it as PNG."
    return f"not an image of a known format ({KNOWN})."


def has_image_content(path: Path) -> bool:
    """Whether a file begins as an image does.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        return sniff(file.read(HEAD)) is not None
