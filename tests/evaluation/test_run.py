"""Evaluating models on a data set: figures, omissions and errors, from Python and from the command line."""

import json

import numpy as np
import pytest
from drawn_signatures import draw_folder
from PIL import Image

import sigzoo
from sigzoo.cli import run as run_command_line
from sigzoo.datasets import known_signatures, open_data
from sigzoo.errors import DataError, UnknownNameError
from sigzoo.evaluation.protocols import distance_protocol
from sigzoo.evaluation.run import BASELINE, ProtocolChoice, evaluate, settings_of

FEW = ProtocolChoice("training-free", {"references": 2, "draws": 2, "replicates": 20})


@pytest.fixture
def command(capsys):
    """Run `sigzoo`: exit status, stdout, stderr."""

    def run(*arguments):
        capsys.readouterr()
        status = run_command_line([str(each) for each in arguments])
        return status, *capsys.readouterr()

    return run


def test_copies_in_another_crop_are_told_once_beside_repeated_files(tmp_path):
    folder = draw_folder(tmp_path / "set", 3, 3, 0)
    first, other = sorted(folder.rglob("w*.png"))[:2]
    first.with_name(f"{first.stem[:-2]}97.png").write_bytes(first.read_bytes())
    image = np.pad(np.asarray(Image.open(other).convert("L")), 11, constant_values=255)
    Image.fromarray(image).save(other.with_name(f"{other.stem[:-2]}98.png"))
    found = evaluate([], str(folder), protocols=[FEW], cache=False)
    (same,) = [note for note in found.notes if "1 signature is the same file as another" in note]
    (copies,) = [note for note in found.notes if "hold the same ink" in note]
    assert same.startswith("1 signature is")
    assert copies.startswith("2 signatures hold the same ink")
    assert str(other) in copies


def test_a_row_holds_what_the_protocol_measures_on_the_models_features(signatures):
    found = evaluate(["synsig-tiny"], str(signatures), protocols=[FEW])
    opened = open_data(str(signatures))[0]
    known = known_signatures(opened)
    files = [opened.file_of(index) for index in range(len(opened))]
    model = sigzoo.load("synsig-tiny")
    rows = {row.layer: row for row in found.rows if row.model == "synsig-tiny"}
    assert list(rows) == ["embedding", "with_local", "with_directions", "with_ink"]
    assert [row.scanner_cues for row in rows.values()] == [False, False, False, True]
    for layer, row in rows.items():
        wanted = distance_protocol(
            model.embed(files, layer=layer),
            known,
            references=2,
            seeds=range(2),
            replicates=20,
            score=model.score,
        )
        assert row.settings["score_options"] == model.score.options
        for kind in ("random", "skilled"):
            assert row.measured[kind].eer == pytest.approx(wanted[kind].eer, abs=1e-3)
            assert row.measured[kind].low == pytest.approx(wanted[kind].low, abs=1.0)
    baselines = [row for row in found.rows if row.model == BASELINE]
    assert [row.layer for row in baselines] == ["ink", "paper grey", "grey levels", "height"]
    assert [row.settings for row in baselines] == [settings_of(FEW)] * 4
    assert settings_of(FEW)["score"] == "euclidean"
    assert found.data.writers == 12
    assert found.notes == []


def test_models_are_measured_in_another_precision_and_features_are_kept_apart(signatures):
    options = {"protocols": [FEW], "layers": ["embedding"], "baselines": False, "keep_features": True}
    exact, rounded, again = (
        evaluate(["synsig-tiny"], str(signatures), precision=precision, **options).rows[0]
        for precision in ("float32", "bfloat16", "float32")
    )
    assert rounded.provenance["precision"] == "bfloat16"
    assert rounded.provenance["runtime"] == "sigzoo.runtimes.torch:TorchRuntime"
    assert 0 < np.abs(rounded.features - exact.features).max() < 0.1
    assert np.array_equal(again.features, exact.features)


def test_the_command_hands_on_the_runtime(signatures, command):
    status, _, said = command("evaluate", "--data", signatures, "--runtime", "torhc")
    assert status == 2
    assert "no runtime named 'torhc'. Did you mean torch" in said


