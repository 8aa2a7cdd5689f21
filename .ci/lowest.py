"""Print the lowest versions that the distributions of this repository allow, as pip takes them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [ROOT / "pyproject.toml", *sorted((ROOT / "plugins").glob("*/pyproject.toml"))]


def floors() -> dict[str, str]:
    """The highest of the lowest versions of each dependency, of the core's, its plots' and the plugins'."""
    found: dict[str, str] = {}
    for source in SOURCES:
        project = tomllib.loads(source.read_text(encoding="utf-8"))["project"]
        extras = project.get("optional-dependencies", {})
        for requirement in [*project["dependencies"], *extras.get("plot", [])]:
            match = re.fullmatch(r"([a-z0-9-]+)>=([0-9.]+)", requirement)
            if match is None:
                raise SystemExit(f"{source}: {requirement!r} does not state a lowest version")
            name, version = match.groups()
            if not name.startswith("sigzoo"):
                found[name] = max(version, found.get(name, "0"), key=_order)
    return found


def _order(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def main() -> None:
    """Print a line each; torch as it is pinned, since its older releases come with gigabytes of CUDA."""
    pinned = re.search(r"^torch==\S+", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert pinned is not None
    for name, version in sorted(floors().items()):
        print(pinned.group() if name == "torch" else f"{name}=={version}")


if __name__ == "__main__":
    main()
