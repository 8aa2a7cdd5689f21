"""Reading images of any common kind as grey, 0 ink and 255 paper."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from sigzoo.common.terminal import safe_text
from sigzoo.errors import ImageError
from sigzoo.imaging.arrays import grey_from_array, grey_from_tensor
from sigzoo.imaging.decode_limits import (
    MAX_BYTES,
    MAX_PIXELS,
    MAX_SCANS,
    budget,
    bytes_to_decode,
    check_scans,
    check_size,
)
from sigzoo.imaging.finding import expand_home, is_url
from sigzoo.imaging.image_formats import FORMATS, HEAD, sniff, why_not
from sigzoo.imaging.pages import choose_frame, choose_page, split_page
from sigzoo.imaging.pillow_grey import grey_from_pillow, turned
from sigzoo.imaging.remote_images import fetch_image, is_remote_image, split_remote_page
from sigzoo.imaging.sources import EncodedImage, FetchedImage, ImageSource, StoredImage, is_tensor
from sigzoo.imaging.tiff_layout import JPEG, ORIENTATION, TiffPage, check_layout, read_pages
from sigzoo.interfaces import warn

__all__ = ["read_image"]

_MAX_EXIF = 1 << 16


def read_image(source: ImageSource, *, grey_range: tuple[float, float] | None = None) -> NDArray[np.uint8]:
    """Read an image as grey.

    Transparency is laid on white, colours become luma (ITU-R 601), 16 bits become 8, and the
    orientation that the file states is applied. Of several pages the first that is no thumbnail is
    taken, with a `SigzooWarning`; ``file.tif#2`` names another, unless a file has that very name.

    What black and white are is decided by the type and the tags (BitsPerSample, SMaxSampleValue), for
    floating point 0 and 1; where they cannot be meant, what is taken is told by a `SigzooWarning`.

    Parameters
    ----------
    source
        A path (``~`` is the home folder), or the URL of an object store (``s3://``, ...); the content of an
        image file as bytes, or an open binary file; a PIL image; an array uint8 ``(H, W)``, which is returned
        as it is, or uint8 or uint16 ``(H, W)``, ``(H, W, 1)``, RGB ``(H, W, 3)`` or RGBA ``(H, W, 4)``; a
        torch tensor of these, channels first or last.
    grey_range
        The values of black and white of images deeper than 8 bits, where the file does not say; it
        overrules what the file says.

    Returns
    -------
    array
        uint8 ``(H, W)``, 0 ink and 255 paper.

    Raises
    ------
    ImageError
        If the file is missing, empty, truncated, no image, of a layout that is not read rightly, over
        100 megapixels or 600 MiB while it is decoded, or the thing is no grey image.
    """
    if isinstance(source, np.ndarray):
        return grey_from_array(source, grey_range)
    if isinstance(source, StoredImage):
        return grey_from_array(source.read(source.index))
    if is_tensor(source):
        return grey_from_tensor(source, grey_range)
    if is_remote_image(source):
        source = fetch_image(source)
    if isinstance(source, FetchedImage):
        with _pillow_errors(safe_text(source.name)):
            return _read_fetched(source, grey_range)
    if isinstance(source, str | os.PathLike):
        name = os.fsdecode(source)
        with _pillow_errors(safe_text(name) or "''"):
            return _read_path(name, grey_range)
    if isinstance(source, EncodedImage):
        with _pillow_errors(safe_text(source.name) or "''"):
            return _read_file(io.BytesIO(source.content), None, grey_range, source.max_pixels)
    with _pillow_errors("the image"):
        if isinstance(source, Image.Image):
            return _read_pillow(source, grey_range)
        if isinstance(source, bytes | bytearray | memoryview):
            content = bytes(source)
            if sniff(content[:HEAD]) is None and 0 < len(content) < 1024:
                raise ImageError(
                    "bytes are the content of an image file, and these are none's; pass a path as str."
                )
            return _read_file(io.BytesIO(content), None, grey_range)
        if hasattr(source, "read"):
            return _read_file(_seekable(source), None, grey_range)
    raise ImageError(
        "expected a path, a PIL image or an array (or bytes, an open file, a tensor);"
        f" got {type(source).__name__}."
    )


@contextmanager
def _pillow_errors(name: str) -> Iterator[None]:
    """Turn whatever reading raises into an `ImageError` that names the file."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error
    except FileNotFoundError:
        raise ImageError(f"{name}: there is no such file.") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"{name}: over 100 megapixels; scale it down first.") from error
    except MemoryError as error:
        raise ImageError(f"{name}: there is not enough memory to decode it.") from error
    except OSError as error:
        what = f"cannot be read: {error.strerror}" if error.errno else f"damaged or truncated: {error}"
        raise ImageError(f"{name}: {what}.") from error
    except Exception as error:  # Pillow's decoders raise many kinds on damaged files
        raise ImageError(f"{name}: damaged or truncated: {error}.") from error


