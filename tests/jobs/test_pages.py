"""The commands and programs of the pages on long work and on search work, as they stand there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str) -> list[tuple[str, str]]:
    """Language and text of the fenced blocks that are run."""
    return re.findall(r"^```(bash|python)\n(.*?)^```$", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)


def run_page(page: str, folder: Path) -> str:
    """Run a page from its beginning to its end in a folder; what it prints."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    told = ""
    for language, text in blocks(page):
        command = ["bash", "-ec", text] if language == "bash" else [sys.executable, "-c", text]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{text}\n{done.stderr}"
        told += done.stdout
    return told


@pytest.mark.slow
def test_the_page_on_long_work(tmp_path: Path) -> None:
    told = run_page("jobs.md", tmp_path)
    table = pq.read_table(tmp_path / "features")
    assert table.num_rows == 30
    assert len(set(table["path"].to_pylist())) == 30
    assert set(table["batch"].to_pylist()) == {"monday"}
    assert json.loads((tmp_path / "features" / "_done.json").read_text())["skipped"] == 1
    assert "30 ['path', 'batch', 'features'] b'synsig-tiny'" in told
    assert told.splitlines()[-1] == "30 1"
    assert pq.read_table(tmp_path / "of-find.parquet").num_rows == 30
    with np.load(tmp_path / "set.npz") as data:
        assert len(data["y"]) == 30
    assert not (tmp_path / "set.npz.partial").exists()


@pytest.mark.slow
def test_the_page_on_search(tmp_path: Path) -> None:
    told = run_page("search.md", tmp_path).splitlines()
    found = [line for line in told if line.endswith("references/w003_g02.png")]
    # Itself, first: by the exact index, by lists, by all lists, in Python.
    assert len(found) == 4
    assert found[-1] == "1.000 references/w003_g02.png"
