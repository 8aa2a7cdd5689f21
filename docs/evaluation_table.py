"""Write the table of ``docs/evaluation.md``: ``python docs/evaluation_table.py RESULTS.json... [--cards]``.

The files are those of ``sigzoo evaluate -o``. With ``--cards`` the entries for the models' cards are printed.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

PAGE = Path(__file__).with_name("evaluation.md")
BEGIN, END = "<!-- cedar: made by docs/evaluation_table.py -->\n", "<!-- end of cedar -->"
PUBLISHED = [("`signet` (GPDS)", "4.76")]
"""Hafemann et al. (2017): 12 references, a threshold for each writer."""

PUBLISHED_AS = "wd, per writer"
"""The column of these."""

IN_CARDS = {
    "training-free": "training-free, 3 references, the card's score, one threshold for all",
    "writer-dependent": "writer-dependent SVMs, 12 references, a threshold for each writer",
    "writer-independent": "writer-independent SVM of 30 writers of BHSig260, 12 references, 10 draws",
}


def columns(row: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Which columns of the table a row of results fills: head -> figure."""
    skilled = row["impostors"].get("skilled")
    if skilled is None:
        return {}
    name, references = row["protocol"]["name"], row["protocol"]["settings"]["references"]
    if name == "training-free":
        return {f"tf {references}": skilled["eer"]}
    if name == "writer-independent":
        return {"wi": skilled["eer"]}
    return {"wd, one threshold": skilled["eer"], PUBLISHED_AS: skilled["eer_user_thresholds"]}


def table(results: list[dict[str, Any]]) -> str:
    """The table in Markdown."""
    found: dict[str, dict[str, str]] = {}
    for row in results:
        cues = " *" if row["scanner_cues"] and row["model"] != "baseline" else ""
        title = f"`{row['model']}` {row['layer']}{cues}" if cues or row["model"] != "baseline" else ""
        cells = found.setdefault(title or f"baseline: {row['layer']}", {})
        for head, figure in columns(row).items():
            cells[head] = f"{figure['value']:.2f}"
    used = {head for cells in found.values() for head in cells}
    free = sorted((head for head in used if head.startswith("tf ")), key=lambda head: int(head[3:]))
    heads = [*free, *(head for head in ("wi", "wd, one threshold", PUBLISHED_AS) if head in used)]
    found |= {f"{title}, published": {PUBLISHED_AS: value} for title, value in PUBLISHED}
    lines = [f"| | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    lines += [
        f"| {title} | {' | '.join(cells.get(head, '') for head in heads)} |" for title, cells in found.items()
    ]
    return "\n".join(lines) + "\n"


def card_entries(results: list[dict[str, Any]]) -> str:
    """Entries of ``results`` for each model's card, as YAML."""
    baseline = {
        (row["protocol"]["name"], row["protocol"]["settings"]["references"]): row
        for row in results
        if row["model"] == "baseline" and row["layer"] == "ink"
    }
    lines: list[str] = []
    for model in dict.fromkeys(row["model"] for row in results if row["model"] != "baseline"):
        lines.append(f"# {model}")
        for row in results:
            name, settings = row["protocol"]["name"], row["protocol"]["settings"]
            if row["model"] != model or (name == "training-free" and settings["references"] != 3):
                continue
            metric = "eer_user_thresholds" if name == "writer-dependent" else "eer"
            figure = row["impostors"]["skilled"][metric]
            below = baseline.get((name, settings["references"]))
            lines += [
                '      - dataset: "CEDAR, skilled forgeries"',
                f"        layer: {row['layer']}",
                f"        protocol: {IN_CARDS[name]}",
                "        metric: EER",
                f"        value: {figure['value']:.2f}",
                f"        interval: [{figure['low']:.2f}, {figure['high']:.2f}]",
                *(
                    [f"        baseline: {below['impostors']['skilled'][metric]['value']:.2f}"]
                    if below
                    else []
                ),
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
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    PAGE.write_text(before + BEGIN + table(results) + rest[rest.index(END) :], encoding="utf-8")


if __name__ == "__main__":
    main()
