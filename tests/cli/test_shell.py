"""The program among others in a shell: it completes words, and colours nothing where that is unwanted."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sigzoo.cli import cli
from sigzoo.plugins.builtin import COMMANDS
from tests.cli.terminal import in_terminal, shown

STYLE = re.compile(r"\x1b\[[\d;]*m")
"""What colours or emboldens; a bar moves the cursor by others."""


def completed(line: str, tmp_path: Path) -> list[str]:
    """What Tab offers after a line, as bash asks for it."""
    words = line.split(" ")
    environment = {"_SIGZOO_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    code = "import sys; from sigzoo.cli import cli; sys.argv[0] = 'sigzoo'; cli(prog_name='sigzoo')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment, "SIGZOO_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    return [each.partition(",")[2] for each in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("sigzoo emb", {"embed"}),
        ("sigzoo cache ", {"list", "path", "verify", "clear", "export", "import"}),
        ("sigzoo embed --prec", {"--precision"}),
        ("sigzoo train --help-", {"--help-all"}),
        ("sigzoo train --schedule c", {"cosine", "constant"}),
    ],
)
def test_tab_completes(tmp_path: Path, line: str, offered: set[str]) -> None:
    assert set(completed(line, tmp_path)) == offered


def test_tab_offers_every_command(tmp_path: Path) -> None:
    assert set(COMMANDS) <= set(completed("sigzoo ", tmp_path))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_there(root: Path, shell: str) -> None:
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    assert "_SIGZOO_COMPLETE" in kind(cli, {}, "sigzoo", "_SIGZOO_COMPLETE").source()
    assert f"_SIGZOO_COMPLETE={shell}_source sigzoo" in (root / "docs/install.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_nothing_is_styled_where_that_is_unwanted(name: str, value: str) -> None:
    for words in (["list"], ["embed", "absent.png"], ["plugins"]):
        _, text = in_terminal(words, environment={"TERM": "xterm", name: value})
        assert not STYLE.search(text), words
    assert "\x1b[1m" in in_terminal(["list"], environment={"TERM": "xterm", "NO_COLOR": ""})[1]


def test_nothing_is_styled_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.run([sys.executable, "-m", "sigzoo", "list"], capture_output=True, text=True)
    assert "\x1b" not in done.stdout
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in shown(["list"])[1]
