"""Nothing that only POSIX systems have is needed to import, list, embed, verify and keep files.

Hiding what Windows lacks shows the fallbacks; it is no Windows: CI's other systems run this file too.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HIDE = """
import os, signal, sys
import platformdirs  # asks sys.platform, not what is there
for name in ("fcntl", "resource", "pwd", "grp", "termios", "pty", "tty"):
    sys.modules[name] = None
for name in (
    "sched_getaffinity", "geteuid", "getuid", "getegid", "getgid", "getgroups", "fork", "forkpty",
    "fchmod", "fchown", "chown", "lchown", "mkfifo", "setsid", "getpgid", "killpg", "statvfs", "nice",
    "getloadavg",
    "O_NOFOLLOW", "O_DIRECTORY", "O_CLOEXEC", "O_NONBLOCK",
):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGHUP", "SIGKILL", "SIGPIPE", "SIGALRM", "SIGUSR1", "SIGUSR2", "pthread_sigmask"):
    if hasattr(signal, name):
        delattr(signal, name)
"""
"""Run before anything else is imported. A library that takes one of these at its import has them no more."""

WORK = """
from sigzoo.cli import run

def step(*words):
    status = run(list(words))
    assert status in (0, 3, 4), (words, status)

step("list", "--free")
step("info", "synsig-tiny")
step("synth", "--writers", "2", "-o", "signatures")
step("embed", "signatures", "-o", "features.npz")
step("compare", "signatures", "--json")
step("verify", "-r", "signatures/w001_g01.png", "-r", "signatures/w001_g02.png", "signatures/w001_g03.png")
step("fetch", "synsig-tiny")
step("cache", "list")
step("plugins")
import sigzoo
assert sigzoo.load().embed("signatures/w001_g01.png").shape == (1, 584)
"""


def python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run code as a program of its own in a folder."""
    (folder / "program.py").write_text(code, encoding="utf-8")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SIGZOO_")}
    return subprocess.run(
        [sys.executable, "program.py"],
        cwd=folder,
        env={**kept, "SIGZOO_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_the_main_job_needs_nothing_of_posix(tmp_path: Path) -> None:
    for name, before in (("hidden", HIDE), ("plain", "")):
        (tmp_path / name).mkdir()
        done = python(before + WORK, tmp_path / name)
        assert done.returncode == 0, done.stderr
    with (
        np.load(tmp_path / "hidden/features.npz") as hidden,
        np.load(tmp_path / "plain/features.npz") as plain,
    ):
        assert hidden["features"].shape == (6, 584)
        np.testing.assert_allclose(hidden["features"], plain["features"], atol=1e-6)


def test_import_and_list_need_nothing_of_posix(tmp_path: Path) -> None:
    code = HIDE + "import sigzoo, json; print(json.dumps(sigzoo.list_models('synsig-*')))"
    done = python(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "synsig-tiny" in json.loads(done.stdout)


@pytest.mark.slow
def test_every_test_is_collected_without_posix(root: Path, tmp_path: Path) -> None:
    """A test that needs what is missing elsewhere is skipped, with its reason: no whole module fails."""
    # pytest itself asks for the user once, by the name of the system.
    keep = "import os; getuid = os.getuid\n" if hasattr(os, "getuid") else ""
    back = "os.getuid = getuid\n" if keep else ""
    early = "import _pytest.pathlib, _pytest.tmpdir, _pytest.capture, subprocess, multiprocessing.util\n"
    (tmp_path / "hidden.py").write_text(keep + early + HIDE + back, encoding="utf-8")
    command = ["-m", "pytest", "-q", "--co", "-p", "hidden", "-p", "no:cacheprovider", "-m", "not wheels"]
    done = subprocess.run(
        [sys.executable, *command],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]


def test_modules_that_only_posix_has_are_imported_where_their_absence_is_met(root: Path) -> None:
    """At the top of a module an import would end the program elsewhere."""
    only = re.compile(r"^(?:import|from) (?:fcntl|resource|pwd|grp|termios|pty|tty)\b", re.MULTILINE)
    sources = [*root.glob("sigzoo/**/*.py"), *root.glob("plugins/*/sigzoo_*/**/*.py")]
    assert len(sources) > 300
    assert [str(path) for path in sources if only.search(path.read_text(encoding="utf-8"))] == []
