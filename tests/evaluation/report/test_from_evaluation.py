"""The report of a real evaluation: what it shows is what was measured, with the pictures of the files."""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sigzoo.cli import run
from sigzoo.evaluation.report import Report, page, report_of
from sigzoo.evaluation.run import Evaluation, ProtocolChoice, evaluate
from sigzoo.interfaces.protocols import GENUINE
from sigzoo.synthesis import DatasetSpec, conditions
from sigzoo.synthesis.export import write_folder

PAGE = Path(__file__).parents[3] / "docs" / "report.md"
NAME = "<b>&'\" hostile"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Signatures of four invented writers, in a folder of an unfriendly name."""
    place = tmp_path_factory.mktemp("set") / NAME
    write_folder(DatasetSpec(4, 5, 3, 1, conditions("office")), place)
    return place


@pytest.fixture(scope="module")
def evaluation(folder: Path) -> Evaluation:
    choices = [ProtocolChoice("training-free", {"references": 2, "draws": 3, "replicates": 20})]
    return evaluate(["synsig-tiny"], str(folder), protocols=choices, cache=False, keep_features=True)


@pytest.fixture(scope="module")
def found(evaluation: Evaluation) -> Report:
    return report_of(evaluation)


def test_scores_and_rates_are_those_of_the_evaluation(evaluation, found):
    for system, row in zip(found.systems, evaluation.rows, strict=True):
        assert len(system.genuine) == sum(int(each.of(GENUINE).sum()) for each in row.trials)
        assert {kind: rate.value for kind, rate in system.eer.items()} == {
            kind: each.eer for kind, each in row.measured.items()
        }
        assert system.of_writers == ({} if system.baseline else row.summary.impostors["skilled"].user_eers)
    assert [each.baseline for each in found.systems].count(False) >= 1


def test_likelihood_ratios_are_those_whose_cost_the_table_tells(tmp_path_factory):
    place = tmp_path_factory.mktemp("twelve") / "set"
    write_folder(DatasetSpec(12, 4, 2, 1, conditions("office")), place)
    choices = [ProtocolChoice("training-free", {"references": 2, "draws": 2, "replicates": 10})]
    options = {"protocols": choices, "cache": False, "baselines": False, "layers": ["embedding"]}
    (row,) = (done := evaluate(["synsig-tiny"], str(place), keep_features=True, **options)).rows
    (system,) = report_of(done).systems
    assert set(system.log10_lr) == {"random", "skilled"}
    for kind, (genuine, impostor) in system.log10_lr.items():
        assert (len(genuine), len(impostor)) == (len(system.genuine), len(system.impostors[kind]))
        cost = (np.log2(1 + 10**-genuine).mean() + np.log2(1 + 10**impostor).mean()) / 2
        assert cost == pytest.approx(row.summary.impostors[kind].likelihood.cllr)  # all draws are as large
    text = page(report_of(done))
    assert "Tippett plot against skilled forgeries" in text
    assert "ECE plot against random forgeries" in text


def test_too_few_writers_give_no_likelihood_ratios(found):
    assert all(not each.log10_lr for each in found.systems)
    assert "Tippett plot against" not in page(found)


def test_the_hardest_are_the_extremes_of_all_draws(evaluation, found):
    row, system = evaluation.rows[0], found.systems[0]
    for kind, worst in ((GENUINE, min), ("skilled", max)):
        shown = [each for each in system.hardest if each.kind == kind]
        scores = {}
        for trials in row.trials:
            for place in np.flatnonzero(trials.of(kind)):
                name = Path(evaluation.names[trials.questioned[place]]).name
                score = float(trials.scores[place])
                scores[name] = worst(score, scores.get(name, score))
        ordered = sorted(scores.items(), key=lambda item: item[1], reverse=kind != GENUINE)
        assert [(Path(each.questioned.name).name, each.score) for each in shown] == ordered[:6]
        assert all(each.claimed == each.questioned.name[:4] for each in shown)
        assert all(picture.name[:4] == each.claimed for each in shown for picture in each.references)


def test_names_are_escaped_and_shortened(folder, found):
    text = page(found)
    assert "&lt;b&gt;&amp;&#x27;&quot; hostile" in text
    assert "<b>" not in text
    assert all("/" not in each.questioned.name for each in found.systems[0].hardest)


def test_pictures_are_the_files_made_small(found, folder):
    pair = found.systems[0].hardest[0]
    shown = Image.open(io.BytesIO(pair.questioned.png))
    original = Image.open(folder / pair.questioned.name)
    assert shown.width <= 360
    assert shown.height <= 160
    assert shown.width / shown.height == pytest.approx(original.width / original.height, rel=0.05)


def test_files_that_have_gone_leave_no_picture_and_no_error(folder, evaluation, found, tmp_path):
    aside = tmp_path / "aside.png"
    gone = folder / found.systems[0].hardest[0].questioned.name
    gone.rename(aside)
    try:
        assert report_of(evaluation).systems[0].hardest[0].questioned.png == b""
    finally:
        aside.rename(gone)


def test_the_commands_of_the_page_write_it_once(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"^```bash\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for command in block.splitlines():
        assert run(shlex.split(command)[1:]) == 0, command
    text = (tmp_path / "people.html").read_text(encoding="utf-8")
    assert len(re.findall(r'class="pair"', text)) >= 12
    assert "baseline" in text
    capsys.readouterr()
    assert run(shlex.split(command)[1:]) == 2
    assert "--force" in capsys.readouterr().err
    assert run(["evaluate", "--data", "people", "--report", "report.pdf"]) == 2
    assert "does not end in .html" in capsys.readouterr().err


def test_an_npz_has_a_report_too(folder, tmp_path):
    packed = tmp_path / "set.npz"
    assert run(["dataset", "pack", str(folder), "-o", str(packed)]) == 0
    choices = [ProtocolChoice("training-free", {"references": 2, "draws": 2, "replicates": 0})]
    few = {"protocols": choices, "cache": False, "keep_features": True}
    shown = report_of(evaluate(["synsig-tiny"], str(packed), **few))
    assert shown.systems[0].hardest[0].questioned.png
    assert "<svg" in page(shown)
