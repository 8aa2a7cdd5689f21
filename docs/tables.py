"""Write what the documentation takes from registry and code: ``python docs/tables.py [--check]``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import plugin_pages
from calibration_tables import travel
from generators import tutorial
from page_tables import page_with, write_table

from sigzoo.registry import Card, Catalogue
from sigzoo.registry.cards import Result
from sigzoo.zoo import Zoo

ROOT = Path(__file__).parents[1]

CHECKED = {
    "lasagne": "the published program, and a second implementation",
    "torch-tuple": "a second implementation",
    "torch": "the published program, and a second implementation",
    "safetensors": "a second implementation",
}
"""With what tests compare the features of models whose weights have a format."""

LOADS = {
    "lasagne": "Python 2 pickle in a zip",
    "torch-tuple": "`torch.save` tuple, zip and legacy",
    "torch": "`torch.save` state dict",
    "safetensors": "safetensors, bundled",
}


def row(name: str, card: Card) -> str:
    """One model's line."""
    kinds = [case.kind for case in card.golden]
    golden = " and ".join(kinds) if kinds else "none published"
    if card.weights is None:
        loads = "from a recipe: `sigzoo build NAME`"
        checked = "the teacher, when it is built"
    else:
        loads, checked = LOADS[card.weights.format], CHECKED[card.weights.format]
    use = "any" if card.licence.commercial_use else "non-commercial"
    return f"| `{name}` | {card.features.size} | {use} | {loads} | {checked} | {golden} |"


def models(known: Catalogue) -> str:
    """The table of all models."""
    head = "| model | features | use | loads | features compared with | golden numbers (`sigzoo check`) |\n"
    head += "|---|---|---|---|---|---|\n"
    return head + "".join(
        row(name, card) + "\n" for name, card in ((name, known.models[name]) for name in known.search())
    )


def measured(known: Catalogue) -> str:
    """The table of what was measured of the models that say so, a line for each data set.

    Figures of single layers stand on a page of their own (``docs/evaluation.md``).
    """
    cards = {
        name: {
            each.dataset: each for each in card.results if each.source == "measured" and each.layer is None
        }
        for name, card in known.models.items()
    }
    cards = {name: results for name, results in cards.items() if results}
    lines = [f"| | {' | '.join(f'`{name}`' for name in cards)} | baseline |", "|---" * (len(cards) + 2) + "|"]
    for dataset in dict.fromkeys(key for results in cards.values() for key in results):
        found = [results.get(dataset) for results in cards.values()]
        baseline = next(each.baseline for each in found if each is not None)
        cells = ["" if each is None else _figure(each) for each in found]
        cells.append("" if baseline is None else f"{baseline:.2f}")
        lines.append(f"| {dataset} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _figure(result: Result) -> str:
    interval = "" if result.interval is None else f" [{result.interval[0]:.2f}, {result.interval[1]:.2f}]"
    return f"{result.value:.2f}{interval}"


Make = Callable[[Catalogue], str]

TABLES: list[tuple[str, str, Make]] = [
    ("README.md", "models", models),
    ("docs/models.md", "measured", measured),
    ("docs/verification.md", "travel", travel),
    ("docs/plugins/index.md", "hooks", lambda _: plugin_pages.hooks()),
    ("docs/plugins/registry.md", "keys", lambda _: plugin_pages.registry_keys()),
]
"""Page, name of the table in it, and what makes it."""

for kind, page in plugin_pages.PAGES.items():
    place = f"docs/plugins/{page}.md"
    if kind != "weight-format":
        TABLES.append((place, "example", lambda _, kind=kind: plugin_pages.example(kind)))  # type: ignore[misc]
    TABLES.append((place, "checks", lambda _, kind=kind: plugin_pages.checks(kind)))  # type: ignore[misc]


def write_notebook() -> None:
    """Write the tutorial's notebook, or say that it is old."""
    place = ROOT / "docs" / tutorial.NOTEBOOK
    wanted = tutorial.written()
    if "--check" not in sys.argv[1:]:
        place.write_text(wanted, encoding="utf-8")
    elif not place.is_file() or place.read_text(encoding="utf-8") != wanted:
        sys.exit("docs/tutorial.ipynb is not what docs/tutorial.md says; run `python docs/tables.py`.")


def main() -> None:
    """Write the tables and the notebook, or say which is not up to date."""
    write_notebook()
    known = Zoo(plugins=["sigzoo-signet", "sigzoo-spp", "sigzoo-students", "sigzoo-community"]).catalogue
    for page, name, make in TABLES:
        path = ROOT / page
        if "--check" not in sys.argv[1:]:
            write_table(path, name, "docs/tables.py", make(known))
        elif page_with(path, name, "docs/tables.py", make(known)) != path.read_text(encoding="utf-8"):
            sys.exit(f"{page}: its table of {name} is old; run `python docs/tables.py`.")


if __name__ == "__main__":
    main()
