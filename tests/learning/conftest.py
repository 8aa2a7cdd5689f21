"""A small plugin, small data, and settings for training both in a second."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sigzoo.cli import run as run_command_line
from sigzoo.learning import DistillationSettings, TrainingResult, TrainingSettings, train

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def toy_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the toy plugin as an installed distribution."""
    site = tmp_path_factory.mktemp("site")
    shutil.copy(HERE / "toy" / "sigzoo_toy.py", site)
    info = site / "sigzoo_toy-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.4\nName: sigzoo-toy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[sigzoo]\ntoy = sigzoo_toy\n")
    return site


@pytest.fixture(autouse=True)
def _toy_plugin(toy_site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install the toy plugin for this process and for those that it starts."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.syspath_prepend(str(toy_site))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(toy_site), os.environ.get("PYTHONPATH", "")]))
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def killed_after() -> Callable[[int, Callable[[Callable[[int], object]], object]], None]:
    """Run something that tells of its steps, and stop it, as a kill would, in a step by its number."""

    class Killed(BaseException):
        pass

    def killed(number: int, work: Callable[[Callable[[int], object]], object]) -> None:
        steps: list[int] = []

        def kill(done: int) -> None:
            steps.append(done)
            if len(steps) == number:
                raise Killed

        with pytest.raises(Killed):
            work(kill)

    return killed


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run `sigzoo` inside this process; status, stdout, stderr."""

    def ran(*arguments: object) -> tuple[int, str, str]:
        status = run_command_line([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return ran


@pytest.fixture
def follow(
    run: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Iterable[str]], None]:
    """Run a page's commands one after the other, as a reader would in one shell; all must work."""

    def followed(commands: Iterable[str]) -> None:
        monkeypatch.setenv("SIGZOO_REGISTRY", "")
        for command in commands:
            program, *arguments = command.split()
            if program == "sigzoo":
                status, _, err = run(*arguments)
                assert status == 0, f"{command}\n{err}"
            else:
                torchrun = [sys.executable, "-m", "torch.distributed.run"]
                done = subprocess.run([*torchrun, *arguments], capture_output=True, text=True)
                assert done.returncode == 0, f"{command}\n{done.stderr}"
            os.environ["SIGZOO_REGISTRY"] = ""

    return followed


Make = Callable[..., Path]


@pytest.fixture(scope="session")
def patterns() -> Callable[..., tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]]:
    """Preprocessed images of writers that differ, and forgeries that come near: x, y, yforg."""

    def made(
        writers: int = 4, genuine: int = 10, forgeries: int = 0, size: tuple[int, int] = (12, 16)
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
        rng = np.random.default_rng(11)
        x, y, f = [], [], []
        for writer in range(writers):
            own = rng.random(size)
            for sample in range(genuine + forgeries):
                forged = sample >= genuine
                shown = np.clip(0.8 * own + (0.4 if forged else 0.15) * rng.standard_normal(size), 0, 1)
                x.append((255 * shown * (own > 0.3)).astype(np.uint8))
                y.append(10 * writer + 7)
                f.append(int(forged))
        return np.stack(x)[:, None], np.array(y), np.array(f)

    return made


@pytest.fixture
def npz(tmp_path: Path, patterns: Any) -> Make:
    """Write an npz of preprocessed patterns in sigver's layout."""

    def made(name: str = "data.npz", **what: Any) -> Path:
        x, y, yforg = patterns(**what)
        np.savez(tmp_path / name, x=x, y=y, yforg=yforg)
        return tmp_path / name

    return made


@pytest.fixture
def toy_settings(tmp_path: Path, npz: Make) -> Callable[..., TrainingSettings]:
    """Settings of a run that takes less than a second; anything can be said otherwise."""

    def made(**otherwise: Any) -> TrainingSettings:
        values: dict[str, Any] = {
            "backbone": "toy",
            "loss": "signet",
            "preprocessor": "toy-cut",
            "preprocessed": True,
            "output": tmp_path / "run",
            "epochs": 3,
            "batch_size": 12,
            "learning_rate": 0.02,
            "augment": (),
            "device": "cpu",
        }
        if "data" not in otherwise:
            values["data"] = str(npz())
        return TrainingSettings(**{**values, **otherwise})

    return made


@pytest.fixture(scope="session")
def log_rows() -> Callable[[Path], list[dict[str, str]]]:
    """Rows of a log, without the time they took."""

    def read(path: Path) -> list[dict[str, str]]:
        with path.open(newline="") as file:
            return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]

    return read


@pytest.fixture(scope="session")
def taught(tmp_path_factory: pytest.TempPathFactory, toy_site: Path, patterns: Any) -> TrainingResult:
    """A toy network with a writer head, trained on the patterns: registered as ``toy-teacher``."""
    place = tmp_path_factory.mktemp("teacher")
    x, y, yforg = patterns(genuine=20)
    np.savez(place / "data.npz", x=x, y=y, yforg=yforg)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(toy_site))
        result = train(
            TrainingSettings(
                backbone="toy",
                loss="signet",
                preprocessor="toy-cut",
                preprocessed=True,
                data=str(place / "data.npz"),
                output=place / "toy-teacher",
                epochs=15,
                batch_size=12,
                learning_rate=0.02,
                augment=(),
                device="cpu",
            )
        )
    return result


@pytest.fixture
def teacher(taught: TrainingResult, monkeypatch: pytest.MonkeyPatch) -> TrainingResult:
    """The toy teacher, where the registry finds it."""
    monkeypatch.setenv("SIGZOO_REGISTRY", str(taught.registry))
    return taught


@pytest.fixture
def inverted(tmp_path: Path, patterns: Any) -> Path:
    """Images that the teacher knows, in the layout of inverted data: float32 0 to 1, users from 350 on."""
    rng = np.random.default_rng(5)
    x, y, _ = (
        each.reshape(4, 20, *each.shape[1:])[:, :12].reshape(48, *each.shape[1:])
        for each in patterns(genuine=20)
    )
    noisy = x / 255 + 0.05 * rng.standard_normal(x.shape)
    np.savez(tmp_path / "inverted.npz", x=noisy.astype(np.float32), y=350 + (y - 7) // 10)
    return tmp_path / "inverted.npz"


@pytest.fixture
def toy_distillation(tmp_path: Path, inverted: Path) -> Callable[..., DistillationSettings]:
    """Settings of a distillation that takes less than a second; anything can be said otherwise."""

    def made(**otherwise: Any) -> DistillationSettings:
        values: dict[str, Any] = {
            "backbone": "toy",
            "teacher": "toy-teacher",
            "data": str(inverted),
            "output": tmp_path / "student",
            "epochs": 3,
            "batch_size": 12,
            "learning_rate": 0.02,
            "device": "cpu",
        }
        return DistillationSettings(**{**values, **otherwise})

    return made
