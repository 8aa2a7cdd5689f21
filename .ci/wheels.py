"""Build a wheel of each distribution and run the main job from them, outside the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [ROOT, *sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))]


def run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Run a command, show it where it fails, return what it printed."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


def build(folder: Path) -> list[Path]:
    """Build all wheels into a folder."""
    for source in SOURCES:
        command = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder)
        run(*command, source, cwd=folder)
    return sorted(folder.glob("*.whl"))


def check_contents(wheels: list[Path]) -> None:
    """The registry, type markers and bundled weights are inside, caches and tests are not."""
    names = {wheel.name.split("-")[0]: set(zipfile.ZipFile(wheel).namelist()) for wheel in wheels}
    assert "sigzoo/registry.yaml" in names["sigzoo"]
    assert "sigzoo_community/asmitkt/golden/features.npy" in names["sigzoo_community"]
    for bundled in ("synsig-base.safetensors", "synsig-tiny.safetensors", "NOTICE"):
        assert f"sigzoo_students/weights/{bundled}" in names["sigzoo_students"], bundled
    for package, files in names.items():
        assert f"{package}/py.typed" in files, package
        own = [name for name in files if not name.startswith("sigzoo/scaffold/templates/")]
        stray = [name for name in own if "tests/" in name or name.endswith((".pyc", ".pkl", ".pth"))]
        assert not stray, stray


def install(folder: Path, wheels: list[Path]) -> Path:
    """Make an environment with the wheels, which borrows the rest from this one's libraries."""
    run(sys.executable, "-m", "venv", folder, cwd=ROOT)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", *wheels, cwd=folder)
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(run(python, "-c", code, cwd=folder).strip())
    # A plain path line, unlike site.addsitedir, does not run this environment's own .pth files:
    # the editable checkout stays out of sight.
    (site / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    where = run(python, "-c", "import sigzoo; print(sigzoo.__file__)", cwd=folder).strip()
    assert Path(where).is_relative_to(folder), f"sigzoo comes from {where}"
    return folder / "bin" / "sigzoo"


def main() -> None:
    """Build, look inside, install, run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "wheels").mkdir()
        wheels = build(folder / "wheels")
        check_contents(wheels)
        sigzoo = install(folder / "env", wheels)
        env = {key: value for key, value in os.environ.items() if not key.startswith(("SIGZOO_", "PYTHON"))}
        env |= {"SIGZOO_HOME": str(folder / "home"), "SIGZOO_STRICT": "1", "SIGZOO_OFFLINE": "1"}
        run(sigzoo, "synth", "-o", "signatures", cwd=folder, env=env)
        print(run(sigzoo, "embed", "signatures", cwd=folder, env=env), end="")
        print(run(sigzoo, "compare", "signatures", "--plot", "compare.png", cwd=folder, env=env), end="")
        print(run(sigzoo, "plugins", cwd=folder, env=env), end="")
        for wheel in wheels:
            print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.2f} MB, works outside the checkout")


if __name__ == "__main__":
    main()
