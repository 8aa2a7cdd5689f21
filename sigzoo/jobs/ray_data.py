"""Steps for your own Ray Data pipeline: images made ready in tasks, the network in actors.

Nothing here imports Ray: a step takes a batch (a column a numpy array) and gives it back with more columns,
which is what ``Dataset.map_batches`` wants of a function or of the class of an actor.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sigzoo.embedding.fetching import fetched_ahead
from sigzoo.embedding.preparation import Prepared
from sigzoo.errors import ImageError, UsageError
from sigzoo.imaging import EncodedImage, ImageSource, source_name

if TYPE_CHECKING:
    from sigzoo.jobs.embedding import EmbedSettings

__all__ = ["EmbedPrepared", "PrepareImages"]

Batch: TypeAlias = dict[str, NDArray[Any]]

_PIXELS, _SHAPE, _ERROR, _NOTES = "prepared", "prepared_shape", "error", "warnings"


class PrepareImages:
    """Read and preprocess images, for tasks on CPUs.

    It adds ``prepared`` (the preprocessed image's pixels, bytes), ``prepared_shape`` (int32 ``(2,)``: height
    and width, 0 where there is no image), ``error`` (why there is none, else empty) and ``warnings``, a line
    each; the content of files, if there is any, is left out. The preprocessor is that of the model, which is
    loaded once where this is made; tasks have no need of it.

    Parameters
    ----------
    settings
        Which model, and how images are read.
    column
        Where the images are: paths or URLs, or the content of files (``bytes``).
    name
        Column of what images are called in messages; ``None``: paths themselves.

    Raises
    ------
    SigzooError
        As `sigzoo.load`; with ``on_error="raise"`` also for a batch with an image that cannot be used.
    """

    def __init__(self, settings: EmbedSettings, column: str = "path", name: str | None = None) -> None:
        self.settings, self.column, self.name = settings, column, name
        self.preparation = settings.embedding_stream(settings.load_model()).preparation

    def __call__(self, batch: Batch) -> Batch:
        """Give a batch with its images made ready."""
        for column in filter(None, (self.column, self.name)):
            if column not in batch:
                raise UsageError(f"A batch has no column {column!r}; it has {', '.join(sorted(batch))}.")
        images = fetched_ahead(self._sources(batch))
        found = [self.preparation(numbered) for numbered in enumerate(images)]
        errors = [each.error for each in found]
        first = next(filter(None, errors), None)
        if first is not None and self.settings.on_error == "raise":
            raise first
        kept = {name: values for name, values in batch.items() if name != self.column or not _content(values)}
        shapes = [(0, 0) if each.image is None else each.image.shape for each in found]
        pixels = [b"" if each.image is None else each.image.tobytes() for each in found]
        return {
            **kept,
            _PIXELS: np.array(pixels, object),
            _SHAPE: np.array(shapes, np.int32).reshape(-1, 2),
            _ERROR: np.array(["" if each is None else str(each) for each in errors], object),
            _NOTES: np.array(["\n".join(each.notes) for each in found], object),
        }

    def _sources(self, batch: Batch) -> Iterator[ImageSource]:
        for place, value in enumerate(batch[self.column]):
            if not isinstance(value, bytes):
                yield str(value)
            elif self.name is not None:
                yield EncodedImage(str(batch[self.name][place]), value)
            else:
                yield value


class EmbedPrepared:
    """Compute the features of images that `PrepareImages` made ready: the class of an actor, a model each.

    It adds ``features``, float32 ``(N, ...)`` of the layer's shape, NaN where ``error`` says why there are
    none; and takes out the prepared images. Features are those of `SignatureModel.embed`.

    Parameters
    ----------
    settings
        Those of the `PrepareImages` before it.

    Raises
    ------
    SigzooError
        As `sigzoo.load`; with ``on_error="raise"`` also if features are not finite.
    """

    def __init__(self, settings: EmbedSettings) -> None:
        self._skip = settings.on_error == "skip"
        self._stream = settings.embedding_stream(settings.load_model())
        size = self._stream.preprocessor.output_size or self._stream.minimum_size
        self._shape = self._stream.begin([np.zeros(size, np.uint8)])()[0].shape

    def __call__(self, batch: Batch) -> Batch:
        """Give a batch with its features."""
        missing = [name for name in (_PIXELS, _SHAPE, _ERROR) if name not in batch]
        if missing:
            raise UsageError(
                f"A batch has no column {missing[0]!r}: images are made ready by PrepareImages first."
            )
        features = np.full((len(batch[_ERROR]), *self._shape), np.nan, np.float32)
        errors = batch[_ERROR].astype(object)
        for item in self._stream.compute(_prepared(batch), skip=self._skip):
            if item.features is None:
                errors[item.index] = str(item.error)
            elif item.features.shape == self._shape:
                features[item.index] = item.features
            else:
                raise UsageError(
                    f"{item.source}: the layer {self._stream.layer!r} gives maps as large as the image, which"
                    " are no column of one shape; take another layer."
                )
        kept = {name: values for name, values in batch.items() if name not in (_PIXELS, _SHAPE)}
        return {**kept, _ERROR: errors, "features": features}


def _content(values: NDArray[Any]) -> bool:
    return len(values) > 0 and isinstance(values[0], bytes)


def _prepared(batch: Batch) -> Iterator[Prepared]:
    """The images of a batch, as `PrepareImages` had them."""
    rows = zip(batch[_PIXELS], batch[_SHAPE], batch[_ERROR], strict=True)
    for place, (pixels, shape, error) in enumerate(rows):
        name = source_name(b"", place)
        if error:
            yield Prepared(place, name, None, ImageError(str(error)))
        else:
            yield Prepared(place, name, np.frombuffer(pixels, np.uint8).reshape(shape))
