"""The fenced blocks of a page, and running the commands in them."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Block", "blocks", "environment", "run_line"]

_BLOCK = re.compile(r"^```(?P<language>[\w-]+)\n(?P<code>.*?)^```$\n?", re.MULTILINE | re.DOTALL)
_PLAIN = re.compile(r"sigzoo (?P<arguments>[^|&;<>$`]*?)(?P<anyway> \|\| (?:true|echo .*))?")


@dataclass(frozen=True)
class Block:
    """A fenced block, with the prose before it.

    Attributes
    ----------
    before
        Markdown between the last block and this one.
    language
        As it stands behind the fence; empty for what follows the last block.
    code
        With its last line's end.
    """

    before: str
    language: str
    code: str

    @property
    def text(self) -> str:
        """The block as it stands on the page."""
        return f"```{self.language}\n{self.code}```\n" if self.language else ""


def blocks(markdown: str) -> Iterator[Block]:
    """The blocks of a page, in order; the last one is the prose behind them."""
    end = 0
    for found in _BLOCK.finditer(markdown):
        yield Block(markdown[end : found.start()], found["language"], found["code"])
        end = found.end()
    yield Block(markdown[end:], "", "")


def environment() -> dict[str, str]:
    """The environment of commands: this Python's programs first, nothing fetched."""
    here = Path(sys.executable).parent
    return {**os.environ, "PATH": f"{here}:{os.environ['PATH']}", "SIGZOO_OFFLINE": "1", "COLUMNS": "88"}


def run_line(line: str, folder: Path) -> str:
    """Run a line of a page in a folder; what it printed.

    A plain call of sigzoo runs in this process, which has torch already; anything else in a shell.

    Raises
    ------
    RuntimeError
        If it fails; the message holds what was printed.
    """
    if "pip install" in line:
        raise RuntimeError(f"{line}\nwould change the environment that runs this")
    plain = _PLAIN.fullmatch(line.strip())
    if plain is None:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line],
            cwd=folder,
            env=environment(),
            capture_output=True,
            text=True,
        )
        status, printed, errors = done.returncode, done.stdout, done.stderr
    else:
        status, printed, errors = _in_this_process(shlex.split(plain["arguments"]), folder)
        status = 0 if plain["anyway"] and status > 2 else status
    if status:
        raise RuntimeError(f"{line}\nended with {status}\n{printed}\n{errors}")
    return printed


def _in_this_process(arguments: list[str], folder: Path) -> tuple[int, str, str]:
    from sigzoo.cli import run

    printed, errors = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(errors),
        _set(environment()),
    ):
        status = run(arguments)
    return status, printed.getvalue(), errors.getvalue()


@contextlib.contextmanager
def _set(variables: dict[str, str]) -> Iterator[None]:
    kept = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)
