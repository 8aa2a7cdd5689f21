"""Files that are read whole, up to a size beyond which they cannot be what they are taken for."""

from __future__ import annotations

from pathlib import Path

from sigzoo.common.terminal import safe_text
from sigzoo.errors import SigzooError

__all__ = ["read_bounded"]


def read_bounded(path: Path, most: int, kind: type[SigzooError], never: str) -> bytes:
    """Read a file of at most `most` bytes.

    Parameters
    ----------
    path
        The file.
    most
        Bytes; of a larger file no more than one beyond it is read.
    kind
        What is raised.
    never
        What no file is so large of, for the message: ``"no registry is"``.

    Raises
    ------
    SigzooError
        Of the given kind, if it cannot be read or is larger; names it.
    """
    shown = safe_text(path)
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise kind(f"{shown}: cannot be read: {error.strerror or error}.") from error
    if len(content) > most:
        raise kind(f"{shown}: larger than {most} bytes, which {never}.")
    return content
