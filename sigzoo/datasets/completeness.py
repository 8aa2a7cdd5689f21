"""What of a published data set is missing, surplus or left out: file by file, for people and for programs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Completeness", "LeftOut", "below", "ranges"]


@dataclass(frozen=True)
class LeftOut:
    """A file that is not read, and why."""

    file: Path
    reason: str
    other: Path | None = None
    """The file that `reason` ends with."""

    def why(self, folder: Path) -> str:
        """The reason, with names below a folder."""
        return self.reason if self.other is None else f"{self.reason} {below(self.other, folder)}"


@dataclass(frozen=True)
class Completeness:
    """A data set on disk beside what its publication says of it."""

    title: str
    """What the data set is called."""
    folder: Path
    """Where it lies."""
    missing: tuple[str, ...] = ()
    """Names of files that are not there, of writers of whom there is something."""
    missing_writers: tuple[str, ...] = ()
    """Writers of whom there is nothing, as the publication numbers them, runs of them as ``11 to 55``."""
    surplus: tuple[Path, ...] = ()
    """Files that are read, though the publication has none of that number."""
    left_out: tuple[LeftOut, ...] = ()
    """Files that are not read."""
    notes: tuple[str, ...] = ()
    """Counts that differ, where the publication gives no more than counts."""

    @property
    def whole(self) -> bool:
        """Whether all is as published."""
        return not (self.missing or self.missing_writers or self.surplus or self.left_out or self.notes)

    def lines(self, most: int | None = None) -> Iterator[str]:
        """Say it in lines; of each list at most so many."""
        if self.missing_writers:
            yield f"{self.title}: nothing there of {', '.join(self.missing_writers)}"
        yield from (f"{self.title}: {note}" for note in self.notes)
        yield from _listed("missing", list(self.missing), most)
        yield from _listed("not in the publication", [self._below(each) for each in self.surplus], most)
        reasons = [f"{self._below(each.file)} ({each.why(self.folder)})" for each in self.left_out]
        yield from _listed("left out", reasons, most)

    def to_json(self) -> dict[str, object]:
        """All of it, for a program."""
        return {
            "title": self.title,
            "missing": list(self.missing),
            "missing_writers": list(self.missing_writers),
            "surplus": [self._below(each) for each in self.surplus],
            "left_out": [
                {"file": self._below(each.file), "reason": each.why(self.folder)} for each in self.left_out
            ],
            "notes": list(self.notes),
        }

    def _below(self, path: Path) -> str:
        return below(path, self.folder)


def _listed(label: str, names: Sequence[str], most: int | None) -> Iterator[str]:
    yield from (f"{label}: {name}" for name in names[:most])
    if most is not None and len(names) > most:
        yield f"{label}: {len(names) - most:,} more (--json names all)"


def below(path: Path, folder: Path) -> str:
    """A path as seen from a folder that it lies in."""
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def ranges(numbers: Collection[int]) -> list[str]:
    """Whole numbers as ``3``, ``7 to 9``, in order."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][-1] + 1:
            found[-1].append(number)
        else:
            found.append([number])
    return [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in found]
