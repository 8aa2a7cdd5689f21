"""Files of object stores by URL (``s3://``, ``gs://``, ...), through fsspec: read, listed, put whole."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from sigzoo.common.extras import import_extra
from sigzoo.common.redaction import redacted
from sigzoo.common.terminal import safe_text
from sigzoo.errors import SigzooError, UsageError

__all__ = [
    "STORES",
    "is_remote",
    "list_remote",
    "local_name",
    "open_remote",
    "put_remote",
    "read_remote",
    "remote_exists",
    "without_password",
]

_WHOLE = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "memory"})
"""Stores in which an object appears whole when it is put."""

_PACKAGES = {
    **dict.fromkeys(("s3", "s3a"), "'sigzoo[remote]'"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("az", "abfs", "abfss", "adl"), "adlfs"),
    **dict.fromkeys(("sftp", "ssh"), "paramiko"),
    **{"oss": "ossfs", "smb": "smbprotocol", "hdfs": "pyarrow", "webhdfs": "requests", "webdav": "webdav4"},
}
"""What reads each kind of URL for fsspec, as it is installed; ``memory`` needs nothing."""

STORES = _WHOLE.union(_PACKAGES)
"""Kinds of URLs that are taken; of those beyond `_WHOLE` a file is put beside its place and moved."""

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SECRETS = ("SECRET", "TOKEN", "PASSWORD", "CREDENTIAL", "ACCESS_KEY", "ACCOUNT_KEY", "SAS")


def is_remote(name: str) -> bool:
    """Whether a name is a URL of a store."""
    found = _URL.match(name)
    return found is not None and found[1].lower() in STORES


def without_password(name: str) -> str:
    """A name that may be a URL, to be shown: a user and a password before its host are taken out."""
    return redacted(name) if "://" in name and "@" in name.partition("://")[2].partition("/")[0] else name


def local_name(name: str) -> str:
    """The path that a ``file://`` URL is of; any other name as it is."""
    if not name.lower().startswith("file://"):
        return name
    parts = urlsplit(name)
    return unquote(parts.path) if parts.netloc in ("", "localhost") else name


def read_remote(url: str, most: int, kind: type[SigzooError]) -> bytes:
    """Read an object whole.

    Parameters
    ----------
    url
        Where it is.
    most
        Bytes; of a larger one no more than one beyond is read.
    kind
        What is raised.

    Raises
    ------
    UsageError
        If what reads such URLs is not installed, or the URL holds a password.
    SigzooError
        Of the given kind, if it cannot be read or is larger; names it without secrets.
    """
    store, path = _store(url)
    with _errors(url, kind, "read"):
        try:
            content: bytes = store.cat_file(path, start=0, end=most + 1)
        except FileNotFoundError:
            raise
        except Exception:
            if store.size(path):  # of an empty object a store gives no range
                raise
            return b""
    if len(content) > most:
        raise kind(f"{_shown(url)}: has more than the {most:,} bytes that are read.")
    return content


@contextmanager
def open_remote(url: str, kind: type[SigzooError]) -> Iterator[IO[bytes]]:
    """Open an object for reading anywhere in it, a few megabytes at a time.

    Raises
    ------
    UsageError, SigzooError
        As `read_remote`; also while it is read.
    """
    store, path = _store(url)
    with _errors(url, kind, "read"), store.open(path, "rb", block_size=4 << 20) as file:
        yield io.BufferedReader(file, 1 << 20)  # fsspec's own gives lines of any length


def list_remote(url: str, kind: type[SigzooError], *, deep: bool = False) -> list[str]:
    """URLs of the objects below a prefix, or that a wildcard stands for, sorted; none where there are none.

    Parameters
    ----------
    url
        A prefix, or with ``*`` or ``?`` a wildcard.
    kind
        What is raised.
    deep
        Whether also what lies in folders below.

    Raises
    ------
    UsageError, SigzooError
        As `read_remote`.
    """
    store, path = _store(url)
    scheme = url.partition("://")[0]
    with _errors(url, kind, "listed"):
        store.invalidate_cache()
        try:
            if "*" in path or "?" in path:
                found = store.glob(path, detail=True)
            else:
                found = store.find(path, maxdepth=None if deep else 1, detail=True)
        except FileNotFoundError:
            return []
    names = [name for name, facts in found.items() if facts.get("type") == "file"]
    # What is no object store has a host, which its listings do not name.
    before = f"{scheme}://" if scheme.lower() in _WHOLE else f"{scheme}://{urlsplit(url).netloc}"
    return sorted(f"{before}{name.removeprefix('/') if scheme in _WHOLE else name}" for name in names)


def remote_exists(url: str, kind: type[SigzooError]) -> bool:
    """Whether there is an object of that name, or any below it.

    Raises
    ------
    UsageError, SigzooError
        As `read_remote`.
    """
    store, path = _store(url)
    with _errors(url, kind, "looked for"):
        store.invalidate_cache()
        return bool(store.exists(path))


def put_remote(content: Path | bytes, url: str, kind: type[SigzooError] = SigzooError) -> None:
    """Put a file under a URL: it appears whole, over one that is there.

    Raises
    ------
    UsageError, SigzooError
        As `read_remote`, if it cannot be written.
    """
    store, path = _store(url)
    scheme = url.partition("://")[0].lower()
    with _errors(url, kind, "written"):
        whole = scheme in _WHOLE
        target = path if whole else f"{path}.{os.urandom(4).hex()}.part"
        if not whole:
            store.makedirs(store._parent(path), exist_ok=True)
        if isinstance(content, bytes):
            store.pipe_file(target, content)
        else:
            store.put_file(str(content), target)
        if not whole:
            store.mv(target, path)


def _store(url: str) -> tuple[Any, str]:
    """The store of a URL, and the path in it."""
    parts = urlsplit(url)
    if parts.password is not None:
        raise UsageError(
            f"{_shown(url)}: a URL with a password is not taken, as it would be shown and kept; give it by"
            " the environment or the store's own configuration."
        )
    scheme = parts.scheme.lower()
    fsspec = import_extra("fsspec", "remote", f"{scheme}://")
    try:
        # Answers of a listing that are kept would hide what another process has written since.
        store, path = fsspec.url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        raise UsageError(
            f"{_shown(url)}: what reads {scheme}:// is not installed ({_plain(error)}): run"
            f" `pip install {_PACKAGES[scheme]}`."
        ) from error
    except Exception as error:
        raise UsageError(f"{_shown(url)}: cannot be used: {_plain(error)}.") from error
    return store, path


@contextmanager
def _errors(url: str, kind: type[SigzooError], what: str) -> Iterator[None]:
    """What a store raises, as an error of ours without secrets."""
    try:
        yield
    except SigzooError:
        raise
    except FileNotFoundError:
        raise kind(f"{_shown(url)}: there is no such object, bucket or folder.") from None
    except PermissionError as error:
        raise kind(
            f"{_shown(url)}: cannot be {what}: the store refuses it ({_plain(error)}). Are the credentials"
            " those of this store?"
        ) from None
    except Exception as error:  # each store has its own: botocore's, aiohttp's, OSError, TimeoutError, ...
        raise kind(f"{_shown(url)}: cannot be {what}: {_plain(error)}.") from None


def _plain(error: Exception) -> str:
    """The first line of what an error says, without secrets."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    text = redacted(lines[0])
    for name, value in os.environ.items():
        if len(value) >= 8 and any(word in name.upper() for word in _SECRETS):
            text = text.replace(value, "***")
    return safe_text(text[:300]).rstrip(".")


def _shown(url: str) -> str:
    return safe_text(redacted(url))
