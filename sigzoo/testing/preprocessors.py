"""What every preprocessor must do: type, size and range of its result, and no side effects."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigzoo.errors import ImageError
from sigzoo.interfaces import GreyImage, Preprocessor
from sigzoo.testing import images
from sigzoo.testing.suites import Suite, expect, expect_error

__all__ = ["PREPROCESSOR", "check_preprocessor"]

PREPROCESSOR: Suite[Preprocessor] = Suite()

_FAINTEST_INK = 64


def check_preprocessor(preprocessor: Preprocessor, *, skip: tuple[str, ...] = ()) -> None:
    """Check that a preprocessor does what `sigzoo.interfaces.Preprocessor` promises.

    Parameters
    ----------
    preprocessor
        A preprocessor.
    skip
        Names of checks to leave out: those of ``sigzoo.testing.PREPROCESSOR.checks``.

    Raises
    ------
    ConformanceFailure
        If it does not; a line for each check that failed.
    """
    PREPROCESSOR.run(preprocessor, type(preprocessor).__name__, skip)


def _expect_result(preprocessor: Preprocessor, result: Any, of: str) -> None:
    expect(isinstance(result, np.ndarray), f"the result for {of} is a {type(result).__name__}, no array")
    expect(result.dtype == np.uint8, f"the result for {of} is {result.dtype}, expected uint8")
    expect(
        result.ndim == 2 and result.size > 0, f"the result for {of} has shape {result.shape}, expected (h, w)"
    )
    wanted = preprocessor.output_size
    expect(
        wanted is None or result.shape == wanted,
        f"the result for {of} is {result.shape}, but `output_size` is {wanted}",
    )


@PREPROCESSOR.check
def declarations(preprocessor: Preprocessor) -> None:
    """`output_size` is two positive ints or `None`; `input_scale` is above 0 or `None`."""
    size = preprocessor.output_size
    expect(
        size is None
        or (isinstance(size, tuple) and len(size) == 2 and all(isinstance(s, int) and s > 0 for s in size)),
        f"`output_size` must be two positive ints (height, width) or None, got {size!r}",
    )
    scale = preprocessor.input_scale
    expect(scale is None or scale > 0, f"`input_scale` must be above 0 or None, got {scale!r}")


@PREPROCESSOR.check
def result(preprocessor: Preprocessor) -> None:
    """The result is uint8 ``(h, w)`` of `output_size`, for images of several sizes."""
    for size in ((300, 640), (211, 333), (700, 520)):
        _expect_result(preprocessor, preprocessor(images.signature(1, size)), f"an image of {size}")


@PREPROCESSOR.check
def ink_is_bright(preprocessor: Preprocessor) -> None:
    """Paper becomes 0 and ink bright."""
    found = preprocessor(images.signature(2))
    counts = np.bincount(found.ravel(), minlength=256)
    common = int(counts.argmax())
    expect(common == 0, f"the paper of a white page becomes {common}, expected 0: is the image inverted?")
    expect(
        int(found.max()) >= _FAINTEST_INK,
        f"the brightest pixel of a signature is {found.max()}, expected at least {_FAINTEST_INK}",
    )


@PREPROCESSOR.check
def stages(preprocessor: Preprocessor) -> None:
    """`stages` names uint8 images; the last is what calling gives."""
    image = images.signature(3)
    steps = preprocessor.stages(image)
    expect(
        isinstance(steps, dict) and steps, f"stages gave {type(steps).__name__}, expected a dict of images"
    )
    for name, step in steps.items():
        expect(isinstance(name, str) and name, f"a stage is named {name!r}, expected a word")
        expect(
            isinstance(step, np.ndarray) and step.dtype == np.uint8 and step.ndim == 2,
            f"stage {name!r} is no uint8 image of two axes",
        )
    last = list(steps)[-1]
    expect(np.array_equal(steps[last], preprocessor(image)), f"the last stage, {last!r}, is not the result")


@PREPROCESSOR.check
def determinism(preprocessor: Preprocessor) -> None:
    """The same image gives the same result: again, after others, and in several threads at once."""
    pages = [images.signature(number) for number in range(4)]
    first = [preprocessor(page) for page in pages]
    again = [preprocessor(page) for page in reversed(pages)][::-1]
    same = all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))
    expect(same, "the same image gives another result the second time")
    with ThreadPoolExecutor(4) as pool:
        threaded = list(pool.map(preprocessor, pages * 3))
    same = all(np.array_equal(one, other) for one, other in zip(first * 3, threaded, strict=True))
    expect(same, "the same image gives another result when several threads work at once")


@PREPROCESSOR.check
def input_is_left_alone(preprocessor: Preprocessor) -> None:
    """The image is not written into, may be read-only, and is not part of the result."""
    for act, how in ((preprocessor, "calling it"), (preprocessor.stages, "stages")):
        image = images.signature(4)
        given = image.copy()
        use: Callable[[GreyImage], Any] = act
        produced = use(image)
        expect(np.array_equal(image, given), f"{how} writes into the image")
        if isinstance(produced, np.ndarray):
            expect(
                not np.shares_memory(produced, image),
                "the result shares the image's memory: a change of one would change the other",
            )
        given.setflags(write=False)
        use(given)


@PREPROCESSOR.check
def memory_layout(preprocessor: Preprocessor) -> None:
    """A view that is not contiguous gives what its copy gives."""
    view = images.signature(6, (600, 1280))[::2, ::2]
    expect(
        np.array_equal(preprocessor(view), preprocessor(np.ascontiguousarray(view))),
        "a view with strides gives another result than its contiguous copy",
    )


@PREPROCESSOR.check
def blank_pages(preprocessor: Preprocessor) -> None:
    """White paper is refused with `ImageError`; pages of another single grey give that or a result."""
    expect_error(ImageError, lambda: preprocessor(images.blank()), "a blank page")
    expect_error(ImageError, lambda: preprocessor.stages(images.blank()), "stages of a blank page")
    for level in (0, 128, 254):
        _tolerates(preprocessor, np.full((120, 200), level, np.uint8), f"a page of grey {level} all over")


@PREPROCESSOR.check
def extreme_sizes(preprocessor: Preprocessor) -> None:
    """Huge and tiny images give a result or an `ImageError`, nothing else."""
    _tolerates(preprocessor, images.huge(), "a page of 3508 x 2480")
    for size in ((1, 1), (1, 50), (50, 1), (3, 3)):
        page = images.blank(size)
        page[0, 0] = 0
        _tolerates(preprocessor, page, f"an image of {size}")


def _tolerates(preprocessor: Preprocessor, image: GreyImage, what: str) -> None:
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that such an image is no signature may well be told
            found = preprocessor(image)
    except ImageError:
        return
    _expect_result(preprocessor, found, what)


@PREPROCESSOR.check
def refusals(preprocessor: Preprocessor) -> None:
    """What is no grey image is refused with `ImageError`."""
    grey = images.signature(7)
    wrong: dict[str, NDArray[Any]] = {
        "a float image": grey / np.float32(255),
        "a float image holding NaN": np.full((40, 60), np.nan, np.float32),
        "a colour image": np.repeat(grey[..., np.newaxis], 3, axis=2),
        "an empty image": grey[:0],
        "a 16 bit image": grey.astype(np.uint16),
    }
    for what, image in wrong.items():
        expect_error(ImageError, lambda image=image: preprocessor(image), what)  # type: ignore[misc]
