"""Features are written as they come: what numpy and csv read back is what was added."""

from __future__ import annotations

import csv
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from sigzoo.data.feature_files import open_writer
from sigzoo.errors import UsageError

NAMES = ["a.png", "räksmörgås/ü.png", "漢字.png", "x" * 300, "a.png"]


def test_npz_holds_what_was_added(tmp_path: Path) -> None:
    features = np.random.default_rng(0).normal(size=(5, 2, 3)).astype(np.float32)
    with open_writer(tmp_path / "f.npz", {"model": "net", "layer": "conv1"}) as writer:
        for name, row in zip(NAMES, features, strict=True):
            writer.add(name, row)
    with np.load(tmp_path / "f.npz", allow_pickle=False) as data:
        assert sorted(data.files) == ["features", "files", "layer", "model"]
        np.testing.assert_array_equal(data["features"], features)
        assert data["files"].tolist() == NAMES
        assert (str(data["model"]), str(data["layer"])) == ("net", "conv1")


def test_csv_reads_back_to_the_last_bit(tmp_path: Path) -> None:
    features = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32) * np.float32(1e-3)
    with open_writer(tmp_path / "f.csv", {"model": "net", "layer": "fc"}) as writer:
        for name, row in zip(NAMES, features, strict=True):
            writer.add(name, row)
    with (tmp_path / "f.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["file", *(f"f{index}" for index in range(7))]
    assert [row[0] for row in rows] == NAMES
    np.testing.assert_array_equal(np.array([row[1:] for row in rows], dtype=np.float32), features)


def test_names_and_rows_take_constant_memory(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        with open_writer(tmp_path / "f.npz", {"model": "net", "layer": "fc"}) as writer:
            for index in range(count):
                writer.add(f"folder/{index:09d}.png", np.zeros(4, np.float32))
        _, top = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return top

    small = peak(20_000)
    assert peak(100_000) < small + 1_000_000  # the names alone would take 8 MB


def test_a_failure_leaves_no_archive(tmp_path: Path) -> None:
    labels = {"model": "net", "layer": "fc"}
    with pytest.raises(RuntimeError), open_writer(tmp_path / "f.npz", labels) as writer:  # noqa: PT012
        writer.add("a", np.zeros(2, np.float32))
        raise RuntimeError("stop")
    assert list(tmp_path.iterdir()) == []


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.parquet or \.mat"):
        open_writer(tmp_path / "f.txt", {"model": "net", "layer": "fc"})


@pytest.mark.parametrize("suffix", [".npz", ".csv"])
def test_rows_of_different_shapes_are_refused(tmp_path: Path, suffix: str) -> None:
    writer = open_writer(tmp_path / f"f{suffix}", {"model": "net", "layer": "conv1"})
    writer.add("a.png", np.zeros((2, 3), np.float32))
    with pytest.raises(UsageError, match=r"b\.png: its features have shape \(3, 2\).*first image \(2, 3\)"):
        writer.add("b.png", np.zeros((3, 2), np.float32))


@pytest.mark.parametrize(
    "name", ["=cmd|' /C calc'!A0.png", "+1.png", "-a.png", "@sum.png", "\t=1.png", "\r=1.png"]
)
def test_a_name_is_no_formula_of_a_spreadsheet(tmp_path: Path, name: str) -> None:
    with open_writer(tmp_path / "f.csv", {"model": "net", "layer": "fc"}) as writer:
        writer.add(name, np.zeros(2, np.float32))
    with (tmp_path / "f.csv").open(newline="", encoding="utf-8") as file:
        _, row = csv.reader(file)
    assert row[0] == "'" + name
