"""Every error and warning that a user can meet; the command line prints these in a line or two."""

from __future__ import annotations

import copyreg
from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "ArtifactError",
    "DataError",
    "ImageError",
    "OfflineError",
    "PluginError",
    "RegistryError",
    "SigzooError",
    "SigzooWarning",
    "UnknownNameError",
    "UsageError",
    "VerificationError",
    "WeightsError",
]


class SigzooError(Exception):
    """Base of all errors that sigzoo raises on purpose.

    The message says what was wrong, with which file or name, and what to do.
    """

    exit_code = 1
    """Status with which the command line ends."""


class UsageError(SigzooError):
    """Arguments that do not fit together or are out of range."""

    exit_code = 2


class RegistryError(SigzooError):
    """A registry that is not valid; the message holds the file and the path of the entry."""


class PluginError(SigzooError):
    """A plugin that could not be loaded, or a name that no healthy plugin provides."""


class ArtifactError(SigzooError):
    """A file that could not be fetched or kept."""


class VerificationError(ArtifactError):
    """A file whose size or digest is not the published one."""


class OfflineError(ArtifactError):
    """A file that is not in the cache while the network is switched off."""


class WeightsError(SigzooError):
    """A weight file that is damaged, hostile, or does not fit its network."""


class DataError(SigzooError):
    """A data file (npz, csv, folder of images) that is damaged, hostile or of another layout."""


class ImageError(SigzooError):
    """An image that cannot be read or holds no signature."""


class SigzooWarning(UserWarning):
    """Something a user should know about that did not stop the work."""


class UnknownNameError(SigzooError):
    """A name that nothing answers to; the message holds the nearest names."""

    exit_code = 2

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        names = sorted(set(known))
        near = get_close_matches(name, names, n=3, cutoff=0.6)
        message = f"There is no {kind} named {name!r}."
        if near:
            message += f" Did you mean {' or '.join(near)}?"
        elif names and len(names) <= 12 and not hint:
            message += f" Known: {', '.join(names)}."
        if hint:
            message += f" {hint}"
        super().__init__(message)
        self.kind, self.name, self.suggestions = kind, name, near

    def __reduce__(self) -> tuple[object, ...]:
        # As it is, not built again from arguments: it may come from another process.
        return copyreg.__newobj__, (type(self), str(self)), self.__dict__  # type: ignore[attr-defined]
