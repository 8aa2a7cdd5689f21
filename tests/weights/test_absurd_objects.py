"""Absurd objects in every place of a weight file: refused at once, in little memory and in few words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hostile_weights import objects

READ = """
import json, resource, sys, time
from pathlib import Path
import numpy, torch
from sigzoo.errors import WeightsError
from sigzoo.weights import read_weights

torch.set_num_threads(1)
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (384 << 20),) * 2)
for path, format in json.loads(sys.stdin.read()):
    began = time.process_time()
    try:
        read_weights(path, format)
    except WeightsError as error:
        print(json.dumps([str(error), time.process_time() - began]), flush=True)
    else:
        print(json.dumps(["taken", 0.0]), flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space, reads /proc")
@pytest.mark.parametrize("thing", list(objects.OBJECTS))
def test_no_place_hashes_prints_or_walks_through_what_a_file_made(thing: str, tmp_path: Path) -> None:
    listed, places = [], []
    for format, place, content in objects.files(thing):
        path = tmp_path / f"{len(listed)}.bin"
        path.write_bytes(content)
        listed.append((str(path), format))
        places.append(place)
    assert len(places) > 70

    done = subprocess.run(
        [sys.executable, "-c", READ],
        input=json.dumps(listed),
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"},
        timeout=600,
    )

    assert done.returncode == 0, (places[len(done.stdout.splitlines())], done.stderr[-1000:])
    for place, (path, _), line in zip(places, listed, done.stdout.splitlines(), strict=True):
        message, seconds = json.loads(line)
        assert message.startswith(path), (place, message)
        assert len(message) < len(path) + 500, (place, message)
        # In processor time, which no busy machine lengthens; the slowest takes 0.3 s.
        assert seconds < 10, (place, seconds)
