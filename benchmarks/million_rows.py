"""A million rows of synthetic features through output, a kill, resume, index and search.

``python benchmarks/million_rows.py`` prints time, size and memory of each step. ``--rows`` and ``--smaller``
say how many, twice: that the memory is the same for both is what constant memory means. No network computes:
the features are drawn, all else is what ``sigzoo embed``, ``sigzoo index`` and ``sigzoo find`` do.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

SIZE = 584
"""Features of the default model."""
WRITERS_EACH = 20
CHUNK = 4096
HIDDEN = 32
QUESTIONS = {"exact": 10, "ivf": 100}


def features(start: int, count: int) -> np.ndarray:
    """Features of some images, float32: each writer's lie about a point of his own, in 32 dimensions of all.

    So writers overlap, as real ones do, and the nearest are not simply one's own.
    """
    first, last = start // WRITERS_EACH, (start + count - 1) // WRITERS_EACH
    hidden = np.empty(((last - first + 1) * WRITERS_EACH, HIDDEN), np.float32)
    for place, writer in enumerate(range(first, last + 1)):
        rng = np.random.default_rng(writer)
        centre = rng.standard_normal(HIDDEN, np.float32)
        own = np.float32(0.5) * rng.standard_normal((WRITERS_EACH, HIDDEN), np.float32)
        hidden[place * WRITERS_EACH : (place + 1) * WRITERS_EACH] = centre + own
    spread = np.random.default_rng(0).standard_normal((HIDDEN, SIZE), np.float32)
    begin = start - first * WRITERS_EACH
    rows: np.ndarray = hidden[begin : begin + count] @ spread
    return rows


class DrawnModel:
    """What `run_job` asks of a model."""

    name = "drawn"

    def provenance(self, layer: str | None) -> dict[str, Any]:
        """What the features depend on."""
        return {
            "model": self.name,
            "layer": layer or "drawn",
            "weights_sha256": "",
            "preprocessor": "none",
            "preprocessor_options": {},
            "input_scale": 1.0,
            "sigzoo_version": "0",
        }

    def embed_stream(self, images: Any, **_: Any) -> Iterator[Any]:
        """Features of images, told from the numbers in their names; one in a thousand cannot be used."""
        from sigzoo.embedding import Embedded
        from sigzoo.errors import ImageError

        held, first = np.empty((0, SIZE), np.float32), 0
        for index, path in enumerate(images):
            number = int(path[-14:-4])
            if not first <= number < first + len(held):
                first = number - number % CHUNK
                held = features(first, CHUNK)
            if number % 1000 == 999:
                yield Embedded(index, path, None, ImageError(f"{path}: damaged."))
            else:
                yield Embedded(index, path, held[number - first])


class Memory:
    """The most memory of this process alone (USS), looked at ten times a second."""

    def __init__(self) -> None:
        self.most = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Memory:
        self.first = uss()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.most = max(self.most, uss())

    def _watch(self) -> None:
        while not self._stop.wait(0.1):
            self.most = max(self.most, uss())


def uss() -> int:
    """Bytes that no other process shares."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    private = ("Private_Clean:", "Private_Dirty:")
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(private))


def write_manifest(path: Path, rows: int) -> None:
    """A CSV of paths and writers."""
    with path.open("w") as file:
        file.write("path,writer\n")
        for number in range(rows):
            file.write(f"/scans/{number:010d}.png,w{number // WRITERS_EACH}\n")


def output(folder: Path) -> dict[str, Any]:
    """Embed into shards, or go on with it."""
    from sigzoo.jobs import EmbedSettings, LocalEngine, open_manifest, run_job

    model: Any = DrawnModel()
    settings = EmbedSettings(on_error="skip")
    manifest = open_manifest(folder / "manifest.csv")
    done = run_job(
        manifest, settings, model, str(folder / "shards"), LocalEngine(model), shard_size=None, resume=True
    )
    return done.to_json()


def index(folder: Path, kind: str) -> dict[str, Any]:
    """Make an index of the shards."""
    from dataclasses import asdict

    from sigzoo.data.feature_blocks import find_feature_files
    from sigzoo.search import build_index

    return asdict(build_index(find_feature_files([folder / "shards"]), folder / kind, kind=kind))


