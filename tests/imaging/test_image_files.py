"""Images of every common kind are read as grey, 0 ink and 255 paper; the rest is refused by name."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sigzoo.errors import ImageError, SigzooWarning, UsageError
from sigzoo.imaging import find_images, read_image
from sigzoo.imaging.decode_limits import MAX_PIXELS


@pytest.fixture
def page() -> NDArray[np.uint8]:
    """A grey gradient, uint8 (6, 9), of which no two pixels are equal."""
    return np.linspace(0, 255, 54).astype(np.uint8).reshape(6, 9)


def save(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".pgm", ".webp", ".gif"])
def test_grey_comes_through_unchanged(page: NDArray[np.uint8], tmp_path: Path, suffix: str) -> None:
    options = {"lossless": True, "exact": True} if suffix == ".webp" else {}
    path = save(Image.fromarray(page), tmp_path / f"page{suffix}", **options)
    np.testing.assert_array_equal(read_image(path), page)


def test_paths_pil_images_and_arrays_give_the_same(page: NDArray[np.uint8], tmp_path: Path) -> None:
    path = save(Image.fromarray(page), tmp_path / "page.png")
    for source in (str(path), path, Image.fromarray(page), page):
        result = read_image(source)
        assert result.dtype == np.uint8
        np.testing.assert_array_equal(result, page)


def test_colours_become_luma(tmp_path: Path) -> None:
    rgb = np.zeros((1, 3, 3), np.uint8)
    rgb[0, 0, 0] = rgb[0, 1, 1] = rgb[0, 2, 2] = 255
    grey = read_image(save(Image.fromarray(rgb), tmp_path / "rgb.png"))
    np.testing.assert_allclose(grey[0], [0.299 * 255, 0.587 * 255, 0.114 * 255], atol=1)


def test_transparency_is_laid_on_white(page: NDArray[np.uint8], tmp_path: Path) -> None:
    alpha = np.tile(np.array([0, 255, 128], np.uint8), (6, 3))
    for mode in ("RGBA", "LA"):
        image = Image.merge(mode, [*[Image.fromarray(page)] * (len(mode) - 1), Image.fromarray(alpha)])
        grey = read_image(save(image, tmp_path / f"{mode}.png"))
        share = alpha / 255.0
        np.testing.assert_allclose(grey, page * share + 255 * (1 - share), atol=1)


def test_a_palette_with_a_transparent_colour_is_laid_on_white(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 10, 10, 200, 0, 0])
    image.putpixel((1, 0), 1)
    grey = read_image(save(image, tmp_path / "palette.png", transparency=1))
    assert grey.tolist() == [[10, 255]]


def test_one_bit_images_are_black_and_white(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 255], [255, 0]], np.uint8)).convert("1")
    assert read_image(save(image, tmp_path / "bits.png")).tolist() == [[0, 255], [255, 0]]


def test_sixteen_bits_are_scaled_to_eight(tmp_path: Path) -> None:
    deep = (np.arange(54, dtype=np.uint16) * 1213).reshape(6, 9)
    for suffix in (".png", ".tif"):
        grey = read_image(save(Image.fromarray(deep), tmp_path / f"deep{suffix}"))
        np.testing.assert_array_equal(grey, np.rint(deep / 257.0).astype(np.uint8))


def test_floating_point_images_are_scaled(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0.0, 0.5, 1.0]], np.float32))
    assert read_image(save(image, tmp_path / "float.tif")).tolist() == [[0, 128, 255]]
    with pytest.raises(ImageError, match="not finite"):
        read_image(Image.fromarray(np.array([[np.nan, 1.0]], np.float32)))


def test_cmyk_is_read_as_what_it_prints(tmp_path: Path) -> None:
    image = Image.new("CMYK", (8, 8), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 8, 4))
    grey = read_image(save(image, tmp_path / "cmyk.jpg", quality=95))
    assert grey[:3].max() < 20
    assert grey[5:].min() > 235


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(page: NDArray[np.uint8], tmp_path: Path, orientation: int) -> None:
    shown = {
        1: page,
        2: page[:, ::-1],
        3: page[::-1, ::-1],
        4: page[::-1],
        5: page.T,
        6: np.rot90(page, -1),
        7: page[::-1, ::-1].T,
        8: np.rot90(page),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(Image.fromarray(page), tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(read_image(path), shown)


def test_the_first_page_of_several_is_taken(page: NDArray[np.uint8], tmp_path: Path) -> None:
    other = Image.fromarray(255 - page)
    path = save(Image.fromarray(page), tmp_path / "pages.tif", save_all=True, append_images=[other])
    with pytest.warns(SigzooWarning, match="2 pages, of which the first is taken"):
        np.testing.assert_array_equal(read_image(path), page)


def png_of_size(width: int, height: int) -> bytes:
    """A PNG that declares a size and holds no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"hello, I am text", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
        (png_of_size(20_000, 20_000), "megapixels"),
        (png_of_size(9, 9), "damaged or truncated"),
    ],
)
def test_what_is_no_image_is_refused_by_name(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=reason) as caught:
        read_image(path)
    assert str(path) in str(caught.value)


