"""The page on scores runs, names every score, and states the default options that there are."""

import re
from pathlib import Path

from PIL import Image

from sigzoo.synthesis import Writer
from sigzoo.verification.scores import DEFAULT_SCORE, SCORES, make_score

PAGE = (Path(__file__).parents[2] / "docs" / "scores.md").read_text(encoding="utf-8")


def test_its_code_runs(tmp_path, monkeypatch, capsys):
    formulas, local = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(formulas, "scores.md", "exec"), {})
    assert capsys.readouterr().out == f"{list(SCORES)}\n(5,)\n"
    (tmp_path / "signatures").mkdir()
    for number in (1, 2):
        drawn = Writer(1).genuine(number)
        Image.fromarray(drawn).save(tmp_path / "signatures" / f"w001_g0{number}.png")
    monkeypatch.chdir(tmp_path)
    exec(compile(local, "scores.md", "exec"), {})
    matching, score = capsys.readouterr().out.splitlines()
    assert matching.startswith(
        "(2, 7168) LocalMatching(first=256, size=(24, 12, 24), reach=(2, 4), weight=1.5"
    )
    assert float(score.strip("[]")) > 0.0


def test_it_has_a_formula_and_a_measurement_of_every_score():
    formulas, measured = PAGE.split("## What each one computes")[1].split("## How the default was chosen")
    for name in SCORES:
        assert re.search(rf"^\|.*`{name}`.*\|$", formulas, re.MULTILINE), name
        assert re.search(rf"^\| \**`{name}`", measured, re.MULTILINE), name


def test_it_states_the_default_options():
    score = make_score(DEFAULT_SCORE)
    for option in ("weight", "sharpness", "prior", "pseudo_count"):
        (stated,) = re.findall(rf"`{option}` \(([\d.]+)\)", PAGE)
        assert float(stated) == getattr(score, option)
