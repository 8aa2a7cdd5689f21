"""Write the tables of the documentation from the registry: ``python docs/tables.py [--check]``."""

from __future__ import annotations

import sys
from pathlib import Path

from sigzoo.registry import Card, core_registry_path, read_registry

README = Path(__file__).parents[1] / "README.md"
START, END = "<!-- models: made by docs/tables.py -->\n", "<!-- end of models -->"

CHECKED = {
    "lasagne": "the published program (Lasagne on Theano) on weight files of ours, and an independent forward"
    " pass: every layer",
    "torch-tuple": "an independent forward pass: every layer",
    "safetensors": "an independent forward pass; measured on real signatures",
}
LOADS = {
    "lasagne": "Python 2 pickle in a zip",
    "torch-tuple": "`torch.save` tuple, zip and legacy",
    "safetensors": "safetensors, bundled",
}


def row(name: str, card: Card) -> str:
    """One model's line."""
    kinds = [case.kind for case in card.golden]
    golden = " and ".join(kinds) if kinds else "none published"
    if card.weights is None:
        loads = "from a recipe: `sigzoo build NAME`"
        checked = "nothing published; the teacher, when it is built"
    else:
        loads, checked = LOADS[card.weights.format], CHECKED[card.weights.format]
    use = "any" if card.licence.commercial_use else "non-commercial"
    return f"| `{name}` | {card.features.size} | {use} | {loads} | {checked} | {golden} |"


def table() -> str:
    """The table of all models."""
    head = "| model | features | use | loads | features checked against | golden numbers (`sigzoo check`) |\n"
    head += "|---|---|---|---|---|---|\n"
    models = read_registry(core_registry_path()).models
    return head + "".join(row(name, card) + "\n" for name, card in models.items())


def main() -> None:
    """Write the table, or say that it is not up to date."""
    text = README.read_text()
    before, rest = text.split(START)
    after = rest[rest.index(END) :]
    wanted = before + START + table() + after
    if "--check" in sys.argv[1:]:
        sys.exit(
            0 if wanted == text else "README.md: its table of models is old; run `python docs/tables.py`."
        )
    README.write_text(wanted)


if __name__ == "__main__":
    main()
