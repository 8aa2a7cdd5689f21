"""Every check of a preprocessor passes a sound one, and finds the fault it is there for."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sigzoo.interfaces import GreyImage, ImageError, Preprocessor, check_grey
from sigzoo.testing import PREPROCESSOR, ConformanceFailure, check_preprocessor


class Sound(Preprocessor):
    """Inverts and resizes; refuses what is no signature."""

    output_size: Any = (32, 64)

    def check(self, image: GreyImage) -> None:
        check_grey(image)
        if image.min() == image.max():
            raise ImageError("it holds no ink.")

    def stages(self, image: GreyImage) -> dict[str, GreyImage]:
        self.check(image)
        inverted = 255 - image
        return {"inverted": inverted, "resized": self.resize(inverted)}

    def resize(self, image: GreyImage) -> GreyImage:
        return np.asarray(Image.fromarray(image).resize((64, 32), Image.Resampling.BOX))


class OfTheImagesSize(Sound):
    output_size = None

    def resize(self, image: GreyImage) -> GreyImage:
        return image.copy()


class SizeAsAList(Sound):
    output_size = [32, 64]  # noqa: RUF012


class NegativeScale(Sound):
    input_scale = -1.0


class GivesFloats(Sound):
    def resize(self, image: GreyImage) -> GreyImage:
        return super().resize(image) / np.float32(255)  # type: ignore[return-value]


class GivesAnotherSize(Sound):
    output_size = (64, 32)


class GivesAnAxisTooMany(Sound):
    def resize(self, image: GreyImage) -> GreyImage:
        return super().resize(image)[np.newaxis]


class ForgetsToInvert(Sound):
    def stages(self, image: GreyImage) -> dict[str, GreyImage]:
        self.check(image)
        return {"resized": self.resize(image)}


class Faint(Sound):
    def resize(self, image: GreyImage) -> GreyImage:
        return super().resize(image) // 8


class NoStages(Sound):
    def stages(self, image: GreyImage) -> dict[str, GreyImage]:
        return {}

    def __call__(self, image: GreyImage) -> GreyImage:
        return super().resize(255 - image)


class StagesEndElsewhere(Sound):
    def __call__(self, image: GreyImage) -> GreyImage:
        self.check(image)
        return super().resize(255 - image) // 2


class FloatStage(Sound):
    def stages(self, image: GreyImage) -> dict[str, GreyImage]:
        return {"grey": image / 255.0, **super().stages(image)}


class Remembers(Sound):
    def __init__(self) -> None:
        self.brightest = 0

    def resize(self, image: GreyImage) -> GreyImage:
        self.brightest += 1
        return np.minimum(super().resize(image), 200 - self.brightest)


class SharesABuffer(Sound):
    """Right in one thread, wrong in several."""

    def __init__(self) -> None:
        self.buffer = np.zeros((32, 64), np.uint8)

    def resize(self, image: GreyImage) -> GreyImage:
        self.buffer = super().resize(image)
        time.sleep(0.002)
        return self.buffer.copy()


class WritesIntoTheImage(Sound):
    def stages(self, image: GreyImage) -> dict[str, GreyImage]:
        self.check(image)
        image[image > 200] = 255
        image[0, 0] = 254
        return super().stages(image)


class GivesAView(OfTheImagesSize):
    def stages(self, image: GreyImage) -> dict[str, GreyImage]:
        self.check(image)
        return {"cut": image[:, :]}


class NeedsAWritableImage(Sound):
    def stages(self, image: GreyImage) -> dict[str, GreyImage]:
        self.check(image)
        image[0, 0] = image[0, 0]
        return super().stages(image)


class ReadsWhatTheViewIsOf(Sound):
    def stages(self, image: GreyImage) -> dict[str, GreyImage]:
        self.check(image)
        whole: Any = image if image.base is None else image.base
        return super().stages(whole[: image.shape[0], : image.shape[1]])


class TakesBlankPages(Sound):
    def check(self, image: GreyImage) -> None:
        check_grey(image)


class DividesByTheContrast(Sound):
    def check(self, image: GreyImage) -> None:
        check_grey(image)
        if image.min() == 255:
            raise ImageError("it holds no ink.")
        1 // int(image.max() - image.min())


class NeedsRoom(Sound):
    def check(self, image: GreyImage) -> None:
        super().check(image)
        if min(image.shape) < 4:
            raise IndexError("no room for the filter")


class NoLargePages(Sound):
    def check(self, image: GreyImage) -> None:
        super().check(image)
        if image.size > 2**20:
            raise MemoryError("too large")


class TakesAnything(Sound):
    def check(self, image: GreyImage) -> None:
        if image.size and image.min() == image.max():
            raise ImageError("it holds no ink.")


BROKEN = [
    ("declarations", SizeAsAList, "output_size"),
    ("declarations", NegativeScale, "input_scale"),
    ("result", GivesFloats, "expected uint8"),
    ("result", GivesAnotherSize, r"is \(32, 64\), but `output_size` is \(64, 32\)"),
    ("result", GivesAnAxisTooMany, r"expected \(h, w\)"),
    ("ink_is_bright", ForgetsToInvert, "becomes 255, expected 0"),
    ("ink_is_bright", Faint, "at least 64"),
    ("stages", NoStages, "expected a dict of images"),
    ("stages", StagesEndElsewhere, "last stage, 'resized', is not the result"),
    ("stages", FloatStage, "stage 'grey' is no uint8 image"),
    ("determinism", Remembers, "second time"),
    ("determinism", SharesABuffer, "several threads"),
    ("input_is_left_alone", WritesIntoTheImage, "writes into the image"),
    ("input_is_left_alone", GivesAView, "shares the image's memory"),
    ("input_is_left_alone", NeedsAWritableImage, "read-only"),
    ("memory_layout", ReadsWhatTheViewIsOf, "strides"),
    ("blank_pages", TakesBlankPages, "blank page: expected ImageError, but nothing was raised"),
    ("blank_pages", DividesByTheContrast, "ZeroDivisionError"),
    ("extreme_sizes", NeedsRoom, "IndexError"),
    ("extreme_sizes", NoLargePages, "MemoryError"),
    ("refusals", TakesAnything, "a float image: expected ImageError"),
]


@pytest.mark.parametrize("kind", [Sound, OfTheImagesSize])
def test_a_sound_preprocessor_passes_every_check(kind: type[Preprocessor]) -> None:
    check_preprocessor(kind())


@pytest.mark.parametrize(("check", "kind", "words"), BROKEN, ids=[each[1].__name__ for each in BROKEN])
def test_a_check_finds_its_fault(check: str, kind: type[Preprocessor], words: str) -> None:
    with pytest.raises(ConformanceFailure, match=f"^{check}: .*{words}"):
        PREPROCESSOR.checks[check](kind())


def test_every_check_has_a_fault_to_find() -> None:
    assert {each[0] for each in BROKEN} == set(PREPROCESSOR.checks)


def test_all_faults_are_told_in_one_failure() -> None:
    with pytest.raises(ConformanceFailure, match=r"(?s)ForgetsToInvert does not conform:.*ink_is_bright"):
        check_preprocessor(ForgetsToInvert())
