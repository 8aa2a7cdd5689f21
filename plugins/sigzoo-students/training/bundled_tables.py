"""All tables of the bundled models' error rates: every development set, and at the end CEDAR, the test set.

python bundled_tables.py DATA_FOLDER --work FOLDER [--cedar FOLDER] [--write] [--cards] [--workers N]

DATA_FOLDER holds sigcomp2009/, bhsig-dev/ and crossmedia/ (its validation split is read); synthetic writers
come beside, and all sets but bhsig-dev again as scans of two levels. The tables: what was chosen on which of
these sets; both models, layer by layer, on each of them; and, where CEDAR is given, both models, layer by
layer, and the trivial baselines by each protocol. What is measured is kept in the folder for work, so that a
run that was cut off goes on.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cedar_results import MEASUREMENTS, Result, measure_cedar
from choices import choices_table
from cli_main import cli_main
from development_table import development_table, measure_development

from sigzoo.datasets import find_source

sys.path.append(str(Path(__file__).parents[3] / "docs"))  # where the pages' own programs are
import evaluation_table
from page_tables import page_with, write_table

__all__ = ["main"]

PAGE = evaluation_table.PAGE.with_name("models.md")
"""The page of all tables but CEDAR's."""

PROGRAM = "training/bundled_tables.py"


def main() -> None:
    """Print the tables, and write them into their pages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with sigcomp2009/, bhsig-dev/ and crossmedia/")
    parser.add_argument("--work", type=Path, required=True, help="folder for images, features and results")
    parser.add_argument("--cedar", type=Path, help="folder of CEDAR, which is read last; left out by default")
    parser.add_argument("--write", action="store_true", help="write the tables into the pages")
    parser.add_argument("--cards", action="store_true", help="print entries for the cards, too")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw synthetic writers")
    args = parser.parse_args()
    _check(args)
    _tell("choices", choices_table(), args.write)
    rates = measure_development(args.data, args.work, args.workers)
    _tell("development", development_table(rates), args.write)
    if args.cedar is None:
        return
    rows: list[Result] = []
    for each in MEASUREMENTS:
        rows += measure_cedar(each, args.cedar, args.data, args.work)
    table = evaluation_table.table(rows)
    print(table, flush=True)
    if args.write:
        write_table(evaluation_table.PAGE, *evaluation_table.MARKS, table)
    if args.cards:
        print(evaluation_table.card_entries(rows), end="")


def _check(args: argparse.Namespace) -> None:
    """What would be in vain is told before anything is measured.

    Raises
    ------
    SigzooError
        If nothing can read what is called CEDAR, or a page has no place for its table.
    """
    if args.cedar is not None:
        find_source(str(args.cedar))
    if args.write:
        for name in ("development", "choices"):
            page_with(PAGE, name, PROGRAM, "")
        page_with(evaluation_table.PAGE, *evaluation_table.MARKS, "")


def _tell(name: str, table: str, write: bool) -> None:
    print(table, flush=True)
    if write:
        write_table(PAGE, name, PROGRAM, table)


if __name__ == "__main__":
    cli_main(main)
