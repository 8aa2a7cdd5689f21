"""Loading each plugin in a process of its own: whoever ends or stalls a program is found by name."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable

from sigzoo.plugins.discovery import Found

__all__ = ["probe"]

_SECONDS = 60.0
"""How long a plugin may take to load; importing torch on a slow disk takes ten."""

_SURVIVED = "sigzoo-plugin-survived"

_CODE = f"""
import sys
from sigzoo import Zoo
Zoo(plugins=[sys.argv[1]]).manager
print({_SURVIVED!r})
"""


def probe(found: Iterable[Found], seconds: float = _SECONDS) -> dict[str, str]:
    """Load plugins one by one, each in a process that may end.

    Returns
    -------
    dict
        Distribution -> why a program that loads its plugins does not go on; empty where all is well. A plugin
        that merely fails is not among them: that is contained.
    """
    problems: dict[str, str] = {}
    for distribution in dict.fromkeys(each.distribution for each in found):
        problem = _fate(distribution, seconds)
        if problem is not None:
            problems[distribution] = problem
    return problems


def _fate(distribution: str, seconds: float) -> str | None:
    environment = {key: value for key, value in os.environ.items() if key != "SIGZOO_STRICT"}
    try:
        done = subprocess.run(  # noqa: S603  # this interpreter, the name of a distribution as an argument
            [sys.executable, "-c", _CODE, distribution],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it was still being imported after {seconds:.0f} seconds"
    if _SURVIVED.encode() in done.stdout and done.returncode == 0:
        return None
    how = f"signal {-done.returncode}" if done.returncode < 0 else f"status {done.returncode}"
    return f"it ends the process that imports it, with {how}"
