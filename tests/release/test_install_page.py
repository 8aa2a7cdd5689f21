"""The page on installing names the distributions and the extras that there are."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path


def test_every_distribution_is_named(root: Path) -> None:
    text = (root / "docs/install.md").read_text(encoding="utf-8")
    projects = [tomllib.loads(path.read_text())["project"] for path in root.glob("plugins/*/pyproject.toml")]
    assert len(projects) >= 4
    for name in ["sigzoo", *(each["name"] for each in projects)]:
        assert f"| `{name}` |" in text


def test_the_table_is_of_all_extras(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, root / "docs/extra_sizes.py", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    rows = re.findall(
        r"^\| `(\w+)` \| .+ \| \+(\d+) \| \+([\d,]+) \|$", (root / "docs/install.md").read_text(), re.M
    )
    sizes = {extra: int(size.replace(",", "")) for extra, _, size in rows}
    assert sizes["all"] >= max(sizes.values())
    assert sizes["all"] <= sum(size for extra, size in sizes.items() if extra != "all")


def test_an_extra_that_is_declared_brings_what_it_is_for(root: Path) -> None:
    """`all` is made of every extra for users."""
    extras = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (whole,) = extras["all"]
    assert set(re.search(r"\[(.+)\]", whole)[1].split(",")) == set(extras) - {"all", "docs", "test"}
