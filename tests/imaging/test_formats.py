"""PNG, PGM, JPEG, BMP, GIF, WebP, AVIF, HEIC: what the files mean, by other readers or by construction."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, features

from sigzoo.errors import ImageError, SigzooWarning
from sigzoo.imaging import read_image

HEIGHT, WIDTH = 9, 13
LUMA = np.array([0.299, 0.587, 0.114])


def png(samples: NDArray[Any], bits: int, colour: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of samples ``(H, W, S)``, put together by the specification."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, count = samples.shape
    shifts = np.arange(bits - 1, -1, -1)
    digits = (samples.reshape(height, width * count, 1).astype(int) >> shifts) & 1
    rows = np.packbits(digits.reshape(height, -1).astype(np.uint8), axis=1)
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, content) for kind, content in parts)


def random(bits: int, count: int) -> NDArray[np.int64]:
    rng = np.random.default_rng(bits * 10 + count)
    return rng.integers(0, 2**bits, (HEIGHT, WIDTH, count))


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_grey_png_of_every_depth_with_and_without_a_transparent_level(bits: int) -> None:
    samples, top = random(bits, 1), 2**bits - 1
    expected = np.rint(samples[..., 0] * (255 / top))
    np.testing.assert_array_equal(read_image(png(samples, bits, 0)), expected)
    level = int(samples[2, 3, 0])
    clear = png(samples, bits, 0, (b"tRNS", struct.pack(">H", level)))
    np.testing.assert_array_equal(read_image(clear), np.where(samples[..., 0] == level, 255, expected))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(("colour", "count"), [(2, 3), (4, 2), (6, 4)])
def test_png_of_colours_and_alpha(bits: int, colour: int, count: int) -> None:
    samples = random(bits, count)
    values = samples / (2**bits - 1)
    grey = values[..., :3] @ LUMA if count > 2 else values[..., 0]
    alpha = values[..., -1] if count in (2, 4) else 1.0
    np.testing.assert_allclose(
        read_image(png(samples, bits, colour)), 255 * (grey * alpha + 1 - alpha), atol=2
    )


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_png_palettes_with_transparency(bits: int) -> None:
    samples, rng = random(bits, 1), np.random.default_rng(1)
    palette, alpha = rng.integers(0, 256, (2**bits, 3)), rng.integers(0, 256, 2**bits)
    chunks = [(b"PLTE", palette.astype(np.uint8).tobytes()), (b"tRNS", alpha.astype(np.uint8).tobytes())]
    share = alpha / 255
    greys = (palette @ LUMA) * share + 255 * (1 - share)
    np.testing.assert_allclose(read_image(png(samples, bits, 3, *chunks)), greys[samples[..., 0]], atol=2)


def test_a_transparent_colour_of_sixteen_bits_is_refused_and_of_eight_is_white() -> None:
    samples = random(8, 3)
    clear = png(samples, 8, 2, (b"tRNS", struct.pack(">HHH", *map(int, samples[1, 1]))))
    assert read_image(clear)[1, 1] == 255
    with pytest.raises(ImageError, match="16-bit colours"):
        read_image(png(random(16, 3), 16, 2, (b"tRNS", struct.pack(">HHH", 1, 2, 3))))
    with pytest.raises(ImageError, match="wholly transparent"):
        read_image(png(np.zeros((4, 4, 2), int), 8, 4))


@pytest.mark.parametrize("top", [1, 15, 100, 254, 255, 1000, 4095, 65_535])
@pytest.mark.parametrize("plain", [False, True])
def test_pgm_of_every_highest_value(top: int, plain: bool) -> None:
    samples = np.random.default_rng(top).integers(0, top + 1, (HEIGHT, WIDTH))
    head = f"P{2 if plain else 5}\n# a comment\n{WIDTH} {HEIGHT}\n{top}\n".encode()
    body = (
        " ".join(map(str, samples.ravel())).encode()
        if plain
        else samples.astype(">u1" if top < 256 else ">u2").tobytes()
    )
    np.testing.assert_allclose(read_image(head + body), samples * (255 / top), atol=0.51)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG", "AVIF", "MPO"])
def test_exif_orientation_of_every_format(kind: str, orientation: int) -> None:
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    page = np.zeros((32, 64), np.uint8)
    page[:16, :32], page[16:, :32], page[:16, 32:], page[16:, 32:] = 0, 80, 160, 240
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    options = {"quality": 95} if kind != "PNG" else {}
    Image.fromarray(page).convert("RGB").save(stream, kind, exif=exif, **options)
    turns = {1: page, 2: np.fliplr(page), 3: np.rot90(page, 2), 4: np.flipud(page), 5: page.T}
    turns |= {6: np.rot90(page, -1), 7: np.rot90(page, 2).T, 8: np.rot90(page)}
    np.testing.assert_allclose(read_image(stream.getvalue()), turns[orientation], atol=12)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_colours_are_those_that_another_decoder_gives(mode: str, progressive: bool) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    smooth = np.linspace(20, 230, 48 * 64).reshape(48, 64).astype(np.uint8)
    bands = [np.roll(smooth, 7 * number, axis=1) for number in range({"L": 1, "RGB": 3, "CMYK": 4}[mode])]
    image = Image.merge(mode, [Image.fromarray(band) for band in bands])
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=92, progressive=progressive)
    decoded = imagecodecs.jpeg8_decode(stream.getvalue()).astype(float)
    if mode == "CMYK":  # stored inverted, as Adobe's programs do and every reader expects
        decoded = 255 - decoded if np.abs(decoded - np.stack(bands, -1)).mean() > 60 else decoded
        ink = decoded / 255
        expected = 255 * ((1 - ink[..., :3]) * (1 - ink[..., 3:])) @ LUMA
    else:
        expected = decoded @ LUMA if mode == "RGB" else decoded
    np.testing.assert_allclose(read_image(stream.getvalue()), expected, atol=3)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
@pytest.mark.parametrize("kind", ["BMP", "GIF", "WEBP", "JPEG2000"])
def test_lossless_formats_keep_what_pillow_was_given(kind: str, mode: str) -> None:
    rng = np.random.default_rng(3)
    image = Image.fromarray(rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)).convert(
        mode if mode != "RGBA" else "RGB"
    )
    if mode == "RGBA" and kind != "BMP":  # whose fourth byte is no alpha, without a mask that says so
        image.putalpha(Image.fromarray((rng.random((HEIGHT, WIDTH)) > 0.5).astype(np.uint8) * 255))
    if (kind == "JPEG2000" and mode in ("1", "P")) or (kind == "GIF" and mode in ("RGB", "RGBA")):
        image = image.convert("L")
    stream = io.BytesIO()
    image.save(stream, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {}))
    rgba = np.asarray(image.convert("RGBA")).astype(float)
    alpha = rgba[..., 3] / 255
    expected = (rgba[..., :3] @ LUMA) * alpha + 255 * (1 - alpha)
    np.testing.assert_allclose(read_image(stream.getvalue()), expected, atol=1.01)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_frames_are_told_and_can_be_named(kind: str, tmp_path: Path) -> None:
    frames = [Image.new("L", (20, 10), level) for level in (40, 90, 140)]
    path = tmp_path / f"frames.{kind.lower()}"
    options = {"lossless": True} if kind == "WEBP" else {}
    frames[0].save(path, kind, save_all=True, append_images=frames[1:], **options)
    with pytest.warns(SigzooWarning, match="3 (frames|pages), of which the first is taken"):
        assert abs(int(read_image(path)[5, 5]) - 40) < 3
    for number, level in enumerate((40, 90, 140), start=1):
        assert abs(int(read_image(f"{path}#{number}")[5, 5]) - level) < 3
    with pytest.raises(ImageError, match="there is no page 4"):
        read_image(f"{path}#4")


def test_heic_is_read_with_the_extra_and_named_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    page = np.zeros((64, 96), np.uint8)
    page[:, 48:] = 240
    path = tmp_path / "phone.heic"
    pillow_heif.from_pillow(Image.fromarray(page).convert("RGB")).save(path, quality=95)
    np.testing.assert_allclose(read_image(path), page, atol=8)
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    with pytest.raises(ImageError, match=r"pip install 'sigzoo\[heif\]'"):
        read_image(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"%PDF-1.7 ...", "a PDF"),
        (b"<svg xmlns='x'/>", "SVG"),
        (b"8BPS\0\1", "Photoshop"),
        (b"PK\3\4....", "zip archive"),
    ],
)
def test_what_is_often_taken_for_an_image_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "scan.png").write_bytes(content)
    with pytest.raises(ImageError, match=f"not an image but .*{reason}"):
        read_image(tmp_path / "scan.png")
