"""What a file is by its content, before its digest becomes the recorded one of an unpinned artifact."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from sigzoo.artifacts.members import check_archive
from sigzoo.artifacts.pages import HEAD, wrong_content
from sigzoo.artifacts.spec import ArtifactSpec
from sigzoo.errors import ArtifactError, VerificationError

__all__ = ["inspect"]

_BEGINNINGS = {
    ".npy": (b"\x93NUMPY",),
    ".pth": (b"PK\x03\x04", b"\x80"),
    ".pt": (b"PK\x03\x04", b"\x80"),
    ".png": (b"\x89PNG\r\n\x1a\n",),
    ".jpg": (b"\xff\xd8\xff",),
    ".jpeg": (b"\xff\xd8\xff",),
    ".tif": (b"II", b"MM"),
    ".tiff": (b"II", b"MM"),
    ".mat": (b"MATLAB", b"\x89HDF"),
    ".h5": (b"\x89HDF",),
    ".gz": (b"\x1f\x8b",),
}
"""What files of these endings begin with."""

_CONTROL = set(range(32)) - set(b"\t\n\f\r\x1b")
_ARCHIVES = {".zip", ".npz"}
_TEXTS = {".json", ".txt", ".csv", ".yaml", ".yml", ".xml", ".html", ".htm", ".svg", ".md"}


def inspect(path: Path, spec: ArtifactSpec) -> None:
    """Refuse a file that cannot be the artifact by its name's ending, of whatever digest it is.

    Raises
    ------
    VerificationError
        If it is an answer in HTML, JSON or XML, begins as no file of its ending does, or is no whole
        zip archive where it should be one; if members whose digest is published are not those.
    """
    ending = Path(spec.stored_name).suffix.lower()
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise VerificationError(f"cannot read {path} ({error.strerror or error})") from error
    if ending in _ARCHIVES:
        _inspect_archive(path, spec)
        return
    known = _BEGINNINGS.get(ending)
    if known is not None and not head.startswith(known):
        raise VerificationError(f"what came begins as no {ending} file does ({_described(head, path)})")
    page = wrong_content(head, "", spec.stored_name)
    if page is not None or (ending not in _TEXTS and _is_answer(head)):
        raise VerificationError(f"what came is {_described(head, path)}, not the file")


def _inspect_archive(path: Path, spec: ArtifactSpec) -> None:
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            raise VerificationError(f"what came is no zip archive ({_described(file.read(HEAD), path)})")
    try:
        check_archive(path, spec.members)
    except ArtifactError as error:
        raise VerificationError(f"what came is not the archive: {error}") from error


def _is_answer(head: bytes) -> bool:
    """Whether bytes begin a JSON document or markup, which is how programs say that they have no file."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"<"):
        return b"\0" not in head and not set(head) & _CONTROL
    if not text.startswith((b"{", b"[")):
        return False
    try:
        json.loads(head.decode("utf-8"))
    except (ValueError, RecursionError):
        return len(head) == HEAD and text.isascii() and b"\0" not in text
    return True


def _described(head: bytes, path: Path) -> str:
    page = wrong_content(head, "", path.name)
    if page is not None:
        return page
    kind = "an answer in JSON or markup" if _is_answer(head) else "other content"
    return f"{kind} that begins with {head[:40]!r}"
