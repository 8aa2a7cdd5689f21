"""Every figure of speed on one machine, by one command: tables, and all of it as JSON.

python benchmarks/run.py [--only PART ...] [--peer PATH] [--models NAME ...] [--json FILE] [--markdown FILE]

Parts: preparation (decoding, looking, preprocessing), forward, features (files to features), cores (one and
all, alone and beside a busy process), corpus (training images beside an earlier commit), start (seconds of a
command until the first feature), memory. With --peer, a checkout of luizgh/sigver, the published program runs
on the same files in the same rounds with the same weights (from a seed). The floor of a forward pass is its
multiplications and additions at the speed of a product of large matrices on this machine; that of preparation
is reading and writing the image once at the speed of a copy.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import page
import parts
from corpus import corpus
from machine import describe
from published import seeded_weights
from scans import write_scans
from startup import first_features

HERE = Path(__file__).parent
MODELS = ["synsig-tiny", "synsig-base", parts.PUBLISHED]
RUNTIMES = ["torch", "onnx", "openvino"]
PARTS = ("preparation", "forward", "features", "cores", "corpus", "start", "memory")


def preparation(paths: list[Path], folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """What `preprocessing_speed.py` measures, on some of the files."""
    output = folder / "preparation.json"
    command = [str(HERE / "preprocessing_speed.py"), *map(str, paths[: options.scans])]
    command += ["--rounds", str(options.rounds), "--json", str(output)]
    command += ["--peer", str(options.peer)] if options.peer else []
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
    found: dict[str, Any] = json.loads(output.read_text())
    return found


def alone(part: str, arguments: list[Any]) -> Any:
    """Run a part of `parts.py` in a process of its own: threads, memory and imports are then its own."""
    code = (
        "import json, sys, pathlib; sys.path.insert(0, sys.argv[1]); import parts;"
        "given = json.loads(sys.argv[3], object_hook=lambda found: pathlib.Path(found['path']));"
        "print(json.dumps(getattr(parts, sys.argv[2])(*given)))"
    )
    given = json.dumps(arguments, default=lambda path: {"path": str(path)})
    done = subprocess.run(
        [sys.executable, "-c", code, str(HERE), part, given], check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def script(name: str, arguments: list[Any]) -> dict[str, Any] | None:
    """Run a script beside this one, which prints JSON; `None` where what it needs is not installed."""
    done = subprocess.run(
        [sys.executable, str(HERE / name), *map(str, arguments)], capture_output=True, text=True
    )
    if done.returncode:
        print(done.stderr.strip().splitlines()[-1], file=sys.stderr)
        return None
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def of_each(
    name: str, options: argparse.Namespace, models: list[str], runtimes: list[str], rest: list[Any]
) -> list[dict[str, Any]]:
    """Run a script for each model in each runtime."""
    rows = []
    for model, weights in options.weights.items():
        for runtime in runtimes if model in models else []:
            given = [*rest, "-m", model, "--runtime", runtime, *(["--weights", weights] if weights else [])]
            found = script(name, given)
            if found is not None:
                rows.append({"model": model, "runtime": runtime, **found})
    return rows


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """All parts that are asked for."""
    found: dict[str, Any] = {"machine": describe()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scans = options.images or write_scans(folder, options.scans)
        paths = scans * max(1, options.count // len(scans))
        half, few = paths[: max(1, len(paths) // 2)], paths[:96]
        found["files"] = {"scans": len(scans), "images": len(paths)}
        models, runtimes, device = options.models, options.runtimes, options.device
        seeded = str(seeded_weights(folder))
        options.weights = {each: seeded if each == parts.PUBLISHED else None for each in models}
        budgeted = {each: weights for each, weights in options.weights.items() if each in parts.BUDGETED}
        peer, rounds = options.peer, options.rounds
        gflops = found["machine"]["gflops"]
        todo: dict[str, Callable[[], Any]] = {
            "preparation": lambda: preparation(scans, folder, options),
            "forward": lambda: alone("forward", [models, runtimes, folder, gflops, peer, rounds, device]),
            "features": lambda: alone(
                "features", [models, runtimes, folder, paths, few, peer, rounds, device]
            ),
            "cores": lambda: of_each(
                "cores.py", options, list(parts.BUDGETED), ["torch"], [*half, "--rounds", rounds]
            ),
            "corpus": lambda: corpus(1, max(1, rounds - 1)),
            "start": lambda: first_features(budgeted, runtimes, scans[0], rounds),
            "memory": lambda: of_each("memory_use.py", options, list(parts.BUDGETED), runtimes, few),
        }
        for part in options.only:
            print(f"{part} ...", file=sys.stderr, flush=True)
            begun = time.perf_counter()
            try:
                found[part] = todo[part]()
            except Exception:  # what the other parts measure is not lost for it
                traceback.print_exc()
                continue
            if options.json:
                options.json.write_text(json.dumps(found, indent=1) + "\n")
            print(f"{part}: {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
    return found


def main() -> None:
    """Measure, print the tables, write the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="parts; all by default")
    parser.add_argument("--models", nargs="+", default=MODELS, metavar="NAME")
    parser.add_argument(
        "--runtimes", nargs="+", default=RUNTIMES, help="those that are not here are left out"
    )
    parser.add_argument("--device", default="cpu", help="forward and features: cpu, cuda, ...")
    parser.add_argument("--images", nargs="+", type=Path, help="files to use in place of synthetic scans")
    parser.add_argument("--scans", type=int, default=48, help="synthetic scans of 0.1 to 1 megapixel")
    parser.add_argument("--count", type=int, default=192, help="files to features: images, scans repeated")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer", type=Path, help="a checkout of luizgh/sigver, which needs scikit-image")
    parser.add_argument("--json", type=Path, help="file to write everything to")
    parser.add_argument("--markdown", type=Path, help="page whose tables are to be replaced")
    options = parser.parse_args()
    found = measured(options)
    print(page.tables(found))
    if options.markdown:
        options.markdown.write_text(page.replaced(options.markdown.read_text(), found))
    missing = [part for part in options.only if part not in found]
    if missing:
        sys.exit(f"not measured: {', '.join(missing)}")


if __name__ == "__main__":
    main()
