"""Small files that are large images: at most 1 GB, by a process of its own, or refused."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image

from sigzoo.errors import ImageError
from sigzoo.imaging import read_image

_MEASURED = """
import sys, warnings
import torch, sigzoo
from sigzoo.errors import ImageError
from sigzoo.imaging import ReadOptions, read_and_apply
warnings.simplefilter("ignore")
preprocess = sigzoo.preprocessor("synsig")
try:
    read_and_apply(sys.argv[1], 0, lambda image: preprocess(image).shape, ReadOptions(check=True))
except ImageError as error:
    print(error)
# Not getrusage: its peak is that of the process that began this one, where that was larger.
status = open("/proc/self/status").read()
print(int(status.split("VmHWM:")[1].split()[0]) // 1024)
"""


def large_png(side: int, bits: int, colour: int) -> bytes:
    """A PNG of a few hundred kilobytes: rows of one level, and a stroke."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    count = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    length = (side * count * bits + 7) // 8
    pack = zlib.compressobj(9)
    light, dark = b"\0" + b"\xf0" * length, b"\0" + b"\xf0" * (length // 2) + b"\x09" * (length - length // 2)
    data = b"".join(pack.compress(dark if 900 < row < 1000 else light) for row in range(side)) + pack.flush()
    header = struct.pack(">IIBBBBB", side, side, bits, colour, 0, 0, 0)
    palette = (
        chunk(b"PLTE", bytes(range(256)) * 3) + chunk(b"tRNS", bytes(range(256))) if colour == 3 else b""
    )
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + palette + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process's own peak")
@pytest.mark.parametrize(("bits", "colour"), [(16, 0), (8, 3), (16, 6)])
def test_large_images_take_less_than_a_gigabyte(bits: int, colour: int, tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(large_png(9990, bits, colour))
    assert path.stat().st_size < 1_500_000
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, str(path)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout.split()[-1]) < 1000, done.stdout


def test_what_would_take_more_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    cmyk = Image.new("CMYK", (9990, 9990), (0, 0, 0, 9))
    path = tmp_path / "cmyk.tif"
    cmyk.save(path, compression="tiff_adobe_deflate")
    assert path.stat().st_size < 1_500_000
    with pytest.raises(ImageError, match="take more than 600 MiB to decode"):
        read_image(path)
    Image.new("L", (70_000, 2), 255).save(tmp_path / "long.png")
    with pytest.raises(ImageError, match="a side of over 65535"):
        read_image(tmp_path / "long.png")
    (tmp_path / "huge.png").write_bytes(large_png(10_100, 8, 0))
    with pytest.raises(ImageError, match="over 100 megapixels"):
        read_image(tmp_path / "huge.png")


def test_a_jpeg_of_thousands_of_scans_is_refused_unread() -> None:
    stream = io.BytesIO()
    Image.effect_noise((64, 64), 40).save(stream, "JPEG", progressive=True)
    whole = stream.getvalue()
    start = whole.rindex(b"\xff\xda")
    read_image(whole)
    with pytest.raises(ImageError, match=r"a JPEG of \d+ scans"):
        read_image(whole[:start] + whole[start:-2] * 200 + whole[-2:])
