"""Reading images of any common kind as grey, 0 ink and 255 paper."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from glob import glob, has_magic
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from sigzoo.errors import ImageError, UsageError

ImageSource: TypeAlias = str | os.PathLike[str] | Image.Image | NDArray[np.uint8]
"""A path, a PIL image, or a grey array uint8 ``(H, W)``."""

FORMATS = ("PNG", "JPEG", "JPEG2000", "TIFF", "BMP", "GIF", "WEBP", "PPM")
"""What is opened. Formats that run another program (EPS) or hold no scan are not."""

SUFFIXES = frozenset(
    (
        ".png",
        ".jpg",
        ".jpeg",
        ".jp2",
        ".tif",
        ".tiff",
        ".bmp",
        ".gif",
        ".webp",
        ".pgm",
        ".ppm",
        ".pbm",
        ".pnm",
    )
)

MAX_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 89_478_485)
"""Above this (178 megapixels) Pillow refuses to open a file, and so do we."""

_TOO_LARGE = f"over {MAX_PIXELS // 1_000_000} megapixels; scale it down first."


def read_image(source: ImageSource) -> NDArray[np.uint8]:
    """Read an image as grey.

    Transparency is laid on white, colours become luma (ITU-R 601), 16 bits become 8, the EXIF
    orientation is applied, and of several pages the first is taken.

    Parameters
    ----------
    source
        A path, a PIL image, or an array uint8 ``(H, W)``, which is returned as it is.

    Returns
    -------
    array
        uint8 ``(H, W)``, 0 ink and 255 paper.

    Raises
    ------
    ImageError
        If the file is missing, empty, truncated, no image, or over 178 megapixels, or the array
        is not a grey image.
    """
    if isinstance(source, np.ndarray):
        return _checked(source)
    if isinstance(source, Image.Image):
        with _pillow_errors("the image"):
            return _grey(source)
    if not isinstance(source, str | os.PathLike):
        raise ImageError(f"expected a path, a PIL image or an array; got {type(source).__name__}.")
    path, name = Path(source), os.fspath(source)
    with _pillow_errors(name):
        kind = path.stat().st_mode
        if stat.S_ISDIR(kind):
            raise ImageError("a folder, not an image.")
        if not stat.S_ISREG(kind):
            raise ImageError("not a regular file.")
        if path.stat().st_size == 0:
            raise ImageError("the file is empty.")
        with Image.open(path, formats=FORMATS) as image:
            return _grey(image)


@contextmanager
def _pillow_errors(name: str) -> Iterator[None]:
    """Turn whatever reading raises into an `ImageError` that names the file."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error
    except FileNotFoundError:
        raise ImageError(f"{name}: there is no such file.") from None
    except UnidentifiedImageError:
        raise ImageError(f"{name}: not an image of a known format ({', '.join(FORMATS)}).") from None
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name}: {_TOO_LARGE}") from error
    except OSError as error:
        what = f"cannot be read: {error.strerror}" if error.errno else f"damaged or truncated: {error}"
        raise ImageError(f"{name}: {what}.") from error
    except Exception as error:  # Pillow's decoders raise many kinds on damaged files
        raise ImageError(f"{name}: damaged or truncated: {error}.") from error


def _checked(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    from sigzoo.interfaces import check_grey

    return check_grey(image)


def _grey(image: Image.Image) -> NDArray[np.uint8]:
    if image.width * image.height > MAX_PIXELS:
        raise ImageError(_TOO_LARGE)
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _from_deep(image)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, rgba)
    if image.mode not in ("L", "RGB"):
        image = image.convert("L" if image.mode in ("1", "LA") else "RGB")
    return np.array(image.convert("L"), dtype=np.uint8)


def _from_deep(image: Image.Image) -> NDArray[np.uint8]:
    """Scale 16 bits (or, for floating point, 0 to 1 or 0 to 255) to 8."""
    pixels = np.asarray(image, dtype=np.float64)
    if not np.isfinite(pixels).all():
        raise ImageError("the image holds values that are not finite.")
    top = 65535.0 if image.mode != "F" else (1.0 if pixels.max(initial=0) <= 1 else 255.0)
    if pixels.min(initial=0) < 0 or pixels.max(initial=0) > top:
        raise ImageError(f"the image holds values outside 0 to {top:g}.")
    return np.rint(pixels * (255.0 / top)).astype(np.uint8)


def find_images(patterns: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Expand files, folders (with all that is below) and wildcards into a list of image files.

    Parameters
    ----------
    patterns
        Files are taken as they are, whatever their suffix; of folders and wildcards only files
        with an image's suffix, sorted by name.

    Returns
    -------
    list
        Paths in the order asked for, each once.

    Raises
    ------
    UsageError
        If a folder or a wildcard holds no image, or nothing was asked for.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        found.update(dict.fromkeys(_expand(os.fspath(pattern))))
    if not found:
        raise UsageError("No images given: name files, folders or wildcards.")
    return list(found)


def _expand(pattern: str) -> Sequence[Path]:
    path = Path(pattern)
    if _is_folder(path):
        inside = sorted(each for each in path.rglob("*") if _is_image(each))
    elif has_magic(pattern) and not path.exists():
        matches = glob(pattern, recursive=True)  # noqa: PTH207 a pattern may be absolute
        inside = sorted(each for each in map(Path, matches) if _is_image(each))
    else:
        return [path]
    if not inside:
        raise UsageError(
            f"{pattern}: there is no image in it (known suffixes: {' '.join(sorted(SUFFIXES))})."
        )
    return inside


def _is_folder(path: Path) -> bool:
    """Whether the path is a folder whose content may be read.

    Raises
    ------
    UsageError
        If it is one that may not.
    """
    try:
        if not path.is_dir():
            return False
        next(path.iterdir(), None)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}.") from error
    return True


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
