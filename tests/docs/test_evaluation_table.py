"""The table of CEDAR's figures: every row in the columns of its protocol and kernel, and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sigzoo.errors import UsageError


def result(
    model: str, layer: str, protocol: str, skilled: float, each: float = 0.0, **settings: Any
) -> dict[str, Any]:
    """A row as `sigzoo evaluate -o` writes it, as far as the table reads it."""
    figures = {
        name: {"value": value, "low": value - 1, "high": value + 1}
        for name, value in (("eer", skilled), ("eer_user_thresholds", each))
    }
    return {
        "model": model,
        "layer": layer,
        "scanner_cues": layer in ("with_ink", "ink"),
        "protocol": {"name": protocol, "settings": {"references": 12, **settings}},
        "impostors": {"random": {}, "skilled": figures},
    }


RESULTS = [
    result("synsig-tiny", "embedding", "writer-dependent", 1.254, 0.5, kernel="similarity"),
    result("synsig-tiny", "embedding", "writer-dependent", 2.0, 1.0, kernel="rbf"),
    result("synsig-tiny", "embedding", "training-free", 4.0, references=10),
    result("synsig-tiny", "embedding", "training-free", 6.0, references=3),
    result("synsig-tiny", "with_ink", "training-free", 5.0, references=3),
    result("synsig-tiny", "with_ink", "writer-independent", 7.0, kernel="rbf"),
    result("baseline", "ink", "training-free", 19.0, references=3),
    result("baseline", "ink", "writer-dependent", 14.0, 11.0, kernel="rbf"),
    {**result("baseline", "height", "training-free", 0.0, references=3), "impostors": {}},
]

TABLE = """\
| | tf 3 | tf 10 | wi | wd, one threshold | wd, per writer \
| wd similarity, one threshold | wd similarity, per writer |
|---|---|---|---|---|---|---|---|
| `synsig-tiny` embedding | 6.00 | 4.00 |  | 2.00 | 1.00 | 1.25 | 0.50 |
| `synsig-tiny` with_ink * | 5.00 |  | 7.00 |  |  |  |  |
| baseline: ink | 19.00 |  |  | 14.00 | 11.00 |  |  |
| baseline: height |  |  |  |  |  |  |  |
| `signet` (GPDS), published |  |  |  |  | 4.76 |  |  |
"""


def test_rows_of_different_kernels_fill_different_columns() -> None:
    import evaluation_table

    assert evaluation_table.table(RESULTS) == TABLE


def test_cards_get_three_references_and_the_baseline_of_the_same_protocol_and_kernel() -> None:
    import evaluation_table

    entries = [
        dict(line.strip(" -").split(": ", 1) for line in entry.splitlines() if ": " in line)
        for entry in evaluation_table.card_entries(RESULTS).split("- dataset")[1:]
    ]
    found = [(each["layer"], each["protocol"], each["value"], each.get("baseline")) for each in entries]
    for_each = "12 references, a threshold for each writer"
    free = "training-free, 3 references, the card's score, one threshold for all"
    learnt = "writer-independent SVM of 30 writers of BHSig260, 12 references, 10 draws"
    assert found == [
        ("embedding", f"writer-dependent SVMs of the score's similarity, {for_each}", "0.50", None),
        ("embedding", f"writer-dependent SVMs, {for_each}", "1.00", "11.00"),
        ("embedding", free, "6.00", "19.00"),
        ("with_ink", free, "5.00", "19.00"),
        ("with_ink", learnt, "7.00", None),
    ]
    assert entries[0]["interval"] == "[-0.50, 1.50]"


def test_a_kernel_that_cards_have_no_word_for_gets_a_column_and_no_entry() -> None:
    import evaluation_table

    linear = [result("synsig-tiny", "embedding", "writer-dependent", 3.0, 2.0, kernel="linear")]
    assert "| wd linear, one threshold | wd linear, per writer |" in evaluation_table.table(linear)
    assert evaluation_table.card_entries(linear) == "# synsig-tiny\n"


def test_a_table_takes_the_place_of_the_one_before_and_of_nothing_else(tmp_path: Path) -> None:
    import page_tables

    page = tmp_path / "page.md"
    page.write_text("Above.\n<!-- one: made by it.py -->\n| old |\n<!-- end of one -->\nBelow.\n")
    page_tables.write_table(page, "one", "it.py", "| new |\n")
    assert page.read_text() == "Above.\n<!-- one: made by it.py -->\n| new |\n<!-- end of one -->\nBelow.\n"
    with pytest.raises(UsageError, match=r"page\.md: has no place for the table: <!-- two: made by it"):
        page_tables.write_table(page, "two", "it.py", "")
