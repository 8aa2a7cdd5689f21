"""Commands killed at random moments of their work, by SIGKILL, in processes that share this one's imports."""

from __future__ import annotations

import multiprocessing
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

from sigzoo.cli import run as run_command_line

__all__ = ["finish", "kill_often"]

_FORK = multiprocessing.get_context("fork")
"""So that most moments fall into the work itself, not into imports."""


def kill_often(
    command: Callable[[Path], list[str]],
    folder: Path,
    began_with: Callable[[Path], Path],
    *,
    moments: int,
    seed: int,
    after: Callable[[Path], None] = lambda place: None,
) -> list[Path]:
    """Start a command, kill it, start it again, until it was killed at so many moments.

    Where it was done before its moment came, the next begins in a new place.

    Parameters
    ----------
    command
        Arguments of `sigzoo`, given a place that differs each time.
    folder
        Where places are.
    began_with
        A file that is there once the work itself has begun: few moments come before.
    moments, seed
        How many kills, and what decides when.
    after
        Called with the place after each kill.

    Returns
    -------
    list
        All places that were begun.
    """
    random_moment = random.Random(seed).uniform
    first = folder / "whole"
    began = time.monotonic()
    process = _start(command(first))
    while process.is_alive() and not began_with(first).exists():
        time.sleep(0.005)
    loaded = time.monotonic() - began
    process.join(300)
    length = time.monotonic() - began
    assert process.exitcode == 0
    places, killed = [folder / "place-0"], 0
    while killed < moments:
        process = _start(command(places[-1]))
        process.join(random_moment(0.8 * loaded, length))
        process.kill()
        process.join()
        if process.exitcode != -signal.SIGKILL:
            places.append(folder / f"place-{len(places)}")
            continue
        killed += 1
        after(places[-1])
    return places


def finish(arguments: list[str]) -> None:
    """Run a command to its end."""
    process = _start(arguments)
    process.join(300)
    assert process.exitcode == 0


def _start(arguments: list[str]) -> multiprocessing.context.ForkProcess:
    process = _FORK.Process(target=_run, args=(arguments,))
    process.start()
    return process


def _run(arguments: list[str]) -> None:
    raise SystemExit(run_command_line(arguments))
