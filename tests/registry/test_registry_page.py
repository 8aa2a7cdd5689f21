"""The page of the registry's keys: its example is valid, and names no key that it does not explain."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from sigzoo.registry import read_registry

PAGE = Path(__file__).parents[2] / "docs" / "plugins" / "registry.md"


def test_the_example_of_the_page_is_a_registry(tmp_path: Path) -> None:
    text = PAGE.read_text()
    (block,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "registry.yaml").write_text(block)
    registry = read_registry(tmp_path / "registry.yaml")
    assert registry.models["mine"].backbone.options == {"heads": 8}
    assert registry.artifacts["mine-weights"].urls[1].startswith("gdrive:")
    explained = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    raw = yaml.safe_load(block)
    for section in raw.values():
        for entry in section.values():
            assert set(entry) <= explained
