"""What the import of a plugin may not do to the interpreter that everybody shares."""

from __future__ import annotations

import builtins
import dis
import json
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from sigzoo.common.messages import quoted
from sigzoo.errors import PluginError
from sigzoo.plugins.plugin_code_guard import in_own_process

__all__ = ["contained", "raised_by_user"]


@contextmanager
def contained() -> Iterator[None]:
    """Put back what the block takes away from the interpreter, and say so.

    Entries that were removed from ``sys.path``, ``sys.meta_path`` or ``sys.path_hooks``, functions of
    `builtins` and `json` that were replaced, and the limit of open files. In the command line's own process
    also the working folder, and a thread that keeps the process alive is told: in a library call those may
    be another thread's doing. What is added stays: libraries do that for good reasons. This protects from
    mistakes; code that means harm runs with the user's rights and cannot be held.

    Raises
    ------
    PluginError
        If something had to be put back, or a thread was started that keeps the process alive.
    """
    lists: dict[str, list[Any]] = {
        "sys.path": sys.path,
        "sys.meta_path": sys.meta_path,
        "sys.path_hooks": sys.path_hooks,
    }
    before = {name: list(each) for name, each in lists.items()}
    functions = {module: dict(vars(module)) for module in _SHARED}
    own = in_own_process()
    folder = _working_folder() if own else None
    descriptors, threads = _soft_limit(), set(threading.enumerate())
    try:
        yield
    finally:
        broken = [name for name, each in lists.items() if _restore(each, before[name])]
        broken += [name for module in _SHARED for name in _put_back(module, functions[module])]
        if folder is not None and _working_folder() != folder:
            os.chdir(folder)
            broken.append("the working folder")
        if _lowered(descriptors):
            broken.append("the limit of open files")
    if broken:
        raise PluginError(f"its code changed {', '.join(broken[:5])}, which was put back")
    endless = [each for each in threading.enumerate() if own and each not in threads and _keeps_alive(each)]
    if endless:
        raise PluginError(
            f"its code started the thread {quoted(endless[0].name)}, without whose end no process ends"
        )


def _keeps_alive(thread: threading.Thread) -> bool:
    """Whether the interpreter waits for a thread at its end, and nothing will end it.

    Those of a pool are ended by the interpreter itself.
    """
    if thread.daemon or not thread.is_alive():
        return False
    pools = sys.modules.get("concurrent.futures.thread")
    return pools is None or thread not in pools._threads_queues


_SHARED = (builtins, json)


def _put_back(module: ModuleType, before: Mapping[str, Any]) -> list[str]:
    """Bring back what of a module was replaced; tell the names."""
    now = vars(module)
    # Python's own prompt keeps its last result in `_`.
    names = sorted(name for name, value in before.items() if now.get(name) is not value and name != "_")
    now.update({name: before[name] for name in names})
    return [f"{module.__name__}.{name}" for name in names]


def _working_folder() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # it is there no more
        return None


def _restore(now: list[Any], before: Sequence[Any]) -> bool:
    """Bring back a list's former entries if one is gone; tell whether that was needed."""
    if all(any(each is other for other in now) for each in before):
        return False
    now[:] = [*before, *(each for each in now if not any(each is other for other in before))]
    return True


def _soft_limit() -> tuple[int, int] | None:
    try:
        import resource
    except ImportError:  # not a Unix
        return None
    return resource.getrlimit(resource.RLIMIT_NOFILE)


def _lowered(before: tuple[int, int] | None) -> bool:
    """Whether the soft limit of open files was lowered; puts it back as far as the hard limit allows."""
    now = _soft_limit()
    if before is None or now is None or now[0] >= before[0] or now[0] < 0:
        return False
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (min(before[0], now[1]), now[1]))
    return True


def raised_by_user(error: BaseException) -> bool:
    """Whether a `KeyboardInterrupt` came from Ctrl-C, and not from a ``raise`` in a plugin's code.

    The interpreter raises it between two instructions; a plugin's own stands at a raising instruction.
    """
    if not isinstance(error, KeyboardInterrupt):
        return False
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is None:
        return True
    code = last.tb_frame.f_code.co_code
    return code[last.tb_lasti] not in _RAISING


_RAISING = {dis.opmap[name] for name in ("RAISE_VARARGS", "RERAISE")}
