"""Data sets of synthetic signatures: which samples they hold, and drawing them in several processes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import groupby, islice
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from sigzoo.common.parallel import process_map
from sigzoo.synthesis.scan_conditions import Rendering, office
from sigzoo.synthesis.writer import Writer

__all__ = ["DatasetSpec", "Sample", "SyntheticImage", "generate"]

_T = TypeVar("_T")

_BATCH = 16
"""Most images that a process draws at a time: they wait in memory together."""


@dataclass(frozen=True)
class SyntheticImage:
    """One image of a synthetic data set."""

    writer: int
    """Number of the writer whose signature it is, or claims to be; from 1."""
    index: int
    """Number of the sample; from 1, genuine signatures and forgeries counted apart."""
    kind: str
    """``genuine`` or ``forgery``."""
    image: NDArray[np.uint8]
    """uint8 ``(H, W)``, 0 ink and 255 paper."""
    dpi: float = 300.0
    """Resolution of the scan."""


@dataclass(frozen=True)
class Sample:
    """Which image of a data set; see `SyntheticImage`."""

    writer: int
    kind: str
    index: int


@dataclass(frozen=True)
class DatasetSpec:
    """A data set that `generate` draws."""

    writers: int
    genuine: int
    """Genuine signatures of each writer."""
    forgeries: int = 0
    """Skilled forgeries of each writer."""
    seed: int = 0
    """Decides everything; writer and sample numbers are independent of the counts, so that a larger
    data set contains the smaller one."""
    rendering: Rendering = office
    """Draws pen and scan of an image."""

    def __len__(self) -> int:
        return self.writers * (self.genuine + self.forgeries)

    def samples(self) -> Iterator[Sample]:
        """Name the samples, writer by writer, each writer's genuine signatures first.

        Yields
        ------
        Sample
            Writer, kind and number of one signature.
        """
        for number in range(1, self.writers + 1):
            for kind, count in (("genuine", self.genuine), ("forgery", self.forgeries)):
                for index in range(1, count + 1):
                    yield Sample(number, kind, index)


@overload
def generate(
    spec: DatasetSpec, *, samples: Iterable[Sample] | None = None, workers: int = 1
) -> Generator[SyntheticImage, None, None]: ...


@overload
def generate(
    spec: DatasetSpec,
    finish: Callable[[SyntheticImage], _T],
    *,
    samples: Iterable[Sample] | None = None,
    workers: int = 1,
) -> Generator[_T, None, None]: ...


def generate(
    spec: DatasetSpec,
    finish: Callable[[SyntheticImage], Any] | None = None,
    *,
    samples: Iterable[Sample] | None = None,
    workers: int = 1,
) -> Generator[Any, None, None]:
    """Draw a data set, writer by writer, each writer's genuine signatures first.

    Parameters
    ----------
    spec
        The data set.
    finish
        What to make of an image where it was drawn (encode it, preprocess it); with several processes a
        function at the top level of a module, as the rendering of the data set must be. By default an
        image is given as it is.
    samples
        Which images, those of a writer together; by default all of them in order.
    workers
        Processes that draw, a writer or a part of one at a time; the results and their order are the same
        for any number, and a bounded number of them is held in memory.

    Yields
    ------
    SyntheticImage
        One image, or what `finish` made of it.

    Raises
    ------
    UsageError
        If `finish` or the rendering cannot be sent to another process.
    SigzooError
        If a process dies; and whatever `finish` raises.
    """
    batches = _batches(spec.samples() if samples is None else samples)
    draw = partial(_drawn, spec.seed, spec.rendering, _unchanged if finish is None else finish)
    if workers <= 1:
        for batch in batches:
            yield from draw(batch)
        return
    with closing(process_map(partial(_together, draw), batches, workers=workers)) as results:
        for made in results:
            yield from made


def _batches(samples: Iterable[Sample]) -> Iterator[list[Sample]]:
    """Put samples of one writer together, not too many."""
    for _, of_writer in groupby(samples, key=lambda sample: sample.writer):
        while batch := list(islice(of_writer, _BATCH)):
            yield batch


def _drawn(
    seed: int, rendering: Rendering, finish: Callable[[SyntheticImage], _T], batch: list[Sample]
) -> Iterator[_T]:
    """Draw samples of one writer."""
    number = batch[0].writer
    writer = Writer((seed, number), rendering=rendering)
    for sample in batch:
        scan = writer.genuine_scan if sample.kind == "genuine" else writer.forgery_scan
        image, dpi = scan(sample.index)
        yield finish(SyntheticImage(number, sample.index, sample.kind, image, dpi))


def _together(draw: Callable[[list[Sample]], Iterator[_T]], batch: list[Sample]) -> list[_T]:
    return list(draw(batch))


def _unchanged(item: SyntheticImage) -> SyntheticImage:
    return item
