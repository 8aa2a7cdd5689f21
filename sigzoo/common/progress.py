"""Progress on stderr: a bar in a terminal, now and then a line elsewhere; or a caller's own."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ProgressLike = bool | Callable[[int], object]
"""`True` for progress on stderr, `False` for none, or a function that is told how many more are done."""

SECONDS_BETWEEN_LINES = 30.0
"""Where stderr is a file, a pipe or a notebook's cell; what takes less time says nothing there. Work of
several parts counts as one: the next bar goes on with the time of the one before."""


@contextmanager
def bar(progress: ProgressLike, total: int | None, what: str) -> Iterator[Callable[[int], object]]:
    """Give a function to call with the number of steps that were just done.

    Parameters
    ----------
    progress
        Whether, or to whom, to tell.
    total
        How many steps there are, if that is known.
    what
        What is done, as a word or two.
    """
    if callable(progress):
        yield progress
    elif not progress or sys.stderr is None:
        yield lambda done: None
    elif not _is_terminal():
        yield _Lines(total, what).advance
    else:
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as shown:
            task = shown.add_task(what, total=total)
            yield lambda done: shown.advance(task, done)


def _is_terminal() -> bool:
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):  # closed, or an object of the caller's own
        return False


class _Lines:
    """Plain lines with a number, seldom."""

    _told = float("-inf")
    """When something was last told, or the first of some bars in a row began."""
    _active = float("-inf")
    """When any bar last began or went on."""

    def __init__(self, total: int | None, what: str) -> None:
        self._total, self._what, self._done = total, what, 0
        now = time.monotonic()
        if now - _Lines._active >= SECONDS_BETWEEN_LINES:  # other work, of a host that lives long
            _Lines._told = now
        _Lines._active = now

    def advance(self, done: int) -> None:
        """Count, and tell if it is time."""
        self._done += done
        now = _Lines._active = time.monotonic()
        if now - _Lines._told < SECONDS_BETWEEN_LINES:
            return
        _Lines._told = now
        of = f" of {self._total:,}" if self._total else ""
        try:
            print(f"{self._what}: {self._done:,}{of}", file=sys.stderr, flush=True)
        except (OSError, ValueError, AttributeError):
            _Lines._told = float("inf")  # nobody reads it: the work goes on
