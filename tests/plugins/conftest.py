"""Distributions that are installed for a test, and processes of sigzoo that see them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

HEAD = "from sigzoo import hookimpl\n\nSIGZOO_API = 1\n\n\n"
HOOK = "@hookimpl\ndef sigzoo_register_{kind}(register):\n    {body}\n\n\n"
CAUGHT = "import sigzoo\ntry: sigzoo.{call}\nexcept Exception as e: print(type(e).__name__, e)"
NETWORK = """\
import torch
from torch import nn

from sigzoo.interfaces import Backbone


class Net(Backbone):
    layers = ("features",)
    feature_dim = 2
    input_size = (8, 8)

    def __init__(self, *, width=2):
        super().__init__()
        self.fc = nn.Linear(64, width)

    def forward_layers(self, x, names):
        return {name: self.fc(x.flatten(1)) for name in names}


class Faulty(Net):
    def __init__(self):
        raise RuntimeError("the sky is falling")


class NotOne:
    pass
"""
REGISTRY = """\
models:
  {name}:
    summary: a test
    distribution: {distribution}
    backbone: {backbone}
    preprocessor: plain
    input_scale: 1.0
    weights: {{artifact: {name}-weights, format: safetensors}}
    features: {{layer: features, size: 2}}
    licence: {{code: MIT, weights: MIT, commercial_use: true}}
    trained_on: nothing
artifacts:
  {name}-weights:
    summary: weights
    urls: ["https://example.org/w.safetensors"]
    sha256: "{digest}"
    provenance: a test
"""


def hook(kind: str, *lines: str) -> str:
    return HOOK.format(kind=kind, body="\n    ".join(lines))


def backbone(name: str, target: str) -> str:
    return HEAD + hook("backbones", f"register({name!r}, {target!r})")


def models(text: str = "Path(__file__).with_name('registry.yaml')") -> str:
    return "from pathlib import Path\n\n" + HEAD + hook("models", f"register({text})")


def registry(name: str, distribution: str, backbone: str = "net", digest: str = "0" * 64) -> str:
    return REGISTRY.format(name=name, distribution=distribution, backbone=backbone, digest=digest)


class Site:
    """A folder of installed distributions, and processes of `sigzoo` that see them."""

    head, network, caught = HEAD, NETWORK, CAUGHT
    hook, backbone = staticmethod(hook), staticmethod(backbone)
    models, registry = staticmethod(models), staticmethod(registry)

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: list[str] = []

    def add(self, name: str, source: str, **files: str) -> None:
        """Install a distribution with a package of the same name (``-`` as ``_``)."""
        module = name.replace("-", "_")
        package = self.folder / module
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(source)
        for file, content in files.items():
            (package / file.replace("_yaml", ".yaml").replace("_py", ".py")).write_text(content)
        records = self.records(name)
        records.mkdir()
        (records / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.5\n")
        (records / "entry_points.txt").write_text(f"[sigzoo]\n{name}-entry = {module}\n")
        self.names.append(name)

    def records(self, name: str) -> Path:
        return self.folder / f"{name.replace('-', '_')}-2.5.dist-info"

    def python(self, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self._run(["-c", code], environment)

    def sigzoo(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self._run(["-m", "sigzoo", *arguments], environment)

    def _run(self, arguments: list[str], extra: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        chosen = {"SIGZOO_PLUGINS": ",".join(self.names)}
        env = {**os.environ, "PYTHONPATH": str(self.folder), **chosen, **extra}
        if env["SIGZOO_PLUGINS"] == "*":
            del env["SIGZOO_PLUGINS"]
        return subprocess.run(
            [sys.executable, *arguments], env=env, capture_output=True, text=True, check=False
        )

    def state(self, **environment: str) -> dict[str, dict[str, object]]:
        """What `sigzoo plugins --json` says, by distribution."""
        done = self.sigzoo("plugins", "--json", **environment)
        assert done.returncode == 0, done.stderr
        return {str(each["distribution"]): each for each in self.shown(done.stdout)}

    @staticmethod
    def shown(stdout: str) -> list[dict[str, object]]:
        """What `sigzoo plugins --json` printed, without the core's own parts."""
        own, *others = json.loads(stdout)
        assert (own["distribution"], own["healthy"]) == ("sigzoo", True)
        return others


@pytest.fixture(scope="session")
def new_site() -> Callable[[Path], Site]:
    """Make a folder for distributions."""
    return Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """No plugins yet."""
    return Site(tmp_path / "site")
