"""Finding image files: names, folders with all below, wildcards; and saying what was left out."""

from __future__ import annotations

import os
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from glob import escape, glob, has_magic
from pathlib import Path

from sigzoo.common.limits import LISTED
from sigzoo.errors import SigzooWarning, UsageError
from sigzoo.imaging.image_formats import COMPANIONS, SUFFIXES, has_image_content

__all__ = ["find_images"]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/{1,3}[^/]")


class _LeftOut:
    """Counts what a search passed by, for one line."""

    def __init__(self) -> None:
        self.reasons: Counter[str] = Counter()

    def warn(self) -> None:
        """Warn of all in one line, if there is anything."""
        if self.reasons:
            count = sum(self.reasons.values())
            kept = sorted(self.reasons.most_common(LISTED))
            why = ", ".join(f"{number} {reason}" for reason, number in kept)
            others = count - sum(number for _, number in kept)
            why += f" and {others} others" if others else ""
            warnings.warn(
                f"left out: {count} file{'s' * (count != 1)} or folder{'s' * (count != 1)} ({why})",
                SigzooWarning,
                stacklevel=3,
            )


def find_images(patterns: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Expand files, folders (with all that is below) and wildcards into a list of image files.

    Symlinked folders are followed, each folder once. A `SigzooWarning` says in a line what was left out
    (files of other suffixes that hold images or may be taken for them, folders that may not be read);
    of files that go with images (`.csv`, `.txt`, ...) and hidden ones nothing is said.

    Parameters
    ----------
    patterns
        Files are taken as they are, whatever their suffix; ``~`` is the home folder; of folders and
        wildcards only files with an image's suffix, or with none and an image's content, sorted by name.

    Returns
    -------
    list
        Paths in the order asked for, each once.

    Raises
    ------
    UsageError
        If a folder or a wildcard holds no image or a folder may not be read, or nothing was asked for.
    """
    left_out = _LeftOut()
    found: dict[Path, None] = {}
    for pattern in patterns:
        found.update(dict.fromkeys(_expand(os.fspath(pattern), left_out)))
    if not found:
        raise UsageError("No images given: name files, folders or wildcards.")
    left_out.warn()
    return list(found)


def _expand(pattern: str, left_out: _LeftOut) -> list[Path]:
    if not pattern:
        raise UsageError("An image is named by an empty text (a variable of the shell that is not set?).")
    path = expand_home(pattern)
    if is_url(pattern) and not path.exists():
        raise UsageError(f"{pattern}: a URL; images are read from files: download it first.")
    if _is_folder(path):
        if path.absolute() == Path(path.absolute().anchor):
            raise UsageError(f"{pattern}: the whole machine (a variable of the shell that is not set?).")
        inside = [each for folder in _folders(path, left_out) for each in _images_in(folder, left_out)]
    elif has_magic(pattern) and not path.exists():
        inside = [each for each in _matches(str(path), left_out) if _is_image(each, left_out)]
    else:
        return [path]
    if not inside:
        left_out.warn()
        raise UsageError(
            f"{pattern}: there is no image in it (known suffixes: {' '.join(sorted(SUFFIXES))})."
        )
    return sorted(dict.fromkeys(inside))


def is_url(text: str) -> bool:
    """Whether a text looks like a URL."""
    return _URL.match(text) is not None


def expand_home(name: str | os.PathLike[str]) -> Path:
    """A path with a leading ``~`` replaced by the home folder; a file of that very name wins."""
    path = Path(name)
    if path.parts[:1] and path.parts[0].startswith("~") and not path.exists():
        try:
            return path.expanduser()
        except RuntimeError:
            return path
    return path


def _is_folder(path: Path) -> bool:
    """Whether the path is a folder whose content may be read.

    Raises
    ------
    UsageError
        If it is one that may not.
    """
    try:
        if not path.is_dir():
            return False
        next(path.iterdir(), None)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}.") from error
    return True


def _folders(top: Path, left_out: _LeftOut) -> Iterator[Path]:
    """A folder and all below it, each once however many links lead there."""
    seen: set[tuple[int, int]] = set()
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                below = sorted((entry.name for entry in entries if entry.is_dir()), reverse=True)
        except OSError as error:
            left_out.reasons[f"folder that cannot be read: {error.strerror}"] += 1
            continue
        yield folder
        waiting.extend(folder / name for name in below)


def _images_in(folder: Path, left_out: _LeftOut) -> list[Path]:
    try:
        inside = sorted(folder.iterdir())
    except OSError:
        return []
    return [path for path in inside if _is_image(path, left_out)]


def _matches(pattern: str, left_out: _LeftOut) -> Iterator[Path]:
    """What a wildcard stands for; ``**`` goes into each folder once, where `glob` follows every loop."""
    parts = Path(pattern).parts
    if "**" not in parts:
        yield from map(Path, sorted(glob(pattern)))  # noqa: PTH207 a pattern may be absolute
        return
    at = parts.index("**")
    before, after = Path(*parts[:at]), parts[at + 1 :]
    tops = map(Path, sorted(glob(str(before)))) if at and has_magic(str(before)) else [before]  # noqa: PTH207
    for top in tops:
        for folder in _folders(top, left_out) if top.is_dir() else ():
            yield from _matches(str(Path(escape(str(folder)), *after or ("*",))), left_out)


def _is_image(path: Path, left_out: _LeftOut) -> bool:
    suffix = path.suffix.lower()
    if path.name.startswith(".") or suffix in COMPANIONS:
        return False
    try:
        if not path.is_file():
            if path.is_symlink() and not path.exists():
                left_out.reasons["link that leads nowhere"] += 1
            return False
        if suffix in SUFFIXES or (not suffix and has_image_content(path)):
            return True
    except OSError as error:
        left_out.reasons[f"file that cannot be read: {error.strerror}"] += 1
        return False
    if suffix:
        left_out.reasons[suffix] += 1
    return False
