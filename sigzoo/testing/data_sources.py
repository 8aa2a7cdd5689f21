"""What every data source must do: recognise cheaply, labels of one length, images, errors of ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from sigzoo.errors import SigzooError
from sigzoo.interfaces import check_grey
from sigzoo.interfaces.data_sources import DataSource, SignatureSet
from sigzoo.testing.suites import Suite, expect, expect_error

__all__ = ["DATA_SOURCE", "DataSourceCase", "check_data_source"]

_MOST = 20
"""Most images that a check reads."""


@dataclass(frozen=True)
class DataSourceCase:
    """A source, and a small place of its kind that a plugin's test provides."""

    source: DataSource
    place: str


DATA_SOURCE: Suite[DataSourceCase] = Suite()


def check_data_source(source: DataSource, place: str, *, skip: tuple[str, ...] = ()) -> None:
    """Check that a data source does what `sigzoo.interfaces.DataSource` promises.

    Parameters
    ----------
    source
        Built.
    place
        A small data set of its kind: a path, or what a user writes after ``NAME:``.
    skip
        Names of checks to leave out: those of ``sigzoo.testing.DATA_SOURCE.checks``.

    Raises
    ------
    ConformanceFailure
        If it does not; a line for each check that failed.
    """
    DATA_SOURCE.run(DataSourceCase(source, place), type(source).__name__, skip)


@DATA_SOURCE.check
def example(case: DataSourceCase) -> None:
    """`example` says how a place is written."""
    text = getattr(case.source, "example", None)
    expect(isinstance(text, str) and text, f"`example` must be a text for messages, got {text!r}")


@DATA_SOURCE.check
def recognises(case: DataSourceCase) -> None:
    """Recognising raises nothing, whatever the place is, and an unknown file is not its own."""
    with TemporaryDirectory() as folder:
        unknown = Path(folder) / "strange.bin"
        unknown.write_bytes(b"\0\1\2")
        places = ["", "no such place", str(unknown), folder, "a:b", "\n", str(Path(folder) / ("x" * 5000))]
        for place in [*places, case.place]:
            found = case.source.recognises(place)
            expect(isinstance(found, bool), f"`recognises` gives {found!r} for {place[:40]!r}")
        expect(not case.source.recognises(str(unknown)), "recognises a file of three bytes")


@DATA_SOURCE.check
def labels(case: DataSourceCase) -> None:
    """Writers, forgeries and labels are of one length and type; there are genuine signatures."""
    opened = _open(case)
    try:
        count = len(opened)
        expect(count > 0, "opens a place without signatures; raise a DataError")
        expect(len(opened.writers) == count, f"{len(opened.writers)} writers for {count} signatures")
        odd = [each for each in opened.writers if not isinstance(each, int | str)]
        expect(not odd, f"writers are named by int or str, not {type(odd[0]).__name__}" if odd else "")
        forged = opened.forged
        expect(
            isinstance(forged, np.ndarray) and forged.shape == (count,) and forged.dtype == bool,
            f"`forged` must be bool ({count},)",
        )
        expect(not forged.all(), "holds forgeries alone")
        for name, values in opened.labels.items():
            good = isinstance(values, np.ndarray) and values.shape == (count,) and values.dtype.kind == "i"
            expect(good, f"the label {name!r} must be whole numbers ({count},)")
            expect(not len(values) or values.min() >= 0, f"the label {name!r} holds numbers below 0")
    finally:
        opened.close()


@DATA_SOURCE.check
def images(case: DataSourceCase) -> None:
    """Images are grey, the same each time, and all are given in their order."""
    opened = _open(case)
    try:
        for index in range(min(len(opened), _MOST)):
            one = check_grey(opened.read(index))
            expect(np.array_equal(one, opened.read(index)), f"image {index} differs the second time")
            expect(isinstance(opened.name(index), str), f"the name of image {index} is no text")
        found = []
        for index, image in opened.prepared(_whole):
            if index < _MOST:
                expect(np.array_equal(image, opened.read(index)), f"`prepared` gives another image {index}")
            found.append(index)
        expect(found == sorted(set(found)), "`prepared` gives images out of order or twice")
        if not opened.skip_blank:
            expect(len(found) == len(opened), f"`prepared` gives {len(found)} of {len(opened)} images")
    finally:
        opened.close()


@DATA_SOURCE.check
def digest(case: DataSourceCase) -> None:
    """The digest is the same for the same place."""
    texts = []
    for _ in range(2):
        opened = _open(case)
        texts.append(opened.digest())
        opened.close()
    same = isinstance(texts[0], str) and texts[0] == texts[1]
    expect(same, f"`digest` gives {texts[0]!r}, then {texts[1]!r}")


@DATA_SOURCE.check
def missing(case: DataSourceCase) -> None:
    """A place that is not there is one of sigzoo's errors."""
    with TemporaryDirectory() as folder:
        nowhere = str(Path(folder) / "nothing")
        expect_error(SigzooError, lambda: case.source.open(nowhere), "a place that is not there")


def _open(case: DataSourceCase) -> SignatureSet:
    opened = case.source.open(case.place)
    expect(isinstance(opened, SignatureSet), f"`open` gives a {type(opened).__name__}, no SignatureSet")
    return opened


def _whole(image: np.ndarray) -> np.ndarray:
    return image
