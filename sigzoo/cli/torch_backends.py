"""Keeping `import torch` alive where a damaged installation would break it.

`import torch` reads the entry points of all installed distributions, to load device backends; one
``entry_points.txt`` that cannot be read makes it fail. Then, and only then, it is told not to.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

SWITCH = "TORCH_DEVICE_BACKEND_AUTOLOAD"
"""Torch's own variable; a value that the user has set stays."""


def watch() -> None:
    """Look at the entry points when torch is imported, and not before: the look costs as much as sigzoo."""
    if "torch" not in sys.modules and SWITCH not in os.environ:
        sys.meta_path.insert(0, _BeforeTorch())


def are_readable() -> bool:
    """Whether the entry points of all installed distributions can be read."""
    from importlib import metadata

    try:
        for distribution in metadata.distributions():
            _ = distribution.entry_points
    except Exception:  # whatever the damage: torch would meet the same
        return False
    return True


class _BeforeTorch:
    """A finder that finds nothing; asked for torch, it looks at the entry points, once."""

    def __init__(self) -> None:
        self._looked = False

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name == "torch" and not self._looked:
            self._looked = True  # it stays in sys.meta_path, over which Python iterates just now
            if not are_readable():
                os.environ.setdefault(SWITCH, "0")
        return None
