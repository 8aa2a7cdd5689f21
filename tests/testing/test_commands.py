"""Every check of a command finds the fault it is there for; our own commands have none."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import pytest

from sigzoo.testing import ConformanceFailure, check_command
from sigzoo.zoo import Zoo

OWN = [each for each in Zoo(plugins=[]).manager.provided("command").values() if each.distribution == "sigzoo"]


@pytest.mark.parametrize("each", OWN, ids=lambda each: each.name)
def test_our_own_commands_conform(each) -> None:
    check_command(Zoo(plugins=[]).component("command", each.name), each.name, target=each.target)


def test_all_our_own_commands_are_checked() -> None:
    assert {"list", "embed", "train"} <= {each.name for each in OWN}


@click.command()
@click.option("--much", is_flag=True, help="More of it.")
def sound(much: bool) -> None:
    """Do one thing well."""


@click.command()
def helpless() -> None:
    pass


@click.command()
@click.option("--much", is_flag=True)
def unsaid(much: bool) -> None:
    """Do one thing well."""


@click.command()
def lengthy() -> None:
    """Do one thing well, and say of it in the first sentence much more than a line of the list can hold."""


@click.group()
def family() -> None:
    """Hold other commands."""


family.add_command(unsaid)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("rest", nargs=-1)
def lenient(rest: tuple[str, ...]) -> None:
    """Do whatever is said."""


@click.command(add_help_option=False)
def untold() -> None:
    """Do one thing well."""


@pytest.mark.parametrize(
    ("command", "name", "check"),
    [
        (sound, "other", "declarations"),
        (helpless, "helpless", "declarations"),
        (print, "print", "declarations"),
        (lengthy, "lengthy", "declarations"),
        (unsaid, "unsaid", "shows_help"),
        (family, "family", "shows_help"),
        (untold, "untold", "shows_help"),
        (lenient, "lenient", "wrong_option"),
    ],
)
def test_a_fault_is_found_by_its_check(command, name: str, check: str) -> None:
    with pytest.raises(ConformanceFailure, match=f"  {check}: "):
        check_command(command, name)
    check_command(sound, "sound")


@pytest.mark.parametrize(
    ("source", "reason"),
    [("import torch", "imports torch"), ("print(1)", "prints"), ("raise OSError('gone')", "gone")],
)
def test_what_its_module_does_at_import_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, reason: str
) -> None:
    (tmp_path / "heavy_command.py").write_text(source)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(ConformanceFailure, match=f"light_import: .*{reason}"):
        check_command(sound, "sound", target="heavy_command:sound")
