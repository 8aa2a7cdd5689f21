"""The commands and the example of the page on data sets work; its table has the counts that readers know."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sigzoo.zoo import default_zoo

PAGE = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which all commands of the page were run, in their order."""
    path = tmp_path_factory.mktemp("page")
    here = Path(sys.executable).parent
    env = {**os.environ, "PATH": f"{here}:{os.environ['PATH']}"}
    for command in "".join(blocks("bash")).splitlines():
        done = subprocess.run(["bash", "-c", command], cwd=path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    return path


def test_the_commands_work(folder):
    assert {"looked-at.png", "looked-at.npz", "prepared.npz"} <= {each.name for each in folder.iterdir()}


def test_the_example_works(folder):
    (code,) = blocks("python")
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "5 writers, 30 genuine signatures and 20 forgeries" in done.stdout


def test_the_table_lists_the_data_sources_with_their_canvas():
    rows = re.findall(r"^\| `([\w-]+)` \|.*\| (\d+ x \d+|none) \|$", PAGE, re.MULTILINE)
    zoo = default_zoo()
    core = {name for name in zoo.list_components("data_source") if not name.startswith("synsig-")}
    assert {name for name, _ in rows} == core
    for name, canvas in rows:
        size = getattr(zoo.build("data_source", name), "canvas", None)
        assert canvas == ("none" if size is None else f"{size[0]} x {size[1]}"), name
