"""Training data out of data sources: which source a place belongs to, and its signatures, preprocessed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sigzoo.common.progress import bar
from sigzoo.errors import DataError, UnknownNameError, UsageError
from sigzoo.interfaces.data_sources import DataSource, SignatureSet
from sigzoo.learning.data.corpus_cache import code_digest, kept_or_made
from sigzoo.learning.data.in_memory import Item, TrainingData, collect
from sigzoo.learning.data.joining import join, with_common_labels
from sigzoo.learning.data.preparation import Preparation
from sigzoo.learning.data.synthetic import SyntheticSource
from sigzoo.registry.cards import with_tuples
from sigzoo.zoo import default_zoo

__all__ = ["Found", "find_source", "open_data", "read_all", "read_training_data"]


@dataclass(frozen=True)
class Found:
    """What a place was found to hold, to be told before training."""

    place: str
    source: str
    """Name of the data source."""
    writers: int
    genuine: int
    forged: int

    def __str__(self) -> str:
        return (
            f"{self.place}: {self.writers} writers, {self.genuine} genuine signatures and"
            f" {self.forged} forgeries (read as: {self.source})"
        )


def find_source(place: str) -> tuple[str, DataSource, str]:
    """The data source that a place belongs to: its name, itself, and what it is to open.

    Raises
    ------
    DataError
        If no source recognises the place.
    UsageError
        If several do.
    """
    sources = _sources()
    name, colon, rest = place.partition(":")
    if colon and name in sources and not _exists(place):
        return name, sources[name], rest
    known = [each for each, source in sources.items() if not source.general and source.recognises(place)]
    known = known or [each for each, source in sources.items() if source.general and source.recognises(place)]
    if len(known) > 1:
        raise UsageError(
            f"{place}: {' and '.join(known)} recognise it. Say which reads it: {known[0]}:{place}, for one."
        )
    if known:
        return known[0], sources[known[0]], place
    if colon and not _exists(place) and "/" not in name and "\\" not in name and len(name) > 1:
        raise UnknownNameError("data source", name, sources)
    examples = list(dict.fromkeys(source.example for source in sources.values() if source.general))
    what = "is neither a folder nor an .npz file" if _exists(place) else "does not exist"
    raise DataError(
        f"{place} {what}. Training data are {', '.join(examples)}, or {SyntheticSource.example}; `sigzoo"
        " plugins` lists all data sources."
    )


def open_data(place: str) -> tuple[SignatureSet, Found]:
    """Open a place, and say what was found there.

    Raises
    ------
    DataError, UsageError, UnknownNameError
        If it is not there, no source recognises it, or it cannot be opened.
    """
    name, source, rest = find_source(place)
    opened = source.open(rest)
    forged = int(opened.forged.sum())
    return opened, Found(place, name, len(set(opened.writers)), len(opened) - forged, forged)


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


def _sources() -> Mapping[str, DataSource]:
    zoo = default_zoo()
    return {name: zoo.build("data_source", name) for name in zoo.list_components("data_source")}


def _exists(place: str) -> bool:
    try:
        return Path(place).expanduser().exists()
    except (OSError, ValueError, RuntimeError):
        return False
