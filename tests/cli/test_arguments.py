"""What a shell makes of a variable that is not set is wrong usage, for every command and option."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from sigzoo.cli import cli
from sigzoo.plugins.builtin import COMMANDS

Run = Callable[..., Any]


def commands() -> dict[tuple[str, ...], click.Command]:
    """Every command of the core, those of groups too, by the words that call it."""
    context = click.Context(cli)
    found: dict[tuple[str, ...], click.Command] = {}
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        found[(name,)] = command
        if isinstance(command, click.Group):
            found |= {(name, inner): each for inner, each in command.commands.items()}
    return found


def empty_calls() -> list[tuple[str, ...]]:
    """Each option that takes a value, and each argument, of each command, given an empty text."""
    calls: list[tuple[str, ...]] = [("",), ("--registry", "", "list"), ("--registry=", "list")]
    for words, command in commands().items():
        for parameter in command.params:
            if isinstance(parameter, click.Argument):
                calls += [(*words, ""), (*words, "a", ""), (*words, "--", ""), (*words, " ")]
            elif isinstance(parameter, click.Option) and not parameter.is_flag:
                calls += [(*words, option, "") for option in parameter.opts]
                calls += [(*words, f"{option}=") for option in parameter.opts if option.startswith("--")]
    return calls


def test_no_command_takes_an_empty_text(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    calls = empty_calls()
    assert len(calls) > 200
    for call in calls:
        done = run(*call)
        assert done.status == 2, call
        assert "an empty text: a variable of the shell that is not set?" in done.err, call
        option = next((each for each in call if each.startswith("-") and each != "--"), "")
        assert option.rstrip("=") in done.err, call
    assert list(tmp_path.iterdir()) == []


def test_values_that_hold_an_equals_sign_are_values(run: Run) -> None:
    done = run("train", "--option=feature=", "--training-option", "x=1", "-o", "never")
    assert "empty text" not in done.err


@pytest.mark.parametrize("folder", ["/", "//", "/."])
def test_the_whole_machine_is_no_folder_of_images(run: Run, tmp_path: Path, folder: str) -> None:
    for call in (["embed", folder, "-o", tmp_path / "f.npz"], ["compare", folder]):
        done = run(*call)
        assert done.status == 2
        assert "whole machine" in done.err


@pytest.mark.parametrize(
    "call",
    [
        ["embed", "here.png", "--batch-size", "9" * 30],
        ["train", "-o", "loop", "--backbone", "student-tiny", "--loss", "am-softmax"],
        ["train", "-o", "run", "--backbone", "student-tiny", "--loss", "am-softmax", "--augment", "\udce9"],
        ["distill", "-o", "loop", "--teacher", "signet.teacher", "--student", "student-tiny"],
        ["embed", "loop"],
        ["embed", "/proc/self/mem"],
        ["embed", "here.png", "-o", "/proc/x.npz"],
        ["embed", "here.png", "--weights", "/proc/self/mem"],
        ["embed", "a" * 5000],
        ["embed", "here.png", "-o", f"{'a' * 5000}.npz"],
        ["info", "\udce9"],
        ["new-plugin", "\udce9"],
        ["cache", "import", "here.png"],
        ["--registry", "loop", "list"],
        ["synth", "-o", "here.png"],
    ],
    ids=lambda call: " ".join(call)[:40].encode("ascii", "replace").decode(),
)
def test_odd_values_end_in_a_message(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "here.png").write_bytes(b"no image")
    more = ["--preprocessor", "synsig", "--data", "absent"] if call[0] == "train" else []
    more += ["--data", "absent"] if call[0] == "distill" else []
    done = run(*call, *more)
    assert done.status in (1, 2)
    assert done.err.startswith("sigzoo: ")
    assert "unexpected" not in done.err
    assert "Traceback" not in done.err
