"""Images to features in a stream: prepared ahead, batched by size, in order, in constant memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from sigzoo.embedding.lanes import Lanes, Pending
from sigzoo.embedding.pool import prepared_in_order
from sigzoo.embedding.preparation import Preparation, Prepared
from sigzoo.errors import SigzooError, WeightsError
from sigzoo.imaging import ImageSource, ReadOptions
from sigzoo.interfaces import GreyImage, Preprocessor, Runtime, Size
from sigzoo.interfaces.runtimes import BATCH

__all__ = ["Embedded", "EmbeddingStream"]

MAX_WINDOW_PIXELS = 2**25
"""Most pixels of preprocessed images among which equal sizes are looked for: 32 MiB."""

MAX_WAITING_PIXELS = 2**26
"""Pixels of windows under way beyond which no other is begun: 64 MiB."""


@dataclass(frozen=True)
class Embedded:
    """What became of one image of a stream."""

    index: int
    """Its place in the input, from 0."""
    source: str
    """The path, or ``image 3`` for what has none."""
    features: NDArray[np.float32] | None
    """float32, of the layer's shape; `None` where the image could not be used."""
    error: SigzooError | None = None
    """Why not."""


_Batch: TypeAlias = list[tuple[int, GreyImage]]
"""Images of one size, each with its index."""

_Features: TypeAlias = dict[int, NDArray[np.float32]]
"""Features by index."""


@dataclass(frozen=True)
class _Window:
    """Images that came one after the other, and what becomes of their batches."""

    items: list[Prepared]
    batches: list[Pending[_Features]]

    def done(self) -> bool:
        """Whether nothing is under way any more."""
        return all(each.done() for each in self.batches)

    def pixels(self) -> int:
        """How many pixels its images have."""
        return sum(item.image.size for item in self.items if item.image is not None)

    def features(self) -> _Features:
        """The features of all images that have some, by index; waits for them."""
        return {index: row for batch in self.batches for index, row in batch.result().items()}


@dataclass(frozen=True)
class EmbeddingStream:
    """From images to one layer's features.

    Attributes
    ----------
    model
        The model's name, for messages.
    preprocessor, runtime, layer
        What is done with an image.
    input_scale
        The network's input is the preprocessed uint8 image times this.
    minimum_size
        Smallest ``(h, w)`` that gives features.
    batch_size
        Most images that go through the network at once, fewer where they are large; `None` for what suits
        the device.
    options
        How images are read.
    workers
        Cores to use; with 1 images are prepared in a thread, and no process is started.
    """

    model: str
    preprocessor: Preprocessor
    runtime: Runtime
    layer: str
    input_scale: float
    minimum_size: Size
    batch_size: int | None
    options: ReadOptions
    workers: int

    @property
    def preparation(self) -> Preparation:
        """What is done with an image before the network."""
        return Preparation(self.model, self.preprocessor, self.minimum_size, self.options)

    @property
    def _window(self) -> int:
        """Images that are taken together: a batch, where all are of one size."""
        size = self.preprocessor.output_size
        if size is None:
            return BATCH if self.batch_size is None else self.batch_size
        return self.runtime.batch_size(size, self.batch_size)

    def run(self, images: Iterable[ImageSource], *, skip: bool) -> Iterator[Embedded]:
        """Features of the images in their order; with `skip` an unusable one comes out with its error.

        Raises
        ------
        ImageError
            If an image cannot be used, unless `skip`.
        WeightsError
            If features are not finite, unless `skip`.
        """
        prepared = prepared_in_order(self.preparation, images, workers=self.workers, ahead=self._window)
        with closing(prepared):
            yield from self.compute(prepared, skip=skip)

    def compute(self, prepared: Iterator[Prepared], *, skip: bool) -> Iterator[Embedded]:
        """Features of images that are prepared, in their order; `run` is this behind the preparation.

        Raises
        ------
        ImageError, WeightsError
            As `run`.
        """
        lanes = Lanes(self.runtime, self._begin, self.workers)
        with closing(lanes):
            for window in self._computed(self._windows(prepared), lanes):
                features = window.features()
                for item in window.items:
                    result = self.result(item, features.get(item.index))
                    if result.error is not None and not skip:
                        raise result.error
                    yield result

    def _computed(
        self, windows: Iterator[list[Prepared]], lanes: Lanes[_Batch, _Features]
    ) -> Iterator[_Window]:
        """Keep as many windows under way as there are lanes, and one more; give them back in order.

        What the images themselves raise comes after the results of those before.
        """
        waiting: deque[_Window] = deque()
        raised: Exception | None = None
        while True:
            while raised is None and not self._enough(waiting, lanes.count):
                try:
                    items = next(windows)
                except StopIteration:
                    break
                except Exception as error:
                    raised = error
                    break
                waiting.append(_Window(items, [lanes.submit(batch) for batch in self._batches(items)]))
            if not waiting:
                break
            yield waiting.popleft()
        if raised is not None:
            raise raised

    def _enough(self, waiting: deque[_Window], lanes: int) -> bool:
        """Whether to take the oldest window's results before another window is begun."""
        if not waiting:
            return False
        pixels = sum(window.pixels() for window in waiting)
        return len(waiting) > lanes or pixels >= MAX_WAITING_PIXELS or waiting[0].done()

    def _windows(self, prepared: Iterator[Prepared]) -> Iterator[list[Prepared]]:
        """Runs of images among which batches of equal size are looked for."""
        if self.preprocessor.output_size is not None:
            take = partial(islice, prepared, self._window)
            yield from iter(lambda: list(take()), [])
            return
        # Without a fixed size a wider window finds equal ones to batch, as far as memory goes.
        window: list[Prepared] = []
        pixels = 0
        for item in prepared:
            window.append(item)
            pixels += 0 if item.image is None else item.image.size
            if len(window) == 4 * self._window or pixels >= MAX_WINDOW_PIXELS or item.error is not None:
                yield window
                window, pixels = [], 0
        if window:
            yield window

    def _batches(self, items: list[Prepared]) -> Iterator[_Batch]:
        """Put images of equal size together, as many as may go through the network at once."""
        sizes: dict[tuple[int, ...], _Batch] = {}
        for item in items:
            if item.image is not None:
                sizes.setdefault(item.image.shape, []).append((item.index, item.image))
        for (height, width), same in sizes.items():
            count = self.runtime.batch_size((height, width), self.batch_size)
            yield from (same[start : start + count] for start in range(0, len(same), count))

    def _begin(self, batch: _Batch) -> Callable[[], _Features]:
        """Begin to compute a batch; the function that is returned waits for its features."""
        wait = self.begin([image for _, image in batch])
        return lambda: dict(zip((index for index, _ in batch), wait(), strict=True))

    def begin(self, images: Sequence[GreyImage]) -> Callable[[], NDArray[np.float32]]:
        """Begin to compute prepared images of one size; the function that is returned waits for the features.

        They are float32 ``(N, ...)``; whether they are finite, `result` looks.
        """
        stacked = np.stack(images)[:, np.newaxis]
        wait = self.runtime.submit(stacked, [self.layer], scale=self.input_scale)
        return lambda: wait()[self.layer]

    def result(self, item: Prepared, features: NDArray[np.float32] | None) -> Embedded:
        """What became of an image; features that are not finite are an error."""
        if features is not None and not np.isfinite(features).all():
            error = WeightsError(
                f"{item.source}: {self.model} gives features that are not finite (NaN or infinite): its"
                " weights are damaged, or do not suit the precision."
            )
            return Embedded(item.index, item.source, None, error)
        return Embedded(item.index, item.source, features, item.error)
