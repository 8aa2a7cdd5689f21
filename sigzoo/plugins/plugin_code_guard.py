"""Running code of plugins so that what it prints and breaks does not spoil what the command does.

In a library call nothing of the host is touched: file descriptors, `sys.stdout` and the warnings filter are
the caller's. Only the command line switches the guard on, in its own process.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout

__all__ = ["in_own_process", "own_process", "plugin_code_guard"]


@contextmanager
def own_process() -> Iterator[None]:
    """Switch the guard on for the block: this process is the command line's own."""
    _guard.enabled += 1
    try:
        yield
    finally:
        _guard.enabled -= 1


def in_own_process() -> bool:
    """Whether this process is the command line's own."""
    return _guard.enabled > 0


@contextmanager
def plugin_code_guard() -> Iterator[None]:
    """Run code of a plugin.

    In the command's own process what it prints goes to stderr, where it cannot spoil a command's output,
    also where it writes to file descriptor 1 itself; a change of the warnings filter ends with it. C code
    that keeps output in a buffer of its own (``printf`` without a flush) escapes this.
    """
    if not _guard.enabled:
        yield
        return
    _guard.enter()
    try:
        yield
    finally:
        _guard.leave()


class _Guard:
    """The process's output and warnings filter, changed by the first thread that runs code of plugins.

    The last one puts them back: each thread for itself would restore what another had changed.
    """

    def __init__(self) -> None:
        self.enabled = 0
        self._lock = threading.Lock()
        self._running = 0
        self._undo = ExitStack()

    def enter(self) -> None:
        with self._lock:
            if self._running == 0:
                with ExitStack() as stack:
                    stack.enter_context(warnings.catch_warnings())
                    stack.enter_context(_raw_output_to_stderr())
                    stack.enter_context(redirect_stdout(sys.stderr))
                    self._undo = stack.pop_all()
            self._running += 1

    def leave(self) -> None:
        with self._lock:
            self._running -= 1
            if self._running == 0:
                self._undo.close()


_guard = _Guard()


@contextmanager
def _raw_output_to_stderr() -> Iterator[None]:
    saved = _moved_aside()
    try:
        yield
    finally:
        if saved is not None:
            os.dup2(saved, 1)
            os.close(saved)


def _moved_aside() -> int | None:
    """Point descriptor 1 to stderr; give what it was, or `None` where it is not this process's stdout."""
    try:
        stdout = sys.__stdout__
        if stdout is None or sys.stdout is not stdout or stdout.fileno() != 1:
            return None
        stdout.flush()
        saved = os.dup(1)
    except (OSError, ValueError):  # closed, or a pipe that nobody reads
        return None
    try:
        os.dup2(2, 1)
    except OSError:
        os.close(saved)
        return None
    return saved
