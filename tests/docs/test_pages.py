"""Every command and example of every page is run: by a test of its own, or here, in one folder for all."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))

RUN_BY = {
    "cache.md": "tests/artifacts/test_cli.py",
    "datasets.md": "tests/datasets/test_page.py",
    "distillation.md": "tests/learning/distillation/test_distill_command.py",
    "evaluation.md": "tests/test_readme.py",
    "export.md": "tests/test_readme.py",
    "from-published-programs.md": "tests/compat/test_page.py",
    "install.md": "tests/release/test_install_page.py",
    "gallery.md": "tests/docs/test_site.py",
    "jobs.md": "tests/jobs/test_pages.py",
    "models.md": "tests/test_readme.py",
    "plugins/index.md": "tests/third_party/test_documentation.py",
    **{
        page: "tests/third_party/test_documentation.py"
        for page in PAGES
        if page.startswith("plugins/")
        and page not in ("plugins/index.md", "plugins/registry.md", "plugins/weight-formats.md")
    },
    "plugins/weight-formats.md": "tests/docs/test_blocks.py",
    "report.md": "tests/evaluation/report/test_from_evaluation.py",
    "scores.md": "tests/verification/test_scores_page.py",
    "search.md": "tests/jobs/test_pages.py",
    "at-scale.md": "tests/jobs/test_ray.py",
    "serve.md": "tests/serving/test_page.py",
    "training.md": "tests/learning/training/test_command.py",
    "tutorial.md": "tests/docs/test_site.py",
    "verification.md": "tests/test_readme.py",
}
"""Pages with a test of their own, and where it is."""

BLOCK = re.compile(r"^```(bash|python|shell)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return [code for found, code in BLOCK.findall(text) if found == language]


@pytest.mark.parametrize(("page", "test"), RUN_BY.items())
def test_a_page_with_a_test_of_its_own_is_named_there(page: str, test: str) -> None:
    assert (ROOT / test).is_file()
    text = (ROOT / test).read_text(encoding="utf-8")
    assert Path(page).name in text or Path(page).stem in text or "PAGE.parent.glob" in text


HERE = [page for page in PAGES if page not in RUN_BY and blocks(page, "bash")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the signatures that pages take for granted."""
    from generators.blocks import run_line

    path = tmp_path_factory.mktemp("pages")
    run_line("sigzoo synth -o signatures --workers 1", path)
    return path


@pytest.mark.parametrize("page", HERE)
def test_the_commands_of_a_page_work(page: str, folder: Path, tmp_path: Path) -> None:
    from generators.blocks import run_line

    (tmp_path / "signatures").symlink_to(folder / "signatures")
    lines = [line for block in blocks(page, "bash") for line in block.replace("\\\n", "").splitlines()]
    for line in lines:
        if "synth -o signatures" not in line:
            run_line(line, tmp_path)


EXAMPLES = ["explanation/preprocessing.md", "speed.md"]
"""Pages whose Python is run here, each block by itself."""

OF_HOURS = "models-made.md"
"""Its Python trains the bundled models again."""


def test_no_example_of_a_page_is_forgotten() -> None:
    with_python = {page for page in PAGES if blocks(page, "python")}
    assert with_python - set(RUN_BY) == {*EXAMPLES, OF_HOURS}


def test_the_example_of_hours_states_settings_that_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sigzoo_students")
    from sigzoo import learning

    made: list[learning.TrainingSettings] = []
    monkeypatch.setattr(learning, "train", made.append)
    (code,) = blocks(OF_HOURS, "python")
    exec(compile(code, OF_HOURS, "exec"), {})
    assert [str(settings.output) for settings in made] == ["runs/synsig-base-again", "runs/synsig-tiny-again"]
    assert made[1].more_data[-1].startswith("synsig-names:")


@pytest.mark.parametrize("page", EXAMPLES)
def test_the_examples_of_a_page_work(page: str, folder: Path) -> None:
    examples = blocks(page, "python")
    assert examples
    for code in examples:
        with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
            exec(compile(code, page, "exec"), {})


def test_commands_that_need_the_network_or_a_container_exist() -> None:
    from sigzoo.cli import cli

    context = cli.make_context("sigzoo", [], resilient_parsing=True)
    for page in ("offline.md", "containers.md"):
        text = (DOCS / page).read_text(encoding="utf-8")
        for words in re.findall(r"^(?:RUN )?sigzoo ([\w -]+?)(?: -|$)", text, re.MULTILINE):
            command = cli.get_command(context, words.split()[0])
            assert command is not None, words
