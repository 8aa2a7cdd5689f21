"""The Dockerfile, read by a parser of Dockerfiles: what it copies is there, what it runs is well-formed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).parents[2]
INSTRUCTIONS = {
    *("ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "RUN", "STOPSIGNAL"),
    *("USER", "WORKDIR", "COMMENT"),
}


@pytest.fixture(scope="module")
def steps(tmp_path_factory) -> list[tuple[str, str]]:
    """Instructions and their values, as the parser sees them; lines that go on are joined."""
    copy = tmp_path_factory.mktemp("docker") / "Dockerfile"
    shutil.copy(ROOT / "Dockerfile", copy)
    return [(each["instruction"], each["value"]) for each in DockerfileParser(str(copy)).structure]


def values(steps, instruction: str) -> list[str]:
    return [value for name, value in steps if name == instruction]


def test_every_instruction_is_one(steps) -> None:
    assert {name for name, _ in steps} <= INSTRUCTIONS
    assert [value.split()[0] for value in values(steps, "FROM")] == ["python:3.11-slim"] * 2


def test_the_service_runs_as_no_root_and_says_how_it_is(steps) -> None:
    last = max(place for place, (name, _) in enumerate(steps) if name == "FROM")
    final = steps[last:]
    (user,) = values(final, "USER")
    assert int(user) > 0
    (health,) = values(final, "HEALTHCHECK")
    command = json.loads(health.partition("CMD ")[2])
    compile(command[2], "health", "exec")
    assert "/health" in command[2]


def test_the_command_is_one_that_sigzoo_has(steps) -> None:
    from sigzoo.cli.serve import serve

    (entry,) = values(steps, "ENTRYPOINT")
    program, command, *options = json.loads(entry)
    assert (program, command) == ("sigzoo", serve.name)
    known = {name for each in serve.params for name in each.opts}
    assert {each for each in options if each.startswith("--")} <= known


def test_shells_understand_what_is_run(steps) -> None:
    for line in values(steps, "RUN"):
        subprocess.run(["sh", "-n", "-c", line], check=True)


def test_what_is_copied_is_there_and_not_ignored(steps) -> None:
    copied = [value.split()[:-1] for value in values(steps, "COPY") if "--from" not in value]
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    names = {name for each in copied for name in each}
    assert names == kept
    assert all((ROOT / name).exists() for name in names)


def test_the_lock_file_pins_all_that_the_service_needs(steps, tmp_path) -> None:
    """Run the line that makes the constraints, and look for each requirement of core and extra in them."""
    line = next(value for value in values(steps, "RUN") if "constraints.txt" in value).partition(" && ")[0]
    shutil.copy(ROOT / "requirements.txt", tmp_path)
    subprocess.run(["sh", "-c", line], cwd=tmp_path, check=True)
    lines = (tmp_path / "constraints.txt").read_text().split()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["serve"]]
    names = {_name(re.split(r"[\[><=]", each)[0]) for each in wanted}
    assert names <= {_name(each.partition("==")[0]) for each in lines}


def _name(text: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", text).lower()
