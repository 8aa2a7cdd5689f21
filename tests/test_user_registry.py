"""Weights that a user trained, by name: `SIGZOO_REGISTRY` and `--registry`, checked like any registry."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import sigzoo
from sigzoo.errors import RegistryError
from sigzoo.registry import read_registry
from sigzoo.weights import save_weights

REGISTRY = """\
models:
  mine:
    summary: my own
    distribution: sigzoo-students
    backbone: student-tiny
    preprocessor: synsig
    input_scale: 0.00392156862745098
    weights: {{artifact: mine-weights, format: safetensors}}
    features: {{layer: embedding, size: 160}}
    licence: {{code: BSD-3-Clause, weights: mine alone, commercial_use: false}}
    trained_on: signatures of my own
artifacts:
  mine-weights:
    summary: my weights
    urls: ["{url}"]
    {digest}
    provenance: my own training
"""


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A weight file in a folder whose name needs quoting in a URL."""
    folder = tmp_path / "my models"
    folder.mkdir()
    torch.manual_seed(3)
    return save_weights(folder / "mine.safetensors", sigzoo.backbone("student-tiny").state_dict())


def sha256(path: Path) -> str:
    return f'sha256: "{hashlib.sha256(path.read_bytes()).hexdigest()}"'


def write(path: Path, url: str, digest: str) -> Path:
    path.write_text(REGISTRY.format(url=url, digest=digest))
    return path


def command_line(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sigzoo", *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("url", ["file:mine.safetensors", "file:./../my%20models/mine.safetensors"])
def test_a_relative_file_lies_beside_its_registry(
    weights: Path, signatures: list[Path], tmp_path: Path, url: str
) -> None:
    registry = write(weights.parent / "my.yaml", url, sha256(weights))
    output = tmp_path / "features.npz"
    done = command_line("--registry", registry, "embed", signatures[0], "-m", "mine", "-o", output)
    assert done.returncode == 0, done.stderr
    with np.load(output) as found:
        assert found["features"].shape == (1, 160)


def test_the_variable_names_registries_for_every_command(weights: Path, tmp_path: Path) -> None:
    one = write(weights.parent / "one.yaml", "file:mine.safetensors", sha256(weights))
    other = tmp_path / "two.yaml"
    other.write_text(one.read_text().replace("mine:", "yours:").replace("mine-weights", "yours-weights"))
    named = os.pathsep.join([str(one), str(other)])
    done = command_line("list", "--json", SIGZOO_REGISTRY=named)
    assert {"mine", "yours", "signet"} < {each["name"] for each in json.loads(done.stdout)}


def test_urls_of_other_kinds_and_absolute_files_stay_as_they_are(tmp_path: Path) -> None:
    digest = f'sha256: "{"0" * 64}"'
    for url in ("https://example.org/w", "file:///w", "file:/w", "package:a/w", "gdrive:file"):
        registry = read_registry(write(tmp_path / "r.yaml", url, digest))
        assert registry.artifacts["mine-weights"].urls == [url]


def test_the_base_of_a_collection_may_be_a_relative_folder(tmp_path: Path) -> None:
    text = (
        'artifacts:\n  scans:\n    summary: s\n    provenance: p\n    base_url: "file:scans/"\n'
        f'    files:\n      a.png: {{sha256: "{"0" * 64}"}}\n'
    )
    (tmp_path / "r.yaml").write_text(text)
    base = read_registry(tmp_path / "r.yaml").artifacts["scans"].base_url
    assert base == (tmp_path / "scans").as_uri() + "/"


def test_a_file_that_is_not_the_one_in_the_registry_is_refused(weights: Path, tmp_path: Path) -> None:
    registry = write(weights.parent / "my.yaml", "file:mine.safetensors", sha256(weights))
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    done = command_line("--registry", registry, "fetch", "mine")
    assert done.returncode == 1
    assert "mine-weights" in done.stderr


def test_a_file_without_a_digest_must_say_so(weights: Path) -> None:
    with pytest.raises(RegistryError, match=r"artifacts\.mine-weights.*`unpinned: true`|sha256"):
        read_registry(write(weights.parent / "my.yaml", "file:mine.safetensors", "size: 5"))
    registry = write(weights.parent / "my.yaml", "file:mine.safetensors", "unpinned: true")
    assert command_line("--registry", registry, "fetch", "mine").returncode == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("  mine:\n", "  signet:\n"), "the model name 'signet' is taken by sigzoo"),
        (("trained_on", "trianed_on"), "models.mine.trianed_on: unknown key"),
        (("urls: [", "filename: ../x\n    urls: ["), "artifacts.mine-weights"),
    ],
)
def test_a_registry_of_the_user_is_an_error_where_it_is_not_valid(
    weights: Path, change: tuple[str, str], words: str
) -> None:
    registry = write(weights.parent / "my.yaml", "file:mine.safetensors", sha256(weights))
    registry.write_text(registry.read_text().replace(*change))
    done = command_line("--registry", registry, "list")
    assert done.returncode == 1
    assert words in done.stderr
    assert str(registry) in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_a_registry_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = command_line("--registry", tmp_path / "none.yaml", "list")
    assert done.returncode in (1, 2)
    assert "none.yaml" in done.stderr
