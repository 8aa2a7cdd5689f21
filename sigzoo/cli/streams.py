"""The process's own streams: open whatever the shell closed, never in the way of the work."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import suppress
from typing import TextIO

__all__ = ["is_terminal", "open_standard_streams", "settle_standard_streams", "silence", "width_of"]


def open_standard_streams() -> None:
    """Let descriptors 0 to 2 and Python's three streams exist, and write any text.

    Without this the next file that is opened gets the number of a closed stream, and what C code prints
    goes into it.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        stream = getattr(sys, name)
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def settle_standard_streams() -> int:
    """Write what is left, so that Python's own attempt at its end cannot fail; 0, or 1 if that was lost."""
    status = 0
    for stream in (sys.stdout, sys.stderr):
        if stream is None:
            continue
        try:
            stream.flush()
        except BrokenPipeError:
            silence(stream)
        except (OSError, ValueError):
            silence(stream)
            status = 1
    return status


def silence(stream: TextIO) -> None:
    """Let a stream that nobody reads any more lead nowhere."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a stream, which may be missing or closed, is a terminal."""
    try:
        return stream is not None and stream.isatty()
    except (AttributeError, ValueError, OSError):
        return False


def width_of(stream: TextIO | None) -> int | None:
    """Columns of a terminal; `None` where lines may be as long as they like."""
    return max(20, shutil.get_terminal_size().columns) if is_terminal(stream) else None
