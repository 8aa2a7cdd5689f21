"""The page of speed holds what the benchmark writes, and the benchmark writes only that part of it."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
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
            **{"model": "signet.pytorch", "runtime": "published program", "precision": "float32"},
            **{"images_per_s": 25.0, "cores_ms": 80.0, "times": 1.0, "seconds_an_image": [0.04, 0.04]},
        },
        {
            **{"model": "synsig-tiny", "runtime": "torch", "precision": "float32", "images_per_s": 300.0},
            **{"cores_ms": 6.0, "times": 12.4, "seconds_an_image": [0.004, 0.002]},
        },
        {
            **{"model": "signet.pytorch", "runtime": "torch", "precision": "float32", "images_per_s": 110.0},
            **{"cores_ms": 17.0, "times": 4.6, "times_cores": 4.7, "seconds_an_image": [0.009, 0.009]},
            **{"difference_published": 4e-8, "cosine_published": 1.0},
        },
        {
            **{"model": "signet.pytorch", "runtime": "onnx", "precision": "float32", "images_per_s": 900.0},
            **{"cores_ms": 2.0, "times": 36.0, "seconds_an_image": [0.001, 0.001]},
            **{"difference_published": 2e-3, "cosine_published": 0.9999},
        },
        {
            **{"model": "signet.pytorch", "runtime": "onnx", "precision": "int8", "images_per_s": 200.0},
            **{"cores_ms": 9.0, "times": 8.3, "seconds_an_image": [0.005, 0.005]},
            **{"difference_published": 2e-3, "cosine_published": 0.9999},
        },
    ],
    "cores": [
        {
            **{"model": "m", "runtime": "torch", "cores": 2, "files": 6},
            "alone": {"one": 50.0, "all": 95.0, "ratio": 1.9},
            "beside one": {"one": 40.0, "all": 44.0, "ratio": 1.1},
            "apart": {"all": 97.0, "ratio": 1.94},
        }
    ],
    "corpus": {
        "now": {"images_per_s": 110.0, "drawing_ms": 6.5, "synsig_ms": 2.6},
        "earlier": {"images_per_s": 50.0, "drawing_ms": 7.5, "synsig_ms": 12.5},
        **{"earlier_commit": "abc", "times": 2.2},
    },
    "start": [
        {
            **{"model": "m", "runtime": "torch", "seconds": 2.0, "cores_s": 1.9, "first_s": 2.5},
            "imports_torch": True,
        }
    ],
    "memory": [{"model": "m", "runtime": "onnx", "loaded_mb": 50, "peak_mb": 90, "imports_torch": False}],
}


@pytest.fixture(scope="module")
def page(root: Path) -> Iterator[ModuleType]:
    """`benchmarks/page.py`, which stands in no package, as little as what it imports."""
    sys.path.insert(0, str(root / "benchmarks"))
    specification = importlib.util.spec_from_file_location("speed_page", root / "benchmarks" / "page.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    yield module
    sys.path.remove(str(root / "benchmarks"))


def test_medians_and_ratios_of_pairs(page):
    text = page.tables(FOUND)
    assert "| look | 2.00 | 2.00 | 3.00 |  |" in text
    assert "| sigver | 2.00 | 2.00 | 2.00 | 10.0 |" in text
    assert "| m | torch | float32 | 4.00 | 1.0 | 25% |" in text
    assert "| synsig-tiny | torch | float32 | 300.0 | 6.0 | 12.4 |  |  |  |  |" in text
    assert "| m | torch | 50.0 | 95.0 | 1.9 | 40.0 | 44.0 | 1.1 |" in text


def test_each_budget_has_what_was_asked_and_what_was_measured(page):
    text = page.tables(FOUND)
    assert "| SigNet, torch float32 | 4.5 | 4.6 | torch, float32 | within 4e-08 |" in text
    # What is faster and computes something else does not count.
    assert "| SigNet, best float32 runtime | 6 | 4.6 | torch, float32 | within 4e-08 |" in text
    assert "| SigNet, bfloat16 or int8 | 9 | 8.3 | onnx, int8 | cosine 0.99990 |" in text
    assert "| synsig-tiny, default settings | 12 | 12.4 | torch, float32 |  |" in text
    ratio = (0.009 / 0.004 + 0.009 / 0.002) / 2
    assert f"| synsig-tiny, default settings, beside our own SigNet | 2 | {ratio:.1f} |" in text
    assert "| training corpus of `synsig` images, beside commit abc | 3 | 2.2 |" in text
    most = "programs apart, the most there is: 1.94"
    assert f"| m: 2 cores to one, nothing else at work | 1.8 | 1.90 | torch; {most} |" in text
    assert "| m | torch | 50.0 | 95.0 | 1.9 | 40.0 | 44.0 | 1.1 | 97.0 | 1.94 |" in text
    assert "| m: 2 cores to one, beside one busy process | 1 | 1.10 | torch |" in text


def test_only_the_measured_part_of_the_page_is_replaced(page, root):
    text = (root / "docs" / "speed.md").read_text()
    new = page.replaced(text, FOUND)
    assert new.split(page.BEGIN)[0] == text.split(page.BEGIN)[0]
    assert new.split(page.END)[1] == text.split(page.END)[1]
    assert "A chip (avx2)" in new


def test_the_page_has_the_tables_that_the_benchmark_writes(page, root):
    measured = (root / "docs" / "speed.md").read_text().split(page.BEGIN)[1].split(page.END)[0]
    heads = re.findall(r"^\*\*.*\*\*$", page.tables(FOUND), re.MULTILINE)
    assert len(heads) == len(page._PARTS) + 1
    found = re.findall(r"^\*\*.*\*\*$", measured, re.MULTILINE)
    assert found
    assert set(found) <= set(heads)
    assert re.match(r"Measured \d{4}-\d\d-\d\d .* cores", measured)
