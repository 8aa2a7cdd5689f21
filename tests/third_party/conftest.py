"""Fresh virtual environments in which sigzoo is its wheel and nothing comes from this checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

Done = subprocess.CompletedProcess[str]


def run(command: list[str | Path], folder: Path, environment: dict[str, str] | None = None) -> Done:
    return subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**clean_environment(), **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )


def clean_environment() -> dict[str, str]:
    """The environment of the tests, without what would change which code is found."""
    dropped = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    return {key: value for key, value in os.environ.items() if key not in dropped}


def build_wheel(source: Path, folder: Path) -> Path:
    """Build a wheel in a folder of its own."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-x", "--outdir", folder, source]
    done = run(command, source)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


def build_wheels(sources: Iterable[Path], folder: Path) -> list[Path]:
    sources = list(sources)
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(build_wheel, sources, [folder / source.name for source in sources]))


@dataclass
class Environment:
    """A virtual environment; its commands run in a folder of their own."""

    folder: Path
    work: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def programs(self) -> Path:
        return self.folder / ("Scripts" if os.name == "nt" else "bin")

    def run(self, *command: str | Path) -> Done:
        """Run a command line with the environment's programs first on the path."""
        path = os.pathsep.join([str(self.programs), os.environ.get("PATH", "")])
        return run(list(command), self.work, {**self.variables, "PATH": path})

    def sigzoo(self, *arguments: str | Path) -> Done:
        """Run the installed program."""
        return self.run(self.programs / "sigzoo", *arguments)

    def python(self, *arguments: str | Path) -> Done:
        return self.run(self.programs / "python", *arguments)

    def pip(self, command: str, *arguments: str | Path) -> None:
        options = [] if command == "uninstall" else ["--no-deps", "--no-index", "--no-build-isolation"]
        quiet = ["--quiet", "--disable-pip-version-check"]
        done = self.python("-m", "pip", command, *quiet, *options, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr


MakeEnvironment = Callable[..., Environment]


@pytest.fixture(scope="session")
def build() -> Callable[[Iterable[Path], Path], list[Path]]:
    """Build the wheels of some source folders."""
    return build_wheels


@pytest.fixture(scope="session")
def own_wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The wheels of the core, SigNet and the students."""
    sources = [ROOT, *(ROOT / "plugins" / name for name in ("sigzoo-signet", "sigzoo-students"))]
    return build_wheels(sources, tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="session")
def dependencies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that shows what this process's environment has installed, except for sigzoo itself.

    Links, because torch is too large to copy; and no ``.pth`` file, through which an editable
    installation would bring this checkout in.
    """
    folder = tmp_path_factory.mktemp("dependencies")
    for place in dict.fromkeys(Path(path) for path in sys.path):
        if place.name not in ("site-packages", "dist-packages") or not place.is_dir():
            continue
        for entry in place.iterdir():
            link = folder / entry.name
            if "sigzoo" not in entry.name.lower() and entry.suffix != ".pth" and not link.is_symlink():
                link.symlink_to(entry)
    return folder


@pytest.fixture(scope="session")
def make_environment(
    tmp_path_factory: pytest.TempPathFactory, dependencies: Path, own_wheels: list[Path]
) -> MakeEnvironment:
    """Make an environment with sigzoo's own wheels and some others."""

    def make(*wheels: Path) -> Environment:
        folder = tmp_path_factory.mktemp("environment")
        venv.create(folder / "venv", with_pip=False, symlinks=os.name != "nt")
        made = Environment(folder / "venv", folder / "work")
        made.work.mkdir()
        made.variables |= {"SIGZOO_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}
        (site,) = made.folder.glob("**/site-packages")
        (site / "dependencies.pth").write_text(f"{dependencies}\n")
        made.pip("install", *own_wheels, *wheels)
        where = made.python("-c", "import sigzoo; print(sigzoo.__file__)").stdout
        assert str(made.folder) in where, f"not the wheel's sigzoo: {where}"
        return made

    return make
