"""The tables of the bundled models' error rates: what is in them, what is kept, what was chosen on what."""

import ast
import importlib
import json
import sys
from pathlib import Path

import pytest
from PIL import Image

from sigzoo.cli import run as run_command_line
from sigzoo.errors import DataError, SigzooError
from sigzoo.evaluation.results import as_json
from sigzoo.evaluation.run import ProtocolChoice, evaluate
from sigzoo.synthesis import Writer

ROOT = Path(__file__).resolve().parents[3]
TRAINING = ROOT / "plugins/sigzoo-students/training"


@pytest.fixture
def program(monkeypatch):
    """Import a module of the folder of training programs."""
    monkeypatch.syspath_prepend(str(TRAINING))
    return importlib.import_module


def marked(page, name):
    """What stands between the marks of a table of this program."""
    begin, end = f"<!-- {name}: made by training/bundled_tables.py -->\n", f"<!-- end of {name} -->"
    text = page.read_text(encoding="utf-8")
    return text[text.index(begin) + len(begin) : text.index(end)]


def test_every_choice_names_a_program_that_is_there_and_development_sets(program):
    development, choices = program("development"), program("choices").choices()
    known = {*development.SETS, *development.TWO_LEVEL_SETS, *development.LEARNING}
    for each in choices:
        assert set(each.sets) <= known, each.what
        assert each.sets or each.others, each.what
        assert "cedar" not in f"{each.sets} {each.others}".lower()
        if each.program.startswith("sigzoo "):
            assert run_command_line([each.program.split()[1], "--help"]) == 0
        elif each.program:
            assert (TRAINING / each.program).is_file(), each.what
    named = {each.program for each in choices}
    assert named >= {path.name for path in TRAINING.glob("choose_*.py")}


def test_choices_are_said_to_be_made_on_the_sets_that_their_programs_read(program):
    development = program("development")
    for each in program("choices").choices():
        if not each.program.startswith("choose_") or each.program == "choose_ink.py":
            continue  # which reads no set of that module
        tree = ast.parse((TRAINING / each.program).read_text(encoding="utf-8"))
        names = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == "development"
            for alias in node.names
        }
        read = [getattr(development, name) for name in ("SETS", "TWO_LEVEL_SETS") if name in names]
        assert {*each.sets} == {name for sets in read for name in sets}, each.program


def test_the_page_has_the_table_of_choices(program):
    assert marked(ROOT / "docs/models.md", "choices") == program("choices").choices_table()


def test_rates_stand_in_the_rows_of_their_layer_and_the_columns_of_their_set(program, monkeypatch):
    table = program("development_table")
    monkeypatch.setattr(table, "MODELS", ("m",))
    monkeypatch.setattr(table, "LAYERS", ("one",))
    found = {
        ("m", "one", "sigcomp2009"): {"random": 0.004, "skilled": 9.479},
        ("m", "one", "crossmedia val"): {"random": 0.2, "same text": 8.0},
        ("m", "with_local", "any conditions, two levels"): {"random": 1, "same text": 2, "skilled": 3},
    }
    assert table.development_table(found) == (
        "| | SigComp2009 | BHSig260 | crossmedia | one sitting | varied |\n"
        "|---|---|---|---|---|---|\n"
        "| `m` one | 9.48 / 0.00 |  | 8.00 / 0.20 |  |  |\n"
        "| the same, two levels |  |  |  |  |  |\n"
        "| `m` with_local |  |  |  |  |  |\n"
        "| the same, two levels |  |  |  |  | 3.00 / 2.00 / 1.00 |\n"
    )
    assert {"SigComp2009", "BHSig260"} <= set(marked(ROOT / "docs/models.md", "development").split())


class Place:
    """A set whose rates are numbers in turn."""

    def __init__(self, name, asked):
        self.features, self._asked = self, asked
        self.kept_as = {model: f"{name} {model}" for model in ("synsig-tiny", "synsig-base")}

    def rates(self, score, model, layer):
        """As many percent as were asked before."""
        self._asked.append((self.kept_as[model], layer))
        return {"random": float(len(self._asked))}


def test_rates_are_kept_for_the_weights_that_they_are_of(program, monkeypatch, tmp_path):
    table, asked = program("development_table"), []
    monkeypatch.setattr(table, "_place", lambda name, *_: Place(name, asked))
    first = table.measure_development(tmp_path, tmp_path, 1)
    assert len(asked) == len(set(asked)) == len(first) == 2 * 4 * 9
    assert table.measure_development(tmp_path, tmp_path, 1) == first
    assert len(asked) == len(first)

    def of_other_weights(name, *_):
        place = Place(name, asked)
        place.kept_as["synsig-base"] += " anew"
        return place

    monkeypatch.setattr(table, "_place", of_other_weights)
    again = table.measure_development(tmp_path, tmp_path, 1)
    assert {key[0] for key in first if first[key] != again[key]} == {"synsig-base"}
    assert len(asked) == len(first) * 3 // 2