def _read_fetched(source: FetchedImage, grey_range: tuple[float, float] | None) -> NDArray[np.uint8]:
    if source.error is not None:
        raise ImageError(source.error.removeprefix(f"{safe_text(source.name)}: "))
    return _read_file(io.BytesIO(source.content), split_remote_page(source.name)[1], grey_range)


def _read_path(text: str, grey_range: tuple[float, float] | None) -> NDArray[np.uint8]:
    if not text or "\0" in text:
        raise ImageError("an empty path." if not text else "a path cannot hold a NUL character.")
    path, page = split_page(expand_home(text))
    if is_url(text) and not path.exists():
        raise ImageError("a URL; images are read from files: download it first.")
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise ImageError("a folder, not an image.")
    if not stat.S_ISREG(status.st_mode):
        raise ImageError("not a regular file.")
    # By name, Pillow maps an uncompressed file with the size it has after turning, and shears it.
    with path.open("rb") as file:
        return _read_file(file, page, grey_range)


def _seekable(file: Any) -> IO[bytes]:
    """An open file from its beginning, as a file that can be gone about in."""
    if isinstance(file, io.TextIOBase):
        raise ImageError("a file opened as text; open it with mode 'rb'.")
    try:
        place = file.tell()
        file.seek(0)
        content = file.read()
        file.seek(place)
    except (AttributeError, OSError):
        content = file.read()
    if not isinstance(content, bytes):
        raise ImageError(f"reading it gives {type(content).__name__}, not bytes; pass a path or bytes.")
    return io.BytesIO(content)


def _read_file(
    file: IO[bytes],
    page: int | None,
    grey_range: tuple[float, float] | None,
    max_pixels: int = MAX_PIXELS,
) -> NDArray[np.uint8]:
    head = file.read(HEAD)
    if not head:
        raise ImageError("the file is empty.")
    kind = sniff(head)
    tiff: TiffPage | None = None
    at = 0
    if kind == "TIFF":
        pages = read_pages(file)
        at = choose_page(pages, page)
        tiff = pages[at]
        check_layout(tiff)
    with _opened(file, kind, head, tiff, max_pixels) as image:
        if tiff is None:
            choose_frame(image, page)
        elif at:
            image.seek(at)
        check_size(image.width, image.height, max_pixels)
        if image.format in ("JPEG", "MPO"):
            check_scans(file, image.width, image.height)
        elif tiff is not None and tiff.first(259) == JPEG:
            check_scans(file, image.width, image.height, MAX_SCANS + 4 * tiff.segments)
        needed = _reduced(image, tiff)
        with budget.take(needed):
            grey = grey_from_pillow(
                image, grey_range=grey_range, tiff=tiff, png_bits=head[24] if kind == "PNG" else None
            )
            return grey if tiff is not None else turned(grey, _orientation(image))


@contextmanager
def _opened(
    file: IO[bytes], kind: str | None, head: bytes, tiff: TiffPage | None, max_pixels: int
) -> Iterator[Image.Image]:
    file.seek(0)
    if kind == "HEIF":
        yield _open_heif(file, max_pixels)
        return
    try:
        image = Image.open(file, formats=FORMATS if kind is None else (kind,))
    except (UnidentifiedImageError, KeyError):
        if tiff is not None:
            raise tiff.refusal() from None
        if kind == "AVIF":
            raise ImageError("AVIF, which this Pillow does not read: install Pillow 11.3 or newer.") from None
        if kind is not None:
            raise ImageError(f"damaged or truncated: a {kind} that cannot be opened.") from None
        raise ImageError(why_not(head)) from None
    with image:
        yield image


