"""TIFFs of every layout: equal to what tifffile, an independent reader, gives, or a true refusal."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sigzoo.errors import ImageError, SigzooWarning
from sigzoo.imaging import read_image

tifffile = pytest.importorskip("tifffile")
pytest.importorskip("imagecodecs")

from tiff_files import (  # noqa: E402 it needs tifffile
    BLACK_IS_ZERO,
    CMYK,
    DEFLATE,
    G3,
    G4,
    LZW,
    PACKBITS,
    PALETTE,
    RAW,
    RGB,
    WHITE_IS_ZERO,
    Layout,
    tiff_bytes,
)

Samples = NDArray[Any]
HEIGHT, WIDTH = 21, 27


@dataclass(frozen=True)
class Colours:
    """One kind of samples."""

    photometric: int
    bits: int
    samples: int = 1
    floating: bool = False
    extra: tuple[int, ...] = ()


KINDS = [
    *(Colours(grey, bits) for grey in (WHITE_IS_ZERO, BLACK_IS_ZERO) for bits in (1, 2, 4, 8, 12, 16, 32)),
    *(Colours(grey, bits, floating=True) for grey in (WHITE_IS_ZERO, BLACK_IS_ZERO) for bits in (16, 32, 64)),
    *(Colours(PALETTE, bits) for bits in (1, 2, 4, 8, 16)),
    *(Colours(RGB, bits, 3) for bits in (8, 16)),
    *(Colours(RGB, bits, 4, extra=(kind,)) for bits in (8, 16) for kind in (0, 1, 2)),
    *(Colours(CMYK, bits, 4) for bits in (8, 16)),
    *(Colours(CMYK, bits, 5, extra=(2,)) for bits in (8, 16)),
    *(Colours(grey, bits, 2, extra=(kind,)) for grey in (0, 1) for bits in (8, 16) for kind in (0, 1, 2)),
    Colours(PALETTE, 8, 2, extra=(2,)),
    Colours(RGB, 32, 3, floating=True),
    Colours(RGB, 4, 3),
]


def must_be_read(layout: Layout) -> bool:
    """What scanners and programs write; for the rest a refusal will do."""
    if layout.fill_order == 2:
        return layout.photometric in (0, 1) and layout.bits == 1
    if layout.floating:
        return layout.bits == 32 and layout.order == "<" and not layout.extra and layout.photometric in (0, 1)
    if layout.photometric == PALETTE:
        return layout.bits <= 8 and not layout.extra
    if layout.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO):
        if layout.extra:
            return layout.bits == 8 and layout.photometric == BLACK_IS_ZERO and not layout.planar
        return layout.bits <= 8 or (layout.bits == 16 and (layout.photometric, layout.order) != (0, ">"))
    return (
        layout.photometric in (RGB, CMYK)
        and layout.bits in (8, 16)
        and len(layout.extra) < 1
        and not layout.planar
    )


def samples_of(colours: Colours) -> Samples:
    rng = np.random.default_rng(colours.bits)
    shape = (HEIGHT, WIDTH, colours.samples)
    if colours.floating:
        return rng.random(shape).astype(f"f{colours.bits // 8}")
    values: Samples = rng.integers(0, 2**colours.bits, shape, np.uint32)
    if colours.extra == (1,):  # colours that are multiplied with their alpha never exceed it
        values = np.minimum(values, values[..., -1:])
    return values.astype(np.uint8 if colours.bits <= 8 else np.uint16 if colours.bits <= 16 else np.uint32)


def seen_by_tifffile(data: bytes, layout: Layout) -> Samples:
    """The samples ``(H, W, S)`` as tifffile reads them."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        array = page.asarray()
    if layout.planar and array.ndim == 3:
        array = np.moveaxis(array, 0, -1)
    return array.reshape(page.imagelength, page.imagewidth, -1)


def grey_of(samples: Samples, layout: Layout) -> NDArray[np.float64]:
    """What a viewer shows, by the specification, as grey on white; float64, 0 to 255."""
    top = 1.0 if layout.floating else float(2**layout.bits - 1)
    values = samples.astype(np.float64) / top
    count = {RGB: 3, CMYK: 4}.get(layout.photometric, 1)
    colours, extra = values[..., :count], values[..., count:]
    if layout.photometric == PALETTE:
        table = np.array(layout.tags[320][1], np.float64).reshape(3, -1) / 65_535
        colours = table.T[samples[..., 0].astype(int)]
    elif layout.photometric == CMYK:
        colours = (1 - colours[..., :3]) * (1 - colours[..., 3:])
    elif layout.photometric == WHITE_IS_ZERO:
        colours = 1 - colours
    grey = colours @ [0.299, 0.587, 0.114] if colours.shape[-1] == 3 else colours[..., 0]
    if layout.extra == (1,):
        grey = grey + 1 - extra[..., 0]
    elif layout.extra == (2,):
        grey = grey * extra[..., 0] + 1 - extra[..., 0]
    return 255 * grey


