"""Images a second of a network in each runtime and precision, in turn, and how far each is off.

Weights do not change the speed: a backbone that is named itself (``signet``) is timed with random ones.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sigzoo.errors import SigzooError
from sigzoo.interfaces import Backbone
from sigzoo.network import ModelNetwork
from sigzoo.zoo import default_zoo

WAYS = [
    ("eager", "float32"),
    ("torch", "float32"),
    ("torch", "bfloat16"),
    ("onnx", "float32"),
    ("onnx", "int8"),
    ("openvino", "float32"),
    ("openvino", "bfloat16"),
    ("openvino", "int8"),
]
"""``eager`` is the backbone itself, as the published program runs it."""


def network_of(name: str) -> Backbone:
    """A model's network, or a backbone with random weights and the statistics of noise."""
    zoo = default_zoo()
    if name not in zoo.list_components("backbone"):
        return zoo.load(name, device="cpu").backbone
    torch.manual_seed(0)
    backbone = zoo.backbone(name)
    with torch.no_grad():
        backbone.train()(torch.rand(4, 1, *(backbone.input_size or (200, 300))))
    return backbone.eval()


def ready(
    network: ModelNetwork, way: tuple[str, str], layer: str
) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """A function from a batch to features."""
    runtime, precision = way
    if runtime == "eager":
        backbone = network.backbone()

        def compute(batch: NDArray[np.float32]) -> NDArray[np.float32]:
            with torch.inference_mode():
                found: NDArray[np.float32] = backbone(torch.from_numpy(batch)).numpy()
            return found

        return compute
    opened = default_zoo().component("runtime", runtime).open(network, device="cpu", precision=precision)
    return lambda batch: opened.run(batch, [layer])[layer]


def measure(name: str, size: int, rounds: int) -> list[dict[str, Any]]:
    """Time every way that can be had, in turn."""
    backbone = network_of(name)
    layer, sides = backbone.layers[-1], backbone.input_size or (300, 500)
    rng = np.random.default_rng(0)
    # Thick strokes on blank paper: what networks of signatures see.
    pages = (rng.random((size + 16, 1, *sides)) > 0.93).astype(np.uint8) * 200
    calibration, batch = pages[size:], pages[:size] * np.float32(1 / 255)
    network = ModelNetwork(
        lambda: (backbone, {}),
        identity=lambda: None,
        calibration=lambda: (page[np.newaxis] for page in calibration),
        input_scale=1 / 255,
        layer=layer,
    )
    ways: dict[tuple[str, str], Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {}
    rows: list[dict[str, Any]] = []
    for way in WAYS:
        try:
            ways[way] = ready(network, way, layer)
        except SigzooError as error:
            rows.append({"model": name, "runtime": way[0], "precision": way[1], "refused": str(error)})
    exact = ways["eager", "float32"](batch).astype(np.float64)
    times: dict[tuple[str, str], list[float]] = {way: [] for way in ways}
    for number in range(rounds + 1):
        for way, compute in ways.items():
            start = time.perf_counter()
            compute(batch)
            if number:  # the first round makes ready
                times[way].append(time.perf_counter() - start)
    for way, compute in ways.items():
        found = compute(batch).astype(np.float64)
        lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(exact, axis=1)
        rows.append(
            {
                "model": name,
                "runtime": way[0],
                "precision": way[1],
                "images_per_second": size / statistics.median(times[way]),
                "images_per_second_best": size / min(times[way]),
                "largest_difference": float(np.abs(found - exact).max()),
                "least_cosine": float(((found * exact).sum(axis=1) / lengths).min()),
            }
        )
    return rows


def main() -> None:
    """Measure and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=["signet", "synsig-tiny"])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = [row for name in options.names for row in measure(name, options.batch, options.rounds)]
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    print(
        f"{'model':<14}{'runtime':<10}{'precision':<10}{'images/s':>9}{'best':>7}{'max off':>9}{'cosine':>9}"
    )
    for row in rows:
        start = f"{row['model']:<14}{row['runtime']:<10}{row['precision']:<10}"
        if "refused" in row:
            print(f"{start}  refused: {row['refused'][:60]}")
            continue
        speed = f"{row['images_per_second']:9.0f}{row['images_per_second_best']:7.0f}"
        print(f"{start}{speed}{row['largest_difference']:9.1e}{row['least_cosine']:9.5f}")


if __name__ == "__main__":
    main()
