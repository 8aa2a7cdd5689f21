"""How many cores may be used: affinity, and limits of control groups of both versions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sigzoo.common.cores import available_cores

MINE = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _groups(folder: Path, own: str, limits: dict[str, str]) -> int:
    (folder / "own").write_text(own)
    for name, text in limits.items():
        path = folder / "mount" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return available_cores(folder / "mount", folder / "own")


@pytest.mark.parametrize(
    ("own", "limits", "cores"),
    [
        ("0::/\n", {}, MINE),
        ("0::/\n", {"cpu.max": "max 100000\n"}, MINE),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
        ("0::/a/b\n", {"a/cpu.max": "100000 100000\n", "a/b/cpu.max": "max 100000\n"}, 1),
        ("0::/a\n", {"a/cpu.max": "99900000 100000\n"}, MINE),
        (
            "4:cpu,cpuacct:/x\n0::/\n",
            {"cpu/x/cpu.cfs_quota_us": "-1", "cpu/x/cpu.cfs_period_us": "100000"},
            MINE,
        ),
        ("4:cpu:/x\n", {"cpu/cpu.cfs_quota_us": "90000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        ("4:memory:/x\n", {"cpu/cpu.cfs_quota_us": "90000", "cpu/cpu.cfs_period_us": "100000"}, MINE),
        ("0::/\n", {"cpu.max": "nonsense\n"}, MINE),
        ("0::/\n", {"cpu.max": "0 0\n"}, MINE),
    ],
)
def test_the_least_limit_counts(tmp_path, own, limits, cores):
    assert _groups(tmp_path, own, limits) == cores


def test_where_there_are_no_groups_all_cores_count(tmp_path):
    assert available_cores(tmp_path / "none", tmp_path / "none") == MINE


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux")
def test_a_process_tied_to_one_core_has_one():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert available_cores() == 1
    finally:
        os.sched_setaffinity(0, before)