def as_seen(grey: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Where the first row and column lie, by the specification's table."""
    turns = {
        1: grey,
        2: np.fliplr(grey),
        3: np.rot90(grey, 2),
        4: np.flipud(grey),
        5: np.transpose(grey),
        6: np.rot90(grey, -1),
        7: np.transpose(np.rot90(grey, 2)),
        8: np.rot90(grey),
    }
    return turns[orientation]


def layouts_of(colours: Colours) -> Iterator[Layout]:
    compressions = [RAW, LZW, DEFLATE, PACKBITS]
    if colours.bits == 1 and colours.samples == 1 and colours.photometric != PALETTE:
        compressions += [G3, G4]
    tags = {}
    if colours.photometric == PALETTE:
        rng = np.random.default_rng(5)
        tags[320] = ("H", (rng.integers(0, 65_536, 3 * 2**colours.bits)).tolist())
    plain = Layout(colours.photometric, colours.bits, colours.floating, extra=colours.extra, tags=tags)
    places = [{"tiled": True}, {"rows_per_strip": 1 << 16}, {"rows_per_strip": 5}]
    for compression, place, planar, order, fill_order in itertools.product(
        compressions, places, (False, True) if colours.samples > 1 else (False,), "<>", (1, 2)
    ):
        yield replace(
            plain, compression=compression, planar=planar, order=order, fill_order=fill_order, **place
        )
    if colours.bits in (8, 16) and not colours.floating and not colours.extra:
        for compression, order in itertools.product((LZW, DEFLATE), "<>"):
            yield replace(plain, compression=compression, order=order, predictor=2)


def compare(data: bytes, layout: Layout, path: Path) -> bool:
    """Compare our reading, by name, with tifffile's; whether it was read rather than refused."""
    path.write_bytes(data)
    refusal = ""
    try:
        grey = read_image(path)
    except ImageError as error:
        refusal = str(error)
    if refusal:
        assert "TIFFs of this layout are not read" in refusal, layout
        assert f"{layout.bits} bits" in refusal, layout
        assert not must_be_read(layout), (layout, refusal)
        return False
    expected = as_seen(grey_of(seen_by_tifffile(data, layout), layout), layout.orientation)
    exact = layout.bits <= 8 and layout.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO) and not layout.extra
    np.testing.assert_allclose(
        grey, expected, atol=0.501 if exact else 3.0 if layout.extra == (1,) else 2.0, err_msg=str(layout)
    )
    return True


@pytest.mark.parametrize("colours", KINDS, ids=str)
def test_every_layout_is_read_as_tifffile_reads_it_or_refused(colours: Colours, tmp_path: Path) -> None:
    samples = samples_of(colours)
    for number, layout in enumerate(layouts_of(colours)):
        layout = replace(layout, orientation=number % 8 + 1)
        data = tiff_bytes((samples, layout))
        np.testing.assert_array_equal(seen_by_tifffile(data, layout), samples)  # what was written is right
        compare(data, layout, tmp_path / "layout.tif")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_of_what_scanners_write(orientation: int, tmp_path: Path) -> None:
    common = [Colours(grey, bits) for grey in (0, 1) for bits in (1, 8, 16)]
    common += [Colours(PALETTE, 8), Colours(RGB, 8, 3), Colours(RGB, 8, 4, extra=(2,)), Colours(CMYK, 8, 4)]
    common += [Colours(1, 32, floating=True)]
    for colours in common:
        for layout in layouts_of(colours):
            if layout.order == "<" and layout.fill_order == 1 and not layout.planar:
                layout = replace(layout, orientation=orientation)
                data = tiff_bytes((samples_of(colours), layout))
                assert compare(data, layout, tmp_path / "turned.tif"), layout


def test_content_and_unloaded_pil_images_are_read_as_files_are(tmp_path: Path) -> None:
    from PIL import Image

    samples = samples_of(Colours(1, 8))
    data = tiff_bytes((samples, Layout(orientation=6)))
    path = tmp_path / "turned.tif"
    path.write_bytes(data)
    expected = read_image(path)
    for source in (data, io.BytesIO(data), path.open("rb"), Image.open(path), Image.open(io.BytesIO(data))):
        np.testing.assert_array_equal(read_image(source), expected)


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_tags_say_what_white_is(order: str, tmp_path: Path) -> None:
    levels = samples_of(Colours(1, 8))
    path = tmp_path / "twelve.tif"
    twelve = np.rint(levels * (4095 / 255)).astype(np.uint16)
    for tag in (281, 341):
        path.write_bytes(tiff_bytes((twelve, Layout(bits=16, order=order, tags={tag: ("H", [4095])}))))
        np.testing.assert_array_equal(read_image(path), levels[..., 0])
    floats = levels.astype(np.float32) * 4 - 20
    tags = {340: ("f", [-20.0]), 341: ("f", [1000.0])}
    path.write_bytes(tiff_bytes((floats, Layout(bits=32, floating=True, order=order, tags=tags))))
    np.testing.assert_array_equal(read_image(path), levels[..., 0])


