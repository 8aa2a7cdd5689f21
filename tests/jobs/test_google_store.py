"""`gs://` against an emulator that the test starts; left out where gcsfs or the emulator is not installed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sigzoo

# Else gcsfs asks a server of Google's over gRPC first what kind of bucket it is, which no emulator answers.
os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
gcsfs = pytest.importorskip("gcsfs")
emulator = pytest.importorskip("gcp_storage_emulator.server")


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, scans: list[Path]) -> Iterator[Any]:
    """A bucket ``bank`` with the scans below ``scans/``."""
    server = emulator.create_server("127.0.0.1", 0, in_memory=True, default_bucket="bank")
    server.start()
    host, port = server._api._httpd.socket.getsockname()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://{host}:{port}")
    gcsfs.GCSFileSystem.clear_instance_cache()
    found = gcsfs.GCSFileSystem(token="anon", use_listings_cache=False)
    for path in scans:
        found.pipe_file(f"bank/scans/{path.name}", path.read_bytes())
    yield found
    gcsfs.GCSFileSystem.clear_instance_cache()
    server.stop()


def test_images_of_a_bucket_become_shards_in_it_and_the_job_goes_on(
    run: Any, store: Any, scans: list[Path]
) -> None:
    import pyarrow.parquet as pq

    arguments = ("embed", "gs://bank/scans/", "-o", "gs://bank/out/", "--shard-size", 10)
    assert run(*arguments).status == 0
    shards = sorted(name for name in store.ls("bank/out") if name.endswith(".parquet"))
    assert len(shards) == 3
    store.rm_file(shards[1])
    done = run(*arguments, "--resume", "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out)["there"] == 2
    tables = [pq.read_table(store.open(name)) for name in shards]
    paths = [path for table in tables for path in table["path"].to_pylist()]
    assert paths == [f"gs://bank/scans/{path.name}" for path in scans]
    features = np.concatenate([np.stack(table["features"].to_numpy()) for table in tables])
    np.testing.assert_allclose(features, sigzoo.load().embed(scans), atol=1e-5)


def test_what_is_not_there_is_told(run: Any, store: Any) -> None:
    done = run("embed", "gs://bank/none.png", "-o", "out.npz")
    assert done.status == 1
    assert "gs://bank/none.png: there is no such object" in done.err
