"""What `sigzoo evaluate` prints: its columns are explained, and a wrong place is told before any work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import sigzoo

Run = Callable[..., Any]


def test_the_columns_are_explained_below_the_table(run: Run) -> None:
    done = run("evaluate", "--data", "synth:writers=3,genuine=4,forgeries=2", "--references", 1)
    assert done.status == 0, done.err
    table, legend = done.out.split("Equal error rates (EER) in percent: ")
    heads = next(line for line in table.splitlines() if line.startswith("model")).replace("95 %", "")
    assert all(
        head in legend for head in ["95 %", "per writer", *heads.replace("per writer", "").split()[2:]]
    )
    assert "Cllr: not measured; it takes ten writers" in legend  # there are three, and the column has dashes


@pytest.mark.parametrize("option", ["--data", "--development"])
def test_a_place_that_is_not_there_is_told_before_a_model_is_loaded(
    run: Run, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    def loaded(*given: object, **named: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(sigzoo.Zoo, "load", loaded)
    done = run("evaluate", "--data", "synth:writers=3,genuine=4", option, "no/such/folder")
    assert done.status == 1
    assert "no/such/folder does not exist" in done.err