def test_a_truncated_file_is_refused_at_every_length(page: NDArray[np.uint8], tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    for suffix in (".png", ".jpg", ".tif", ".bmp"):
        path = save(Image.fromarray(noise), tmp_path / f"whole{suffix}")
        whole = path.read_bytes()
        for length in range(1, len(whole) - 600, 97):
            path.write_bytes(whole[:length])
            with pytest.raises(ImageError, match=f"whole{suffix}"):
                read_image(path)


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"absent\.png: there is no such file"):
        read_image(tmp_path / "absent.png")
    with pytest.raises(ImageError, match="a folder, not an image"):
        read_image(tmp_path)


def test_the_limit_on_pixels_holds_for_pil_images_too() -> None:
    assert MAX_PIXELS < 200_000_000
    with pytest.raises(ImageError, match="megapixels"):
        read_image(Image.new("1", (20_000, 10_000)))


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((4, 4), np.float32), "dtype float32"),
        (np.full((4, 4), np.nan), "holding NaN"),
        (np.zeros((4, 4, 2), np.uint8), r"shape \(4, 4, 2\)"),
        (np.zeros((0, 4), np.uint8), r"shape \(0, 4\)"),
        (np.zeros(4, np.uint8), r"shape \(4,\)"),
    ],
)
def test_arrays_that_are_no_grey_image_are_refused(array: NDArray[np.uint8], reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        read_image(array)


def test_files_folders_and_wildcards_are_found_once_and_in_order(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "sub/c.tif", "notes.txt", ".hidden.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    names = [path.relative_to(tmp_path).as_posix() for path in find_images([tmp_path])]
    assert names == ["a.JPG", "b.png", "sub/c.tif"]
    assert find_images([tmp_path / "*.png"]) == [tmp_path / "b.png"]
    assert find_images([f"{tmp_path}/**/*.tif"]) == [tmp_path / "sub/c.tif"]
    assert find_images([tmp_path / "b.png", tmp_path]) == [
        tmp_path / name for name in ("b.png", "a.JPG", "sub/c.tif")
    ]
    assert find_images(["whatever.xyz"]) == [Path("whatever.xyz")]


def test_a_wildcard_or_folder_without_images_is_an_error(tmp_path: Path) -> None:
    for pattern in (tmp_path, tmp_path / "*.png"):
        with pytest.raises(UsageError, match="no image"):
            find_images([pattern])
    with pytest.raises(UsageError, match="No images given"):
        find_images([])


def test_damaged_pil_images_and_other_things_are_refused(page: NDArray[np.uint8], tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    path = save(Image.fromarray(noise), tmp_path / "cut.png")
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(ImageError, match="the image: damaged or truncated"):
        read_image(Image.open(path))
    for thing in (None, 3, [page]):
        with pytest.raises(ImageError, match="expected a path, a PIL image or an array"):
            read_image(thing)  # type: ignore[arg-type]


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match=r"pipe\.png: not a regular file"):
        read_image(tmp_path / "pipe.png")


def test_a_path_is_named_as_it_was_given(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as caught:
        read_image(f"{tmp_path}/")
    assert str(caught.value) == f"{tmp_path}/: a folder, not an image."
