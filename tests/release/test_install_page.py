"""The page on installing names the distributions and the extras that there are."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest


def test_every_distribution_is_named(root: Path) -> None:
    text = (root / "docs/install.md").read_text(encoding="utf-8")
    projects = [tomllib.loads(path.read_text())["project"] for path in root.glob("plugins/*/pyproject.toml")]
    assert len(projects) >= 4
    for name in ["sigzoo", *(each["name"] for each in projects)]:
        assert f"| `{name}` |" in text


@pytest.mark.wheels
def test_its_command_installs_what_then_works(root: Path, tmp_path: Path) -> None:
    (block,) = re.findall(r"^```bash\n(.*?)^```$", (root / "docs/install.md").read_text(), re.M | re.S)
    here = Path(sys.executable).parent
    # What pip would download is here already; and it reads the last setting as "no isolation".
    alone = {
        "PIP_NO_DEPS": "1",
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_TARGET": str(tmp_path),
    }
    env = {**os.environ, **alone, "PATH": f"{here}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-ec", block], cwd=root, env=env, check=True, capture_output=True)
    code = "import sigzoo; print(sigzoo.__file__, sigzoo.load().name)"
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.stdout.split() == [str(tmp_path / "sigzoo/__init__.py"), "synsig-tiny"], done.stderr


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
