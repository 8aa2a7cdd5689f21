"""Each extra alone is enough for what it is for, tried with wheels in fresh environments.

An environment has the wheels of this repository, and links to exactly the distributions that their metadata
name for one extra: what an extra forgets to name is missing. Downloading torch for each would take an hour.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

pytestmark = pytest.mark.wheels

DRAW = "from sigzoo.cli import run; assert run(['synth', '-o', 'signatures', '--workers', '1']) == 0\n"
RUN = DRAW + "assert run({words}) == 0"
HEIF = """
import pillow_heif
from PIL import Image
pillow_heif.register_heif_opener()
Image.open('signatures/w001_g01.png').convert('RGB').save('s.heic')
assert run(['embed', 's.heic', '-o', 'f.npz']) == 0
"""
PROBES = {
    "": RUN.format(words=["embed", "signatures", "-o", "f.npz"]),
    "plot": RUN.format(words=["compare", "signatures", "--plot", "c.png"]),
    "eval": "import sigzoo.sklearn\n" + RUN.format(words=["list"]),
    "heif": DRAW + HEIF,
    "onnx": RUN.format(words=["embed", "signatures", "--runtime", "onnx", "-o", "f.npz"]),
    "openvino": RUN.format(words=["embed", "signatures", "--runtime", "openvino", "-o", "f.npz"]),
    "parquet": RUN.format(words=["embed", "signatures", "-o", "f.parquet"]),
    "ray": "import ray.data, pyarrow",
    "remote": "import fsspec; fsspec.filesystem('s3', anon=True)",
    "search": RUN.format(words=["embed", "signatures", "-o", "f.npz"])
    + "\nassert run(['index', 'f.npz', '-o', 'index']) == 0\nimport faiss",
    "serve": "import fastapi, prometheus_client, python_multipart, uvicorn, sigzoo.cli.serve",
}


@pytest.fixture(scope="module")
def wheels(root: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Wheels of the core and of the bundled models."""
    folder = tmp_path_factory.mktemp("wheels")
    for source in (root, root / "plugins/sigzoo-students"):
        command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source]
        subprocess.run(command, check=True, capture_output=True)
    return sorted(folder.glob("*.whl"))


def needed(root: Path, extra: str) -> set[str]:
    """Names of the distributions that the core needs with an extra, itself left out."""
    spec = importlib.util.spec_from_file_location("extra_sizes", root / "docs/extra_sizes.py")
    assert spec is not None
    assert spec.loader is not None
    sizes = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sizes)
    found: set[str] = sizes.closure("sigzoo", frozenset({extra} if extra else ()))
    return found - {"sigzoo"}


def environment(folder: Path, wheels: list[Path], names: set[str]) -> Path:
    """A fresh environment of wheels, and of links to the files of distributions; its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", site, *wheels]
    subprocess.run(pip, check=True, capture_output=True)
    for name in names:
        found = distribution(name)
        for top in {path.parts[0] for path in found.files or () if path.parts[0] != ".."}:
            if not (site / top).exists():
                (site / top).symlink_to(Path(str(found.locate_file(top))))
    return folder / "bin/python"


@pytest.mark.parametrize("extra", PROBES)
def test_an_extra_alone_is_enough(root: Path, wheels: list[Path], tmp_path: Path, extra: str) -> None:
    python = environment(tmp_path / "env", wheels, needed(root, extra))
    (tmp_path / "work").mkdir()
    done = subprocess.run(
        [python, "-c", PROBES[extra]],
        cwd=tmp_path / "work",
        env={"PATH": "/usr/bin:/bin", "SIGZOO_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_without_an_extra_the_error_names_it(root: Path, wheels: list[Path], tmp_path: Path) -> None:
    python = environment(tmp_path / "env", wheels, needed(root, ""))
    for words, extra in (
        (["compare", "signatures", "--plot", "c.png"], "plot"),
        (["embed", "signatures", "-o", "f.parquet"], "parquet"),
        (["embed", "signatures", "--runtime", "onnx", "-o", "f.npz"], "onnx"),
        (["serve"], "serve"),
    ):
        code = DRAW + f"assert run({words}) in (1, 2)"
        done = subprocess.run(
            [python, "-c", code],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "SIGZOO_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert f"sigzoo[{extra}]" in done.stderr


def test_the_core_alone_says_which_distribution_to_add(
    root: Path, wheels: list[Path], tmp_path: Path
) -> None:
    core = [wheel for wheel in wheels if wheel.name.startswith("sigzoo-")]
    python = environment(tmp_path / "env", core, needed(root, ""))
    code = DRAW + "assert run(['embed', 'signatures']) in (1, 2)"
    done = subprocess.run(
        [python, "-c", code], cwd=tmp_path, capture_output=True, text=True, env={"PATH": ""}
    )
    assert done.returncode == 0, done.stderr
    assert "pip install sigzoo-students" in done.stderr


def test_every_extra_is_tried() -> None:
    declared = set(distribution("sigzoo").metadata.get_all("Provides-Extra") or ())
    assert set(PROBES) - {""} == declared - {"all", "docs", "test"}
