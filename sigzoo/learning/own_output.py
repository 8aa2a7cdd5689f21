"""One run at a time writes to a place: a lock for as long as it takes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sigzoo.artifacts.home import StorageError
from sigzoo.artifacts.lock import locked
from sigzoo.errors import ArtifactError, UsageError

__all__ = ["own_output"]


@contextmanager
def own_output(path: Path) -> Iterator[None]:
    """Keep every other run of this user from writing to a folder or file, for the block.

    The lock lies in the cache and dies with its owner; without a cache that can be written to, runs are
    not kept apart.

    Raises
    ------
    UsageError
        If another run writes there.
    """
    # Not `Path.resolve`, which ends in an error of Python's where links lead in a circle.
    place = os.path.realpath(os.path.expanduser(path))  # noqa: PTH111
    digest = hashlib.sha256(os.fsencode(place)).hexdigest()
    with ExitStack() as held:
        try:
            held.enter_context(locked(f"run-{digest[:24]}", wait=False))
        except StorageError:
            pass
        except ArtifactError as error:
            raise UsageError(
                f"{path}: another run of yours writes there just now. Wait for it, or choose another place."
            ) from error
        yield
