"""Templates, hooks and CI are files that their readers accept, and what they name is there."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path
from typing import Any

import yaml

Yaml = dict[Any, Any]


def read(path: Path) -> Yaml:
    found: Yaml = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def test_hooks_fetch_nothing_and_run_what_is_there(root: Path) -> None:
    repositories = read(root / ".pre-commit-config.yaml")["repos"]
    assert {each["repo"] for each in repositories} == {"local"}
    hooks = [hook for each in repositories for hook in each["hooks"]]
    assert {"ruff-check", "ruff-format", "mypy"} <= {each["id"] for each in hooks}
    for hook in hooks:
        assert hook["language"] == "system"
        program, *words = shlex.split(hook["entry"])
        assert program == "python"
        if words[0] == "-m":
            assert importlib.util.find_spec(words[1]), hook
        else:
            assert (root / words[0]).is_file(), hook
        assert all((root / word).exists() for word in words if word.startswith("tests/"))


def test_templates_ask_for_what_a_maintainer_needs(root: Path) -> None:
    forms = [read(path) for path in (root / ".github/ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config"]
    assert len(forms) >= 3
    for form in forms:
        assert {"name", "description", "body"} <= set(form)
        for part in form["body"]:
            assert part["type"] in {"markdown", "textarea", "input", "checkboxes", "dropdown"}
            assert part["type"] == "markdown" or part["attributes"]["label"]
    text = " ".join(path.read_text(encoding="utf-8") for path in (root / ".github").rglob("*.*"))
    assert "sigzoo --version" in text
    for page in re.findall(r"docs/[\w/-]+\.md", text):
        assert (root / page).is_file(), page


def test_files_have_the_same_bytes_on_every_system(root: Path) -> None:
    """Digests are of files with LF: git on Windows would otherwise check them out with CRLF."""
    rules = (root / ".gitattributes").read_text(encoding="utf-8").splitlines()
    assert "* text=auto eol=lf" in rules
    systems = read(root / ".github/workflows/ci.yml")["jobs"]["systems"]
    assert systems["defaults"]["run"]["shell"] == "bash"


def test_ci_runs_once_for_a_pull_request_and_on_three_systems(root: Path) -> None:
    workflow = read(root / ".github/workflows/ci.yml")
    on = workflow[True]  # YAML 1.1 reads `on` as true
    assert set(on) == {"push", "pull_request"}
    assert on["push"]["branches"] == ["main"]
    jobs = workflow["jobs"]
    systems = {jobs["ci"]["runs-on"], *jobs["systems"]["strategy"]["matrix"]["system"]}
    assert systems == {"ubuntu-latest", "windows-latest", "macos-latest"}
    for job in jobs.values():
        for step in job["steps"]:
            for name in re.findall(r"(?:tests|\.ci)/[\w./]+", step.get("run", "")):
                assert (root / name).exists(), name
