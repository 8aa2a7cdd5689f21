"""Error rates of the bundled models on every development set, layer by layer: the table of docs/models.md.

python development_table.py DATA_FOLDER --work FOLDER [--page PAGE]

DATA_FOLDER holds sigcomp2009/, bhsig-dev/ and crossmedia/ (its validation split is read); synthetic writers
come beside, and all of them but bhsig-dev again as scans of two levels. Three references, the score of the
model's card, one threshold for all writers, EER in percent, mean over four draws. ``--page`` writes the table
between the page's marks. CEDAR is for testing, and is not read; `docs/evaluation_table.py` has it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from cli_main import cli_main
from development import LAYERS, MODELS, SETS, TWO_LEVEL_SETS, TWO_LEVELS, WITH_LOCAL, read_features
from places import Place, places_of

import sigzoo
from sigzoo.common.atomic import write_bytes
from sigzoo.errors import UsageError

REFERENCES = 3
BEGIN, END = "<!-- development: made by training/development_table.py -->\n", "<!-- end of development -->"
TITLES = {
    "sigcomp2009": "SigComp2009",
    "bhsig-dev": "BHSig260",
    "crossmedia val": "crossmedia",
    "one sitting": "one sitting",
    "any conditions": "varied",
}
IMPOSTORS = ("skilled", "same text", "random")


def main() -> None:
    """Print the table, and write it into a page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with sigcomp2009/, bhsig-dev/ and crossmedia/")
    parser.add_argument("--work", type=Path, required=True, help="folder for images and features")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw synthetic writers")
    parser.add_argument("--page", type=Path, help="page that holds the table")
    args = parser.parse_args()
    before, after = _around(args.page) if args.page else ("", "")
    found: dict[tuple[str, str, str], str] = {}
    for name in (*SETS, *TWO_LEVEL_SETS):
        (place,) = (
            each
            for each in places_of(read_features(name, args.data, args.work, args.workers))
            if each.references == REFERENCES
        )
        for model in MODELS:
            for layer in (*LAYERS, WITH_LOCAL):
                found[model, layer, name] = _cell(place, model, layer)
    text = _table(found)
    print(text)
    if args.page:
        write_bytes(args.page, f"{before}{BEGIN}{text}{END}{after}".encode())


def _cell(place: Place, model: str, layer: str) -> str:
    """Rates against the kinds of impostor of a set, the nearest first."""
    rates = place.rates(sigzoo.load(model, device="cpu").score, model, layer)
    return " / ".join(f"{rates[kind]:.2f}" for kind in IMPOSTORS if kind in rates)


def _table(found: dict[tuple[str, str, str], str]) -> str:
    lines = [f"| | {' | '.join(TITLES[name] for name in SETS)} |", "|---" * (1 + len(SETS)) + "|"]
    for model in MODELS:
        for layer in (*LAYERS, WITH_LOCAL):
            cells = (found[model, layer, name] for name in SETS)
            lines.append(f"| `{model}` {layer} | {' | '.join(cells)} |")
            levels = (found.get((model, layer, name + TWO_LEVELS), "") for name in SETS)
            lines.append(f"| the same, two levels | {' | '.join(levels)} |")
    return "\n".join(lines) + "\n"


def _around(page: Path) -> tuple[str, str]:
    """What stands before the table's marks, and after."""
    text = page.read_text("utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise UsageError(f"{page}: has no table of this program: no line {BEGIN.strip()!r}.")
    return before, after


if __name__ == "__main__":
    cli_main(main)
