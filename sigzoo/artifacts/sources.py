"""The kinds of URL an artifact may have, and how the bytes behind each are brought."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sigzoo.artifacts.home import write_blocks
from sigzoo.artifacts.http import BLOCK, ResumingDownloader, discard_part
from sigzoo.errors import ArtifactError

__all__ = ["DRIVE_URL", "NotInstalledError", "bring", "browsable", "is_network", "package_file"]

DRIVE_URL = "https://drive.usercontent.google.com/download?id={id}&export=download&confirm=t"
"""Where Google Drive gives a file without its warning page."""

_DRIVE_ID = re.compile(r"[A-Za-z0-9_-]{10,100}")
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


class NotInstalledError(ArtifactError):
    """The package of a ``package:`` URL is not there, which is no fault of the file's."""


def scheme(url: str) -> str:
    """Return the part before the first colon, lower case."""
    return url.partition(":")[0].lower()


def is_network(url: str) -> bool:
    """Whether following the URL opens a socket."""
    return scheme(url) not in {"file", "package"}


def bring(url: str, part: Path, filename: str, downloader: ResumingDownloader) -> None:
    """Gather the bytes of a URL in a partial file.

    Raises
    ------
    ArtifactError
        If they are not to be had, or the URL is of an unknown kind.
    StorageError
        If they cannot be written.
    """
    kind = scheme(url)
    if kind in {"http", "https"}:
        downloader.gather(url, part, filename)
    elif kind == "gdrive":
        downloader.gather(_drive_url(url), part, filename)
    elif kind == "file":
        _copy(_local_path(url), part)
    elif kind == "package":
        _copy(_resource(url), part)
    else:
        raise ArtifactError("not a kind of URL that is known here: https, http, gdrive, file, package")


def package_file(url: str) -> Path | None:
    """Return the real file behind a ``package:`` URL; `None` for other URLs and for zipped packages.

    Raises
    ------
    NotInstalledError
        If the package is not installed.
    ArtifactError
        If it cannot be imported or does not hold the file.
    """
    if scheme(url) != "package":
        return None
    resource = _resource(url)
    return resource if isinstance(resource, Path) else None


def browsable(url: str) -> str:
    """Return the URL as a browser takes it."""
    try:
        return _drive_url(url) if scheme(url) == "gdrive" else url
    except ArtifactError:
        return url


def _drive_url(url: str) -> str:
    name = url.partition(":")[2]
    if not _DRIVE_ID.fullmatch(name):
        raise ArtifactError(f"{name!r} is not a Google Drive id")
    return DRIVE_URL.format(id=name)


def _local_path(url: str) -> Path:
    parts = urlsplit(url)
    if parts.netloc not in {"", "localhost"} or not parts.path.startswith("/"):
        raise ArtifactError("a file: URL is written file:///absolute/path")
    return Path(unquote(parts.path))


def _resource(url: str) -> Traversable:
    module, _, inside = url.partition(":")[2].partition("/")
    steps = inside.split("/")
    if not _MODULE.fullmatch(module) or any(step in {"", ".", ".."} or "\\" in step for step in steps):
        raise ArtifactError("a package: URL is written package:module/path/inside")
    try:
        import_module(module)
        resource = files(module).joinpath(*steps)
        found = resource.is_file()
    except ModuleNotFoundError as error:
        raise NotInstalledError(f"the package {module} is not installed ({error})") from error
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise ArtifactError(f"the package {module} cannot be used ({why})") from error
    if not found:
        raise ArtifactError(f"the package {module} holds no file {inside}")
    return resource


def _copy(source: Traversable, part: Path) -> None:
    discard_part(part)
    write_blocks(part, _blocks(source))


def _blocks(source: Traversable) -> Iterator[bytes]:
    try:
        with source.open("rb") as stream:
            while block := stream.read(BLOCK):
                yield block
    except OSError as error:
        raise ArtifactError(f"cannot read {source} ({error.strerror or error})") from error
