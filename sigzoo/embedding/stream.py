"""Images to features in a stream: preprocessed in threads, batched by size, in order, in constant memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from sigzoo.common.parallel import ordered_map
from sigzoo.errors import ImageError, SigzooError, WeightsError
from sigzoo.imaging import ImageSource, ReadOptions, read_and_apply, source_name
from sigzoo.interfaces import GreyImage, Preprocessor, Runtime, Size

__all__ = ["MAX_BATCH_PIXELS", "Embedded", "EmbeddingStream"]

MAX_BATCH_PIXELS = 2**24
"""Most pixels in a batch. SigNet-SPP takes some 32 bytes a pixel: 32 A4 pages at 300 dpi were 9 GiB."""

MAX_WINDOW_PIXELS = 2**26
"""Most pixels of preprocessed images that wait for others of their size: 64 MiB."""


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


@dataclass(frozen=True)
class _Prepared:
    """An image after preprocessing, or why it has none."""

    index: int
    source: str
    image: GreyImage | None
    error: SigzooError | None = None


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
        Most images that go through the network at once; fewer where they are large.
    options
        How images are read.
    """

    model: str
    preprocessor: Preprocessor
    runtime: Runtime
    layer: str
    input_scale: float
    minimum_size: Size
    batch_size: int
    options: ReadOptions

    def run(self, images: Iterable[ImageSource], *, skip: bool) -> Iterator[Embedded]:
        """Features of the images in their order; with `skip` an unusable one comes out with its error.

        Raises
        ------
        ImageError
            If an image cannot be used, unless `skip`.
        WeightsError
            If features are not finite, unless `skip`.
        """
        prepared = ordered_map(self._prepare, enumerate(images), ahead=self.batch_size)
        with closing(prepared):
            for window in self._windows(prepared):
                for item in self._embedded(window):
                    if item.error is not None and not skip:
                        raise item.error
                    yield item

    def _windows(self, prepared: Iterator[_Prepared]) -> Iterator[list[_Prepared]]:
        """Runs of images among which batches of equal size are looked for."""
        if self.preprocessor.output_size is not None:
            take = partial(islice, prepared, self.batch_size)
            yield from iter(lambda: list(take()), [])
            return
        # Without a fixed size a wider window finds equal ones to batch, as far as memory goes.
        window: list[_Prepared] = []
        pixels = 0
        for item in prepared:
            window.append(item)
            pixels += 0 if item.image is None else item.image.size
            if len(window) == 4 * self.batch_size or pixels >= MAX_WINDOW_PIXELS or item.error is not None:
                yield window
                window, pixels = [], 0
        if window:
            yield window

    def _prepare(self, numbered: tuple[int, ImageSource]) -> _Prepared:
        index, source = numbered
        name = source_name(source, index)
        try:
            return _Prepared(index, name, read_and_apply(source, index, self._network_image, self.options))
        except SigzooError as error:
            return _Prepared(index, name, None, error)

    def _network_image(self, image: GreyImage) -> GreyImage:
        """Preprocess an image unless it is already, and refuse one too small for a network of any size."""
        result = self._as_it_is(image) if self.options.preprocessed else self.preprocessor(image)
        least = self.minimum_size
        if result.shape[0] < least[0] or result.shape[1] < least[1]:
            found, wanted = " x ".join(map(str, result.shape)), " x ".join(map(str, least))
            raise ImageError(
                f"too small: {found} pixels after preprocessing, {self.model} needs at least {wanted}."
            )
        return result

    def _as_it_is(self, image: GreyImage) -> GreyImage:
        """Take a preprocessed image, and refuse one that the preprocessor cannot have made."""
        wanted = self.preprocessor.output_size
        if wanted is not None and image.shape != wanted:
            found, size = " x ".join(map(str, image.shape)), " x ".join(map(str, wanted))
            raise ImageError(f"{found} pixels, but images preprocessed for {self.model} have {size}.")
        return image

    def _embedded(self, items: list[_Prepared]) -> Iterator[Embedded]:
        """Batch images of equal size, and give the results back in order."""
        sizes: dict[tuple[int, ...], list[_Prepared]] = {}
        for item in items:
            if item.image is not None:
                sizes.setdefault(item.image.shape, []).append(item)
        features: dict[int, NDArray[np.float32]] = {}
        for (height, width), same in sizes.items():
            count = max(1, min(self.batch_size, MAX_BATCH_PIXELS // (height * width)))
            for start in range(0, len(same), count):
                batch = same[start : start + count]
                images = np.stack([item.image for item in batch if item.image is not None])[:, np.newaxis]
                output = self.runtime.submit(images, [self.layer], scale=self.input_scale)()[self.layer]
                features.update(zip((item.index for item in batch), output, strict=True))
        for item in items:
            yield self._result(item, features.get(item.index))

    def _result(self, item: _Prepared, features: NDArray[np.float32] | None) -> Embedded:
        if features is not None and not np.isfinite(features).all():
            error = WeightsError(
                f"{item.source}: {self.model} gives features that are not finite (NaN or infinite): its"
                " weights are damaged, or do not suit the precision."
            )
            return Embedded(item.index, item.source, None, error)
        return Embedded(item.index, item.source, features, item.error)
