"""Manifests: which images a job is about, read as a stream from files, folders, tables or standard input."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeAlias

from sigzoo.common.limits import MAX_TEXT
from sigzoo.common.messages import listed
from sigzoo.common.remote import is_remote, local_name, open_remote
from sigzoo.common.terminal import safe_text
from sigzoo.errors import DataError, UsageError
from sigzoo.imaging import ImageSource, source_name
from sigzoo.jobs.shards import Shard, cut

__all__ = ["Manifest", "inputs_manifest", "lines_manifest", "open_manifest"]

Block: TypeAlias = tuple[Sequence[ImageSource], Mapping[str, Any]]
"""Images that follow one another, and a list or an Arrow array for each further column."""

RESERVED = ("path", "features")
"""Columns of the output that no further column of a manifest may have the name of."""

_BLOCK = 1024
_MAX_CSV_LINE = 1 << 20
"""Letters of a line of a CSV manifest; a line that does not end would fill the memory."""


@dataclass(frozen=True)
class Manifest:
    """Images in their order, with further columns that travel along.

    Attributes
    ----------
    name
        What it is called in messages.
    blocks
        Reads it from the beginning; standard input can be read once.
    count
        How many images it holds; `None` for standard input.
    digest
        SHA-256 of what it says; `None` for standard input, whose shards are told by their own names.
    columns
        Names of the further columns, and the Arrow type of each (`None` for text).
    """

    name: str
    blocks: Callable[[], Iterator[Block]]
    count: int | None = None
    digest: str | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)

    def shards(self, size: int) -> Iterator[Shard]:
        """Cut it into shards of `size` images, read as far as they are asked for.

        Parameters
        ----------
        size
            Images of a shard; the last may have fewer.

        Yields
        ------
        Shard
            Its number, names and columns.

        Raises
        ------
        UsageError
            If `size` is below 1.
        DataError
            If a line or a row is not what it should be; says where.
        """
        if size < 1:
            raise UsageError(f"A shard holds at least 1 image, not {size}.")
        return cut(self.blocks(), size)


def inputs_manifest(sources: Sequence[ImageSource]) -> Manifest:
    """The images that files, folders and wildcards stand for, as `find_inputs` found them."""
    plain = [os.fspath(each) if isinstance(each, os.PathLike) else each for each in sources]
    digest = hashlib.sha256()
    for index, source in enumerate(plain):
        digest.update(source_name(source, index).encode("utf-8", "surrogateescape") + b"\0")

    def blocks() -> Iterator[Block]:
        for start in range(0, len(plain), _BLOCK):
            yield plain[start : start + _BLOCK], {}

    return Manifest("the images", blocks, len(plain), digest.hexdigest())


def lines_manifest(stream: IO[bytes], *, name: str = "standard input", end: bytes = b"\n") -> Manifest:
    r"""Paths from a stream, a line each; empty lines count for nothing.

    Parameters
    ----------
    stream
        Open in binary: names of files need be no UTF-8.
    name
        What it is called in messages.
    end
        What ends a path; ``b"\0"`` for ``find -print0``.
    """

    def blocks() -> Iterator[Block]:
        held: list[str] = []
        for number, line in enumerate(_lines(stream, end), start=1):
            if len(line) > MAX_TEXT:
                raise DataError(f"{name}: line {number} has over {MAX_TEXT} bytes; that is no path.")
            path = os.fsdecode(line.removesuffix(end).removesuffix(b"\r" if end == b"\n" else b""))
            if "\0" in path:
                raise DataError(f"{name}: line {number} holds a zero byte; with paths that end so say -0.")
            if path:
                held.append(path)
            if len(held) == _BLOCK:
                yield held, {}
                held = []
        if held:
            yield held, {}

    return Manifest(name, blocks)


def _lines(stream: IO[bytes], end: bytes) -> Iterator[bytes]:
    """Lines with their end, cut where one is longer than a path can be."""
    if end == b"\n":
        yield from iter(lambda: stream.readline(MAX_TEXT + 2), b"")
        return
    rest = b""
    while block := stream.read1(1 << 16) if hasattr(stream, "read1") else stream.read(1 << 16):
        *whole, rest = (rest + block).split(end)
        yield from whole
        if len(rest) > MAX_TEXT:
            break
    if rest:
        yield rest


def open_manifest(name: str | os.PathLike[str], *, column: str = "path", root: str | None = None) -> Manifest:
    """A table of images: ``.csv`` or ``.parquet``, a row an image.

    It is read once at first, to count and to check it, and again as its images are needed.

    Parameters
    ----------
    name
        The table, a path or a URL. A CSV has a header, commas, and is UTF-8.
    column
        The column that holds the images' paths or URLs; all others travel along.
    root
        Put before each path that is neither absolute nor a URL; by default paths are taken from the working
        folder.

    Returns
    -------
    Manifest
        Counted and checked.

    Raises
    ------
    UsageError
        If the suffix is another, there is no such column, or another column has a name that the output needs.
    DataError
        If it cannot be read, is no such table, or a row has no path; says which.
    """
    table = local_name(os.fspath(name))
    suffix = Path(table).suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise UsageError(f"{safe_text(table)}: a manifest is a .csv or a .parquet with a column of paths.")
    make = _csv_manifest if suffix == ".csv" else _parquet_manifest
    return make(table, column, root)


def _csv_manifest(table: str, column: str, root: str | None) -> Manifest:
    shown = safe_text(table)

    def blocks() -> Iterator[Block]:
        with _opened(table) as file:
            yield from _csv_blocks(csv.reader(_bounded_text(file, shown), strict=True), shown, column, root)

    with _opened(table) as file:
        names = _header(csv.reader(_bounded_text(file, shown), strict=True), shown)
    _check_columns(names, shown, column)
    count = sum(len(sources) for sources, _ in blocks())
    if not count:
        raise DataError(f"{shown}: it names no image.")
    others = {name: None for name in names if name != column}
    return Manifest(shown, blocks, count, _digest(table), others)


def _csv_blocks(rows: Any, shown: str, column: str, root: str | None) -> Iterator[Block]:
    names = _header(rows, shown)
    at = names.index(column)
    held: list[list[str]] = []
    for row in _parsed(rows, shown):
        if not row:
            continue
        if len(row) != len(names):
            raise DataError(f"{shown}: line {rows.line_num} has {len(row)} fields, the header {len(names)}.")
        if not row[at]:
            raise DataError(f"{shown}: line {rows.line_num} has no {safe_text(column)}.")
        held.append(row)
        if len(held) == _BLOCK:
            yield _as_block(held, names, at, root)
            held = []
    if held:
        yield _as_block(held, names, at, root)


def _as_block(rows: list[list[str]], names: list[str], at: int, root: str | None) -> Block:
    columns = {name: [row[place] for row in rows] for place, name in enumerate(names) if place != at}
    return [_placed(row[at], root) for row in rows], columns


def _header(rows: Any, shown: str) -> list[str]:
    names: list[str] = next(iter(_parsed(rows, shown)), [])
    if not names:
        raise DataError(f"{shown}: it is empty; a manifest begins with the names of its columns.")
    return names


def _parsed(rows: Any, shown: str) -> Iterator[list[str]]:
    """Rows of a CSV reader, its errors as ours."""
    while True:
        try:
            row = next(rows, None)
        except (csv.Error, UnicodeDecodeError) as error:
            line = rows.line_num + isinstance(error, UnicodeDecodeError)  # such a line is not counted yet
            raise DataError(f"{shown}: line {line} is no CSV in UTF-8: {error}.") from error
        if row is None:
            return
        yield row


def _bounded_text(file: IO[bytes], shown: str) -> Iterator[str]:
    """Lines as text, none longer than `_MAX_CSV_LINE`."""
    first = True
    for line in iter(lambda: file.readline(_MAX_CSV_LINE + 1), b""):
        if len(line) > _MAX_CSV_LINE:
            raise DataError(f"{shown}: a line has over {_MAX_CSV_LINE} bytes; a manifest's are short.")
        yield line.decode("utf-8-sig" if first else "utf-8")
        first = False


def _parquet_manifest(path: str, column: str, root: str | None) -> Manifest:
    from sigzoo.data.parquet_files import open_table

    shown = safe_text(path)
    with _opened(path) as file, open_table(file, shown) as table:
        schema = table.schema
        names = list(schema.names)
        _check_columns(names, shown, column)
        table.check_text(column)
        count = table.rows
    if not count:
        raise DataError(f"{shown}: it names no image.")

    def blocks() -> Iterator[Block]:
        with _opened(path) as file, open_table(file, shown) as opened:
            start = 0
            for batch in opened.batches(names, _BLOCK):
                values = batch.column(names.index(column)).to_pylist()
                if not all(values):
                    at = start + next(place for place, value in enumerate(values) if not value)
                    raise DataError(f"{shown}: row {at} has no {safe_text(column)}.")
                others = {name: batch.column(names.index(name)) for name in names if name != column}
                yield [_placed(value, root) for value in values], others
                start += len(values)

    for _ in blocks():
        pass
    others = {name: schema.field(name).type for name in names if name != column}
    return Manifest(shown, blocks, count, _digest(path), others)


def _check_columns(names: list[str], shown: str, column: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{shown}: two columns have the name {safe_text(twice[0])!r}.")
    if column not in names:
        raise UsageError(
            f"{shown}: there is no column {safe_text(column)!r} (it has {listed(names)});"
            " --path-column says which one holds the paths."
        )
    taken = [name for name in names if name != column and name in RESERVED]
    if taken:
        raise UsageError(
            f"{shown}: the output has a column {taken[0]!r} of its own; name that one otherwise."
        )


def _placed(name: str, root: str | None) -> str:
    """A path below the root, unless it is absolute or a URL."""
    if root is None or "://" in name or Path(name).is_absolute():
        return name
    return f"{root.rstrip('/')}/{name}"


def _opened(name: str) -> AbstractContextManager[IO[bytes]]:
    """Open a table, here or in an object store."""
    if is_remote(name):
        return open_remote(name, DataError)
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise DataError(f"{safe_text(name)}: cannot be read: {error.strerror or error}.") from error


def _digest(name: str) -> str:
    with _opened(name) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
