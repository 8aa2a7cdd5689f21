"""The default of what is installed: the environment's, or the one of the `Zoo.as_default` block that runs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from sigzoo.installed import Installed

__all__ = ["as_default", "default", "resolve"]

_chosen: ContextVar[Installed | None] = ContextVar("sigzoo default", default=None)
_lock = threading.Lock()
_built: tuple[object, Installed] | None = None


@contextmanager
def as_default(chosen: Installed) -> Iterator[None]:
    """Let `default` give `chosen`, in the block and in this thread."""
    token = _chosen.set(chosen)
    try:
        with chosen.store():
            yield
    finally:
        _chosen.reset(token)


def default() -> Installed:
    """What is installed by the environment, or was chosen by `as_default`.

    It is built at first use, and again when what it was built from has changed: `SIGZOO_REGISTRY` and the
    files that it names, `SIGZOO_PLUGINS`, or the places where Python looks for distributions.
    """
    global _built
    chosen = _chosen.get()
    if chosen is not None:
        return chosen
    origin = _origin()
    with _lock:
        if _built is None or _built[0] != origin:
            _built = origin, Installed.from_environment()
        return _built[1]


def resolve(zoo: Installed | None) -> Installed:
    """What a function was given, else the default."""
    return default() if zoo is None else zoo


def _origin() -> object:
    """What decides the default, as far as it can be looked at cheaply."""
    here = Installed.from_environment()
    files = []
    for path in here.named_files:
        try:
            known = path.stat()
            files.append((str(path), known.st_mtime_ns, known.st_size))
        except OSError:
            files.append((str(path), 0, 0))
    return here.chosen_plugins, tuple(files), tuple(sys.path)
