"""Ask a service on loopback: requests a second beside the bare model, latencies, and what overload does.

python benchmarks/serve_load.py [--seconds 10] [-m NAME] [--json FILE] [--markdown FILE]

Each round asks `POST /embed` with one image a request from 1, 8 and 32 clients in a process of their own, and
has the bare model embed the same bytes on all cores before and after it; the ratio is to the mean of the two.
Overload: clients for four times what the queue takes, who ask again ten times sooner than they are told.
Memory is that of the service and its workers (PSS), before and after.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import measured_part
import numpy as np
from machine import describe
from scans import small_scans

import sigzoo

QUEUE = 64
SCANS = 64

REFUSED_SECONDS = 0.1
"""After which a client that was refused asks again: ten times sooner than it is told to."""


class _Connection:
    """One connection of a client: requests that are ready as bytes, so that clients leave the cores alone."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send a request; status, headers and body of the answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        writer.write(request)
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])
        }
        body = await reader.readexactly(int(headers["content-length"]))
        if headers.get("connection") == "close":
            self.close()
        return int(head[0].split()[1]), headers, body

    def close(self) -> None:
        """End it; the next request begins another."""
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None


def requests(images: list[bytes]) -> list[bytes]:
    """A request for each image."""
    found = []
    for image in images:
        part = b'--b\r\nContent-Disposition: form-data; name="images"; filename="a.png"\r\n\r\n'
        body = part + image + b"\r\n--b--\r\n"
        head = (
            "POST /embed HTTP/1.1\r\nHost: here\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        found.append(head.encode() + body)
    return found


async def ask(url: str, images: list[bytes], clients: int, seconds: float) -> dict[str, Any]:
    """Ask from so many clients, each one request after the other; times and statuses."""
    times: list[float] = []
    statuses: Counter[str] = Counter()
    ready = requests(images)
    host, _, port = url.removeprefix("http://").partition(":")
    end = time.monotonic() + seconds

    async def one(number: int) -> None:
        connection = _Connection(host, int(port))
        while time.monotonic() < end:
            start = time.monotonic()
            try:
                status, headers, body = await connection.ask(ready[number % len(ready)])
            except (OSError, EOFError) as error:
                statuses[type(error).__name__] += 1
                connection.close()
                continue
            statuses[str(status)] += 1
            if status == 200:
                assert b'"features":[' in body
                times.append(time.monotonic() - start)
            else:
                assert int(headers["retry-after"]) >= 1
                await asyncio.sleep(REFUSED_SECONDS)
            number += clients
        connection.close()

    start = time.monotonic()
    await asyncio.gather(*(one(number) for number in range(clients)))
    passed = time.monotonic() - start
    return {
        "clients": clients,
        "requests_per_s": round(len(times) / passed, 1),
        "ms": {str(part): round(1000 * float(np.percentile(times, part)), 1) for part in (50, 95, 99)},
        "statuses": dict(statuses),
    }


def asked(url: str, clients: int, seconds: float) -> dict[str, Any]:
    """`ask` in a process of its own: clients and the bare model share no interpreter."""
    command = [sys.executable, __file__, "--ask", url, "--clients", str(clients), "--seconds", str(seconds)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def bare(model: sigzoo.SignatureModel, images: list[bytes], seconds: float) -> float:
    """Images a second of `embed_stream` on the same bytes, all cores."""

    def endless() -> Any:
        while True:
            yield from images

    stream = model.embed_stream(endless())
    for _ in range(200):  # processes are started by then
        next(stream)
    start, count = time.monotonic(), 0
    while time.monotonic() - start < seconds:
        next(stream)
        count += 1
    rate = count / (time.monotonic() - start)
    stream.close()  # type: ignore[attr-defined]
    return round(rate, 1)


def memory(pid: int) -> float:
    """Megabytes of a process and its children."""
    total, waiting = 0, [pid]
    while waiting:
        one = waiting.pop()
        for path in Path(f"/proc/{one}/task").glob("*/children"):
            waiting += map(int, path.read_text().split())
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return round(total * 1024 / 1e6, 1)


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """All rounds."""
    images, model = small_scans(SCANS), sigzoo.load(options.model)
    found: dict[str, Any] = {"machine": describe(), "model": model.name, "rounds": []}
    command = [sys.executable, "-m", "sigzoo", "serve", "--port", "0", "-m", model.name]
    command += ["--max-queue", str(QUEUE)]
    service = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert service.stdout is not None
        line = service.stdout.readline()
        match = re.search(r"http://\S+", line)
        assert match, line
        url = match.group()
        asked(url, 8, options.seconds / 2)  # processes are started by then
        before = bare(model, images, options.seconds / 2)
        for clients in (1, 8, 32):
            row = asked(url, clients, options.seconds)
            after = bare(model, images, options.seconds / 2)
            row["bare_images_per_s"] = round((before + after) / 2, 1)
            row["ratio"] = round(row["requests_per_s"] / row["bare_images_per_s"], 2)
            before = after
            found["rounds"].append(row)
            print(json.dumps(row), flush=True)
        small = memory(service.pid)
        found["overload"] = {**asked(url, 4 * QUEUE, options.seconds), "queue": QUEUE}
        found["overload"]["mb"] = [small, memory(service.pid)]
        health = httpx.get(f"{url}/health", timeout=60).json()
        found["overload"]["images_in_hand_afterwards"] = health["images_in_hand"]
        print(json.dumps(found["overload"]), flush=True)
    finally:
        service.terminate()
        found["exit_status"] = service.wait(120)
    return found


def table(found: dict[str, Any]) -> str:
    """What was measured, for the page."""
    machine, over = found["machine"], found["overload"]
    rows = [
        f"| {row['clients']} | {row['requests_per_s']} | {row['bare_images_per_s']} | {row['ratio']} |"
        f" {row['ms']['50']} | {row['ms']['95']} | {row['ms']['99']} |"
        for row in found["rounds"]
    ]
    statuses = ", ".join(f"{count:,} by {status}" for status, count in sorted(over["statuses"].items()))
    return "\n".join(
        [
            f"{found['model']}, {machine['date']}, {machine['processor']}, {machine['cores']} cores, which"
            f" the clients share, with {machine['load']} programs at work on average when it began. One"
            " image a request.",
            "",
            "| clients | requests/s | bare model, images/s | ratio | median ms | 95 % | 99 % |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
            f"At overload ({over['clients']} clients, who ask again after 0.1 s when they are refused,"
            f" room for {over['queue']} images): {statuses}; {over['requests_per_s']} requests a second were"
            f" answered with features, 99 % of them within {over['ms']['99']} ms. The service took"
            f" {over['mb'][0]} MB before and {over['mb'][1]} MB after, and had"
            f" {over['images_in_hand_afterwards']} images in hand when it was over.",
        ]
    )


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("-m", "--model")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path, help="a page with a part that is marked as measured")
    parser.add_argument("--ask", help=argparse.SUPPRESS)
    parser.add_argument("--clients", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ask:
        print(json.dumps(asyncio.run(ask(options.ask, small_scans(SCANS), options.clients, options.seconds))))
        return
    found = measured(options)
    text = table(found)
    print(text)
    measured_part.write("serve_load.py", found, text, as_json=options.json, page=options.markdown)


if __name__ == "__main__":
    main()