def search(folder: Path, kind: str, rows: int) -> dict[str, Any]:
    """Look for images near some that are there, one by one."""
    from sigzoo.search import open_index

    numbers = np.linspace(0, rows - 1, QUESTIONS[kind]).astype(int)
    asked = np.concatenate([features(int(number), 1) for number in numbers])
    asked += np.float32(0.5) * np.random.default_rng(0).standard_normal(asked.shape, np.float32)
    own = 0
    with open_index(folder / kind) as opened:
        began = time.perf_counter()
        for number, one in zip(numbers, asked, strict=True):
            (found,) = opened.search(one[np.newaxis], 10)
            own += sum(int(match.path[7:17]) // WRITERS_EACH == number // WRITERS_EACH for match in found)
        seconds = (time.perf_counter() - began) / len(asked)
    return {"ms_a_question": 1000 * seconds, "same_writer_among_10": own / len(asked)}


def phase(name: str, folder: Path, rows: int) -> None:
    """Do one step and print what it took."""
    import sigzoo.jobs.run
    import sigzoo.search.build  # noqa: F401 their import is no part of the time

    began, cores = time.perf_counter(), time.process_time()
    with Memory() as memory:
        if name == "output":
            told = output(folder)
        elif name.startswith("index "):
            told = index(folder, name[6:])
        else:
            told = search(folder, name[7:], rows)
    took = {"seconds": time.perf_counter() - began, "seconds_of_cores": time.process_time() - cores}
    print(json.dumps({**told, **took, "uss_mb": memory.most / 1e6, "uss_before_mb": memory.first / 1e6}))


def child(name: str, folder: Path, rows: int) -> subprocess.Popen[str]:
    """Start a step in a process of its own."""
    command = [sys.executable, __file__, "--phase", name, "--folder", str(folder), "--rows", str(rows)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def run(name: str, folder: Path, rows: int) -> dict[str, Any]:
    """Do a step in a process of its own."""
    process = child(name, folder, rows)
    told = process.communicate()[0]
    if process.returncode:
        sys.exit(f"{name} ended with {process.returncode}")
    found: dict[str, Any] = json.loads(told)
    print(f"{rows:,} rows, {name}: {found}", file=sys.stderr, flush=True)
    return found


def kill_half_way(folder: Path, rows: int) -> dict[str, Any]:
    """Begin the output, and kill it when half of the shards are there."""
    began = time.perf_counter()
    process = child("output", folder, rows)
    while len(list((folder / "shards").glob("*.parquet"))) < max(1, rows // CHUNK // 2):
        time.sleep(0.05)
        if process.poll() is not None:
            sys.exit("it was done before it was killed")
    process.kill()
    process.communicate()
    return {
        "seconds": time.perf_counter() - began,
        "shards": len(list((folder / "shards").glob("*.parquet"))),
    }


def check(folder: Path, rows: int) -> dict[str, int]:
    """Every image is there once, with its own features; or it is among the skipped."""
    import pyarrow.parquet as pq

    seen = np.zeros(rows, np.int8)
    for path in sorted((folder / "shards").glob("*.parquet")):
        for batch in pq.ParquetFile(path).iter_batches(1000, columns=["path", "features"]):
            numbers = np.array([int(name[7:17]) for name in batch.column("path").to_pylist()])
            np.add.at(seen, numbers, 1)
            first = batch.column("features")[0].as_py()
            assert np.allclose(first, features(int(numbers[0]), 1)[0], atol=1e-3)
    skipped = 0
    for path in (folder / "shards" / "_skipped").glob("*.jsonl"):
        for line in path.read_text().splitlines():
            seen[int(json.loads(line)["path"][7:17])] += 1
            skipped += 1
    assert (seen == 1).all(), "an image is missing, or there twice"
    return {"once": int(seen.sum()), "skipped": skipped}


def size_of(folder: Path) -> int:
    """Bytes of all files of a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def measure(place: Path, rows: int) -> dict[str, Any]:
    """All steps with so many rows."""
    folder = place / str(rows)
    folder.mkdir()
    write_manifest(folder / "manifest.csv", rows)
    found: dict[str, Any] = {"rows": rows, "killed": kill_half_way(folder, rows)}
    found["resume"] = run("output", folder, rows)
    found["check"] = check(folder, rows)
    found["bytes"] = {"shards": size_of(folder / "shards")}
    for kind in ("exact", "ivf"):
        found[f"index {kind}"] = run(f"index {kind}", folder, rows)
        found["bytes"][kind] = size_of(folder / kind)
        found[f"search {kind}"] = run(f"search {kind}", folder, rows)
        shutil.rmtree(folder / kind)
    shutil.rmtree(folder)
    return found


def table(small: dict[str, Any], large: dict[str, Any]) -> str:
    """What was measured, as Markdown."""
    lines = [
        "| step | seconds | of cores | MB of memory (USS) | the same with a tenth of the rows | GB written |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    written = {"resume": "shards", "index exact": "exact", "index ivf": "ivf"}
    for name in ("resume", "index exact", "search exact", "index ivf", "search ivf"):
        one, other = large[name], small[name]
        gigabytes = f"{large['bytes'][written[name]] / 1e9:.2f}" if name in written else ""
        lines.append(
            f"| {name} | {one['seconds']:.0f} | {one['seconds_of_cores']:.0f} | {one['uss_mb']:.0f} |"
            f" {other['uss_mb']:.0f} | {gigabytes} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, and print JSON and a table."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--smaller", type=int, default=100_000)
    options.add_argument("--folder", type=Path, help="where to, some 12 GB; a temporary folder by default")
    options.add_argument("--json", type=Path, help="write what was measured here")
    options.add_argument("--phase", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.phase:
        phase(given.phase, given.folder, given.rows)
        return
    with tempfile.TemporaryDirectory(dir=given.folder, prefix="million-") as place:
        small = measure(Path(place), given.smaller)
        large = measure(Path(place), given.rows)
    found = {"cores": os.cpu_count(), "smaller": small, "larger": large}
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))
    print(table(small, large))


if __name__ == "__main__":
    main()
