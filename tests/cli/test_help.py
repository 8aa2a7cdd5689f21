"""Help that is read to the end: a line that is not cut, an example that works, basic options first."""

from __future__ import annotations

import gzip
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from rich.cells import cell_len

from sigzoo.cli import cli
from sigzoo.cli.help_pages import ExpertOption, HelpfulCommand, HelpfulGroup, full_help
from tests.cli.test_arguments import commands

Run = Callable[..., Any]

COMMANDS = commands()
NAMES = {words: " ".join(words) for words in COMMANDS}
SCREEN = 40

SLOW = {"sigzoo build signet-student-tiny --dry-run"}
"""It times two networks."""

NEEDS_A_TEACHER = {("distill",), ("invert",)}
"""Their teacher is published elsewhere: the example is run with one of the tests' own."""


@pytest.mark.parametrize(
    "group", [(), *(words for words, each in COMMANDS.items() if isinstance(each, click.Group))]
)
def test_the_list_of_commands_has_a_line_for_each(run: Run, group: tuple[str, ...]) -> None:
    text = run(*group, "--help").out.partition("\nCommands:\n")[2]
    below = [words[-1] for words in COMMANDS if words[:-1] == group]
    listed = [line.split()[0] for line in text.splitlines()]
    assert sorted(listed) == sorted(below)
    assert all(line.endswith(".") and cell_len(line) <= 80 for line in text.splitlines())


@pytest.mark.parametrize("words", COMMANDS, ids=NAMES.get)
def test_help_fits_a_screen(run: Run, words: tuple[str, ...]) -> None:
    assert len(run(*words, "--help").out.splitlines()) <= SCREEN


@pytest.mark.parametrize("words", COMMANDS, ids=NAMES.get)
def test_help_begins_with_what_the_command_is_for(run: Run, words: tuple[str, ...]) -> None:
    usage, _, purpose, *_ = run(*words, "--help").out.splitlines()
    assert usage.startswith(f"Usage: sigzoo {' '.join(words)}")
    assert purpose.strip() == COMMANDS[words].get_short_help_str(400)


@pytest.mark.parametrize("words", COMMANDS, ids=NAMES.get)
def test_every_option_is_named_and_those_of_experts_are_explained_when_asked(
    run: Run, words: tuple[str, ...]
) -> None:
    command = COMMANDS[words]
    experts = [each for each in command.params if isinstance(each, ExpertOption)]
    basic, everything = run(*words, "--help").out, full_help(command, f"sigzoo {' '.join(words)}")
    shown = "".join(everything.split())  # long words are broken
    for option in command.params:
        if isinstance(option, click.Option):
            assert max(option.opts, key=len) in everything
            assert "".join(option.help.split()) in shown
    if experts:
        assert run(*words, "--help-all").out.split() == everything.split()
        assert basic.index("\nOptions:") < basic.index("explained by --help-all:")
    else:
        assert run(*words, "--help-all").status == 2
    lines = basic.partition("\nOptions:\n")[2].partition("explained by")[0].splitlines()
    explained = {word for line in lines for word in line.split()[:1]}
    assert not [each for each in experts if max(each.opts, key=len) in explained]


@pytest.mark.parametrize("words", COMMANDS, ids=NAMES.get)
def test_every_command_has_an_example_of_itself(run: Run, words: tuple[str, ...]) -> None:
    command = COMMANDS[words]
    assert isinstance(command, HelpfulCommand)
    assert any(example.split()[: 1 + len(words)] == ["sigzoo", *words] for example in command.examples), (
        command.examples
    )
    text = run(*words, "--help").out
    assert all(line in text for example in command.examples for line in example.splitlines())


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the examples are run, one after the other, as a reader would."""
    return tmp_path_factory.mktemp("examples")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all examples: what one leaves, the next finds."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def published_signet(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of SigNet's size and layout, as Python 2 wrote it."""
    path = tmp_path_factory.mktemp("published") / "signet.pkl"
    path.write_bytes(gzip.decompress((root / "tests/weights/lasagne/signet_sparse.pkl.gz").read_bytes()))
    return path


RUNS_UNTIL_IT_IS_ENDED = {("serve",)}
"""`tests/serving` runs it."""


def examples() -> list[Any]:
    """All examples: those of the program itself first, each once, in the order of the commands."""
    found = list(cli.examples)
    for words, command in COMMANDS.items():
        if words not in NEEDS_A_TEACHER | RUNS_UNTIL_IT_IS_ENDED:
            found += getattr(command, "examples", ())
    slow = pytest.mark.slow
    return [pytest.param(each, marks=slow if each in SLOW else ()) for each in dict.fromkeys(found)]


WRITES_PARQUET = "-o many/"
"""Examples with this need the extra `parquet`, which the environment of the lowest versions lacks."""


@pytest.mark.parametrize("example", examples())
def test_examples_work(
    run: Run,
    workshop: Path,
    home: Path,
    published_signet: Path,
    monkeypatch: pytest.MonkeyPatch,
    example: str,
) -> None:
    if WRITES_PARQUET in example:
        pytest.importorskip("pyarrow")
    monkeypatch.chdir(workshop)
    monkeypatch.setenv("SIGZOO_HOME", str(home))
    monkeypatch.setenv("SIGZOO_OFFLINE", "1")
    if not Path("signet.pkl").exists():
        os.link(published_signet, "signet.pkl")
        Path("cheques.csv").write_text("path\nsignatures/w001_g01.png\n", encoding="utf-8")
    if "|" in example:
        bash = ["bash", "-c", example.replace("sigzoo", f"{sys.executable} -m sigzoo")]
        assert subprocess.run(bash, check=False).returncode == 0
        return
    command, _, output = example.replace("\\\n", " ").partition(" > ")
    done = run(*shlex.split(command)[1:])
    assert done.status == 0, done.err
    if output:
        Path(output).write_text(done.out, encoding="utf-8")


@pytest.mark.parametrize("words", sorted(NEEDS_A_TEACHER), ids=" ".join)
def test_examples_that_need_a_published_teacher_are_understood(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """All options and names are right: what is missing is the teacher's file alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIGZOO_OFFLINE", "1")
    example = COMMANDS[words].examples[0].replace("\\\n", " ")
    done = run(*shlex.split(example)[1:])
    assert done.status == 1
    assert "SIGZOO_OFFLINE" in done.err


def test_a_group_shows_whole_sentences_and_nested_groups_are_of_the_kind() -> None:
    @click.group(cls=HelpfulGroup)
    def outer() -> None:
        """Hold others."""

    @outer.group()
    def inner() -> None:
        """Hold one more, and say in a sentence that is far longer than a line of the list what it is for."""

    @inner.command(examples=["outer inner leaf"])
    @click.option("--rare", cls=ExpertOption, group="Rare", help="Of no use to most.")
    def leaf(rare: str) -> None:
        """Do it."""

    assert isinstance(inner, HelpfulGroup)
    assert isinstance(leaf, HelpfulCommand)
    assert "what it is for" in " ".join(full_help(outer, "outer").split())
    assert "Of no use" in full_help(leaf, "outer inner leaf")
    assert "Of no use" not in leaf.get_help(click.Context(leaf))