def test_every_protocol_is_measured_with_its_options(signatures):
    choices = [
        FEW,
        ProtocolChoice("writer-dependent", {"references": 3, "genuine_for_test": 2, "draws": 2}),
        ProtocolChoice(
            "writer-independent", {"references": 3, "genuine_for_test": 2, "genuine_for_train": 4, "draws": 2}
        ),
    ]
    found = evaluate(
        ["synsig-tiny"], str(signatures), protocols=choices, layers=["embedding"], baselines=False
    )
    assert [row.protocol.name for row in found.rows] == [choice.name for choice in choices]
    assert all({"random", "skilled"} <= set(row.measured) for row in found.rows)
    assert found.rows[1].settings["gamma"] == 2.0**-11
    assert found.rows[0].settings["score"] == "reference-norm"
    assert found.rows[0].protocol.options["score"] == "each model's own"
    model = sigzoo.load("synsig-tiny")
    assert [row.settings for row in found.rows] == [settings_of(choice, model) for choice in choices]


class OfPlugin:
    """A zoo with one protocol."""

    def __init__(self, protocol):
        self._protocol = protocol

    def component(self, kind, name):
        return self._protocol

    def build(self, kind, name, **options):
        return self._protocol(**options)


def test_a_plugins_protocol_gets_the_models_own_score_although_it_has_none_by_default():
    class Theirs:
        def __init__(self, *, score=None):
            self.score = score

    model = sigzoo.load("synsig-tiny")
    found = settings_of(ProtocolChoice("theirs"), model, zoo=OfPlugin(Theirs))
    assert found == {"score": model.score.name, "score_options": model.score.options}


def test_a_plugins_kernel_of_a_similarity_is_the_baselines_too_where_it_takes_no_score():
    class Theirs:
        def __init__(self, *, kernel="similarity"):
            self.kernel = kernel

    choice = ProtocolChoice("theirs", {"kernel": "similarity"})
    assert settings_of(choice, zoo=OfPlugin(Theirs)) == {"kernel": "similarity"}


def test_development_writers_of_the_set_have_not_too_few_signatures(tmp_path):
    folder = draw_folder(tmp_path / "set", 5, 4, 0)
    (folder / "w001_g04.png").unlink()
    options = {"references": 2, "genuine_for_test": 2, "draws": 1}
    choice = ProtocolChoice("writer-dependent", {**options, "development_writers": 1, "from_development": 2})
    found = evaluate([], str(folder), protocols=[choice], cache=False)
    (note,) = (each for each in found.notes if "too few" in each)
    assert "1 of 4 writers have too few genuine signatures and are left out: w001 (3)." in note


def test_others_teach_where_a_development_set_is_given(signatures, tmp_path):
    others = draw_folder(tmp_path / "others", 20, 4, 0)
    choice = ProtocolChoice(
        "writer-dependent", {"references": 3, "genuine_for_test": 2, "draws": 1, "from_development": 4}
    )
    found = evaluate(
        ["synsig-tiny"],
        str(signatures),
        protocols=[choice],
        development=str(others),
        layers=["embedding"],
        baselines=False,
    )
    assert found.development.writers == 20
    assert set(found.rows[0].trials[0].identities) == set(found.known.identity)


def test_what_is_left_out_is_said(tmp_path):
    folder = draw_folder(tmp_path / "set", 5, 4, 0)
    for number in (2, 3, 4):
        (folder / f"w005_g0{number}.png").unlink()
    found = evaluate(["synsig-tiny"], str(folder), protocols=[FEW], layers=["embedding"])
    assert set(found.rows[0].measured) == {"random"}
    assert any("no skilled forgeries" in note for note in found.notes)
    assert any("1 of 5 writers" in note and "w005 (1)" in note for note in found.notes)


def test_a_file_that_is_there_twice_is_told(tmp_path):
    folder = draw_folder(tmp_path / "set", 4, 4, 1)
    (folder / "w002_g01.png").write_bytes((folder / "w002_g03.png").read_bytes())
    found = evaluate(["synsig-tiny"], str(folder), protocols=[FEW], layers=["embedding"], baselines=False)
    assert any(
        "1 signature is the same file as another" in note and "w002_g03.png" in note for note in found.notes
    )


def test_what_cannot_be_measured_says_why(tmp_path):
    one = draw_folder(tmp_path / "one", 1, 4, 0)
    with pytest.raises(DataError, match="one writer only"):
        evaluate(["synsig-tiny"], str(one), protocols=[FEW], layers=["embedding"])
    few = draw_folder(tmp_path / "few", 4, 2, 1)
    with pytest.raises(DataError, match=r"more than 2 genuine .* the most, 2, has w00"):
        evaluate(["synsig-tiny"], str(few), protocols=[FEW], layers=["embedding"])
    both = evaluate(
        ["synsig-tiny"],
        str(few),
        protocols=[ProtocolChoice("writer-dependent"), ProtocolChoice("training-free", {"references": 1})],
        layers=["embedding"],
        baselines=False,
    )
    assert "takes 22 genuine signatures" in both.rows[0].problem
    assert both.rows[1].measured


