"""The command `sigzoo train`: what it says, what it takes, and every command of its documentation."""

from __future__ import annotations

import csv
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

DOCUMENT = (Path(__file__).parents[3] / "docs" / "training.md").read_text()
COMMANDS = [
    line
    for block in re.findall(r"^```bash\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
SMALLER = {
    r"writers=\d+": "writers=3",
    r"genuine=\d+": "genuine=4",
    r"--writers \d+": "--writers 3",
    r"--genuine \d+": "--genuine 5",
    r"--forgeries \d+": "--forgeries 2",
    r"--epochs \d+": "--epochs 1",
    r"--backbone signet ": "--backbone toy --option input_size=150,220 --epochs 1 ",
    r"--backbone student-tiny": "--backbone student-tiny --option widths=4,4,4 --option feature_dim=8",
}


def small(command: str) -> str:
    """A command of the documentation, on a few signatures."""
    for found, instead in SMALLER.items():
        command = re.sub(found, instead, command)
    return command


@pytest.fixture
def toy(npz, tmp_path):
    """Arguments that train the toy network into a folder."""

    def arguments(*more: object, folder: str = "run") -> list[object]:
        return [
            "train", "--backbone", "toy", "--loss", "signet", "--preprocessor", "toy-cut", "--preprocessed",
            "--data", npz(), "--device", "cpu", "--epochs", 2, "-o", tmp_path / folder, *more,
        ]  # fmt: skip

    return arguments


def test_it_tells_each_epoch_and_what_to_do_next(run, toy, tmp_path):
    status, out, _ = run(*toy())
    assert status == 0
    lines = out.splitlines()
    assert re.match(r"epoch 1/2  loss \d\.\d+  accuracy \d+\.\d\d %  EER \d+\.\d\d %  .* best$", lines[0])
    assert lines[1].startswith("epoch 2/2")
    assert f"sigzoo --registry {tmp_path / 'run' / 'registry.yaml'} embed" in lines[-1]


def test_what_to_do_next_can_be_pasted_from_a_folder_with_a_space(run, toy, tmp_path):
    status, out, _ = run(*toy(folder="my run"))
    assert status == 0
    told = shlex.split(out.splitlines()[-1].removeprefix("Use it: "))
    assert told == [
        "sigzoo",
        "--registry",
        str(tmp_path / "my run" / "registry.yaml"),
        "embed",
        "IMAGES",
        "-m",
        "my-run",
    ]
    status, _, err = run("distill", "--resume", "-o", tmp_path / "my run")
    assert status == 2
    command = re.search(r"go on with it by `(.*)`", err)
    assert command is not None
    assert shlex.split(command[1]) == ["sigzoo", "train", "--resume", "-o", str(tmp_path / "my run")]


def test_json_stands_alone_on_stdout(run, toy):
    status, out, err = run(*toy("--json"))
    assert status == 0
    said = json.loads(out)
    assert said["model"] == "run"
    assert said["best"]["epoch"] in (1, 2)
    assert "epoch 2/2" in err


def test_options_become_settings(run, toy, tmp_path):
    status, _, err = run(
        *toy(
            "--option", "feature_dim=5", "--option", "dropout=0.25", "--loss", "am-softmax",
            "--loss-option", "margin=0.1", "--preprocessor-option", "size=12,16", "--augment", "ink,noise",
            "--augment-strength", 0.5, "--optimiser", "sgd", "--schedule", "steps",
            "--clip-norm", 2, "--seed", 3,
            "--weights-licence", "CC0-1.0", "--commercial-use",
        )
    )  # fmt: skip
    assert status == 0, err
    said = json.loads((tmp_path / "run" / "settings.json").read_text())["settings"]
    assert said["backbone_options"] == {"feature_dim": 5, "dropout": 0.25}
    assert said["loss_options"] == {"margin": 0.1}
    assert said["preprocessor_options"] == {"size": [12, 16]}
    assert said["augment"] == ["ink", "noise"]
    assert (said["augment_strength"], said["optimiser"], said["schedule"], said["clip_norm"]) == (
        0.5,
        "sgd",
        "steps",
        2,
    )
    assert (said["seed"], said["weights_licence"], said["commercial_use"]) == (3, "CC0-1.0", True)


def test_what_is_said_goes_before_the_preset(run, toy, tmp_path):
    status, _, err = run(*toy("--preset", "signet-2017", "--learning-rate", 0.5, "--augment", "noise"))
    assert status == 0, err
    said = json.loads((tmp_path / "run" / "settings.json").read_text())["settings"]
    assert (said["learning_rate"], said["epochs"], said["augment"]) == (0.5, 2, ["noise"])
    assert (said["optimiser"], said["batch_size"], said["clip_value"]) == ("sgd", 32, 10.0)


def test_a_resumed_run_needs_no_settings_but_must_not_contradict_them(run, toy, tmp_path):
    assert run(*toy())[0] == 0
    status, out, _ = run("train", "--resume", "-o", tmp_path / "run")
    assert status == 0
    assert "the weights of epoch" in out
    assert run(*toy("--resume"))[0] == 0
    status, _, err = run("train", "--resume", "--learning-rate", 0.7, "-o", tmp_path / "run")
    assert status == 2
    assert "other settings: learning_rate" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--option", "feature_dim"], "--option takes KEY=VALUE"),
        (["--backbone", "toy-ani-size"], "Did you mean toy-any-size"),
        (["--augment", "nois"], "Did you mean noise"),
        (["--epochs", "0"], "epochs must be at least 1"),
        (["--optimiser", "adam"], "adamw"),
        (["--preset", "signet"], "signet-2017"),
        (["--data", "synth:writrs=3"], "Did you mean writers"),
    ],
    ids=str,
)
def test_a_slip_is_told_in_a_line_and_leaves_nothing_behind(run, toy, tmp_path, arguments, said):
    status, _, err = run(*toy(*arguments))
    assert status == 2
    assert said in err
    assert not (tmp_path / "run").exists()