@pytest.mark.parametrize(("bits", "top"), [(8, 255), (10, 1023), (12, 4095), (14, 16_383)])
def test_fewer_bits_in_sixteen_are_a_guess_that_is_told(bits: int, top: int, tmp_path: Path) -> None:
    levels = samples_of(Colours(1, 8))
    levels[0, 0] = 255
    path = tmp_path / "narrow.tif"
    path.write_bytes(tiff_bytes((np.rint(levels * (top / 255)).astype(np.uint16), Layout(bits=16))))
    with pytest.warns(SigzooWarning, match=f"taken as 0 to {top}, which is a guess"):
        np.testing.assert_array_equal(read_image(path), levels[..., 0])
    np.testing.assert_array_equal(read_image(path, grey_range=(0, top)), levels[..., 0])


def test_a_palette_of_eight_bit_values_is_a_guess_that_is_told(tmp_path: Path) -> None:
    path = tmp_path / "palette.tif"
    tags = {320: ("H", list(range(256)) * 3)}
    samples = samples_of(Colours(PALETTE, 8))
    path.write_bytes(tiff_bytes((samples, Layout(PALETTE, tags=tags))))
    with pytest.warns(SigzooWarning, match="palette has no value above 255"):
        np.testing.assert_array_equal(read_image(path), samples[..., 0])


def test_a_file_that_does_not_say_what_black_is_or_stores_signed_samples_is_refused(tmp_path: Path) -> None:
    samples = samples_of(Colours(1, 8))
    path = tmp_path / "odd.tif"
    path.write_bytes(tiff_bytes((samples, Layout())).replace(b"\x06\x01\x03\0", b"\x05\x01\x03\0"))
    with pytest.raises(ImageError, match="whether 0 is black or white"):
        read_image(path)
    path.write_bytes(tiff_bytes((samples, Layout(tags={339: ("H", [2])}))))
    with pytest.raises(ImageError, match="8 bits signed"):
        read_image(path)
    path.write_bytes(tiff_bytes((samples.astype(np.uint16), Layout(bits=16, tags={339: ("H", [2])}))))
    with pytest.raises(ImageError, match="signed samples"):
        read_image(path)
    np.testing.assert_array_equal(read_image(path, grey_range=(0, 255)), samples[..., 0])


def test_pages_and_thumbnails(tmp_path: Path) -> None:
    first, second = samples_of(Colours(1, 8)), 255 - samples_of(Colours(1, 8))
    small = (np.ascontiguousarray(first[::3, ::3]), Layout(subfile=1))
    path = tmp_path / "pages.tif"
    path.write_bytes(tiff_bytes(small, (second, Layout())))
    np.testing.assert_array_equal(read_image(path), second[..., 0])
    np.testing.assert_array_equal(read_image(f"{path}#1"), small[0][..., 0])
    path.write_bytes(tiff_bytes((first, Layout()), small, (second, Layout(compression=LZW, orientation=6))))
    with pytest.warns(SigzooWarning, match="2 pages, of which the first is taken; name another as `file#2`"):
        np.testing.assert_array_equal(read_image(path), first[..., 0])
    np.testing.assert_array_equal(read_image(f"{path}#3"), np.rot90(second[..., 0], -1))
    for page in ("0", "4"):
        with pytest.raises(ImageError, match=f"there is no page {page}: it has 3"):
            read_image(f"{path}#{page}")
    named = tmp_path / "pages.tif#2"
    named.write_bytes(tiff_bytes((first, Layout())))
    np.testing.assert_array_equal(read_image(named), first[..., 0])


def test_hostile_directories_are_refused_before_they_take_memory(tmp_path: Path) -> None:
    path = tmp_path / "hostile.tif"
    many = tiff_bytes((samples_of(Colours(1, 8)), Layout(tags={40_000 + n: ("I", [0]) for n in range(5000)})))
    path.write_bytes(many)
    with pytest.raises(ImageError, match="a directory of 50"):
        read_image(path)
    whole = tiff_bytes((samples_of(Colours(1, 8)), Layout(tags={40_000: ("I", [0] * 500)})))
    path.write_bytes(whole.replace(b"\x40\x9c\x04\0\xf4\x01\0\0", b"\x40\x9c\x04\0\xff\xff\xff\x0f"))
    with pytest.raises(ImageError, match="more data than the file has"):
        read_image(path)
