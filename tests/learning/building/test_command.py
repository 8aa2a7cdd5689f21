"""The command `sigzoo build`, and what other commands say of models that are made by a recipe."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sigzoo
from sigzoo.artifacts.built import WEIGHTS
from sigzoo.learning import plan


@pytest.fixture
def student(publish, run) -> None:
    """A model that is built."""
    publish()
    status, _, err = run("build", "toy-student", "--device", "cpu")
    assert status == 0, err


def test_a_dry_run_says_what_would_be_done_and_does_nothing(publish, run, home, site):
    publish()
    status, out, err = run("build", "toy-student", "--dry-run", "--epochs", 9, "--device", "cpu")
    assert status == 0, err
    for part in (
        "teacher         toy-teacher",
        "student         student-tiny",
        "about 72 images",
        "loss            kd-kl (temperature 1.0)",
        "epochs 9",
        "yours           epochs 9",
        "toy-teacher-weights",
        "to be fetched",
        "for research only (commercial use: no)",
        "an estimate",
        "timed on cpu",
        "Nothing was fetched or written.",
    ):
        assert part in out
    assert site.asked == []
    assert not home.exists()


def test_a_dry_run_opens_no_socket_and_writes_nothing(publish, tmp_path, monkeypatch):
    publish()
    before = sorted(path for path in tmp_path.rglob("*"))

    def refuse(*args: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    plan("toy-student", device="cpu")
    assert sorted(path for path in tmp_path.rglob("*")) == before


def test_a_dry_run_counts_parameters_and_steps(publish):
    """Against the network itself, and the arithmetic of an epoch: 72 images, a tenth held out, by 8."""
    publish()
    found = plan("toy-student", device="cpu")
    network = sigzoo.backbone("student-tiny", **sigzoo.info("toy-student").backbone.options)
    assert found.parameters == sum(each.numel() for each in network.parameters()) + 6 * (8 + 1)
    assert found.estimate.steps == 4 * (65 // 8)
    assert found.estimate.teacher_batches == 9
    assert found.estimate.measuring_batches == 4 * (1 + 3)  # 6 images held out, and 3 of each of 6 writers
    assert found.estimate.seconds == pytest.approx(
        32 * found.estimate.student_seconds
        + 9 * found.estimate.teacher_seconds
        + 16 * found.estimate.measuring_seconds
    )


def test_a_dry_run_gives_no_time_where_nobody_knows_how_many_images_there_are(publish, run):
    registry = publish()
    content = json.loads(registry.read_text())
    del content["artifacts"]["toy-images"]["size"]
    registry.write_text(json.dumps(content))
    status, out, err = run("build", "toy-student", "--dry-run", "--device", "cpu")
    assert status == 0, err
    for part in (
        "toy-images, unknown before they are fetched",
        "size not published",
        "not to be told before",
    ):
        assert part in out


def test_a_dry_run_tells_what_is_there_already(publish, run):
    publish()
    run("fetch", "toy-images")
    told = json.loads(run("build", "toy-student", "--dry-run", "--json", "--device", "cpu")[1])
    assert [need["state"] for need in told["needs"]] == ["to be fetched", "here"]
    assert (told["images"], told["state"], told["interrupted"]) == (72, "from a recipe", False)
    assert run("build", "toy-student", "--device", "cpu")[0] == 0
    told = json.loads(run("build", "toy-student", "--dry-run", "--json", "--device", "cpu")[1])
    assert told["state"] == "built"


def test_a_build_tells_its_epochs_and_what_came_of_it(publish, run, home):
    publish()
    status, out, err = run("build", "toy-student", "--device", "cpu")
    assert status == 0, err
    lines = out.splitlines()
    assert [line.split()[:2] for line in lines[:4]] == [["epoch", str(number)] for number in (1, 2, 3, 4)]
    assert "agreement" in lines[0]
    assert f"in {home / 'built' / 'toy-student' / WEIGHTS}" in out
    assert "Licence of the weights: for research only" in out
    assert "sigzoo embed IMAGES -m toy-student" in out
    assert "was built before" in run("build", "toy-student")[1]


def test_json_stands_alone_on_stdout(publish, run):
    publish()
    status, out, err = run("build", "toy-student", "--json", "--device", "cpu")
    assert status == 0
    told = json.loads(out)
    assert (told["model"], told["new"]) == ("toy-student", True)
    assert "epoch 4" in err


def test_list_and_info_tell_whether_it_is_built(publish, run):
    publish()
    assert "from a recipe" in run("list", "toy-student")[1]
    out = run("info", "toy-student", "--all")[1]
    assert "sigzoo build toy-student" in out
    assert "settings        epochs 4" in out
    assert json.loads(run("info", "toy-student", "--json")[1])["built"] is None
    assert run("build", "toy-student", "--epochs", 5, "--device", "cpu")[0] == 0
    assert json.loads(run("list", "toy-student", "--json")[1])[0]["weights"] == "built"
    out = run("info", "toy-student")[1]
    assert "with other settings: epochs 5" in out
    assert "% with toy-teacher on 6 images held out" in out
    assert json.loads(run("info", "toy-student", "--json")[1])["built"]["overrides"] == {"epochs": 5}


def test_list_tells_of_a_changed_recipe_and_a_changed_file(student, publish, run, home):
    (home / "built" / "toy-student" / WEIGHTS).write_bytes(b"changed")
    assert "built, changed" in run("list", "toy-student")[1]
    publish({"learning_rate": 0.02})
    assert "built, recipe changed" in run("list", "toy-student")[1]
    (home / "built" / "toy-student" / "provenance.json").write_text("{}")
    assert "built, damaged" in run("list", "toy-student")[1]


def test_embed_uses_it_by_name(student, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("synth", "-o", "signatures", "--writers", 2, "--genuine", 1)[0] == 0
    status, out, err = run("embed", "signatures", "-m", "toy-student", "-o", "features.npz")
    assert status == 0, err
    assert "(features 2 x 8, toy-student, layer embedding)" in out


def test_a_model_that_is_not_built_says_how_what_it_needs_and_the_licence(
    publish, run, tmp_path, monkeypatch
):
    publish()
    monkeypatch.chdir(tmp_path)
    run("synth", "-o", "signatures", "--writers", 1, "--genuine", 1)
    status, _, err = run("embed", "signatures", "-m", "toy-student", "-o", "features.npz")
    assert status == 1
    for part in ("`sigzoo build toy-student`", "toy-teacher-weights (", "toy-images (", "for research only"):
        assert part in err


def test_fetch_says_that_it_is_built(publish, run):
    publish()
    status, _, err = run("fetch", "toy-student")
    assert status == 1
    assert "made by a recipe: `sigzoo build toy-student`" in err


def test_the_cache_lists_verifies_and_clears_it(student, run, home):
    listed = {row["artifact"]: row for row in json.loads(run("cache", "list", "--json")[1])["files"]}
    assert listed["toy-student"]["state"] == "verified"
    assert listed["toy-student"]["path"] == str(home / "built" / "toy-student" / WEIGHTS)
    status, out, _ = run("cache", "verify", "toy-pupil", "--json")
    assert status == 0
    assert [(row["artifact"], row["against"]) for row in json.loads(out)] == [("toy-student", "provenance")]
    (home / "built" / "toy-student" / WEIGHTS).write_bytes(b"changed")
    status, _, err = run("cache", "verify")
    assert status == 1
    assert "model.safetensors" in err
    assert run("cache", "clear", "toy-student")[0] == 0
    assert not (home / "built" / "toy-student").exists()
    left = {row["artifact"] for row in json.loads(run("cache", "list", "--json")[1])["files"]}
    assert left == {"toy-teacher-weights", "toy-images"}


def test_the_cache_says_where_it_is_and_that_it_is_not_carried(publish, run, home, tmp_path):
    publish()
    weights = str(home / "built" / "toy-student" / WEIGHTS)
    assert json.loads(run("cache", "path", "toy-pupil", "--json")[1]) == [
        {"artifact": "toy-student", "path": weights, "present": False}
    ]
    assert run("cache", "path", "toy-student")[1].strip() == weights
    status, _, err = run("cache", "export", "toy-student", "-o", tmp_path / "x.tar")
    assert status == 2
    assert f"Copy {weights} and load it there with --weights" in err
    assert not (tmp_path / "x.tar").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["signet"], 2, "signet has no recipe: its weights are published. `sigzoo fetch signet`"),
        (["toy-studnet"], 2, "Did you mean toy-student"),
        (["toy-student", "--epochs", "0"], 2, "epochs must be at least 1"),
        (["toy-student", "--optimiser", "adam"], 2, "adamw"),
        (["toy-student", "--device", "warp"], 2, "warp"),
        ([], 2, "Missing argument"),
    ],
    ids=str,
)
def test_a_slip_is_told_in_a_line_and_leaves_nothing_behind(publish, run, home, arguments, status, said):
    publish()
    found, _, err = run("build", *arguments)
    assert (found, "Traceback" in err) == (status, False)
    assert said in err
    assert not (home / "building").exists()


@pytest.mark.parametrize(
    "arguments", [["--help"], ["build", "--help"], ["list"], ["info", "signet-student-tiny"]]
)
def test_torch_is_not_imported(arguments):
    code = (
        "import sys; from sigzoo.cli import run; status = run(sys.argv[1:]);"
        "assert 'torch' not in sys.modules, 'torch was imported'; sys.exit(status)"
    )
    # Without the toy plugin, whose module imports torch itself.
    own = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=own)
    assert done.returncode == 0, done.stderr


RECIPES = (Path(__file__).parents[3] / "docs" / "distillation.md").read_text().partition("\n## Recipes\n")[2]


def example(language: str) -> str:
    """The blocks of the section on recipes, for a student that is built in a moment."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", RECIPES, re.MULTILINE | re.DOTALL)
    return "".join(found).replace("signet-student-tiny", "toy-student")


def test_the_commands_of_the_documentation_work(publish, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    publish()
    assert run("synth", "--writers", 2, "--genuine", 2, "-o", "signatures")[0] == 0
    commands = (
        example("bash").replace("--epochs 20 --batch-size 128", "--epochs 1 --batch-size 8").splitlines()
    )
    assert len(commands) >= 4
    for command in commands:
        program, *words = command.split()
        assert program == "sigzoo"
        status, _, err = run(*words)
        assert status == 0, f"{command}\n{err}"
    with np.load("student.npz") as file:
        assert file["features"].shape == (4, 8)


def test_the_python_example_of_the_documentation_works(publish, capsys):
    publish()
    exec(compile(example("python"), "distillation.md", "exec"), {})
    seconds, agreement = map(float, capsys.readouterr().out.split())
    assert seconds > 0
    assert 0 <= agreement <= 100
