"""Training data out of data sources: the signatures of a place, preprocessed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from sigzoo.common.code_digest import code_digest
from sigzoo.common.progress import bar
from sigzoo.datasets import Found, open_data
from sigzoo.interfaces.data_sources import SignatureSet
from sigzoo.learning.data.corpus_cache import kept_or_made
from sigzoo.learning.data.in_memory import Item, TrainingData, collect
from sigzoo.learning.data.joining import join, with_common_labels
from sigzoo.learning.data.preparation import Preparation
from sigzoo.registry.cards import with_tuples
from sigzoo.zoo import default_zoo

__all__ = ["Found", "read_all", "read_training_data"]


def read_training_data(
    place: str,
    preparation: Preparation,
    *,
    workers: int = 1,
    cache: Path | None = None,
    on_found: Callable[[Found], object] | None = None,
    progress: bool = False,
) -> TrainingData:
    """Read and preprocess all signatures of a place.

    Parameters
    ----------
    place
        A path, or ``NAME:...`` for the data source of that name.
    preparation
        The preprocessing.
    workers
        Processes that write synthetic signatures.
    cache
        Folder that keeps the result between runs.
    on_found
        Called with what was found, before any image is read.
    progress
        Whether to show a bar on stderr: preprocessing takes longer than an epoch, where images are many.

    Raises
    ------
    DataError
        If the place is missing, damaged, of another layout, or has fewer than 2 writers.
    ImageError
        If an image cannot be read or holds no ink; names it.
    """
    opened, what = open_data(place)
    with closing(opened):
        if on_found is not None:
            on_found(what)

        def make() -> TrainingData:
            with bar(progress, len(opened), f"reading {place}") as step:
                items = _counted(_items(opened, preparation, workers), step)
                return with_common_labels(collect(items, place))

        if cache is None:
            return make()
        return kept_or_made(cache, f"{opened.digest()} {_preparation_key(preparation)}", make)


def read_all(
    places: Sequence[str],
    preparation: Preparation,
    *,
    workers: int = 1,
    cache: Path | None = None,
    on_found: Callable[[Found], object] | None = None,
    progress: bool = False,
) -> TrainingData:
    """Read several places as one data set; the label ``part`` numbers them. See `read_training_data`."""
    return join(
        [
            read_training_data(
                place, preparation, workers=workers, cache=cache, on_found=on_found, progress=progress
            )
            for place in places
        ]
    )


def _counted(items: Iterable[Item], step: Callable[[int], object]) -> Iterator[Item]:
    for item in items:
        step(1)
        yield item


def _items(opened: SignatureSet, preparation: Preparation, workers: int) -> Iterator[Item]:
    prepare = Preparation(None) if opened.preprocessed else preparation
    for index, image in opened.prepared(prepare, workers=workers):
        labels = {name: int(values[index]) for name, values in opened.labels.items()}
        yield Item(image, opened.writers[index], bool(opened.forged[index]), labels)


def _preparation_key(preparation: Preparation) -> str:
    """What decides the preprocessing: its name, its options, and its programs."""
    if preparation.name is None:
        return "as it is"
    built = default_zoo().preprocessor(preparation.name, **with_tuples(preparation.options))
    options = sorted(preparation.options.items())
    return f"{preparation.name} {options!r} {code_digest(type(built))}"