def _open_heif(file: IO[bytes], max_pixels: int) -> Image.Image:
    try:
        import pillow_heif
    except ImportError:
        raise ImageError("HEIC, which needs pillow-heif: run `pip install 'sigzoo[heif]'`.") from None
    # Not by its registered opener, which would change what Pillow opens for the whole process.
    heif = pillow_heif.open_heif(file)
    check_size(heif.size[0], heif.size[1], max_pixels)
    if 13 * heif.size[0] * heif.size[1] > MAX_BYTES:
        raise ImageError(_too_much(*heif.size))
    if len(heif) > 1:
        warn(f"it has {len(heif)} images, of which the primary one is taken")
    image: Image.Image = heif.to_pillow()
    image.format = "HEIF"
    return image


def _reduced(image: Image.Image, tiff: TiffPage | None) -> int:
    """Bytes that decoding takes; a JPEG over the limit is decoded at a half, a quarter or an eighth."""
    strip, turned_by_pillow = 0, False
    if tiff is not None:
        strip, turned_by_pillow = -(-tiff.bits * tiff.samples // 8), tiff.first(ORIENTATION, 1) > 1
    needed, size = bytes_to_decode(image, strip, turned_by_pillow), image.size
    if needed > MAX_BYTES and image.format in ("JPEG", "MPO") and not image.info.get("progressive"):
        for part in (2, 4, 8):
            image.draft(None, (size[0] // part, size[1] // part))
            if bytes_to_decode(image) <= MAX_BYTES:
                warn(
                    f"{size[0]} x {size[1]} pixels: decoded at {image.width} x {image.height} to spare memory"
                )
                return bytes_to_decode(image)
    if needed > MAX_BYTES:
        raise ImageError(_too_much(*size))
    return needed


def _too_much(width: int, height: int) -> str:
    return (
        f"{width} x {height} pixels of its kind take more than {MAX_BYTES >> 20} MiB to decode; cut out the"
        " signature, or save it as 8-bit grey."
    )


def _orientation(image: Image.Image) -> int:
    if len(image.info.get("exif") or b"") > _MAX_EXIF:
        raise ImageError("EXIF data of over 64 KiB; save it without.")
    return int(image.getexif().get(ORIENTATION, 1) or 1)


def _read_pillow(image: Image.Image, grey_range: tuple[float, float] | None) -> NDArray[np.uint8]:
    check_size(image.width, image.height)
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        if image.tile and image.fp is not None:
            return _read_unloaded(image, grey_range)
        tiff = _page_of(image)
        image.load()
        return turned(grey_from_pillow(image, grey_range=grey_range, tiff=tiff), _orientation(image))
    choose_frame(image, None)
    needed = bytes_to_decode(image)
    if needed > MAX_BYTES:
        raise ImageError(_too_much(*image.size))
    with budget.take(needed):
        image.load()
        return turned(grey_from_pillow(image, grey_range=grey_range), _orientation(image))


def _read_unloaded(
    image: TiffImagePlugin.TiffImageFile, grey_range: tuple[float, float] | None
) -> NDArray[np.uint8]:
    """A TIFF that Pillow has opened and not decoded, read as its file is."""
    file: Any = image.fp
    place = file.tell()
    try:
        file.seek(0)
        content = io.BytesIO(file.read())
    finally:
        file.seek(place)
    return _read_file(content, image.tell() + 1 if image.tell() else None, grey_range)


def _page_of(image: TiffImagePlugin.TiffImageFile) -> TiffPage:
    tags = {int(tag): value if isinstance(value, tuple) else (value,) for tag, value in image.tag_v2.items()}
    return TiffPage(tags, 0, image.tag_v2.prefix == b"MM")
