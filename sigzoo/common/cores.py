"""How many cores this process may compute on: its affinity, and the share that its control group has."""

from __future__ import annotations

import math
import os
from pathlib import Path

__all__ = ["available_cores"]

_MOUNT = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def available_cores(mount: Path = _MOUNT, own: Path = _OWN) -> int:
    """Cores that this process may run on, at least 1.

    Parameters
    ----------
    mount
        Where Linux shows control groups, of either version.
    own
        The file that says which ones this process is in.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(cores, _quota(mount, own))))


def _quota(mount: Path, own: Path) -> float:
    """Cores' worth of time that the control groups allow; infinite where they set no limit.

    A container sees its own group at the root of the mount; elsewhere each group above counts as well.
    """
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return math.inf
    least = math.inf
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = mount / "cpu" if controllers else mount
        group = Path(path.lstrip("/"))
        for each in (group, *group.parents):
            least = min(least, _limit(root / each))
    return least


def _limit(group: Path) -> float:
    """One group's limit in cores: version 2 writes ``max 100000``, version 1 has two files."""
    try:
        if (group / "cpu.max").exists():
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota = (group / "cpu.cfs_quota_us").read_text().strip()
            period = (group / "cpu.cfs_period_us").read_text().strip()
        limit = math.inf if quota == "max" else float(quota) / float(period)
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf
    return limit if limit > 0 else math.inf
