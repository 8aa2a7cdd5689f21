"""Running the program where its output is a terminal of some width."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from io import StringIO

import pytest

from sigzoo.cli import run

PROGRAM = (sys.executable, "-m", "sigzoo")


def in_terminal(
    arguments: Sequence[object], columns: int = 80, environment: dict[str, str] | None = None
) -> tuple[int, str]:
    """Run `sigzoo` where stdin, stdout and stderr are a terminal; the status, and what it shows."""
    import fcntl
    import pty
    import struct
    import termios

    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    kept = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    with subprocess.Popen(
        [*PROGRAM, *map(str, arguments)],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={**kept, "TERM": "dumb", **(environment or {})},
    ) as process:
        os.close(follower)
        shown = b""
        with suppress(OSError):  # Linux tells the end of a terminal by an error
            while part := os.read(leader, 1 << 16):
                shown += part
    os.close(leader)
    return process.returncode, shown.decode("utf-8", "replace").replace("\r\n", "\n")


class _Terminal(StringIO):
    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


def shown(arguments: Sequence[object], columns: int = 80) -> tuple[int, str]:
    """The same in this process, without the progress bars: the status, and what stdout and stderr show."""
    screen = _Terminal()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(columns))
        patch.setenv("TERM", "dumb")
        patch.setattr(sys, "stdout", screen)
        patch.setattr(sys, "stderr", screen)
        status = run([str(each) for each in arguments])
    return status, screen.getvalue()
