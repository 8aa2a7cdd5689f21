"""What does not look like one signature on paper is told, and signatures are let alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from sigzoo.errors import SigzooWarning
from sigzoo.imaging import ReadOptions, read_and_apply, read_image
from sigzoo.imaging.plausibility import _apart, doubts

Image8 = NDArray[np.uint8]


def padded(image: Image8) -> Image8:
    return np.pad(image, max(image.shape) // 7, constant_values=255)


def ruled(image: Image8, level: int = 110) -> Image8:
    page = padded(image)
    for number in range(1, 6):
        at = len(page) * number // 6
        page[at : at + 2] = level
    return page


def framed(image: Image8, inset: int) -> Image8:
    page = Image.fromarray(padded(image))
    ends = (inset, inset, page.width - 1 - inset, page.height - 1 - inset)
    ImageDraw.Draw(page).rectangle(ends, outline=30, width=3)
    return np.asarray(page)


def dark_at_the_edge(image: Image8) -> Image8:
    page = padded(image)
    page[:, :20] = page[:20] = 10
    return page


def beside(image: Image8, other: Image8) -> Image8:
    gap = np.full((len(image), image.shape[1] // 2), 255, np.uint8)
    return np.hstack([image, gap, other])


def stamped(image: Image8) -> Image8:
    stamp = Image.new("L", (len(image), len(image)), 255)
    pen = ImageDraw.Draw(stamp)
    pen.ellipse((9, 9, len(image) - 9, len(image) - 9), outline=70, width=6)
    pen.text((len(image) // 4, len(image) // 2 - 8), "PAID 24 NOV", fill=70)
    return beside(image, np.asarray(stamp))


def page_of_print(image: Image8) -> Image8:
    page = Image.new("L", (900, 1200), 250)
    pen = ImageDraw.Draw(page)
    for line in range(18):
        pen.text((70, 70 + 48 * line), "This agreement is made between the parties " * 2, fill=20)
    page.paste(Image.fromarray(image), (500, 1000))
    return np.asarray(page)


def on_a_page(image: Image8) -> Image8:
    """A page of A4 at 200 dpi, with dust, that holds a signature 50 mm wide."""
    page = Image.new("L", (1654, 2339), 252)
    small = Image.fromarray(image).resize((394, len(image) * 394 // image.shape[1]))
    page.paste(small, (1000, 1800))
    for speck in range(20):
        page.paste(60, (37 + 79 * speck, 50 + 113 * speck, 39 + 79 * speck, 52 + 113 * speck))
    return np.asarray(page)


SPOILT: dict[str, tuple[Callable[[Image8], Image8], str]] = {
    "inverted": (lambda image: 255 - image, "dark than bright"),
    "ruled": (ruled, "straight lines"),
    "ruled paler than ink": (lambda image: ruled(image, 225), "straight lines"),
    "framed at the edge": (lambda image: framed(image, 0), "along its border"),
    "framed inside": (lambda image: framed(image, 12), "straight lines"),
    "dark at the edge": (dark_at_the_edge, "along its border"),
    "two signatures": (lambda image: beside(image, image), "far apart"),
    "stamped": (stamped, "far apart"),
    "small on a page": (on_a_page, "next to no ink for its size"),
    "a page of print": (page_of_print, "18 lines of writing|19 lines of writing"),
}


@pytest.mark.parametrize("way", SPOILT)
def test_what_is_no_signature_alone_is_told(way: str, draw: Callable[[int], Image8]) -> None:
    spoil, reason = SPOILT[way]
    for writer in range(5):
        assert not doubts(draw(writer))
        found = doubts(spoil(draw(writer)))
        assert any(part in each for part in reason.split("|") for each in found), (writer, found)


def test_strokes_that_are_wider_than_a_tile_are_ink() -> None:
    image = np.full((220, 330), 255, np.uint8)
    image[80:120, 60:250] = 0
    assert not doubts(image)


@pytest.mark.parametrize("rendering", ["office", "scanner", "binarised", "tablet", "varied"])
def test_drawn_signatures_are_let_alone(rendering: str) -> None:
    from sigzoo.synthesis import DatasetSpec, conditions, generate

    spec = DatasetSpec(writers=8, genuine=2, forgeries=1, seed=77, rendering=conditions(rendering))
    flagged = [found for each in generate(spec, workers=1) if (found := doubts(each.image))]
    assert not flagged


@pytest.mark.parametrize("name", ["sigcomp2009", "bhsig-dev"])
def test_real_signatures_are_let_alone(name: str, shared_data: Path) -> None:
    files = sorted((shared_data / name).rglob("*.png"))[::5]
    flagged = [path for path in files if doubts(read_image(path))]
    assert len(flagged) <= len(files) // 200, flagged


def test_the_warning_names_the_image_and_can_be_switched_off(
    tmp_path: Path, draw: Callable[[int], Image8]
) -> None:
    path = tmp_path / "white on black.png"
    Image.fromarray(255 - draw(1)).save(path)
    with pytest.warns(
        SigzooWarning, match=r"white on black\.png: does not look like one signature on paper: more"
    ):
        read_and_apply(path, 0, lambda image: image, ReadOptions(check=True))
    read_and_apply(path, 0, lambda image: image)  # a warning would be an error


@pytest.mark.parametrize("shape", [(1, 1), (7, 9), (8, 3000), (3000, 8), (50, 50)])
def test_any_shape_and_level_is_taken(shape: tuple[int, int]) -> None:
    for level in (0, 255):
        assert doubts(np.full(shape, level, np.uint8)) == []
    noise = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    assert isinstance(doubts(noise), list)


@pytest.mark.parametrize("shape", [(30, 40), (43, 200), (200, 81), (7, 9)])
@pytest.mark.parametrize("inked", [0.0, 0.001, 0.005, 0.3])
def test_what_lies_apart_is_what_a_walk_from_tile_to_tile_does_not_reach(
    shape: tuple[int, int], inked: float
) -> None:
    for seed in range(8):
        cells = np.random.default_rng(seed).random(shape) < inked
        tiles = Counter((row // 5, column // 5) for row, column in zip(*np.nonzero(cells), strict=True))
        left, groups = set(tiles), [0]
        while left:
            walk, group = [left.pop()], 0
            while walk:
                row, column = walk.pop()
                group += tiles[row, column]
                near = {(r, c) for r, c in left if max(abs(r - row), abs(c - column)) <= 7}
                left -= near
                walk.extend(near)
            groups.append(group)
        expected = 1 - max(groups) / cells.sum() if cells.any() else 0.0
        assert _apart(cells) == pytest.approx(expected)
