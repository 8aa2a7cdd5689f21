"""Write the table of ``docs/evaluation.md``: ``python docs/evaluation_table.py RESULTS.json... [--cards]``.

The files are those of ``sigzoo evaluate -o``. With ``--cards`` the entries for the models' cards are printed.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from page_tables import write_table

__all__ = ["MARKS", "PAGE", "card_entries", "columns", "protocol_head", "table"]

PAGE = Path(__file__).with_name("evaluation.md")
MARKS = ("cedar", "docs/evaluation_table.py")
"""Name of the table on the page, and who makes it."""

PUBLISHED = [("`signet` (GPDS)", "4.76")]
"""Hafemann et al. (2017): 12 references, a threshold for each writer."""

PUBLISHED_AS = "wd, per writer"
"""The column of these."""

_EACH = "12 references, a threshold for each writer"

IN_CARDS = {
    "tf": "training-free, 3 references, the card's score, one threshold for all",
    "wd": f"writer-dependent SVMs, {_EACH}",
    "wd similarity": f"writer-dependent SVMs of the score's similarity, {_EACH}",
    "wi": "writer-independent SVM of 30 writers of BHSig260, 12 references, 10 draws",
}
"""What cards call a protocol."""

_SHORT = {"training-free": "tf", "writer-independent": "wi", "writer-dependent": "wd"}
"""In the order of the columns."""


def protocol_head(row: dict[str, Any]) -> str:
    """A protocol in short, ``wd``; with its kernel, ``wd similarity``, if that is not the published one."""
    short = _SHORT[row["protocol"]["name"]]
    kernel = row["protocol"]["settings"].get("kernel", "rbf")
    return short if kernel == "rbf" else f"{short} {kernel}"


def columns(row: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Which columns of the table a row of results fills: head -> figure."""
    skilled = row["impostors"].get("skilled")
    if skilled is None:
        return {}
    head = protocol_head(row)
    if head == "tf":
        return {f"tf {row['protocol']['settings']['references']}": skilled["eer"]}
    if head.startswith("wi"):
        return {head: skilled["eer"]}
    return {f"{head}, one threshold": skilled["eer"], f"{head}, per writer": skilled["eer_user_thresholds"]}


def _order(head: str) -> tuple[int, int, str]:
    """Where a column stands: by protocol, by references, the published kernel first."""
    protocol, _, rest = head.partition(",")[0].partition(" ")
    references, kernel = (int(rest), "") if rest.isdigit() else (0, rest)
    return list(_SHORT.values()).index(protocol), references, kernel


def table(results: list[dict[str, Any]]) -> str:
    """The table in Markdown."""
    found: dict[str, dict[str, str]] = {}
    for row in results:
        title = f"`{row['model']}` {row['layer']}{' *' if row['scanner_cues'] else ''}"
        if row["model"] == "baseline":
            title = f"baseline: {row['layer']}"
        cells = found.setdefault(title, {})
        for head, figure in columns(row).items():
            cells[head] = f"{figure['value']:.2f}"
    heads = sorted(dict.fromkeys(head for cells in found.values() for head in cells), key=_order)
    found |= {f"{title}, published": {PUBLISHED_AS: value} for title, value in PUBLISHED}
    lines = [f"| | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    lines += [
        f"| {title} | {' | '.join(cells.get(head, '') for head in heads)} |" for title, cells in found.items()
    ]
    return "\n".join(lines) + "\n"


def card_entries(results: list[dict[str, Any]]) -> str:
    """Entries of ``results`` for each model's card, as YAML; of kernels that `IN_CARDS` names."""
    baseline = {
        (protocol_head(row), row["protocol"]["settings"]["references"]): row["impostors"]["skilled"]
        for row in results
        if row["model"] == "baseline" and row["layer"] == "ink" and "skilled" in row["impostors"]
    }
    lines: list[str] = []
    for model in dict.fromkeys(row["model"] for row in results if row["model"] != "baseline"):
        lines.append(f"# {model}")
        for row in results:
            head, references = protocol_head(row), row["protocol"]["settings"]["references"]
            if row["model"] != model or head not in IN_CARDS or (head == "tf" and references != 3):
                continue
            if "skilled" not in row["impostors"]:  # it could not be measured
                continue
            metric = "eer_user_thresholds" if head.startswith("wd") else "eer"
            figure = row["impostors"]["skilled"][metric]
            below = baseline.get((head, references))
            lines += [
                '      - dataset: "CEDAR, skilled forgeries"',
                f"        layer: {row['layer']}",
                f"        protocol: {IN_CARDS[head]}",
                "        metric: EER",
                f"        value: {figure['value']:.2f}",
                f"        interval: [{figure['low']:.2f}, {figure['high']:.2f}]",
                *([f"        baseline: {below[metric]['value']:.2f}"] if below else []),
                "        source: measured",
                "        how: sigzoo evaluate, as docs/evaluation.md has it; 500 bootstrap samples",
            ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the table, or print the cards' entries."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--cards", action="store_true", help="print entries for the cards")
    chosen = parser.parse_args()
    results = [
        row for file in chosen.files for row in json.loads(file.read_text(encoding="utf-8"))["results"]
    ]
    if chosen.cards:
        print(card_entries(results), end="")
        return
    write_table(PAGE, *MARKS, table(results))


if __name__ == "__main__":
    main()
