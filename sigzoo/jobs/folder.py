"""`JobFolder`: the folder that a job fills, what it is a job of, and which of its shards are there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias

from sigzoo.common.job_records import MAX_RECORD, check_same_job, record_bytes, record_of
from sigzoo.data.parquet_files import SHAPE, ParquetWriter, open_table
from sigzoo.errors import DataError, SigzooError, UsageError
from sigzoo.jobs.places import Place
from sigzoo.jobs.shard_writer import MatFiles, ShardWriter, check_mat_names
from sigzoo.jobs.shards import Shard

__all__ = ["FORMAT", "JobFolder", "begin_job", "stored_identity"]

FORMAT = 1
"""Of the folder: raised when an older sigzoo could not go on with what a newer one began."""

IDENTITY = "_job.json"
SUMMARY = "_done.json"
SKIPPED = "_skipped/"
MARKS = "_shards/"
_ALL_SKIPPED = ".all.jsonl"
"""Ends the name of the list of a shard of which no image could be used, and which so has no Parquet file."""


Files: TypeAlias = Literal["parquet", "mat"]
"""What a folder is filled with."""


@dataclass(frozen=True)
class JobFolder:
    """A folder of shards: ``part-NUMBER-DIGEST.parquet``, and ``_skipped/`` beside them.

    Names of all that is no Parquet file begin with ``_``, so that tools which read a folder of Parquet files
    pass it over. A shard's file appears whole, after the list of what was skipped of it: where it is, the
    shard is done. A `JobFolder` can be pickled.

    Attributes
    ----------
    place
        Where it is.
    key
        Digest of what the job is; goes into the names of the shards.
    provenance
        What features depend on, for the files.
    columns
        Further columns: name -> Arrow type, `None` for text.
    shape
        Of the features of one image, where a shard that is there tells it.
    files
        ``parquet``: a file a shard. ``mat``: a file an image, ``NAME.mat`` with its ``feature_vector``, as
        the published program writes; what is done is then told by an empty file a shard, in ``_shards/``.
    """

    place: Place
    key: str
    provenance: Mapping[str, Any]
    columns: Mapping[str, Any] = field(default_factory=dict)
    shape: tuple[int, ...] | None = None
    files: Files = "parquet"

    def finished(self) -> dict[int, str]:
        """Shards that are there: number -> name without suffix."""
        if self.files == "parquet":
            names = [name for name in self.place.names() if name.endswith(".parquet")]
        else:
            names = self.place.names(MARKS)
        names += [name for name in self.place.names(SKIPPED) if name.endswith(_ALL_SKIPPED)]
        found: dict[int, str] = {}
        for name in names:
            key = name.rpartition("/")[2].removesuffix(".parquet").removesuffix(_ALL_SKIPPED)
            number = key.removeprefix("part-").partition("-")[0]
            if key.startswith("part-") and number.isascii() and number.isdigit():
                found[int(number)] = key
        return found

    def skipped(self, key: str) -> int:
        """How many images were skipped of a shard that is there.

        Parameters
        ----------
        key
            Of the shard, as `Shard.key` gives it.

        Returns
        -------
        int
            At least 0.
        """
        for name in (f"{SKIPPED}{key}{_ALL_SKIPPED}", f"{SKIPPED}{key}.jsonl"):
            if name in self._lists:
                with self.place.open(name) as file:
                    return sum(1 for _ in file)
        return 0

    @cached_property
    def _lists(self) -> set[str]:
        """The lists of skipped images that are there."""
        return set(self.place.names(SKIPPED))

    def pending(
        self, shards: Iterator[Shard], there: Callable[[Shard], object] = lambda shard: None
    ) -> Iterator[Shard]:
        """The shards that are still to be done, in order.

        Parameters
        ----------
        shards
            All shards of the manifest.
        there
            Told of each that is done already.

        Yields
        ------
        Shard
            One that is not there yet.

        Raises
        ------
        UsageError
            If a shard that is there is of other images than the manifest now has in its place, or two images
            would have a .mat of the same name.
        """
        finished = self.finished()
        number, names = -1, dict[str, str]()
        for shard in shards:
            number = shard.number
            if self.files == "mat":
                check_mat_names(shard, names)
            name = finished.get(number)
            if name is None:
                yield shard
            elif name == shard.key(self.key):
                there(shard)
            else:
                start, last = shard.start, shard.start + len(shard) - 1
                raise UsageError(
                    f"{self.place}: images {start:,} to {last:,} of the manifest are not those that were"
                    " embedded here before. Give the former manifest, or another folder."
                )
        surplus = [each for each in finished if each > number]
        if surplus:
            raise UsageError(
                f"{self.place}: holds {len(surplus)} shards of images beyond the end of the manifest: it was"
                " longer. Give the former manifest, or another folder."
            )

    @contextmanager
    def writing(self, shard: Shard) -> Iterator[ShardWriter]:
        """Give a writer for a shard; its file appears when the block ends well.

        Parameters
        ----------
        shard
            Of this job.

        Yields
        ------
        ShardWriter
            Takes features, image by image.

        Raises
        ------
        SigzooError
            If it cannot be written.
        """
        key = shard.key(self.key)
        if self.files == "mat":
            writer = ShardWriter(shard, MatFiles(self.place), self.shape)
            yield writer
            self._list_skipped(key, writer)
            if writer.done.embedded:
                self.place.write(f"{MARKS}{key}", b"")
            return
        with self.place.whole(f"{key}.parquet") as target:
            with ParquetWriter(target.file, self.provenance, self.columns) as parquet:
                writer = ShardWriter(shard, parquet, self.shape)
                yield writer
            # The list goes first: a shard whose file is there has its list.
            self._list_skipped(key, writer)
            if not parquet.count:
                target.discard()

    def _list_skipped(self, key: str, writer: ShardWriter) -> None:
        """Write the list of what was skipped of a shard, whose images must all have come."""
        images, done = len(writer.shard), writer.done
        if done.images != images:
            raise SigzooError(f"Shard {done.number} has {images} images, and {done.images} came.")
        lines = "".join(f"{json.dumps(each)}\n" for each in writer.skipped).encode()
        name = f"{SKIPPED}{key}{'.jsonl' if done.embedded else _ALL_SKIPPED}"
        if lines or name in self._lists:  # that of a killed run is of images that have been mended
            self.place.write(name, lines)

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Say that nothing is left to do, in ``_done.json``.

        Parameters
        ----------
        summary
            Plain data, which is kept there.
        """
        self.place.write(SUMMARY, record_bytes(summary))


