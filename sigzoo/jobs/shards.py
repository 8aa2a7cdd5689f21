"""Shards: runs of consecutive images of a manifest, with what the manifest says of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sigzoo.imaging import ImageSource, source_name

__all__ = ["Shard", "cut"]


@dataclass(frozen=True)
class Shard:
    """Some images that become one file."""

    number: int
    """Its place among the shards, from 0."""
    start: int
    """The place of its first image in the manifest, from 0."""
    sources: Sequence[ImageSource]
    """The images: paths and URLs as text (an engine elsewhere needs such), or images of an npz."""
    columns: Mapping[str, Any] = field(default_factory=dict)
    """Further columns of the manifest, by name: a list of text or an Arrow array, a value an image."""

    def __len__(self) -> int:
        return len(self.sources)

    @cached_property
    def names(self) -> list[str]:
        """What each image is called."""
        return [source_name(each, self.start + place) for place, each in enumerate(self.sources)]

    def key(self, job: str) -> str:
        """What its file is called, without a suffix: ``part-00000007-`` and a digest of job and names.

        A shard of the same number with other images, or of another job, so has another name.

        Parameters
        ----------
        job
            The digest of all that decides the job's features.

        Returns
        -------
        str
            A file name without a suffix.
        """
        digest = hashlib.sha256(job.encode())
        for name in self.names:
            digest.update(name.encode("utf-8", "surrogateescape") + b"\0")
        return f"part-{self.number:08d}-{digest.hexdigest()[:16]}"


def cut(rows: Iterable[tuple[Sequence[ImageSource], Mapping[str, Any]]], size: int) -> Iterator[Shard]:
    """Cut blocks of rows, of any length, into shards of `size` images; the last may have fewer."""
    number = start = 0
    held: list[tuple[Sequence[ImageSource], Mapping[str, Any]]] = []
    count = 0
    for sources, columns in rows:
        begin = 0
        while begin < len(sources):
            take = min(len(sources) - begin, size - count)
            end = begin + take
            held.append((sources[begin:end], {name: each[begin:end] for name, each in columns.items()}))
            begin, count = end, count + take
            if count == size:
                yield _joined(number, start, held)
                number, start, held, count = number + 1, start + count, [], 0
    if held:
        yield _joined(number, start, held)


def _joined(number: int, start: int, parts: list[tuple[Sequence[ImageSource], Mapping[str, Any]]]) -> Shard:
    if len(parts) == 1:
        return Shard(number, start, *parts[0])
    sources = [source for some, _ in parts for source in some]
    names = list(parts[0][1])
    return Shard(number, start, sources, {name: _concatenated([c[name] for _, c in parts]) for name in names})


def _concatenated(values: list[Any]) -> Any:
    """Lists as one list, Arrow arrays as one array."""
    if isinstance(values[0], list):
        return [each for some in values for each in some]
    import pyarrow as pa

    return pa.concat_arrays([chunk for some in values for chunk in getattr(some, "chunks", [some])])
