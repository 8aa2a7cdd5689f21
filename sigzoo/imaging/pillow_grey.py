"""A PIL image as grey, a band of rows at a time, so that no copy of the whole is made in colour."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sigzoo.errors import ImageError
from sigzoo.imaging.grey_levels import choose_range, extremes, scale_to_bytes
from sigzoo.imaging.tiff_layout import COLOUR_MAP, TiffPage
from sigzoo.interfaces import warn

__all__ = ["grey_from_pillow", "turned"]

_BAND_PIXELS = 1 << 20


def grey_from_pillow(
    image: Image.Image,
    *,
    grey_range: tuple[float, float] | None = None,
    tiff: TiffPage | None = None,
    png_bits: int | None = None,
) -> NDArray[np.uint8]:
    """Make a PIL image grey: transparency laid on white, colours as luma (ITU-R 601), 8 bits.

    Parameters
    ----------
    image
        A PIL image of any mode.
    grey_range
        Values of black and white for images of more than 8 bits; `None` to go by the file.
    tiff
        What the file says, where it is a TIFF.
    png_bits
        Bits a sample of a PNG, whose transparent grey is given on that scale.

    Raises
    ------
    ImageError
        If the mode is none that has a grey, nothing says which value is white, or all is transparent.
    """
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _from_deep(image, grey_range, tiff)
    if tiff is not None and image.mode == "P" and COLOUR_MAP in tiff.tags:
        return _from_colour_map(image, tiff)
    grey = np.empty((image.height, image.width), np.uint8)
    opaque = False
    clear = _transparent_grey(image, png_bits)
    for rows, band in _bands(image):
        if clear is None and band.has_transparency_data:
            rgba = _converted(band.convert("LA") if band.mode == "La" else band, "RGBA")
            opaque = opaque or bool(np.asarray(rgba.getchannel("A")).any())
            white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
            band = Image.alpha_composite(white, rgba)
        else:
            opaque = True
        band = band if band.mode in ("L", "RGB") else _converted(band, "L" if band.mode in "1LA" else "RGB")
        grey[rows] = np.asarray(band if band.mode == "L" else band.convert("L"))
        if clear is not None:
            grey[rows][grey[rows] == clear] = 255
    if not opaque:
        raise ImageError("the image is wholly transparent.")
    return grey


def _converted(image: Image.Image, mode: str) -> Image.Image:
    try:
        return image.convert(mode)
    except ValueError as error:
        raise ImageError(
            f"images of mode {image.mode} have no grey here; convert it to L or RGB first."
        ) from error


def _bands(image: Image.Image) -> Iterator[tuple[slice, Image.Image]]:
    height = max(1, _BAND_PIXELS // image.width)
    if height >= image.height:
        image.load()
        yield slice(0, image.height), image
        return
    for top in range(0, image.height, height):
        bottom = min(top + height, image.height)
        yield slice(top, bottom), image.crop((0, top, image.width, bottom))


def _transparent_grey(image: Image.Image, png_bits: int | None) -> int | None:
    """The level that a grey PNG calls transparent, which Pillow leaves on the file's own scale."""
    value = image.info.get("transparency")
    if png_bits is None or image.mode not in ("1", "L"):
        if png_bits == 16 and value is not None:
            raise ImageError(
                "a PNG of 16-bit colours with a transparent one is not read; save it with 8 bits."
            )
        return None
    return None if value is None else int(value) * 255 // (2 ** min(png_bits, 8) - 1)


def _from_deep(
    image: Image.Image, grey_range: tuple[float, float] | None, tiff: TiffPage | None
) -> NDArray[np.uint8]:
    bits: int | None = 16 if image.mode.startswith("I;16") or image.format == "PPM" else None
    unsigned = False
    if tiff is not None:
        bits = tiff.bits if tiff.sample_format == 1 else None
        unsigned = image.mode == "I" and bits == 32

    def values(band: Image.Image) -> NDArray[Any]:
        array = np.asarray(band)
        return array.view(np.uint32) if unsigned else array

    low, high = extremes(values(band) for _, band in _bands(image))
    if tiff is not None and tiff.sample_format == 2 and grey_range is None and tiff.grey_range is None:
        raise ImageError(
            "signed samples, and nothing says which is white; state it with grey_range=(black, white)."
        )
    exact = image.format == "PPM" and grey_range is None  # Pillow has scaled the file's maxval to 16 bits
    levels = (
        (0.0, 65_535.0)
        if exact
        else choose_range(
            low,
            high,
            bits=bits,
            floating=image.mode == "F",
            stated=tiff.grey_range if tiff is not None else None,
            demanded=grey_range,
        )
    )
    grey = np.empty((image.height, image.width), np.uint8)
    clear = image.info.get("transparency")
    for rows, band in _bands(image):
        array = values(band)
        grey[rows] = scale_to_bytes(array, levels)
        if tiff is not None and tiff.white_is_zero:
            grey[rows] = 255 - grey[rows]
        if isinstance(clear, int):
            grey[rows][array == clear] = 255
    return grey


def _from_colour_map(image: Image.Image, tiff: TiffPage) -> NDArray[np.uint8]:
    """A TIFF's palette has 16 bits a colour; some programs write 8."""
    colours = np.array(tiff.tags[COLOUR_MAP], np.float64).reshape(3, -1)
    top = 65_535.0
    if 0 < colours.max() < 256:
        warn("its palette has no value above 255: taken as 8 bits, which is a guess")
        top = 255.0
    palette = np.zeros((1, 256, 3), np.uint8)
    palette[0, : colours.shape[1]] = scale_to_bytes(colours, (0.0, top)).T[:256]
    greys = np.asarray(Image.fromarray(palette).convert("L"))[0]
    grey = np.empty((image.height, image.width), np.uint8)
    for rows, band in _bands(image):
        grey[rows] = greys[np.asarray(band)]
    return grey


def turned(grey: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Turn an image as EXIF's orientation, 1 to 8, says that it is to be seen; others leave it."""
    if orientation in (5, 6, 7, 8):
        grey = grey.T
    if orientation in (2, 3, 6, 7):
        grey = grey[:, ::-1]
    if orientation in (3, 4, 7, 8):
        grey = grey[::-1]
    return np.ascontiguousarray(grey)
