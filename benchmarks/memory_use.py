"""Memory that a process has for itself, and the most of it while one model embeds files; imports no torch.

python benchmarks/memory_use.py FILES... [-m NAME] [--runtime NAME] [--weights FILE]

What counts is what would be free again if the process ended (USS): pages of libraries that other programs
use as well are not its own, and their share rises and falls with those programs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from model_options import load_model, model_parser

__all__ = ["family", "own_megabytes"]


def family() -> list[int]:
    """The process itself and those that it has started."""
    own = Path("/proc/self").resolve().name
    found = [int(own)]
    for path in Path(f"/proc/{own}/task").glob("*/children"):
        found += map(int, path.read_text().split())
    return found


def own_megabytes(pids: list[int]) -> float:
    """Megabytes that these processes have each for itself alone."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue  # it has just ended
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
    return total * 1024 / 1e6


def main() -> None:
    """Embed the files on one core, in this process alone, and print the most memory on the way as JSON."""
    options = model_parser(__doc__.splitlines()[0]).parse_args()
    model = load_model(options)
    loaded = peak = own_megabytes(family())
    for number, _ in enumerate(model.embed_stream(options.files, workers=1)):
        if number % 16 == 0:
            peak = max(peak, own_megabytes(family()))
    print(
        json.dumps(
            {"loaded_mb": round(loaded), "peak_mb": round(peak), "imports_torch": "torch" in sys.modules}
        )
    )


if __name__ == "__main__":
    main()
