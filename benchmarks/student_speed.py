"""Forward time of the bundled models against SigNet, float32, one run, medians.

python benchmarks/student_speed.py [--threads N]
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from torch import nn

import sigzoo


def signet() -> nn.Module:
    """SigNet from its plugin, with random weights: its speed is that of the published ones."""
    from sigzoo_signet.backbones import SigNet

    network: nn.Module = SigNet()
    return network


def once(network: nn.Module, x: torch.Tensor) -> float:
    """Seconds of one forward pass."""
    start = time.perf_counter()
    network(x)
    return time.perf_counter() - start


def main() -> None:
    """Interleave the networks and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    torch.set_num_threads(parser.parse_args().threads)
    teacher = signet().eval()
    with torch.inference_mode():
        for name in ("synsig-tiny", "synsig-base"):
            student = sigzoo.load(name, device="cpu").backbone
            size = student.input_size
            assert size is not None
            for batch, rounds in ((32, 9), (1, 60)):
                large, small = torch.rand(batch, 1, 150, 220), torch.rand(batch, 1, *size)
                once(teacher, large), once(student, small)
                times = [(once(teacher, large), once(student, small)) for _ in range(rounds)]
                slow, fast = (1e3 * statistics.median(column) / batch for column in zip(*times, strict=True))
                ratio = statistics.median(a / b for a, b in times)
                print(f"batch {batch}: SigNet {slow:.2f}, {name} {fast:.3f} ms an image; {ratio:.1f} times")


if __name__ == "__main__":
    main()
