"""The command `sigzoo distill`: what it says, what it takes, and every command of its documentation."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

DOCUMENT = (Path(__file__).parents[3] / "docs" / "distillation.md").read_text()
SECTIONS = (
    "Distilling a teacher",
    "Data",
    "Losses",
    "New writers beside the old",
    "Stopping, and several GPUs",
)
TEXT = "".join(
    section
    for section in re.split(r"^(?=##? )", DOCUMENT, flags=re.MULTILINE)
    if section.partition("\n")[0].lstrip("# ") in SECTIONS
)
"""Without inversion and recipes, whose tests run their commands."""
COMMANDS = [
    line
    for block in re.findall(r"^```bash\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
SMALLER = {
    r"writers=\d+": "writers=3",
    r"genuine=\d+": "genuine=4",
    r"--epochs \d+": "--epochs 1",
    r"--backbone student-tiny": "--backbone student-tiny --option widths=4,4,4 --option feature_dim=8",
    r"--student student-tiny( --option widths=\S+)?": "--student student-tiny --option widths=4,4,4"
    " --option feature_dim=8",
    r"sigzoo distill --teacher signet.teacher": "sigzoo --registry runs/teacher/registry.yaml distill"
    " --teacher teacher",
    r"--data inverted-signet": "--data inverted.npz",
}


def small(command: str) -> str:
    """A command of the documentation, on a few signatures, and with nothing that must be fetched."""
    for found, instead in SMALLER.items():
        command = re.sub(found, instead, command)
    return command


@pytest.fixture
def toy(teacher, inverted, tmp_path):
    """Arguments that distil the toy teacher into a folder."""

    def arguments(*more: object) -> list[object]:
        return [
            "distill", "--teacher", "toy-teacher", "--student", "toy", "--data", inverted, "--device", "cpu",
            "--epochs", 2, "-o", tmp_path / "run", *more,
        ]  # fmt: skip

    return arguments


def test_it_tells_each_epoch_and_what_to_do_next(run, toy, tmp_path):
    status, out, err = run(*toy())
    assert status == 0, err
    lines = out.splitlines()
    assert re.match(
        r"epoch 1/2  loss \d\.\d+  accuracy \S+ %  agreement \S+ %  EER \S+ %  .* best$", lines[0]
    )
    assert f"sigzoo --registry {tmp_path / 'run' / 'registry.yaml'} embed" in lines[-1]


def test_json_stands_alone_on_stdout(run, toy):
    status, out, err = run(*toy("--json"))
    assert status == 0
    assert json.loads(out)["best"]["agreement"] >= 0
    assert "epoch 2/2" in err


def test_options_become_settings_and_what_was_not_said_is_the_teachers(run, toy, inverted, tmp_path):
    status, _, err = run(
        *toy(
            "--option", "dropout=0.25", "--loss", "continual", "--loss-option", "p_lamb=0.5", "--continual",
            inverted, "--first-label", 350, "--copy-head", "--augment", "noise", "--batch-size", 16,
            "--weights-licence", "CC0-1.0",
        )
    )  # fmt: skip
    assert status == 0, err
    said = json.loads((tmp_path / "run" / "settings.json").read_text())
    assert said["command"] == "distill"
    said = said["settings"]
    assert said["backbone_options"] == {"dropout": 0.25}
    assert (said["loss"], said["loss_options"]) == ("continual", {"p_lamb": 0.5})
    assert (said["first_label"], said["copy_head"], said["augment"]) == (350, True, ["noise"])
    assert (said["teacher"], said["preprocessor"], said["labels"]) == ("toy-teacher", "toy-cut", "auto")
    assert said["weights_licence"] == "CC0-1.0; distilled from weights of toy-teacher: not stated"


def test_a_local_file_can_stand_for_the_teachers_weights(run, toy, teacher, tmp_path):
    assert run(*toy("--teacher-weights", teacher.weights))[0] == 0
    status, _, err = run(*toy("--teacher-weights", tmp_path / "no.safetensors", "-o", tmp_path / "other"))
    assert status == 1
    assert "no.safetensors" in err


def test_a_resumed_run_needs_no_settings_but_must_not_contradict_them(run, toy, tmp_path):
    assert run(*toy())[0] == 0
    assert run("distill", "--resume", "-o", tmp_path / "run")[0] == 0
    assert run(*toy("--resume"))[0] == 0
    status, _, err = run("distill", "--resume", "--learning-rate", 0.7, "-o", tmp_path / "run")
    assert status == 2
    assert "other settings: learning_rate" in err
    status, _, err = run("train", "--resume", "-o", tmp_path / "run")
    assert status == 2
    assert f"sigzoo distill --resume -o {tmp_path / 'run'}" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--teacher", "toy-teach"], "Did you mean toy-teacher"),
        (["--teacher", "synsig-tiny"], "no writer head"),
        (["--data", "inverted-signe"], "Did you mean inverted-signet"),
        (["--labels", "some"], "'auto', 'head', 'none'"),
        (["--loss", "signet"], "sigzoo train"),
        (["--option", "input_size=20,20"], "--option input_size=12,16"),
    ],
    ids=str,
)
def test_a_slip_is_told_in_a_line_and_leaves_nothing_behind(run, toy, tmp_path, arguments, said):
    status, _, err = run(*toy(*arguments))
    assert status == 2
    assert said in err
    assert not (tmp_path / "run").exists()


def test_what_is_missing_is_listed(run, tmp_path):
    status, _, err = run("distill", "--student", "toy", "-o", tmp_path / "run")
    assert status == 2
    assert "Missing options --data, --teacher" in err


def test_every_command_of_the_documentation_works_in_its_order(run, follow, tmp_path, monkeypatch):
    """In one folder, one after the other, as a reader would; smaller, or it would take days."""
    monkeypatch.chdir(tmp_path)
    run("synth", "--writers", 2, "--genuine", 2, "-o", "signatures")
    x = np.random.default_rng(0).random((12, 1, 96, 192)).astype(np.float32)
    np.savez("inverted.npz", x=x, y=350 + np.arange(12) % 3)
    follow(map(small, COMMANDS))
    with np.load("features.npz", allow_pickle=False) as file:
        assert file["features"].shape == (4, 8)
    for folder in ("student", "signet-student", "features", "soft", "beside", "shared"):
        with Path("runs", folder, "log.csv").open(newline="") as log:
            assert len(list(csv.DictReader(log))) == 1, folder


def test_the_python_example_of_the_documentation_works(tmp_path, teacher):
    (code,) = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    code = small(code).replace('teacher="teacher"', 'teacher="toy-teacher"').replace("student-tiny", "toy")
    code = code.replace('"runs/from-python",', '"runs/from-python", epochs=1, batch_size=4,')
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 0 <= float(done.stdout) <= 100
