"""Blocks that `test_pages.py` does not run are read as strictly as can be without running them.

A command that needs the network, a bucket, data or hours is parsed by the program itself; a script has the
options that a page gives it; YAML is read as a registry; a Dockerfile copies what is there. No block is of
another kind.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from sigzoo.cli import run
from sigzoo.registry import read_registry

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("plugins/*/README.md"), ROOT / "README.md"])
RUN_ELSEWHERE = {"bash", "python"}
"""Of the site's pages by `test_pages.py` and the tests that it names, of the README by `test_readme.py`."""

PARSED_TOO = {"docs/cache.md", "plugins/sigzoo-community/README.md"}
"""Pages whose `bash` fetches."""


def block(page: str, language: str, number: int = 0) -> str:
    """The text of one block."""
    found = BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    return [text for kind, text in found if kind == language][number]


def blocks() -> Iterator[tuple[str, str, str]]:
    """Page, language and text of all blocks that nothing runs."""
    for path in PAGES:
        page = path.relative_to(ROOT).as_posix()
        for language, text in BLOCK.findall(path.read_text(encoding="utf-8")):
            if language not in RUN_ELSEWHERE or (language == "bash" and page in PARSED_TOO):
                yield page, language, text


FOUND = list(blocks())
COMMANDS = [
    (page, line)
    for page, language, text in FOUND
    if language in ("", "bash", "shell", "text")
    for line in text.replace("\\\n", "").splitlines()
    if line.partition("#")[0].strip()
]


def test_every_block_is_of_a_kind_that_is_checked() -> None:
    assert {language for _, language, _ in FOUND} == {"", "bash", "shell", "text", "yaml", "dockerfile"}
    assert len(COMMANDS) > 30
    everywhere = [path.read_text(encoding="utf-8") for path in PAGES]
    # A fence that is indented or of tildes would be seen by nobody.
    assert sum(len(BLOCK.findall(text)) for text in everywhere) * 2 == sum(
        len(re.findall(r"^\s*(?:```|~~~)", text, re.MULTILINE)) for text in everywhere
    )


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_a_command_that_is_not_run_is_one(page: str, line: str) -> None:
    if "_SIGZOO_COMPLETE" in line:
        return _completes(line)
    words = shlex.split(line, comments=True)
    if words[0] == "export":
        name = words[1].partition("=")[0]
        assert name in " ".join(_environment())
        return None
    return KINDS[words[0]](words[1:])


def _environment() -> set[str]:
    """The variables that the reference describes."""
    from generators import environment

    return {*environment.READ, *environment.ELSEWHERE}


def _parsed(words: list[str]) -> None:
    """A command of sigzoo: with ``--help`` nothing is done, yet unknown commands and options are refused."""
    with contextlib.redirect_stdout(io.StringIO()):
        assert run([*words, "--help"]) == 0
        assert run([*words, "--no-such-option", "--help"]) == 2