def test_what_is_missing_is_listed(run, tmp_path):
    status, _, err = run("train", "--backbone", "toy", "-o", tmp_path / "run")
    assert status == 2
    assert "--loss, --preprocessor, --data" in err


def test_the_documentation_shows_every_way_of_training():
    text = " ".join(COMMANDS)
    for part in ("--preset signet-2017", "--resume", "torchrun", "synth:", "--registry", "--per-writer"):
        assert part in text


def test_every_command_of_the_documentation_works_in_its_order(run, follow, tmp_path, monkeypatch):
    """In one folder, one after the other, as a reader would; smaller, or it would take days."""
    monkeypatch.chdir(tmp_path)
    run("synth", "--writers", 2, "--genuine", 2, "-o", "signatures")
    follow(map(small, COMMANDS))
    with np.load("features.npz", allow_pickle=False) as file:
        assert file["features"].shape == (4, 8)
    for folder in ("mine", "forgeries", "pairs", "my-signet", "gentle", "shared"):
        with Path("runs", folder, "log.csv").open(newline="") as log:
            assert len(list(csv.DictReader(log))) == 1, folder


def test_the_python_example_of_the_documentation_works(tmp_path):
    code = re.findall(r"^```python\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)[0]
    code = small(code).replace('"runs/from-python",', '"runs/from-python", epochs=1,')
    code = code.replace(
        'backbone="student-tiny"', 'backbone="student-tiny", backbone_options={"widths": [4, 4, 4]}'
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "EpochResult(epoch=1" in done.stdout


def test_the_settings_of_the_documentation_can_be_made(tmp_path):
    code = re.findall(r"^```python\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)[1]
    code = f"from sigzoo.learning import TrainingSettings\n{code}print(len(settings.losses), settings.cycles)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "1 (5, 3)\n"), done.stderr