@pytest.fixture(scope="module")
def signatures(tmp_path_factory):
    """Three writers, in CEDAR's place."""
    folder = tmp_path_factory.mktemp("signatures")
    for number in range(1, 4):
        writer = Writer(number, script="latin")
        for kind, draw in (("g", writer.genuine), ("f", writer.forgery)):
            for each in range(1, 5):
                Image.fromarray(draw(each)).save(folder / f"w{number:03}_{kind}{each:02}.png")
    return folder


@pytest.fixture
def cedar(program, monkeypatch):
    """The module, measured with few references; and each call of `evaluate`."""
    module, calls = program("cedar_results"), []

    def counted(models, data, **options):
        calls.append((*models, *options["layers"]))
        return evaluate(models, data, **options)

    monkeypatch.setattr(module, "evaluate", counted)
    return module, calls


FREE = [
    ProtocolChoice("training-free", {"references": count, "draws": 2, "replicates": 20}) for count in (1, 2)
]
LAYERS = ("embedding", "with_local", "with_directions", "with_ink")


def test_results_are_those_of_evaluate_and_are_measured_once(cedar, signatures, tmp_path):
    module, calls = cedar
    few = module.Measurement("few", FREE)
    found = module.measure_cedar(few, signatures, tmp_path / "none", tmp_path / "work")
    whole = as_json(evaluate(list(module.MODELS), str(signatures), protocols=FREE, layers="all"))
    places = {(row["model"], row["layer"], row["protocol"]["settings"]["references"]): row for row in found}
    assert len(places) == len(found) == len(whole["results"]) == 2 * (2 * 4 + 4)
    for row in json.loads(json.dumps(whole["results"])):
        mine = places[row["model"], row["layer"], row["protocol"]["settings"]["references"]]
        assert json.loads(json.dumps(mine)) == row
    assert calls == [
        ("synsig-tiny", *LAYERS),
        ("synsig-base", *LAYERS),
        ("ink", "paper grey", "grey levels", "height"),
    ]
    again = module.measure_cedar(few, signatures, tmp_path / "none", tmp_path / "work")
    assert len(calls) == 3
    assert again == json.loads(json.dumps(found))


def test_what_is_no_longer_so_or_was_cut_off_is_measured_again_and_nothing_else(cedar, signatures, tmp_path):
    module, calls = cedar
    few, file = module.Measurement("few", FREE[:1], baselines=False), tmp_path / "cedar-few.json"
    found = module.measure_cedar(few, signatures, tmp_path, tmp_path)
    stored = json.loads(file.read_text(encoding="utf-8"))
    changes = {
        ("synsig-tiny", "with_ink"): lambda row: row["provenance"].update(weights_sha256="0" * 64),
        ("synsig-base", "embedding"): lambda row: row["protocol"]["settings"]["score_options"].update(
            weight=1
        ),
        ("synsig-base", "with_local"): lambda row: row.update(problem="there was no memory"),
    }
    for row in stored["results"]:
        changes.get((row["model"], row["layer"]), lambda _: None)(row)
        row["impostors"]["skilled"]["eer"]["value"] = 77.0
    stored["results"] = [row for row in stored["results"] if row["layer"] != "with_directions"]
    file.write_text(json.dumps(stored), encoding="utf-8")
    calls.clear()
    mended = module.measure_cedar(few, signatures, tmp_path, tmp_path)
    assert calls == [
        ("synsig-tiny", "with_directions", "with_ink"),
        ("synsig-base", "embedding", "with_local", "with_directions"),
    ]
    before, after = skilled(found), skilled(mended)
    old = {("synsig-tiny", "embedding"), ("synsig-tiny", "with_local"), ("synsig-base", "with_ink")}
    assert after == {key: 77.0 if key in old else value for key, value in before.items()}
    assert json.loads(file.read_text(encoding="utf-8"))["results"] == json.loads(json.dumps(mended))


def skilled(rows):
    """(Model, layer) -> EER in percent against skilled forgeries."""
    return {(row["model"], row["layer"]): row["impostors"]["skilled"]["eer"]["value"] for row in rows}


def test_a_run_that_was_cut_off_goes_on_with_the_next_model(cedar, signatures, tmp_path, monkeypatch):
    module, calls = cedar
    few, counted = module.Measurement("few", FREE[:1]), module.evaluate

    def cut_off(models, data, **options):
        if models == ["synsig-base"]:
            raise KeyboardInterrupt
        return counted(models, data, **options)

    monkeypatch.setattr(module, "evaluate", cut_off)
    with pytest.raises(KeyboardInterrupt):
        module.measure_cedar(few, signatures, tmp_path, tmp_path)
    monkeypatch.setattr(module, "evaluate", counted)
    calls.clear()
    found = module.measure_cedar(few, signatures, tmp_path, tmp_path)
    assert [call[0] for call in calls] == ["synsig-base", "ink"]
    assert [row["model"] for row in found] == ["synsig-tiny"] * 4 + ["synsig-base"] * 4 + ["baseline"] * 4


