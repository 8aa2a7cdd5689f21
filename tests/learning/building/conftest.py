"""A small teacher and its images behind an HTTP server, and a registry with a student's recipe."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import sigzoo
from sigzoo.cli import run as run_command_line
from sigzoo.weights import save_weights

ROOT = Path(__file__).parents[3]
SIZE, WRITERS, EACH, FIRST = (24, 32), 6, 12, 350
TEACHER = {"name": "student-tiny", "input_size": list(SIZE), "widths": [8, 8, 8], "feature_dim": 12}
STUDENT = {"name": "student-tiny", "input_size": list(SIZE), "widths": [4, 4, 6], "feature_dim": 8}


class Site:
    """Files of a folder over HTTP, and what was asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked = folder, asked = folder, []  # type: ignore[var-annotated]

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                super().do_GET()

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def artifact(self, file: str, **facts: Any) -> dict[str, Any]:
        """The registry's entry of a file of the folder, as somebody who published it would write it."""
        content = (self.folder / file).read_bytes()
        return {
            "summary": file,
            "urls": [f"http://127.0.0.1:{self.server.server_address[1]}/{file}"],
            "filename": file,
            "sha256": hashlib.sha256(content).hexdigest(),
            "size": len(content),
            "provenance": "made for a test",
            **facts,
        }

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A server of this test's own."""
    folder = tmp_path / "site"
    folder.mkdir()
    server = Site(folder)
    yield server
    server.close()


@pytest.fixture(scope="session")
def images() -> tuple[np.ndarray, np.ndarray]:
    """What a teacher was inverted to: x float32 from 0 to 1, y users from 350 on."""
    rng = np.random.default_rng(5)
    own = (rng.random((WRITERS, 1, *SIZE)) > 0.7).astype(np.float32)
    x = own.repeat(EACH, axis=0) * rng.uniform(0.6, 1.0, (WRITERS * EACH, 1, *SIZE))
    return x.astype(np.float32), np.arange(FIRST, FIRST + WRITERS).repeat(EACH)


@pytest.fixture(scope="session")
def teacher(images: tuple[np.ndarray, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a random network whose head names the writer with the nearest mean."""
    torch.manual_seed(1)
    options = {key: value for key, value in TEACHER.items() if key != "name"}
    backbone = sigzoo.backbone("student-tiny", **options).eval()
    with torch.no_grad():
        features = backbone(torch.from_numpy(images[0]))
    means = torch.stack([each.mean(dim=0) for each in features.split(EACH)])
    head = {"weight": 400.0 * means, "bias": -200.0 * means.square().sum(dim=1)}
    path = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    return save_weights(path, backbone.state_dict(), {"writer": head})


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """One thread, an empty cache, no network but the test's own."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("SIGZOO_HOME", str(tmp_path / "home"))
    for name in [each for each in os.environ if each.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The cache of this test."""
    return tmp_path / "home"


Publish = Callable[..., Path]


@pytest.fixture
def publish(
    site: Site,
    images: tuple[np.ndarray, np.ndarray],
    teacher: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Publish:
    """Publish the teacher, its images and a recipe for a student; say what is to be otherwise."""

    def published(
        settings: dict[str, Any] | None = None,
        x: np.ndarray | None = None,
        y: np.ndarray | None = None,
        **recipe: Any,
    ) -> Path:
        (site.folder / "teacher.safetensors").write_bytes(teacher.read_bytes())
        x, y = images[0] if x is None else x, images[1] if y is None else y
        np.savez(site.folder / "images.npz", x=x, y=y, yforg=np.zeros(len(y), np.int64))
        common = {
            "distribution": "sigzoo-students",
            "preprocessor": {"name": "synsig", "canvas": list(SIZE)},
            "input_scale": 1 / 255,
            "heads": {"writer": WRITERS},
            "licence": {"code": "MIT", "weights": "for research only", "commercial_use": False},
        }
        taught = {
            "epochs": 4,
            "batch_size": 8,
            "learning_rate": 0.03,
            "first_label": FIRST,
            **(settings or {}),
        }
        content = {
            "models": {
                "toy-teacher": {
                    **common,
                    "summary": "a teacher",
                    "backbone": TEACHER,
                    "weights": {"artifact": "toy-teacher-weights", "format": "safetensors"},
                    "features": {"layer": "embedding", "size": 12},
                    "trained_on": "nothing",
                },
                "toy-student": {
                    **common,
                    "summary": "a student",
                    "backbone": STUDENT,
                    "recipe": {
                        "teacher": "toy-teacher",
                        "data": "toy-images",
                        "loss": {"name": "kd-kl", "temperature": 1.0},
                        "settings": taught,
                        **recipe,
                    },
                    "features": {"layer": "embedding", "size": 8},
                    "trained_on": "images inverted from toy-teacher",
                    "aliases": ["toy-pupil"],
                },
            },
            "artifacts": {
                "toy-teacher-weights": site.artifact("teacher.safetensors", licence="for research only"),
                "toy-images": site.artifact("images.npz"),
            },
        }
        path = tmp_path / "registry.yaml"
        path.write_text(json.dumps(content))
        monkeypatch.setenv("SIGZOO_REGISTRY", str(path))
        return path

    return published


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run `sigzoo` inside this process: status, stdout, stderr."""

    def ran(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = run_command_line([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return ran


@pytest.fixture
def child() -> Callable[..., subprocess.Popen[str]]:
    """Start Python code in a process of its own, in this test's cache and registry."""

    def started(code: str) -> subprocess.Popen[str]:
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        return subprocess.Popen(
            [sys.executable, "-c", f"import torch; torch.set_num_threads(1)\n{code}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )

    return started
