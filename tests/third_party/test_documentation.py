"""The pages on plugins are followed as they stand: files, commands, Python, in a fresh environment."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "plugins" / "index.md"

_BLOCK = re.compile(r"(?:<!-- file: (?P<file>\S+) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)```\n", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of the page."""

    language: str
    text: str
    file: str | None


def blocks(page: Path = PAGE) -> Iterator[Block]:
    for found in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        yield Block(found["language"], found["text"], found["file"])


KINDS = sorted(page for page in PAGE.parent.glob("*.md") if page != PAGE and "```bash" in page.read_text())


def _without_index(make_environment: Callable[..., Any]) -> Any:
    environment = make_environment()
    # What a page's pip would download is here already; and pip reads the second setting as "no isolation".
    environment.variables |= {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0"}
    return environment


@pytest.fixture(scope="module")
def for_kinds(make_environment: Callable[..., Any]) -> Any:
    """One environment for the pages of all kinds."""
    return _without_index(make_environment)


@pytest.mark.wheels
@pytest.mark.skipif(os.name == "nt", reason="the page's commands are for a POSIX shell")
@pytest.mark.parametrize("page", KINDS, ids=lambda page: page.stem)
def test_the_commands_of_the_page_of_a_kind_work(page: Path, for_kinds: Any) -> None:
    for block in blocks(page):
        if block.language == "bash":
            done = for_kinds.run("bash", "-euxo", "pipefail", "-c", block.text)
            assert done.returncode == 0, f"{block.text}\n{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="module")
def followed(make_environment: Callable[..., Any]) -> Any:
    """An environment in which all of the page has been done."""
    environment = _without_index(make_environment)
    for block in blocks():
        if block.file is not None:
            (environment.work / block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "bash":
            done = environment.run("bash", "-euxo", "pipefail", "-c", block.text)
            assert done.returncode == 0, f"{block.text}\n{done.stdout}\n{done.stderr}"
        else:
            assert block.language == "python", f"nobody runs a block of {block.language}"
            done = environment.python("-c", block.text)
            assert done.returncode == 0, f"{block.text}\n{done.stderr}"
    return environment


@pytest.mark.wheels
@pytest.mark.skipif(os.name == "nt", reason="the page's commands are for a POSIX shell")
def test_the_page_can_be_followed_to_its_end(followed: Any) -> None:
    with np.load(followed.work / "mine.npz") as last:
        assert str(last["model"]) == "mine"
        assert last["features"].shape[1] == 64
    (wheel,) = (followed.work / "dist").glob("*.whl")
    assert wheel.name.startswith("ourlab_sigzoo-0.1.0")


def test_the_page_has_blocks_of_each_kind() -> None:
    found = list(blocks())
    assert len(found) == PAGE.read_text(encoding="utf-8").count("```") // 2
    assert {block.language for block in found} == {"bash", "python", "yaml"}
    assert sum(block.file is not None for block in found) == 2
