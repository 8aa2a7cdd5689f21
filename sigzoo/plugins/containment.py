"""What the import of a plugin may not do to the interpreter that everybody shares."""

from __future__ import annotations

import builtins
import dis
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sigzoo.errors import PluginError

__all__ = ["contained", "raised_by_user"]


@contextmanager
def contained() -> Iterator[None]:
    """Put back what the block takes away from the interpreter, and say so.

    Entries that were removed from ``sys.path``, ``sys.meta_path`` or ``sys.path_hooks``, and built-in
    functions that were replaced. What is added stays: libraries do that for good reasons. This protects
    from mistakes; code that means harm runs with the user's rights and cannot be held.

    Raises
    ------
    PluginError
        If something had to be put back.
    """
    lists: dict[str, list[Any]] = {
        "sys.path": sys.path,
        "sys.meta_path": sys.meta_path,
        "sys.path_hooks": sys.path_hooks,
    }
    before = {name: list(each) for name, each in lists.items()}
    functions = dict(vars(builtins))
    descriptors = _soft_limit()
    try:
        yield
    finally:
        broken = [name for name, each in lists.items() if _restore(each, before[name])]
        replaced = sorted(
            name for name, value in functions.items() if vars(builtins).get(name) is not value and name != "_"
        )
        vars(builtins).update({name: functions[name] for name in replaced})
        broken += [f"builtins.{name}" for name in replaced]
        if _lowered(descriptors):
            broken.append("the limit of open files")
    if broken:
        raise PluginError(f"its code changed {', '.join(broken[:5])}, which was put back")


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
