"""The page of speed holds what the benchmark writes, and the benchmark writes only that part of it."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

FOUND = {
    "machine": {
        **{"date": "2026-01-02 03:04 UTC", "processor": "A chip (avx2)", "cores": 2, "load": 0.1},
        **{"memory_gb": 8.0, "python": "3.11", "torch": "2", "numpy": "2", "gflops": 100.0, "gbytes": 10.0},
    },
    "files": {"scans": 3, "images": 6},
    "preparation": {
        "milliseconds": {"look": [1.0, 2.0, 3.0], "sigver": [2.0, 2.0, 2.0], "published program": [20.0] * 3}
    },
    "forward": [{"model": "m", "runtime": "torch", "precision": "float32", "ms": 4.0, "floor_ms": 1.0}],
    "features": [
        {
            "model": "m",
            "runtime": "torch",
            "precision": "float32",
            "images_per_s": 50.0,
            "cores_ms": 9.0,
            "times": 5.0,
        }
    ],
    "start": [{"model": "m", "runtime": "torch", "seconds": 2.0, "cores_s": 1.9, "imports_torch": True}],
    "memory": [{"model": "m", "images": 6, "peak_mb": 300}],
}


@pytest.fixture(scope="module")
def page(root: Path) -> ModuleType:
    """`benchmarks/page.py`, which stands in no package."""
    specification = importlib.util.spec_from_file_location("speed_page", root / "benchmarks" / "page.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_medians_and_ratios_of_pairs(page):
    text = page.tables(FOUND)
    assert "| look | 2.00 | 2.00 | 3.00 |  |" in text
    assert "| sigver | 2.00 | 2.00 | 2.00 | 10.0 |" in text
    assert "| m | torch | float32 | 4.00 | 1.0 | 25% |" in text
    assert "| m | torch | float32 | 50.0 | 9.0 | 5.0 |  |  |  |" in text


def test_only_the_measured_part_of_the_page_is_replaced(page, root):
    text = (root / "docs" / "speed.md").read_text()
    new = page.replaced(text, FOUND)
    assert new.split(page.BEGIN)[0] == text.split(page.BEGIN)[0]
    assert new.split(page.END)[1] == text.split(page.END)[1]
    assert "A chip (avx2)" in new


def test_the_page_has_the_tables_that_the_benchmark_writes(page, root):
    measured = (root / "docs" / "speed.md").read_text().split(page.BEGIN)[1].split(page.END)[0]
    heads = re.findall(r"^\*\*.*\*\*$", page.tables(FOUND), re.MULTILINE)
    assert len(heads) == 5
    found = re.findall(r"^\*\*.*\*\*$", measured, re.MULTILINE)
    assert found
    assert set(found) <= set(heads)
    assert re.match(r"Measured \d{4}-\d\d-\d\d .* cores", measured)
