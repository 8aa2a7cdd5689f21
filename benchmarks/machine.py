"""What a machine is, and what it could do at best: the floors that times are compared with."""

from __future__ import annotations

import datetime
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sigzoo import __version__
from sigzoo.common.cores import available_cores

__all__ = ["describe"]


def describe() -> dict[str, Any]:
    """Processor, cores, versions, date; and of one core the measured peaks.

    Returns
    -------
    dict
        ``gflops``: 10^9 multiplications and additions a second of a product of two float32 matrices of
        1,024 x 1,024; ``gbytes``: 10^9 bytes a second that a copy of 256 MB reads and writes. Both are the
        best of several, by the processor's time, so that other programs count little.
    """
    torch.set_num_threads(1)
    left, right = torch.rand(1024, 1024), torch.rand(1024, 1024)
    source = np.ones(1 << 28, np.uint8)
    target = np.empty_like(source)
    product = _best(lambda: torch.mm(left, right), 40)
    copy = _best(lambda: np.copyto(target, source), 5)
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": _processor(),
        "cores": available_cores(),
        "load": round(os.getloadavg()[0], 1),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "sigzoo": __version__,
        "gflops": round(2 * 1024**3 / product / 1e9, 1),
        "gbytes": round(2 * source.nbytes / copy / 1e9, 1),
    }


def _best(work: Callable[[], object], rounds: int) -> float:
    """Seconds of the processor for the fastest of some calls."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def _processor() -> str:
    """The processor's name, and which of the instructions that matter here it has."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = fields.get("flags", "").split()
    has = [name for name in ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_tile") if name in flags]
    return f"{fields.get('model name', platform.machine())} ({', '.join(has)})"


def median(values: list[float]) -> float:
    """The median, to four digits."""
    return float(f"{statistics.median(values):.4g}")