def test_features_that_are_not_finite_are_an_error_with_the_file(signatures, monkeypatch):
    from sigzoo.model import SignatureModel

    plain = SignatureModel.run_layers

    def broken(self, images, layers):
        found = plain(self, images, layers)
        return {
            layer: np.where(np.arange(len(rows))[:, None] == 1, np.nan, rows) for layer, rows in found.items()
        }

    monkeypatch.setattr(SignatureModel, "run_layers", broken)
    with pytest.raises(DataError, match=r"w\d+_\w+.png: synsig-tiny embedding gives features that are not"):
        evaluate(["synsig-tiny"], str(signatures), layers=["embedding"], cache=False)


@pytest.mark.parametrize(
    "choice", [ProtocolChoice("training-fre"), ProtocolChoice("training-free", {"refs": 3})]
)
def test_unknown_names_are_told(signatures, choice):
    with pytest.raises(UnknownNameError, match="training-free|references"):
        evaluate(["synsig-tiny"], str(signatures), protocols=[choice])


def test_the_command_prints_a_table_of_80_columns_for_each_protocol(signatures, command, tmp_path):
    output, plot, likelihood = (tmp_path / name for name in ("results.json", "det.png", "lr.png"))
    status, out, _ = command(
        *("evaluate", "synsig-tiny", "--data", signatures, "--references", "1,2"),
        *("-p", "training-free:draws=2,score=mean", "-o", output, "--plot", plot),
        *("--plot-lr", likelihood),
    )
    assert status == 0
    assert "training-free: references=1, draws=2, score=mean" in out
    assert "training-free: references=2, draws=2, score=mean" in out
    notes = ("with_local: training-free with score=mean compares", str(tmp_path.parent))
    lines = [line for line in out.splitlines() if not any(each in line for each in notes)]
    assert len(lines) == len(out.splitlines()) - 5  # the data, a note and three files
    assert all(len(line) <= 80 for line in lines)  # what is longer, a terminal's width breaks
    assert "with_ink *" in out
    assert all(each.read_bytes()[:4] == b"\x89PNG" for each in (plot, likelihood))
    results = json.loads(output.read_text())
    assert results["format"] == "sigzoo-results-1"
    skilled = results["results"][0]["impostors"]["skilled"]
    assert {"eer", "eer_user_thresholds", "auc", "cllr", "cllr_min"} <= set(skilled)
    assert len(skilled["eer"]["draws"]) == 2
    assert {"frr", "far random", "far skilled"} <= set(results["standard_names"])


def test_json_is_what_is_kept_and_the_leaderboard_tells_sources_apart(
    signatures, command, monkeypatch, tmp_path
):
    monkeypatch.setenv("SIGZOO_HOME", str(tmp_path / "home"))
    call = (
        "evaluate",
        "--data",
        signatures,
        "--layers",
        "embedding",
        "-p",
        "training-free:draws=1,replicates=10",
    )
    status, out, _ = command(*call, "--json")
    assert status == 0
    printed = json.loads(out)
    kept = json.loads((tmp_path / "home" / "results").glob("*.json").__next__().read_text())
    assert printed["results"] == kept["results"]
    status, out, _ = command("leaderboard", "--json")
    entries = json.loads(out)
    here = [each for each in entries if each["origin"] == "measured here"]
    assert {each["metric"] for each in here} == {"EER random", "EER skilled"}
    assert {each["model"] for each in here} == {"synsig-tiny"}
    assert here[0]["source"].endswith(".json")
    assert {each["origin"] for each in entries} - {"measured here"} <= {"card, measured", "card, reported"}
    status, out, _ = command("leaderboard", "--no-cards", "--data", "set")
    assert status == 0
    assert "measured here" in out
    assert "card" not in out
    assert all(len(line) <= 80 for line in out.splitlines())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--references", "one"), "whole numbers"),
        (("-p", "training-free:references"), "written NAME:option=value"),
        (("-p", "training-free:draws=1,draws=2"), "given twice"),
        (("-p", "training-free:draws=0"), "at least 1"),
        (("-p", "writer-dependent:kernel=poly"), "rbf, linear or similarity"),
        (("--layers", "fc9"), "fc9"),
    ],
)
def test_wrong_usage_is_told(signatures, command, arguments, message):
    status, _, err = command("evaluate", "--data", signatures, *arguments)
    assert status == 2
    assert message in err


def test_a_file_that_is_no_results_is_refused(command, tmp_path):
    (tmp_path / "x.json").write_text('{"format": "other"}')
    status, _, err = command("leaderboard", tmp_path / "x.json")
    assert status == 1
    assert "is no file of results" in err
