"""Byte-identical files: which they are, and which of them a reader leaves out."""

from __future__ import annotations

import filecmp
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sigzoo.common.digests import file_sha256
from sigzoo.datasets.completeness import LeftOut
from sigzoo.errors import DataError

if TYPE_CHECKING:
    from sigzoo.datasets.layout import Slot

__all__ = ["identical_files", "identical_groups", "left_out_copies"]


def identical_files(first: Path, second: Path) -> bool:
    """Whether two files hold the same bytes.

    Raises
    ------
    DataError
        If one cannot be read.
    """
    try:
        return filecmp.cmp(first, second, shallow=False)
    except OSError as error:
        raise _unreadable(second, error) from error


def identical_groups(paths: Sequence[Path]) -> list[list[Path]]:
    """Files that hold the same bytes as another, in groups; only files of equal size are read.

    Raises
    ------
    DataError
        If one cannot be read; names it.
    """
    by_size: dict[int, list[Path]] = defaultdict(list)
    by_content: dict[tuple[int, str], list[Path]] = defaultdict(list)
    for path in paths:
        try:
            by_size[path.stat().st_size].append(path)
        except OSError as error:
            raise _unreadable(path, error) from error
    for size, group in by_size.items():
        for path in group if len(group) > 1 else ():
            by_content[size, file_sha256(path, DataError)].append(path)
    return [group for group in by_content.values() if len(group) > 1]


def left_out_copies(
    files: Sequence[tuple[Slot, Path]],
) -> tuple[list[tuple[Slot, Path]], list[LeftOut]]:
    """Leave out further copies of a signature; all of them, where names say different things of it.

    Returns
    -------
    kept, left out
        In the order of `files`, and why not the others.
    """
    what = {path: (slot.part, slot.writer, slot.kind) for slot, path in files}
    dropped: dict[Path, LeftOut] = {}
    for group in identical_groups([path for _, path in files]):
        if len({what[path] for path in group}) == 1:
            dropped.update((path, LeftOut(path, "byte-identical to", group[0])) for path in group[1:])
            continue
        for path in group:
            other = next(each for each in group if what[each] != what[path])
            dropped[path] = LeftOut(path, "named as another signature than its copy", other)
    kept = [(slot, path) for slot, path in files if path not in dropped]
    return kept, [dropped[path] for path in sorted(dropped)]


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"{path}: cannot be read: {error.strerror or error}.")
