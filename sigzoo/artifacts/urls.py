"""The kinds of URL an artifact may have, and how the bytes behind each arrive."""

from __future__ import annotations

import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from importlib.machinery import ModuleSpec
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit
from zipimport import zipimporter

from sigzoo.artifacts.home import write_blocks
from sigzoo.artifacts.http import ResumingDownloader
from sigzoo.artifacts.part_files import discard_part
from sigzoo.artifacts.retry import MAX_UNSTATED_SIZE
from sigzoo.artifacts.spec import KINDS, scheme
from sigzoo.common.redaction import redacted
from sigzoo.errors import ArtifactError, VerificationError

__all__ = [
    "DRIVE_URL",
    "NotInstalledError",
    "browsable",
    "installation_hint",
    "is_network",
    "package_file",
    "scheme",
    "transfer",
]

DRIVE_URL = "https://drive.usercontent.google.com/download?id={id}&export=download&confirm=t"
"""Where Google Drive gives a file without its warning page."""

_BLOCK = 1 << 20
_DRIVE_ID = re.compile(r"[A-Za-z0-9_-]{10,100}")
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


class NotInstalledError(ArtifactError):
    """The package of a ``package:`` URL is not there, which is no fault of the file's."""


def is_network(url: str) -> bool:
    """Whether following the URL opens a socket."""
    return scheme(url) not in {"file", "package"}


def transfer(url: str, part: Path, filename: str, downloader: ResumingDownloader) -> None:
    """Gather the bytes of a URL in a partial file.

    Raises
    ------
    ArtifactError
        If they are not to be had, or the URL is of an unknown kind.
    VerificationError
        If there are too many of them.
    StorageError
        If they cannot be written.
    """
    kind = scheme(url)
    if kind in {"http", "https"}:
        downloader.gather(url, part, filename)
    elif kind == "gdrive":
        downloader.gather(_drive_url(url), part, filename)
    elif kind == "file":
        _copy(_local_path(url), part, downloader.size)
    elif kind == "package":
        _copy(_resource(url), part, downloader.size)
    else:
        raise ArtifactError(f"not a kind of URL that is known here: {', '.join(KINDS)}")


def package_file(url: str) -> Path | None:
    """Return the real file behind a ``package:`` URL; `None` for other URLs and for zipped packages.

    The package is looked up and never imported: a registry must not run code.

    Raises
    ------
    NotInstalledError
        If the package is not installed.
    ArtifactError
        If it is not a package or does not hold the file.
    """
    if scheme(url) != "package":
        return None
    resource = _resource(url)
    return resource if isinstance(resource, Path) else None


def installation_hint(url: str) -> str:
    """Say what to install for the file behind a ``package:`` URL."""
    from importlib import metadata

    module = url.partition(":")[2].partition("/")[0].partition(".")[0]
    likely = module.replace("_", "-")
    owners = sorted(set(metadata.packages_distributions().get(module, [])))
    if not owners:
        # An editable installation does not say which modules it holds.
        with suppress(metadata.PackageNotFoundError):
            owners = [metadata.distribution(likely).name]
    if owners:
        held = " and ".join(f"{owner} {metadata.version(owner)}" for owner in owners)
        return f"{held} is installed: run `pip install --upgrade {' '.join(owners)} sigzoo`, so that both fit"
    return f"Install the distribution that brings the module {module}: `pip install {likely}`, by its name"


def browsable(url: str) -> str:
    """Return the URL as a browser takes it, without secrets."""
    try:
        return _drive_url(url) if scheme(url) == "gdrive" else redacted(url)
    except ArtifactError:
        return redacted(url)


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
    if not _MODULE.fullmatch(module) or not all(map(_is_plain_step, steps)):
        raise ArtifactError("a package: URL is written package:module/path/inside")
    top, *below = module.split(".")
    try:
        folders = [root.joinpath(*below) if below else root for root in _roots(top)]
        if not any(folder.is_dir() for folder in folders):
            raise NotInstalledError(f"the package {module} is not installed")
        found = [file for folder in folders if (file := folder.joinpath(*steps)).is_file()]
    except (OSError, zipfile.BadZipFile) as error:
        raise ArtifactError(f"the package {module} cannot be read ({error})") from error
    if not found:
        raise ArtifactError(f"the package {module} holds no file {inside}")
    return found[0]


def _is_plain_step(step: str) -> bool:
    return step not in {"", ".", ".."} and not set(step) & set("\\:\0")


def _roots(package: str) -> Iterator[Traversable]:
    """Yield the folders of a top-level package; to look up one below another would import the upper one."""
    try:
        spec = find_spec(package)
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise ArtifactError(f"the package {package} cannot be looked up ({why})") from error
    if spec is None:
        raise NotInstalledError(f"the package {package} is not installed")
    if spec.submodule_search_locations is None:
        raise ArtifactError(f"{package} is not a package that could hold files, but a module")
    for location in spec.submodule_search_locations:
        yield _root(spec, Path(location))


def _root(spec: ModuleSpec, location: Path) -> Traversable:
    if isinstance(spec.loader, zipimporter) and not location.is_dir():
        inside = location.relative_to(spec.loader.archive).as_posix()
        return zipfile.Path(spec.loader.archive, f"{inside}/")
    return location


def _copy(source: Traversable, part: Path, size: int | None) -> None:
    # What others may not read must not become readable by being copied.
    mode = 0o666 & _fit_mode(source, size) if isinstance(source, Path) else 0o666
    discard_part(part)
    try:
        write_blocks(
            part,
            _blocks(source, MAX_UNSTATED_SIZE if size is None else size),
            mode=mode | stat.S_IRUSR | stat.S_IWUSR,
        )
    except BaseException:
        # Nothing goes on from a copy that was cut.
        with suppress(ArtifactError):
            discard_part(part)
        raise


def _fit_mode(source: Path, size: int | None) -> int:
    """Return a file's permissions; refuse another size, and devices and pipes, which may never end."""
    try:
        found = source.stat()
    except (OSError, ValueError) as error:
        raise ArtifactError(f"cannot read {source} ({getattr(error, 'strerror', None) or error})") from error
    if not stat.S_ISREG(found.st_mode):
        raise ArtifactError(f"cannot read {source} (not a regular file)")
    if size is not None and found.st_size != size:
        raise VerificationError(f"the file has {found.st_size} bytes instead of {size}")
    return stat.S_IMODE(found.st_mode)


def _blocks(source: Traversable, limit: int) -> Iterator[bytes]:
    have = 0
    try:
        with source.open("rb") as stream:
            while block := stream.read(_BLOCK):
                have += len(block)
                if have > limit:
                    raise VerificationError(f"{source} has more than {limit} bytes")
                yield block
    except (OSError, zipfile.BadZipFile, zlib.error) as error:
        raise ArtifactError(f"cannot read {source} ({getattr(error, 'strerror', None) or error})") from error
