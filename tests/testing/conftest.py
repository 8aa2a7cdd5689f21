"""A plugin that is installed for one test: a package and its records on the path."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

Install = Callable[..., Path]

METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a distribution whose package has the same name; no other plugin is in use."""
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(str(site))
    installed: list[str] = []

    def forget() -> None:
        for module in [each for each in sys.modules if each.partition(".")[0] in installed]:
            del sys.modules[module]

    def put(name: str, files: Mapping[str, str | bytes]) -> Path:
        package, records = site / name, site / f"{name}-1.0.dist-info"
        records.mkdir(parents=True)
        (records / "METADATA").write_text(METADATA.format(name=name))
        (records / "entry_points.txt").write_text(f"[sigzoo]\n{name} = {name}\n")
        for file, content in files.items():
            path = package / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        installed.append(name)
        monkeypatch.setenv("SIGZOO_PLUGINS", name)
        forget()
        return package

    yield put
    forget()
