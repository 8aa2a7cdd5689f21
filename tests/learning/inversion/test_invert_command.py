"""The command `sigzoo invert`: what it says, what it takes, and every command of its documentation."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

DOCUMENT = (Path(__file__).parents[3] / "docs" / "distillation.md").read_text()
SECTION = DOCUMENT.partition("\n## Inverting a teacher\n")[2].partition("\n## ")[0]
COMMANDS = [
    line
    for block in re.findall(r"^```bash\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
INSTEAD = {
    r"--registry \S+ ": "",
    r"signet\.teacher|\bmine\b": "master",
    r"--compete \S+": "--compete pupil",
    r"--per-writer \d+": "--per-writer 1",
    r"--writers \d+": "--writers 2",
    r"--iterations \d+": "",
    r"--precision bfloat16": "",
}
FAST = ["--iterations", "3", "--batch-size", "4", "--jitter", "1", "--device", "cpu"]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_of_the_documentation_works(command, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for found, instead in INSTEAD.items():
        command = re.sub(found, instead, command)
    program, *arguments = command.split()
    assert program == "sigzoo"
    if "--resume" in arguments:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sigzoo.cli.invert._line", lambda *_: sys.exit(9))
            with pytest.raises(SystemExit):
                run("invert", "--teacher", "master", "-o", arguments[-1], "--per-writer", 2, *FAST)
    else:
        arguments += FAST
    status, _, err = run(*arguments)
    assert status == 0, err
    assert (tmp_path / arguments[arguments.index("-o") + 1]).exists()


def test_the_python_example_of_the_documentation_works(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"^```python\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)
    quick = "per_writer=1, iterations=3, batch_size=4, jitter=1, device='cpu'"
    exec(code.replace("signet.teacher", "master").replace("first_label=350", f"first_label=350, {quick}"), {})
    assert 0 <= float(capsys.readouterr().out.splitlines()[-1]) <= 100
    with np.load("data.npz") as file:
        assert sorted(file["y"]) == [350, 351, 352, 353]


def test_it_says_how_often_the_teacher_agrees(run, tmp_path):
    output = tmp_path / "data.npz"
    wanted = ["--teacher", "master", "--writers", 3, "--per-writer", 2]
    status, out, _ = run("invert", *wanted, "-o", output, *FAST)
    assert status == 0
    lines = out.splitlines()
    assert lines[0].startswith("batch 1/2  cross-entropy ")
    assert lines[-2] == f"6 images of 3 writers in {output}"
    agreement = json.loads((tmp_path / "data.inversion.json").read_text())["agreement"]
    assert lines[-1] == f"The teacher gives {agreement:.1f} % of them to the wanted writer."


def test_with_a_student_it_says_how_often_that_disagrees(run, tmp_path):
    output = tmp_path / "data.npz"
    status, out, _ = run(
        "invert", "--teacher", "master", "--compete", "pupil", "--per-writer", 1, "-o", output, *FAST
    )
    assert status == 0
    assert re.search(r"student differs on \d", out)
    assert re.search(r"^The student gives [\d.]+ % to another writer than the teacher\.$", out, re.MULTILINE)


def test_json_is_all_there_is_on_stdout(run, tmp_path):
    wanted = ["--teacher", "master", "--per-writer", 1, "--uint8"]
    status, out, err = run("invert", *wanted, "-o", tmp_path / "d.npz", "--json", *FAST)
    assert status == 0
    assert "batch 1/1" in err
    found = json.loads(out)
    assert (found["images"], found["writers"], found["disagreement"]) == (4, 4, None)
    with np.load(found["data"]) as file:
        assert file["x"].dtype == np.uint8
        assert sorted(file["y"]) == [0, 1, 2, 3]


def test_every_weight_reaches_the_settings(run, tmp_path):
    weights = {
        "cross-entropy-weight": "cross_entropy",
        "tv-l1-weight": "tv_l1",
        "tv-l2-weight": "tv_l2",
        "l2-weight": "l2",
        "statistics-weight": "statistics",
        "compete-weight": "competition",
        "first-statistics": "first_statistics",
        "noise": "noise",
        "temperature": "temperature",
    }
    values = {flag: 0.25 + 0.125 * number for number, flag in enumerate(weights)}
    options = [part for flag, value in values.items() for part in (f"--{flag}", value)]
    output = tmp_path / "d.npz"
    status, _, err = run(
        "invert", "--teacher", "any-size", "--size", "16x20", "--flip", "-o", output, *FAST, *options
    )
    assert status == 0, err
    settings = json.loads((tmp_path / "d.inversion.json").read_text())["settings"]
    assert {flag: settings[key] for flag, key in weights.items()} == values
    assert (settings["size"], settings["flip"]) == ([16, 20], True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing option --teacher"),
        (["--teacher", "synsig-tiny"], "synsig-tiny keeps no writer head"),
        (["--teacher", "plain"], "has no BatchNorm2d layer"),
        (["--teacher", "master", "--writers", "9"], "has 4 outputs"),
        (["--teacher", "master", "--size", "big"], "--size takes height and width in pixels"),
        (["--teacher", "master", "--precision", "float8"], "'float8' is not one of"),
        (["--teacher", "master", "--learning-rate", "0"], "learning_rate must be above 0"),
        (["--resume"], "there is no inversion to go on with"),
    ],
)
def test_wrong_usage_is_told_in_a_line_with_status_2(arguments, message, run, tmp_path):
    status, out, err = run("invert", *arguments, "-o", tmp_path / "d.npz")
    assert (status, out) == (2, "")
    assert message in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_help_needs_no_torch():
    code = "import sys; from sigzoo.cli import run; run(['invert', '-h']); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
    assert "--teacher" in done.stdout
