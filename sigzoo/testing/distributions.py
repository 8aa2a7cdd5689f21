"""What a plugin's distribution must be: found, healthy, light to import, free of pickles, not too large."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from sigzoo.errors import UnknownNameError
from sigzoo.plugins import Plugin
from sigzoo.testing.suites import Suite, expect
from sigzoo.zoo import default_zoo

__all__ = ["DISTRIBUTION", "DistributionCase", "check_distribution", "find_plugins"]

PICKLES = frozenset({".ckpt", ".dill", ".joblib", ".pickle", ".pkl", ".pt", ".pth"})
DEFAULT_LIMIT_MB = 100


@dataclass(frozen=True)
class DistributionCase:
    """An installed distribution under test."""

    name: str
    limit_mb: float = DEFAULT_LIMIT_MB

    def modules(self) -> list[str]:
        """Modules that its entry points name."""
        points = metadata.distribution(self.name).entry_points.select(group="sigzoo")
        return sorted({point.module for point in points})

    def files(self) -> Iterator[Path]:
        """Files that it installs: its packages' folders, for a wheel as for an editable installation."""
        for module in self.modules():
            spec = find_spec(module.partition(".")[0])
            places = list(spec.submodule_search_locations or []) if spec else []
            for place in places:
                yield from (each for each in Path(place).rglob("*") if each.is_file())
            if spec and not places and spec.origin:
                yield Path(spec.origin)


DISTRIBUTION: Suite[DistributionCase] = Suite()


def find_plugins(distribution: str) -> list[Plugin]:
    """The plugins of an installed distribution, after its registries were read too; none if it has none."""
    default_zoo().read_catalogue()
    try:
        return default_zoo().manager.of_distribution(distribution)
    except UnknownNameError:
        return []


def check_distribution(name: str, *, limit_mb: float = DEFAULT_LIMIT_MB, skip: tuple[str, ...] = ()) -> None:
    """Check an installed distribution that ships plugins.

    Parameters
    ----------
    name
        The distribution.
    limit_mb
        Largest size of all its files, in 2**20 bytes.
    skip
        Names of checks to leave out: those of ``sigzoo.testing.DISTRIBUTION.checks``.

    Raises
    ------
    ConformanceFailure
        If it does not conform; a line for each check that failed.
    """
    DISTRIBUTION.run(DistributionCase(name, limit_mb), name, skip)


@DISTRIBUTION.check
def healthy(case: DistributionCase) -> None:
    """The plugin manager finds the distribution and leaves nothing of it out."""
    found = find_plugins(case.name)
    expect(
        found, f"no plugin of the distribution {case.name!r} is installed: has it the entry point `sigzoo`?"
    )
    for plugin in found:
        expect(plugin.healthy, f"{plugin.health}\n{plugin.details}".rstrip())


@DISTRIBUTION.check
def light_import(case: DistributionCase) -> None:
    """Importing the entry point imports no torch and prints nothing: every command would wait for it."""
    for module in case.modules():
        code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
        # The same path, so that what pytest put there is there too.
        paths = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-c", code],
            env={**os.environ, **paths},
            capture_output=True,
            text=True,
            check=False,
        )
        expect(
            done.returncode in (0, 1) and "Traceback" not in done.stderr, f"import {module}: {done.stderr}"
        )
        expect(
            done.returncode == 0, f"import {module} imports torch: give lazy targets, 'package.module:Name'"
        )
        expect(not done.stdout, f"import {module} prints {done.stdout!r}")


@DISTRIBUTION.check
def no_pickles(case: DistributionCase) -> None:
    """It ships no file that is read by unpickling; weights are safetensors."""
    pickles = sorted(str(each) for each in case.files() if each.suffix.lower() in PICKLES)
    expect(not pickles, f"ships pickles, which run code when they are read: {', '.join(pickles[:5])}")


@DISTRIBUTION.check
def size(case: DistributionCase) -> None:
    """All its files together are not larger than the limit."""
    total = sum(each.stat().st_size for each in case.files()) / 2**20
    expect(
        total <= case.limit_mb,
        f"its files take {total:.0f} MB, more than {case.limit_mb:g} MB: give large weights a URL",
    )
