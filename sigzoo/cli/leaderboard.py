"""`sigzoo leaderboard`: figures measured here and figures that cards report, one below the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sigzoo.cli.help_pages import ExpertOption, HelpfulCommand
from sigzoo.cli.output import echo, json_option, print_json, print_table

if TYPE_CHECKING:
    from sigzoo.evaluation.leaderboard import Entry


@click.command(
    cls=HelpfulCommand,
    examples=[
        "sigzoo leaderboard",
        "sigzoo leaderboard --model synsig-tiny --data CEDAR",
    ],
)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("-m", "--model", metavar="PATTERN", default="*", help="Only models that the pattern matches.")
@click.option("--data", metavar="TEXT", default="", help="Only data sets whose name holds this text.")
@click.option(
    "--protocol", metavar="TEXT", default="", help="Only protocols whose description holds this text."
)
@click.option(
    "--cards/--no-cards",
    cls=ExpertOption,
    group="What is listed",
    default=True,
    show_default=True,
    help="Also the figures of models' cards.",
)
@json_option
def leaderboard(
    files: tuple[Path, ...], model: str, data: str, protocol: str, cards: bool, as_json: bool
) -> None:
    """List results: measured here, and reported by models' cards.

    Each figure says where it comes from, and figures of different origin, data or protocol are never
    ranked together. Without FILES those are read that `sigzoo evaluate` kept.
    """
    from sigzoo.evaluation.leaderboard import card_entries, measured_entries
    from sigzoo.evaluation.results import kept_files
    from sigzoo.zoo import default_zoo

    found = measured_entries(files or kept_files())
    if cards:
        found += card_entries(default_zoo())
    chosen = [
        each
        for each in found
        if fnmatchcase(each.model, model)
        and data.lower() in each.dataset.lower()
        and protocol.lower() in each.protocol.lower()
    ]
    chosen.sort(key=lambda each: (each.origin != "measured here", *_group(each), each.value))
    if as_json:
        print_json([asdict(each) for each in chosen])
    elif not chosen:
        echo("sigzoo: there are no such results. `sigzoo evaluate` measures and keeps some.", err=True)
    else:
        _print(chosen)


def _group(entry: Entry) -> tuple[str, ...]:
    """What must agree for figures to be compared."""
    return entry.origin, entry.dataset, entry.protocol, entry.metric


def _print(entries: Sequence[Entry]) -> None:
    """Print a table for each group, best first."""
    groups: dict[tuple[str, ...], list[Entry]] = {}
    for entry in entries:
        groups.setdefault(_group(entry), []).append(entry)
    for (origin, dataset, protocol, metric), same in groups.items():
        echo(f"{metric}: {dataset}", bold=True)
        echo(f"  {protocol}")
        columns = ["  model", "layer", "value", "95 %", "source"]
        rows = []
        for each in same:
            interval = "" if each.low is None or each.high is None else f"{each.low:.2f}-{each.high:.2f}"
            layer = each.layer + (" *" if each.scanner_cues else "")
            rows.append([f"  {each.model}", layer, f"{each.value:.2f} {each.unit}", interval, origin])
        print_table(columns, rows, right=["value", "95 %"])
        echo()
    if any(each.scanner_cues for each in entries):
        echo("* holds what a scanner decides (size in pixels, darkness): it may flatter")
