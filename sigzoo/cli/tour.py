"""`sigzoo tour`: a guided first minute in the terminal, on signatures that belong to nobody."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from sigzoo.cli.help_pages import HelpfulCommand
from sigzoo.cli.output import echo, make_folder
from sigzoo.cli.streams import is_terminal
from sigzoo.errors import UsageError


@dataclass(frozen=True)
class _Step:
    """What is shown, and the command that shows it."""

    title: str
    text: str
    command: str
    then: str
    """What was to be seen."""


STEPS = (
    _Step(
        "Signatures",
        "No person's signature is needed to begin: sigzoo writes those of invented people. Here are two"
        " writers, three signatures each, and a forgery of each by somebody who imitates.",
        "sigzoo synth --writers 2 --genuine 3 --forgeries 1 --seed 12 -o signatures",
        "w001_g01.png is genuine, w001_f01.png forged.",
    ),
    _Step(
        "Features",
        "A model turns each image into a row of numbers. Signatures of one writer come out near each other."
        " The bundled model needs no network and is free to use.",
        "sigzoo embed signatures -o features.npz",
        "In Python: sigzoo.load().embed(['signatures/w001_g01.png']).",
    ),
    _Step(
        "Distances",
        "How far are they from each other? Small numbers mean: probably the same hand.",
        "sigzoo compare signatures/w001_g01.png signatures/w001_g02.png signatures/w002_g01.png"
        " signatures/w002_g02.png",
        "The closest of each is the other one of its writer.",
    ),
    _Step(
        "Is it genuine?",
        "Verifying takes references, known to be genuine, and questioned signatures: here another one of the"
        " writer, and one of somebody else.",
        "sigzoo verify -r signatures/w001_g01.png -r signatures/w001_g02.png signatures/w001_g03.png"
        " signatures/w002_g01.png",
        "A likelihood ratio (LR) of 10 means: ten times as likely if the writer wrote it than if not. Scripts"
        " ask the exit status: 0 genuine, 3 not genuine. No answer is certain, and `sigzoo evaluate` says how"
        " often a model errs.",
    ),
)
"""The tour; each command is run as it is shown."""

NEXT = (
    "sigzoo gallery IMAGES -o page.html    your signatures as a page that reorders",
    "sigzoo list                           the models, among them SigNet",
    "sigzoo evaluate --data FOLDER         how good a model is on your data",
    "sigzoo COMMAND --help                 each command, with examples",
)


@click.command(cls=HelpfulCommand, examples=["sigzoo tour", "sigzoo tour -o tour"])
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="A new folder that keeps what the tour writes; without it all is removed at the end.",
)
def tour(output: Path | None) -> None:
    """Look around for a minute: draw, embed, compare, verify.

    Each command is shown, run, and explained, on synthetic signatures in a folder of its own. In a terminal
    the tour waits for Enter between its steps; Ctrl-C ends it.
    """
    from sigzoo.cli import cli

    waits = is_terminal(sys.stdin) and is_terminal(sys.stdout)
    if output is None:
        echo("What it writes is removed at the end; `sigzoo tour -o FOLDER` keeps it.")
        echo()
    with _folder(output) as folder, contextlib.chdir(folder):
        for number, step in enumerate(STEPS, start=1):
            echo(f"{number} of {len(STEPS)}  {step.title}", bold=True)
            echo(step.text)
            echo()
            echo(f"$ {step.command}")
            cli.main(shlex.split(step.command)[1:], prog_name="sigzoo", standalone_mode=False)
            echo()
            echo(step.then)
            if waits and number < len(STEPS):
                echo("-- Enter goes on, Ctrl-C ends the tour --")
                sys.stdin.readline()
            echo()
    echo("What next", bold=True)
    for line in NEXT:
        echo(f"  {line}")
    if output is not None:
        echo(f"What the tour wrote is in {output}.")


@contextlib.contextmanager
def _folder(output: Path | None) -> Iterator[Path]:
    """A folder for what is written: the one that was named, or one that is removed."""
    if output is None:
        with TemporaryDirectory(prefix="sigzoo-tour-") as name:
            yield Path(name)
        return
    if output.exists():
        raise UsageError(f"{output} is there already; the tour writes into a new folder.")
    make_folder(output)
    yield output
