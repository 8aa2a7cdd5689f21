"""Disks that are full or sealed, processes in each other's way, and a cache that was damaged."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

import pytest

from sigzoo.artifacts import Retry, fetch, locate
from sigzoo.artifacts.home import StorageError
from sigzoo.errors import ArtifactError

BLOCK = 1 << 20


def test_a_full_disk_is_named_and_what_came_is_kept(site, content, pinned, home, spawner):
    data = content(3 * BLOCK)
    url = site.publish(data)
    spec = pinned(data, url)
    failed = spawner.fetch(spec, file_limit=BLOCK).result()
    assert "ArtifactError" in failed["kinds"]
    assert "no room to write" in failed["message"]
    assert "goes on from there" in failed["message"]
    assert str(home / "artifacts" / "weights" / "weights.bin.part") in failed["message"]
    assert (home / "artifacts" / "weights" / "weights.bin.part").stat().st_size == BLOCK
    assert locate(spec) is None
    assert fetch(spec).read_bytes() == data
    assert site.asked(url)[-1].start == BLOCK


def test_a_full_disk_loses_nothing_that_was_there(site, content, pinned, home, spawner):
    old, new = content(2 * BLOCK, seed=1), content(2 * BLOCK, seed=2)
    kept = fetch(pinned(old, site.publish(old, "old"), name="kept"))
    changed = fetch(pinned(old, site.publish(old), filename="w"))
    failed = spawner.fetch(pinned(new, site.publish(new), filename="w"), file_limit=BLOCK).result()
    assert "no room to write" in failed["message"]
    assert kept.read_bytes() == old
    assert changed.read_bytes() == old


def test_a_home_that_cannot_be_a_folder_is_named_with_the_remedy(
    site, content, pinned, tmp_path, monkeypatch
):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SIGZOO_HOME", str(tmp_path / "file" / "home"))
    url = site.publish(content())
    with pytest.raises(StorageError, match=r"cannot write .*file/home.*Set SIGZOO_HOME"):
        fetch(pinned(content(), url))
    assert site.requests == []


@pytest.fixture
def read_only_home():
    """A cache that its user may read and not write, and the user: root needs another one to be refused."""
    place = Path(tempfile.mkdtemp(prefix="sigzoo-read-only-"))
    place.chmod(0o755)

    def seal():
        for path in [place, *place.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        return place

    yield place, seal, 65534 if os.geteuid() == 0 else 0
    for path in [place, *place.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(place)


def test_a_read_only_cache_is_named_with_the_remedy(site, content, pinned, spawner, read_only_home):
    place, seal, uid = read_only_home
    seal()
    failed = spawner.fetch(pinned(content(), site.publish(content())), home=place, uid=uid).result()
    assert "StorageError" in failed["kinds"]
    assert f"cannot write {place}" in failed["message"]
    assert "SIGZOO_HOME" in failed["message"]
    assert site.requests == []


@pytest.mark.parametrize("stamped", [True, False])
def test_a_read_only_cache_still_gives_what_it_holds(
    site, content, pinned, spawner, read_only_home, monkeypatch, stamped
):
    place, seal, uid = read_only_home
    data = content()
    spec = pinned(data, site.publish(data), licence_notice="for research only")
    monkeypatch.setenv("SIGZOO_HOME", str(place))
    path = fetch(spec)
    (place / "notices.json").unlink()
    if not stamped:
        path.with_name("weights.bin.stamp.json").unlink()
    seal()
    assert spawner.fetch(spec, home=place, uid=uid).result() == {"path": str(path)}
    assert "for research only" in spawner.log.read_text()


def test_eight_processes_at_once_make_exactly_one_download(site, content, pinned, spawner):
    data = content(BLOCK)
    url = site.publish(data, pace=0.001)
    spec = pinned(data, url)
    children = [spawner.fetch(spec) for _ in range(8)]
    results = [child.result() for child in children]
    assert len(site.asked(url)) == 1
    assert site.bytes_sent(url) == len(data)
    assert {result.get("path") for result in results} == {str(locate(spec))}
    told = [line for line in spawner.log.read_text().splitlines() if "waiting for another process" in line]
    assert 1 <= len(told) <= 7
    assert "fetching weights" in told[0]


def test_eight_threads_at_once_make_exactly_one_download(site, content, pinned):
    data = content(BLOCK)
    url = site.publish(data, pace=0.0005)
    spec = pinned(data, url)
    paths = []
    threads = [threading.Thread(target=lambda: paths.append(fetch(spec))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(paths) == 8
    assert len(site.asked(url)) == 1


def test_the_lock_of_a_killed_process_does_not_hold_up_the_next(site, content, pinned, spawner, home):
    data = content()
    url = site.publish(data, stall_at=100_000)
    spec = pinned(data, url)
    child = spawner.fetch(spec)
    while not site.asked(url) or site.asked(url)[0].sent < 100_000:
        time.sleep(0.01)
    child.kill()
    assert list((home / "locks").iterdir())
    site.resource(url).stall_at = None
    assert fetch(spec).read_bytes() == data


@pytest.mark.parametrize("damage", ["corrupted", "emptied", "deleted", "truncated", "a stamp that lies"])
def test_a_damaged_cache_file_is_noticed_and_fetched_again(site, content, pinned, damage):
    data = content()
    url = site.publish(data)
    spec = pinned(data, url)
    path = fetch(spec)
    before = path.stat()
    if damage == "corrupted":
        path.write_bytes(data[:1000] + b"\0\0\0\0" + data[1004:])
    elif damage == "emptied":
        path.write_bytes(b"")
    elif damage == "deleted":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(data[:-1])
    else:
        path.write_bytes(bytes(len(data)))
        stamp = path.with_name("weights.bin.stamp.json")
        stamp.write_text(stamp.read_text().replace(spec.sha256, "0" * 64))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert locate(spec) is None
    assert fetch(spec).read_bytes() == data
    assert len(site.asked(url)) == 2


def test_a_damaged_file_stays_where_nothing_better_is_had(site, content, pinned, patient):
    data = content()
    url = site.publish(data)
    spec = pinned(data, url)
    path = fetch(spec)
    path.write_bytes(b"edited by hand")
    del site.resources["/weights.bin"]
    with pytest.raises(ArtifactError, match="404"):
        fetch(spec, retry=patient)
    assert path.read_bytes() == b"edited by hand"


@pytest.mark.parametrize("rubbish", ["", "[]", "{", "null", '{"size": "x"}', "\0\0", "[" * 100_000])
def test_a_damaged_stamp_only_costs_a_hash(site, content, pinned, rubbish):
    data = content()
    url = site.publish(data)
    path = fetch(pinned(data, url))
    path.with_name("weights.bin.stamp.json").write_text(rubbish)
    assert fetch(pinned(data, url)) == path
    assert len(site.asked(url)) == 1


@pytest.mark.parametrize("rubbish", ["", "[]", "{", "null", '{"url": 7, "etag": []}', "\0\0"])
def test_a_damaged_record_of_a_partial_file_only_costs_a_download(site, content, pinned, patient, rubbish):
    data = content()
    url = site.publish(data, cuts=[200_000])
    spec = pinned(data, url)
    with pytest.raises(ArtifactError):
        fetch(spec, retry=Retry(attempts=1))
    (Path(os.environ["SIGZOO_HOME"]) / "artifacts/weights/weights.bin.part.json").write_text(rubbish)
    assert fetch(spec, retry=patient).read_bytes() == data
