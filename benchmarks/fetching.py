"""What resuming, sharing and stamping save: `python benchmarks/fetching.py`, a server on loopback."""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pooch  # type: ignore[import-untyped]

from sigzoo.artifacts import ArtifactSpec, Retry, fetch, locate

TESTS = Path(__file__).resolve().parents[1] / "tests" / "artifacts" / "conftest.py"


def server_module() -> ModuleType:
    """The tests' own server and processes, whose file stands in no package."""
    specification = importlib.util.spec_from_file_location("artifact_fixtures", TESTS)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    return module


def spec_of(data: bytes, url: str, name: str) -> ArtifactSpec:
    return ArtifactSpec(name, (url,), hashlib.sha256(data).hexdigest(), size=len(data))


def resuming(site: Any, data: bytes) -> None:
    """Cut 25 times at random; how many bytes came twice."""
    cuts = [int(cut) for cut in np.random.default_rng(0).integers(1, len(data), 25)]
    url = site.publish(data, "cut.bin", cuts=cuts)
    fetch(spec_of(data, url, "cut"), retry=Retry(sleep=lambda seconds: None))
    twice = site.bytes_sent(url) - len(data)
    print(f"25 cuts of {len(data):,} bytes: {len(site.asked(url))} requests, {twice:,} bytes sent twice")


def sharing(site: Any, data: bytes, spawner: Any) -> None:
    """Start eight processes at once."""
    url = site.publish(data, "shared.bin")
    start = time.perf_counter()
    children = [spawner.fetch(spec_of(data, url, "shared")) for _ in range(8)]
    paths = {child.result()["path"] for child in children}
    seconds = time.perf_counter() - start
    print(
        f"8 processes: {len(site.asked(url))} download, {len(paths)} path, {seconds:.2f} s until all had it"
    )


def stamping(site: Any, data: bytes) -> None:
    """Locate a file with and without its stamp."""
    spec = spec_of(data, site.publish(data, "stamped.bin"), "stamped")
    path = fetch(spec)
    start = time.perf_counter()
    for _ in range(100):
        locate(spec)
    with_stamp = (time.perf_counter() - start) / 100
    path.with_name(f"{path.name}.stamp.json").unlink()
    start = time.perf_counter()
    locate(spec)
    hashing = time.perf_counter() - start
    print(f"locating {len(data):,} bytes: {with_stamp * 1e3:.2f} ms, hashing {hashing * 1e3:.0f} ms")


def throughput(site: Any, data: bytes, folder: Path) -> None:
    """Fetch whole, against pooch's own downloader; the server shares the processor with both."""
    url = site.publish(data, "large.bin")
    start = time.perf_counter()
    fetch(spec_of(data, url, "large"))
    ours = time.perf_counter() - start
    start = time.perf_counter()
    pooch.retrieve(url, f"sha256:{hashlib.sha256(data).hexdigest()}", "large.bin", folder)
    theirs = time.perf_counter() - start
    ratio = theirs / ours
    print(
        f"fetching and verifying {len(data):,} bytes: {ours:.2f} s, pooch {theirs:.2f} s ({ratio:.1f} times)"
    )


def memory(site: Any, data: bytes, spawner: Any) -> None:
    """Peak memory of a process that fetches."""
    url = site.publish(data, "memory.bin")
    spawner.fetch(spec_of(data, url, "memory")).result()
    spawner.close()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(f"peak memory of the processes that fetched: {peak / 1024:.0f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mebibytes", type=int, default=256, help="size of the large file")
    large = parser.parse_args().mebibytes << 20
    fixtures = server_module()
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SIGZOO_HOME"] = str(Path(folder, "home"))
        site, spawner = fixtures.Site(), fixtures.Spawner(Path(folder), Path(folder, "stderr.txt"))
        published = rng.bytes(63_217_982)
        resuming(site, published)
        sharing(site, published, spawner)
        stamping(site, published)
        data = rng.bytes(large)
        throughput(site, data, Path(folder, "pooch"))
        memory(site, data, spawner)
        site.close()


if __name__ == "__main__":
    main()