def begin_job(
    place: Place,
    identity: Mapping[str, Any],
    *,
    provenance: Mapping[str, Any],
    columns: Mapping[str, Any] | None = None,
    files: Files = "parquet",
    resume: bool = False,
) -> JobFolder:
    """Begin a job in a folder, or go on with it.

    Parameters
    ----------
    place
        The folder; made if it is not there.
    identity
        All that decides what its shards hold, as plain data: kept in ``_job.json``.
    provenance, columns, files
        As `JobFolder` has them.
    resume
        Whether a job that is there already is gone on with. Without one it is begun.

    Raises
    ------
    UsageError
        If the folder holds anything and `resume` is not set, or it holds another job: says what differs.
    DataError
        If it holds shards and no ``_job.json`` that can be read.
    """
    of_files = {} if files == "parquet" else {"files": files}
    wanted = json.loads(json.dumps({"format": FORMAT, **identity, **of_files}))
    key = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()
    there, stored = place.names(), stored_identity(place)
    if stored is not None and resume:
        check_same_job(stored, wanted, str(place))
    elif stored is not None:
        raise UsageError(f"{place}: holds a job already; --resume goes on with it.")
    elif there:
        raise UsageError(f"{place}: holds other things already; choose a folder that is new or empty.")
    else:
        place.write(IDENTITY, record_bytes(wanted))
    return JobFolder(place, key, dict(provenance), dict(columns or {}), _shape_of(place, there), files)


def stored_identity(place: Place) -> dict[str, Any] | None:
    """What the job in a folder is; `None` where there is none.

    Raises
    ------
    DataError
        If its ``_job.json`` cannot be read.
    """
    if IDENTITY not in place.names():
        return None
    return record_of(place.read(IDENTITY, MAX_RECORD), f"{place}: its {IDENTITY}")


def _shape_of(place: Place, names: list[str]) -> tuple[int, ...] | None:
    """The shape that the features of some shard have, if one is there."""
    first = next((name for name in names if name.startswith("part-") and name.endswith(".parquet")), None)
    if first is None:
        return None
    with place.open(first) as file, open_table(file, f"{place}/{first}") as table:
        try:
            return tuple(int(side) for side in json.loads(table.labels.get(SHAPE, "")))
        except (ValueError, TypeError) as error:
            raise DataError(f"{place}/{first}: does not say what shape its features have.") from error
