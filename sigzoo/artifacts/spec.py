"""What is known of an artifact before it is fetched: its places, its size, its digests."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from sigzoo.common.redaction import redacted
from sigzoo.errors import ArtifactError

__all__ = ["KINDS", "ArtifactSpec", "Member", "is_safe_filename", "scheme"]

KINDS = ("https", "http", "gdrive", "file", "package")
"""What a URL may begin with."""

RESERVED_ENDINGS = (".part", ".part.json", ".stamp.json", ".members")
"""What the cache puts behind a file's name for its own files beside it."""

_SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+@-]{0,199}")
_HEX = re.compile(r"[0-9a-f]+")


def is_safe_filename(name: str) -> bool:
    """Whether `name` can be one file or folder of the cache: no separators, no dots in front, ASCII."""
    return _SAFE_NAME.fullmatch(name) is not None and not name.endswith(RESERVED_ENDINGS)


def scheme(url: str) -> str:
    """Return the part before the first colon, lower case."""
    return url.partition(":")[0].lower()


@dataclass(frozen=True)
class Member:
    """A file inside an artifact that is a zip archive, with a digest of its own.

    Attributes
    ----------
    name
        Its name in the archive, or the last part of it.
    urls
        Where it is to be had without the archive.
    sha256, git_blob, size
        As an artifact's.
    """

    name: str
    urls: tuple[str, ...] = ()
    sha256: str | None = None
    git_blob: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class ArtifactSpec:
    r"""A file from elsewhere and everything that pins it.

    Attributes
    ----------
    name
        The artifact's name in the registry; a folder of the cache.
    urls
        Where to get it, in order: ``https://``, ``http://``, ``gdrive:ID``, ``file:///path``,
        ``package:module/path/inside``.
    sha256
        SHA-256 of the content, 64 hexadecimal digits.
    git_blob
        SHA-1 over ``blob <size>\0`` and the content, 40 hexadecimal digits.
    size
        Bytes.
    unpinned
        Whether nobody published a digest: the first one seen is recorded and must stay.
    filename
        Name of the file in the cache; by default the last part of the first URL.
    licence_notice
        What a person must know about the licence; shown once, at the first fetch.
    members
        What is known of files inside it, where it is a zip archive.
    archive, archive_member
        An archive that holds this file as well, and what it is called there.

    Raises
    ------
    ArtifactError
        If a field cannot be right; names the artifact and the field.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str | None = None
    git_blob: str | None = None
    size: int | None = None
    unpinned: bool = False
    filename: str | None = None
    licence_notice: str | None = None
    members: tuple[Member, ...] = ()
    archive: ArtifactSpec | None = None
    archive_member: str | None = None

    def __post_init__(self) -> None:
        if not is_safe_filename(self.name):
            raise ArtifactError(f"{self.name!r} cannot be the name of an artifact: it must name a folder.")
        if not self.urls and self.archive is None:
            raise ArtifactError(f"artifact {self.name}: no urls.")
        for url in self.urls:
            self._check_kind(url)
        for field, digits in (("sha256", 64), ("git_blob", 40)):
            value = getattr(self, field)
            if value is not None:
                object.__setattr__(self, field, self._digest(field, value, digits))
        if self.size is not None and self.size < 0:
            raise ArtifactError(f"artifact {self.name}: size is {self.size}; expected bytes.")
        if not (self.pinned or self.unpinned):
            raise ArtifactError(f"artifact {self.name}: needs sha256 or git_blob, or unpinned: true.")
        if not is_safe_filename(self.stored_name):
            raise ArtifactError(f"artifact {self.name}: {self.stored_name!r} cannot be a file's name.")

    def _check_kind(self, url: str) -> None:
        if scheme(url) not in KINDS or not url.partition(":")[2].strip("/"):
            raise ArtifactError(
                f"artifact {self.name}: {redacted(url)[:100]!r} is not a URL of a kind that is known here: "
                f"{', '.join(KINDS)}."
            )

    def _digest(self, field: str, value: str, digits: int) -> str:
        lowered = value.lower()
        if len(lowered) != digits or not _HEX.fullmatch(lowered):
            raise ArtifactError(f"artifact {self.name}: {field} is not {digits} hex digits: {value!r}.")
        return lowered

    @property
    def pinned(self) -> bool:
        """Whether a digest is published."""
        return self.sha256 is not None or self.git_blob is not None

    @property
    def stored_name(self) -> str:
        """Name of the file in the cache."""
        if self.filename is not None:
            return self.filename
        if not self.urls:
            return PurePosixPath(self.archive_member or "").name or self.name
        try:
            parts = urlsplit(self.urls[0])
        except ValueError as error:
            raise ArtifactError(
                f"artifact {self.name}: {redacted(self.urls[0])!r} is no URL ({redacted(str(error))})."
            ) from error
        if parts.scheme == "gdrive":
            return self.name
        return PurePosixPath(unquote(parts.path)).name or self.name

    def of_member(self, name: str) -> ArtifactSpec | None:
        """Return the file inside this archive as an artifact of its own; `None` where it has no digest.

        It lies in the same folder of the cache, and is taken from its own addresses first, so that the
        archive is fetched only where none of them gives it.

        Parameters
        ----------
        name
            Of the file in the archive.

        Returns
        -------
        ArtifactSpec or None
            To be fetched like any other.

        Raises
        ------
        ArtifactError
            If what is known of it cannot be right.
        """
        known = next((member for member in self.members if member.name == name), None)
        if known is None:
            return None
        return ArtifactSpec(
            self.name,
            known.urls,
            known.sha256,
            known.git_blob,
            known.size,
            filename=PurePosixPath(name).name,
            licence_notice=self.licence_notice,
            archive=self,
            archive_member=name,
        )

    def identity(self) -> str:
        """What pins the file, in words: ``sha256 9f23..., 63217982 bytes``."""
        known = []
        if self.sha256:
            known.append(f"sha256 {self.sha256}")
        if self.git_blob:
            known.append(f"git blob {self.git_blob}")
        if not known:
            known.append("no published digest")
        if self.size is not None:
            known.append(f"{self.size} bytes")
        return ", ".join(known)
