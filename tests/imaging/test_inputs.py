"""What stands for an image beside a path: bytes, files, arrays, tensors; and what is refused with advice."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from sigzoo.errors import ImageError, SigzooWarning, UsageError
from sigzoo.imaging import as_sources, find_images, read_image

Image8 = NDArray[np.uint8]


@pytest.fixture
def page(draw: Callable[[int], Image8]) -> Image8:
    return draw(3)


def test_content_files_arrays_and_tensors_give_the_same(page: Image8, tmp_path: Path) -> None:
    path = tmp_path / "sig.png"
    Image.fromarray(page).save(path)
    raw = path.read_bytes()
    at_its_end = io.BytesIO(raw)
    at_its_end.seek(0, 2)
    colours = np.stack([page] * 3, -1)
    opaque = np.concatenate([colours, np.full((*page.shape, 1), 255, np.uint8)], -1)
    tensor = torch.from_numpy(page.copy())
    sources: list[Any] = [
        raw, bytearray(raw), memoryview(raw), io.BytesIO(raw), at_its_end, path.open("rb"), str(path), path,
        page[..., None], colours, opaque, page.astype(np.uint16) * 257, page[::-1][::-1],
        np.asfortranarray(page),
        tensor, tensor[None], tensor[..., None], tensor.expand(3, -1, -1), torch.from_numpy(colours),
    ]  # fmt: skip
    for source in sources:
        assert list(as_sources(source)) == [source] or isinstance(source, np.ndarray | torch.Tensor)
        np.testing.assert_array_equal(read_image(source), page)
    assert at_its_end.tell() == len(raw)
    assert [str(each) for each in as_sources(np.array([path, path], object))] == [str(path)] * 2
    assert list(as_sources(np.array([str(path)]))) == [str(path)]


def test_home_and_paths_of_odd_bytes(page: Image8, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    name = os.fsdecode(b"x\xe9\x1b[31m\n$a.png")
    Image.fromarray(page).save(tmp_path / "plain.png")
    (tmp_path / "plain.png").rename(tmp_path / name)
    np.testing.assert_array_equal(read_image(f"~/{name}"), page)
    assert find_images([f"~/{name}"]) == [tmp_path / name]
    (tmp_path / name).write_bytes(b"no image")
    with pytest.raises(ImageError) as caught:
        read_image(tmp_path / name)
    assert r"x\xe9\x1b[31m\n$a.png: not an image" in str(caught.value)
    str(caught.value).encode()


@pytest.mark.parametrize(
    ("thing", "advice"),
    [
        (b"sig.png", "pass a path as str"),
        (b"", "the file is empty"),
        ("", "an empty path"),
        ("a\0b.png", "NUL"),
        ("https://example.org/a.png", "a URL; .* download it first"),
        ("file:///tmp/a.png", "a URL"),
        (io.StringIO("text"), "mode 'rb'"),
        (np.zeros((5, 30, 40), np.uint8), "pass a list"),
        (np.zeros((2, 3, 30, 40), np.uint8), "pass a list"),
        (np.zeros((30, 40), bool), "dtype bool"),
        (np.ones((30, 40)), r"grey_range=\(0, 1\)"),
        (torch.ones(3, 30, 40), r"grey_range=\(0, 1\)"),
        (torch.zeros(3, 30, 4, dtype=torch.uint8), "may be the first axis or the last"),
    ],
)
def test_what_is_not_clear_is_refused_with_what_to_pass(thing: Any, advice: str) -> None:
    with pytest.raises(ImageError, match=advice):
        read_image(thing)


def test_floats_with_a_stated_range_are_taken(page: Image8) -> None:
    np.testing.assert_array_equal(read_image(page / 255.0, grey_range=(0, 1)), page)
    np.testing.assert_array_equal(read_image(1 - page / 255.0, grey_range=(1, 0)), page)
    np.testing.assert_array_equal(read_image(torch.from_numpy(page / 255.0), grey_range=(0, 1)), page)
    for wrong in ((0, 0), (0, float("nan")), (1,), "ab"):
        with pytest.raises(ImageError, match="grey_range is"):
            read_image(page / 255.0, grey_range=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("top", [0.9, 1.0, 1.0000001, 1.0009])
def test_floats_a_hair_beyond_one_are_still_on_the_scale_to_one(top: float, page: Image8) -> None:
    image = Image.fromarray((page / 255 * top).astype(np.float32))
    np.testing.assert_allclose(read_image(image), page * min(top, 1.0), atol=1.0)


def test_wide_pil_modes_are_guesses_that_are_told(page: Image8) -> None:
    for image in (Image.fromarray(page.astype(np.int32)), Image.fromarray(page.astype(np.float32))):
        with pytest.warns(SigzooWarning, match="taken as 0 to 255, which is a guess"):
            np.testing.assert_array_equal(read_image(image), page)
        np.testing.assert_array_equal(read_image(image, grey_range=(0, 255)), page)
    with pytest.raises(ImageError, match="nothing says which is white"):
        read_image(Image.fromarray(page.astype(np.int32) - 128))


def test_links_are_followed_once_and_what_is_left_out_is_told(page: Image8, tmp_path: Path) -> None:
    for name in (
        "set/a.png",
        "set/sub/b.jpe",
        "elsewhere/c.jfif",
        "elsewhere/d",
        "elsewhere/e.heic",
        "set/n.txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(page).save(tmp_path / name, "PNG")
    (tmp_path / "set/f.pdf").write_bytes(b"%PDF")
    (tmp_path / "set/noimage").write_bytes(b"text")
    (tmp_path / "set/linked").symlink_to("../elsewhere")
    (tmp_path / "set/again").symlink_to("../elsewhere")
    (tmp_path / "elsewhere/loop").symlink_to("../set")
    (tmp_path / "set/gone.png").symlink_to("nowhere")
    wanted = ["a.png", "again/c.jfif", "again/d", "again/e.heic", "sub/b.jpe"]
    for pattern in (tmp_path / "set", f"{tmp_path}/set/**", f"{tmp_path}/se[t]/**/*"):
        with pytest.warns(SigzooWarning, match=r"left out: 2 files .*1 \.pdf, 1 link that leads nowhere"):
            found = find_images([pattern])
        assert [path.relative_to(tmp_path / "set").as_posix() for path in found] == wanted
    for unset in ("", "https://example.org/a.png"):
        with pytest.raises(UsageError, match="empty text|a URL"):
            find_images([unset])


def test_folders_that_may_not_be_read_are_told(
    page: Image8, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "locked").mkdir()
    Image.fromarray(page).save(tmp_path / "a.png")
    scandir = os.scandir

    def refusing(path: Any) -> Any:
        if "locked" in os.fspath(path):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.warns(SigzooWarning, match="1 folder that cannot be read: Permission denied"):
        assert find_images([tmp_path]) == [tmp_path / "a.png"]
