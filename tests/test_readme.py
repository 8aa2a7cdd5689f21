"""Every command of the README and of two pages works; tables say what the registry says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
MODELS = (ROOT / "docs" / "models.md").read_text()
VERIFICATION = (ROOT / "docs" / "verification.md").read_text()
EXPORT = (ROOT / "docs" / "export.md").read_text()
SETUP = "python3 -m venv .venv && .venv/bin/pip install -q -r requirements.txt"


def blocks(language: str, text: str = TEXT) -> list[str]:
    """The fenced blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def run(command: str, folder: Path) -> str:
    """Run a line of the README in a folder, with this environment's programs in place of ``.venv/bin``."""
    here = Path(sys.executable).parent
    line = command.replace(".venv/bin/", f"{here}/")
    env = {**os.environ, "PATH": f"{here}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", line], cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the first command has been run, without its set-up (CI runs that too)."""
    path = tmp_path_factory.mktemp("readme")
    first = blocks("bash")[0].splitlines()
    assert first[0] == SETUP
    for line in first[1:]:
        run(line, path)
    return path


def test_the_first_command_gives_features_and_a_picture(folder: Path) -> None:
    assert len(list((folder / "signatures").glob("*.png"))) == 9
    assert (folder / "features.npz").stat().st_size > 1000
    assert (folder / "compare.png").stat().st_size > 10_000


def test_the_table_shows_who_belongs_together(folder: Path) -> None:
    table = run(".venv/bin/sigzoo compare signatures", folder).splitlines()[2:]
    assert len(table) == 9
    for line in table:
        cells = line.split()
        assert cells[0][:4] == cells[-1][:4], line


def test_the_second_command_sets_up_and_runs_all_tests() -> None:
    assert blocks("bash")[1].splitlines() == [SETUP, ".venv/bin/pytest -n auto --dist loadfile"]


@pytest.mark.parametrize("command", [line for block in blocks("bash")[2:] for line in block.splitlines()])
def test_each_further_command_works(folder: Path, command: str) -> None:
    run(command, folder)


@pytest.mark.parametrize(
    "command", "".join(blocks("bash", MODELS) + blocks("bash", VERIFICATION)).splitlines()
)
def test_each_command_of_the_pages_of_models_and_verification_works(folder: Path, command: str) -> None:
    run(command, folder)


@pytest.mark.slow
def test_the_commands_of_the_page_on_export_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("onnx", "onnxruntime", "onnxscript", "openvino"):
        pytest.importorskip(module)
    monkeypatch.setenv("SIGZOO_HOME", str(tmp_path / "home"))
    said = {line: run(line, tmp_path) for line in "".join(blocks("bash", EXPORT)).splitlines()}
    checks = [text for line, text in said.items() if line.startswith("sigzoo check")]
    assert len(checks) == 2
    assert all("least cosine with torch in float32" in text and "all passed" in text for text in checks)
    assert (tmp_path / "features.npz").stat().st_size > 1000
    assert (tmp_path / "synsig-tiny.onnx").stat().st_size > 100_000


EVALUATION = (ROOT / "docs" / "evaluation.md").read_text()


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the commands of the page on evaluation have been run."""
    path = tmp_path_factory.mktemp("evaluation")
    for line in "".join(blocks("bash", EVALUATION)).splitlines():
        run(line, path)
    return path


def test_the_commands_of_the_page_on_evaluation_measure_and_draw(evaluated: Path) -> None:
    assert (evaluated / "det.png").stat().st_size > 10_000
    results = json.loads((evaluated / "results.json").read_text())["results"]
    assert {row["model"] for row in results} == {"synsig-tiny", "synsig-base", "baseline"}


def test_the_python_example_of_the_page_on_evaluation_works(evaluated: Path) -> None:
    (code,) = blocks("python", EVALUATION)
    done = subprocess.run([sys.executable, "-c", code], cwd=evaluated, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "synsig-tiny with_ink" in done.stdout


def test_the_python_example_works(folder: Path) -> None:
    (code,) = blocks("python")
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "signet-f-0.999" in done.stdout


@pytest.mark.parametrize("code", blocks("python", VERIFICATION))
def test_the_examples_of_the_page_of_verification_work(folder: Path, code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_links_and_pictures_are_there() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert targets
    assert [target for target in targets if "://" not in target and not (ROOT / target).exists()] == []


def test_the_table_of_models_is_that_of_the_registry() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "tables.py", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