def test_results_of_other_folders_count_for_nothing_and_no_results_are_an_error(
    cedar, signatures, tmp_path, monkeypatch
):
    module, calls = cedar
    few, file = module.Measurement("few", FREE[:1], baselines=False), tmp_path / "cedar-few.json"
    monkeypatch.setattr(module, "MODELS", ("synsig-tiny",))
    module.measure_cedar(few, signatures, tmp_path, tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.symlink_to(signatures)  # the same place by another name
    module.measure_cedar(few, elsewhere, tmp_path, tmp_path)
    assert len(calls) == 1
    content = json.loads(file.read_text(encoding="utf-8"))
    content["data"]["place"] = str(tmp_path)
    file.write_text(json.dumps(content), encoding="utf-8")
    taught = module.Measurement("few", FREE[:1], learnt_from=signatures.name, baselines=False)
    for each in (few, taught):
        module.measure_cedar(each, signatures, signatures.parent, tmp_path)
    assert len(calls) == 3
    file.write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match=r"cedar-few\.json: is no file of results"):
        module.measure_cedar(few, signatures, tmp_path, tmp_path)


def test_each_measurement_has_a_file_of_its_own_and_pairs_are_learnt_from_others(program):
    measurements = program("cedar_results").MEASUREMENTS
    assert len({each.name for each in measurements}) == len(measurements)
    learning = {(choice.name, each.learnt_from) for each in measurements for choice in each.protocols}
    assert learning == {("training-free", ""), ("writer-dependent", ""), ("writer-independent", "bhsig-dev")}


RESULT = {
    "model": "synsig-tiny",
    "layer": "embedding",
    "scanner_cues": False,
    "protocol": {"name": "training-free", "settings": {"references": 3}},
    "impostors": {"skilled": {"eer": {"value": 1.5, "low": 1.0, "high": 2.0}}},
}


@pytest.fixture
def command(program, monkeypatch, tmp_path, capsys):
    """Run the command on nothing: pages, and what it printed."""
    module = program("bundled_tables")
    pages = {name: tmp_path / f"{name}.md" for name in ("models", "evaluation")}
    for name, page in pages.items():
        page.write_text((ROOT / f"docs/{name}.md").read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(module, "PAGE", pages["models"])
    monkeypatch.setattr(module.evaluation_table, "PAGE", pages["evaluation"])
    rates = {("synsig-tiny", "embedding", "bhsig-dev"): {"random": 0.0, "skilled": 1.0}}
    monkeypatch.setattr(module, "measure_development", lambda *_: rates)
    asked = []

    def measure_cedar(measurement, cedar, data, work):
        asked.append((measurement.name, str(cedar), str(data), str(work)))
        return [RESULT] if measurement.name == "training-free" else []

    monkeypatch.setattr(module, "measure_cedar", measure_cedar)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["bundled_tables.py", "data", "--work", "work", *arguments])
        module.main()
        return capsys.readouterr().out, pages, asked

    return run


def test_the_command_measures_cedar_last_and_only_if_told_where_it_is(command, program, signatures):
    out, pages, asked = command("--write")
    assert asked == []
    assert "| 1.00 / 0.00 |" in marked(pages["models"], "development")
    assert marked(pages["models"], "choices") in out
    assert pages["evaluation"].read_text() == (ROOT / "docs/evaluation.md").read_text()
    there = str(signatures)
    out, pages, asked = command("--write", "--cedar", there, "--cards")
    assert {each[1:] for each in asked} == {(there, "data", "work")}
    assert [each[0] for each in asked] == [each.name for each in program("cedar_results").MEASUREMENTS]
    assert "| `synsig-tiny` embedding | 1.50 |" in pages["evaluation"].read_text()
    assert (
        out.index("1.00 / 0.00") < out.index("| `synsig-tiny` embedding | 1.50 |") < out.index("value: 1.50")
    )


def test_the_command_writes_nothing_unless_it_is_told_to(command, signatures):
    out, pages, _ = command("--cedar", str(signatures))
    assert "| `synsig-tiny` embedding | 1.50 |" in out
    for name, page in pages.items():
        assert page.read_text() == (ROOT / f"docs/{name}.md").read_text()


def test_what_would_be_in_vain_is_told_before_anything_is_measured(command, program, monkeypatch, tmp_path):
    module = program("bundled_tables")
    monkeypatch.setattr(module, "measure_development", lambda *_: pytest.fail("it was measured"))
    with pytest.raises(DataError, match="none does not exist"):
        command("--cedar", str(tmp_path / "none"))
    module.PAGE.write_text("No marks.\n")
    with pytest.raises(SigzooError, match=r"models\.md: has no place for the table"):
        command("--write")
