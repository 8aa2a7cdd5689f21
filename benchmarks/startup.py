"""How long the listing commands take, beside a bare interpreter and an import of torch, in turn."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

SIGZOO = str(Path(sys.executable).with_name("sigzoo"))
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "sigzoo --help": [SIGZOO, "--help"],
    "sigzoo list": [SIGZOO, "list"],
    "sigzoo info signet": [SIGZOO, "info", "signet"],
    "sigzoo plugins": [SIGZOO, "plugins"],
    "python -c 'import torch'": [sys.executable, "-c", "import torch"],
}


def seconds(command: list[str]) -> float:
    """Wall time of one run."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Time all commands in turn, several rounds, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_args().rounds
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for number in range(rounds + 1):
        for name, command in COMMANDS.items():
            taken = seconds(command)
            if number:  # the first round warms the disk's cache
                times[name].append(taken)
    print(f"{'command':<26} {'median':>8} {'min':>8} {'max':>8}   seconds, {rounds} rounds")
    for name, taken_all in times.items():
        print(f"{name:<26} {statistics.median(taken_all):8.3f} {min(taken_all):8.3f} {max(taken_all):8.3f}")


if __name__ == "__main__":
    main()