def _script(words: list[str]) -> None:
    """A script of the repository, with options that it has."""
    script, *arguments = words
    done = subprocess.run(
        [sys.executable, ROOT / script, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    options = [each for each in arguments if each.startswith("-")]
    assert [each for each in options if not re.search(rf"(?<![\w-]){each}(?![\w-])", done.stdout)] == []
    for each in arguments:
        assert not each.startswith("docs/") or (ROOT / each).is_file(), each


def _pip(words: list[str]) -> None:
    """Distributions of this repository are installed, with extras that they have."""
    command, *named = words
    assert command == "install"
    for each in named:
        found = re.fullmatch(r"(\.[\w/-]*)(?:\[([\w,]+)\])?", each)
        assert found is not None, each
        project = tomllib.loads((ROOT / found[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        assert set((found[2] or "").split(",")) <= {"", *project.get("optional-dependencies", {})}


def _docker(words: list[str]) -> None:
    """An image of this repository's Dockerfile, or of the page's, and what is run in it."""
    if words[0] == "build":
        assert words[-1] == "."
        assert (ROOT / "Dockerfile").is_file()
        return
    image = next(number for number, each in enumerate(words) if each in ("sigzoo", "signatures"))
    assert words[0] == "run"
    if words[image + 1 :]:
        _parsed(words[image + 1 :])


def _completes(line: str) -> None:
    ((source, shell),) = re.findall(r"_SIGZOO_COMPLETE=((\w+)_source)", line)
    done = subprocess.run(
        [sys.executable, "-m", "sigzoo"],
        env={"PATH": "/usr/bin:/bin", "_SIGZOO_COMPLETE": source, "HOME": "/"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert f"_SIGZOO_COMPLETE={shell}_complete" in done.stdout


KINDS: dict[str, Callable[[list[str]], None]] = {
    "sigzoo": _parsed,
    "python": _script,
    "pip": _pip,
    "docker": _docker,
}


def test_the_image_of_the_page_on_containers_holds_what_is_here() -> None:
    from generators import environment

    lines = block("docs/containers.md", "dockerfile").splitlines()
    assert lines[0].startswith("FROM python:3.")
    known = {"FROM", "RUN", "COPY", "ENV", "USER", "WORKDIR", "ENTRYPOINT"}
    assert {line.split()[0] for line in lines} <= known
    for line in lines[1:]:
        kind, *words = shlex.split(line)
        if kind == "RUN" and words[0] == "sigzoo":
            _parsed(words[1:])
        elif kind == "RUN":
            assert words[:2] == ["pip", "install"]
            sources = [each for each in words if each.startswith("/src")]
            assert all(
                (ROOT / f".{each.removeprefix('/src')}" / "pyproject.toml").is_file() for each in sources
            )
        elif kind == "ENV":
            assert words[0].partition("=")[0] in environment.variables()


def test_yaml_of_the_pages_is_what_the_registry_reads(tmp_path: Path) -> None:
    whole = yaml.safe_load(block("docs/plugins/registry.md", "yaml"))
    card, artifacts = whole["models"]["mine"], whole["artifacts"]
    card |= yaml.safe_load(block("docs/plugins/weight-formats.md", "yaml"))
    assert card["weights"]["format"] == "torch"
    of_models = block("docs/plugins/models.md", "yaml").replace("    golden:", "golden:", 1)
    golden = yaml.safe_load(of_models.replace('"..."', f'"{"0" * 64}"'))
    card["golden"] = golden["golden"]
    for text in (golden["artifacts"], yaml.safe_load(block("docs/cache.md", "yaml"))["artifacts"]):
        for name, entry in text.items():  # what every artifact has is left out on one page
            artifacts[name] = {"summary": "some", "provenance": "some", **entry}
    student = {key: value for key, value in card.items() if key not in ("weights", "golden", "aliases")}
    whole["models"]["student"] = student | yaml.safe_load(block("docs/distillation.md", "yaml"))
    (tmp_path / "registry.yaml").write_text(json.dumps(whole).replace("1e-05", "0.00001"), encoding="utf-8")
    read = read_registry(tmp_path / "registry.yaml")
    recipe = read.models["student"].recipe
    assert recipe is not None
    assert recipe.loss.options == {"temperature": 1.0}
    (case,) = read.models["mine"].golden
    ((name, collection),) = golden["artifacts"].items()
    assert {*case.images, case.features} == {f"{name}/{file}" for file in collection["files"]}


def test_the_models_plugin_of_the_page_registers_its_file(tmp_path: Path) -> None:
    code = block("docs/plugins/models.md", "python")
    module = tmp_path / "ourlab.py"
    names: dict[str, object] = {"__file__": str(module), "__name__": "ourlab"}
    exec(compile(code, str(module), "exec"), names)
    taken: list[Path] = []
    names["sigzoo_register_models"](taken.append)  # type: ignore[operator]
    assert taken == [tmp_path / "registry.yaml"]
    assert names["SIGZOO_API"] == 1


def test_the_weight_format_of_the_page_reads_its_files_and_withstands_others(tmp_path: Path) -> None:
    from sigzoo.testing.weight_formats import check_weight_format

    names: dict[str, object] = {"__name__": "ourlab_sigzoo.flat"}
    exec(compile(block("docs/plugins/weight-formats.md", "python"), "flat.py", "exec"), names)
    flat = names["FlatFormat"]()  # type: ignore[operator]

    check_weight_format(flat)
    values = np.arange(5, dtype="<f4")
    (tmp_path / "whole.flat").write_bytes(b"FLAT" + (5).to_bytes(4, "little") + values.tobytes())
    assert flat.recognises(tmp_path / "whole.flat")
    np.testing.assert_array_equal(flat.read(tmp_path / "whole.flat").tensors["flat"], values)
    registered: list[tuple[str, str]] = []
    exec(compile(block("docs/plugins/weight-formats.md", "python", 1), "flat.py", "exec"), names)
    names["sigzoo_register_weight_formats"](lambda *words: registered.append(words))  # type: ignore[operator]
    assert registered == [("flat", "ourlab_sigzoo.flat:FlatFormat")]


@pytest.mark.slow
def test_the_network_of_spp_is_exported_as_its_page_says() -> None:
    pytest.importorskip("sigzoo_spp")
    exec(compile(block("plugins/sigzoo-spp/README.md", "python"), "README.md", "exec"), {})
