"""The tour: every command of it works, what it says of them is so, and it leaves nothing behind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from sigzoo.cli.tour import STEPS
from tests.cli.terminal import shown

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the tour prints where nobody can press Enter; its folder is kept."""
    here = tmp_path_factory.mktemp("tour")
    done = subprocess.run(
        [sys.executable, "-m", "sigzoo", "tour", "-o", "kept"], cwd=here, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert {each.name for each in (here / "kept").iterdir()} == {"signatures", "features.npz"}
    assert len(list((here / "kept/signatures").glob("*.png"))) == 8
    return done.stdout


def test_each_command_is_shown_and_does_what_is_said(told: str) -> None:
    parts = told.split("$ sigzoo ")
    assert len(parts) == len(STEPS) + 1
    table = [line.split() for line in parts[3].splitlines() if line.startswith("w00")]
    assert len(table) == 4
    assert all(row[0][:4] == row[-1][:4] for row in table)
    assert re.findall(r"decision +(.+)", parts[4]) == ["genuine", "not genuine"]


def test_it_fits_80_columns_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "stdin", None)
    status, text = shown(["tour"])
    assert status == 0, text
    assert max(map(cell_len, text.splitlines())) <= 80
    assert list(tmp_path.iterdir()) == []
    assert Path.cwd() == tmp_path


def test_a_folder_that_is_there_is_refused(run: Run, tmp_path: Path) -> None:
    done = run("tour", "-o", tmp_path)
    assert done.status == 2
    assert "is there already" in done.err


def test_in_a_terminal_it_waits_for_enter() -> None:
    pty = pytest.importorskip("pty", reason="needs a terminal of POSIX")
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "sigzoo", "tour"], stdin=follower, stdout=follower, stderr=subprocess.STDOUT
    )
    os.close(follower)
    seen = b""
    while True:
        try:
            part = os.read(leader, 1 << 16)
        except OSError:  # Linux tells the end of a terminal by an error
            break
        if b"Enter goes on" in part:
            assert process.poll() is None
            os.write(leader, b"\n")
        seen += part
    assert process.wait() == 0
    assert seen.count(b"-- Enter goes on") == len(STEPS) - 1
    assert b"What next" in seen
