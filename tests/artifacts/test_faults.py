"""Servers, lines and disks that fail: the file is right in the end, or the error says what went wrong."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import numpy as np
import pytest

from sigzoo.artifacts import Retry, fetch, locate
from sigzoo.artifacts.home import StorageError
from sigzoo.errors import ArtifactError, VerificationError

BLOCK = 1 << 20


def files_of(home, name="weights"):
    folder = home / "artifacts" / name
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


# --- cut, and resumed ---------------------------------------------------------------------------


@pytest.mark.parametrize("index", range(25))
def test_a_download_cut_anywhere_is_resumed_where_it_stopped(index, site, content, pinned):
    data = content(3 * BLOCK + 12_345, seed=1)
    offset = int(np.random.default_rng(index).integers(0, len(data)))
    url = site.publish(data, cuts=[offset])
    spec = pinned(data, url)
    with pytest.raises(ArtifactError, match="connection cut"):
        fetch(spec, retry=Retry(attempts=1))
    assert locate(spec) is None
    assert fetch(spec, retry=Retry(attempts=1)).read_bytes() == data
    assert site.bytes_sent(url) <= len(data) + BLOCK
    if offset > BLOCK:
        assert [request.status for request in site.asked(url)] == [200, 206]


def test_one_fetch_survives_25_cuts(site, content, pinned, patient, waits):
    data = content(3 * BLOCK, seed=2)
    cuts = sorted(int(cut) for cut in np.random.default_rng(7).integers(1, len(data), 25))
    url = site.publish(data, cuts=list(cuts))
    assert fetch(pinned(data, url), retry=patient).read_bytes() == data
    assert len(site.asked(url)) == 26
    assert site.bytes_sent(url) <= len(data) + 25 * BLOCK
    assert len(waits) == 25


def test_a_chunked_answer_that_is_cut_is_resumed(site, content, pinned, patient):
    data = content(seed=3)
    url = site.publish(data, chunked=True, cuts=[200_000])
    assert fetch(pinned(data, url), retry=patient).read_bytes() == data


def test_a_server_that_ignores_range_makes_it_start_over(site, content, pinned, patient):
    data = content()
    url = site.publish(data, cuts=[150_000], ranges=False)
    assert fetch(pinned(data, url), retry=patient).read_bytes() == data
    assert [request.status for request in site.asked(url)] == [200, 200]
    assert "Range" in site.asked(url)[1].headers


def test_a_file_that_changed_between_two_tries_is_not_stitched_together(site, content, patient, pinned):
    old, new = content(seed=1), content(seed=2)
    url = site.publish(old, etag='"old"', cuts=[100_000])
    spec = pinned(new, url)
    with pytest.raises(ArtifactError):
        fetch(spec, retry=Retry(attempts=1))
    site.publish(new, etag='"new"')
    assert fetch(spec, retry=patient).read_bytes() == new
    second = site.asked(url)[1]
    assert second.headers["If-Range"] == '"old"'
    assert second.status == 200


def test_a_server_that_ignores_if_range_is_caught_by_its_etag(site, content, patient, pinned, monkeypatch):
    old, new = content(seed=1), content(seed=2)
    url = site.publish(old, etag='"old"', cuts=[100_000])
    spec = pinned(new, url)
    with pytest.raises(ArtifactError):
        fetch(spec, retry=Retry(attempts=1))
    site.publish(new, etag='"new"')
    monkeypatch.setattr(site, "_same", lambda request, resource: True)
    assert fetch(spec, retry=patient).read_bytes() == new
    assert [request.status for request in site.asked(url)] == [200, 206, 200]


def test_without_an_etag_the_date_is_the_validator(site, content, pinned, patient):
    data, date = content(), "Tue, 15 Nov 1994 12:45:26 GMT"
    url = site.publish(data, etag=None, last_modified=date, cuts=[100_000])
    assert fetch(pinned(data, url), retry=patient).read_bytes() == data
    assert site.asked(url)[1].headers["If-Range"] == date


def test_a_weak_etag_is_never_sent_as_validator(site, content, pinned, patient):
    data = content()
    url = site.publish(data, etag='W/"v1"', cuts=[100_000])
    assert fetch(pinned(data, url), retry=patient).read_bytes() == data
    assert "If-Range" not in site.asked(url)[1].headers
    assert site.asked(url)[1].status == 206


@pytest.mark.parametrize("span", ["bytes 0-299999/300000", "bytes 100000-299999/999", "nonsense", ""])
def test_a_partial_answer_about_something_else_makes_it_start_over(site, content, pinned, patient, span):
    data = content()
    url = site.publish(data, cuts=[100_000])
    spec = pinned(data, url)
    with pytest.raises(ArtifactError):
        fetch(spec, retry=Retry(attempts=1))
    site.resource(url).content_range = span or " "
    assert fetch(spec, retry=patient).read_bytes() == data


def test_bytes_of_another_mirror_are_continued_as_the_digest_decides(site, content, pinned):
    data = content()
    first = site.publish(data, "first", cuts=[200_000])
    second = site.publish(data, "second", etag='"another"')
    assert fetch(pinned(data, first, second, filename="w"), retry=Retry(attempts=1)).read_bytes() == data
    assert site.bytes_sent(first) + site.bytes_sent(second) == len(data)


def test_wrong_first_bytes_of_one_mirror_do_not_spoil_the_next(site, content, pinned):
    data, wrong = content(seed=1), content(seed=2)
    first = site.publish(wrong, "first", cuts=[200_000])
    second = site.publish(data, "second")
    assert fetch(pinned(data, first, second, filename="w"), retry=Retry(attempts=1)).read_bytes() == data
    assert [request.start for request in site.asked(second)] == [200_000, 0]


def test_an_unpinned_file_is_never_stitched_from_two_mirrors(site, content, pinned):
    data, other = content(seed=1), content(seed=2)
    first = site.publish(other, "first", cuts=[200_000])
    second = site.publish(data, "second")
    spec = pinned(data, first, second, filename="w", sha256=None, size=None, unpinned=True)
    assert fetch(spec, retry=Retry(attempts=1)).read_bytes() == data
    assert site.asked(second)[0].start == 0


def test_a_partial_file_without_a_record_is_not_trusted(site, content, pinned, home, patient):
    data = content()
    url = site.publish(data)
    folder = home / "artifacts" / "weights"
    folder.mkdir(parents=True)
    (folder / "weights.bin.part").write_bytes(b"x" * 1000)
    assert fetch(pinned(data, url), retry=patient).read_bytes() == data
    assert [request.start for request in site.asked(url)] == [0]


# --- killed ---------------------------------------------------------------------------------------


def test_a_process_killed_at_25_random_moments_leaves_nothing_wrong_behind(
    site, content, pinned, home, spawner
):
    data = content(BLOCK, seed=4)
    url = site.publish(data, pace=0.001)
    spec = pinned(data, url)
    target = home / "artifacts" / "weights" / "weights.bin"
    rng = np.random.default_rng(11)
    whole = 0
    for _ in range(25):
        child = spawner.fetch(spec)
        time.sleep(float(rng.uniform(0.0, 0.12)))
        child.kill()
        part = target.with_name("weights.bin.part")
        if part.exists():
            assert data.startswith(part.read_bytes())
        if target.exists():
            assert target.read_bytes() == data
            whole += 1
            target.unlink()
    wanted = len(data) * (whole + 1)
    assert spawner.fetch(spec).result() == {"path": str(target)}
    assert target.read_bytes() == data
    sent = site.bytes_sent(url)
    assert sent <= wanted + 25 * BLOCK
    assert any(request.start > 0 for request in site.asked(url))
    assert files_of(home) == ["weights.bin", "weights.bin.stamp.json"]
    print(f"\n25 kills: {whole} files became whole, {sent - wanted} bytes fetched twice in all")


# --- what servers send instead ---------------------------------------------------------------------


def test_wrong_bytes_are_named_and_not_kept(site, content, pinned, home, patient):
    url = site.publish(content(seed=1))
    spec = pinned(content(seed=2), url)
    with pytest.raises(VerificationError, match=f"{url}: sha256 is .* instead of {spec.sha256}"):
        fetch(spec, retry=patient)
    assert files_of(home) == []
    assert len(site.asked(url)) == 1


@pytest.mark.parametrize("size", [100, 299_999, 300_001, 900_000])
def test_a_file_of_another_length_is_refused_before_it_is_downloaded(site, content, pinned, patient, size):
    data = content(900_000)
    url = site.publish(data[:size])
    with pytest.raises(VerificationError, match=f"the server has {size} bytes instead of 300000"):
        fetch(pinned(data[:300_000], url), retry=patient)


def test_a_truncated_file_of_unstated_length_is_refused(site, content, pinned, patient):
    data = content()
    url = site.publish(data[:-1], length=None, ranges=False)
    with pytest.raises(ArtifactError, match="connection cut at 299999 of 300000 bytes"):
        fetch(pinned(data, url), retry=patient)


def test_a_cut_unpinned_file_is_never_recorded_as_the_first_seen(site, content, pinned, patient, home):
    fields = {"sha256": None, "size": None, "unpinned": True}
    url = site.publish(content(), length=None, cuts=[100_000])
    with pytest.raises(ArtifactError, match="does not say how long the file is"):
        fetch(pinned(b"", url, **fields), retry=patient)
    url = site.publish(content(), chunked=True, cuts=[100_000])
    with pytest.raises(ArtifactError, match="connection cut at 100000 bytes"):
        fetch(pinned(b"", url, **fields), retry=Retry(attempts=1))
    assert not (home / "pins.json").exists()
    assert fetch(pinned(b"", url, **fields), retry=patient).read_bytes() == content()


def test_an_answer_that_does_not_end_is_cut_off(site, content, pinned, patient, home):
    data = content(4 * BLOCK)
    url = site.publish(data, length=None)
    with pytest.raises(VerificationError, match="sends more than 1000000 bytes"):
        fetch(pinned(data[:1_000_000], url), retry=patient)
    assert files_of(home) == []


def test_a_promised_length_that_does_not_come_is_a_cut(site, content, pinned):
    data = content()
    url = site.publish(data, length=300_500, ranges=False)
    with pytest.raises(ArtifactError, match="connection cut"):
        fetch(pinned(data, url, size=None), retry=Retry(attempts=1))


@pytest.mark.parametrize(
    ("page", "name"),
    [
        (b"<!DOCTYPE html><html><head><title>Sorry &amp; bye</title></head></html>", "titled 'Sorry & bye'"),
        (b"<html><body>Google Drive - Virus scan warning</body></html>", "virus-scan warning page"),
        (b"<html><title>Google Drive - Quota exceeded</title></html>", "quota page"),
        (b"\n  <!-- x --> <HTML>Too many users have viewed or downloaded this file", "quota page"),
        (b"<html><a href='https://accounts.google.com/v3/signin'>", "sign-in page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "Git LFS pointer"),
    ],
)
@pytest.mark.parametrize("declared", ["text/html; charset=utf-8", "application/octet-stream"])
def test_a_page_instead_of_a_file_is_named(site, content, pinned, patient, page, name, declared):
    url = site.publish(page, content_type=declared)
    with pytest.raises(ArtifactError, match=name):
        fetch(pinned(content(), url), retry=patient)
    assert len(site.asked(url)) == 1


def test_a_page_is_never_recorded_as_an_unpinned_file(site, pinned, patient, home):
    url = site.publish(b"<html><title>Quota exceeded</title></html>")
    with pytest.raises(ArtifactError, match="quota page"):
        fetch(pinned(b"", url, sha256=None, size=None, unpinned=True), retry=patient)
    assert not (home / "pins.json").exists()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_a_refusal_is_final_for_its_mirror(site, content, pinned, patient, status):
    url = site.publish(b"", always=(status, {}, b"no"))
    with pytest.raises(ArtifactError, match=f"{url}: {status} "):
        fetch(pinned(content(), url), retry=patient)
    assert len(site.asked(url)) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_passing_failure_is_tried_again_with_back_off(site, content, pinned, patient, waits, status):
    data = content()
    url = site.publish(data, script=[(status, {}, b"later")] * 3)
    assert fetch(pinned(data, url), retry=patient).read_bytes() == data
    assert waits == [1.0, 2.0, 4.0]


def test_a_lasting_failure_is_given_up(site, content, pinned, patient, waits):
    url = site.publish(b"", always=(503, {}, b"never"))
    with pytest.raises(ArtifactError, match=r"503 .*tried 5 times"):
        fetch(pinned(content(), url), retry=patient)
    assert len(site.asked(url)) == 5
    assert waits == [1.0, 2.0, 4.0, 8.0]


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(site, content, pinned, patient, waits, status):
    data = content()
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=50), usegmt=True)
    script = [(status, {"Retry-After": "17"}, b""), (status, {"Retry-After": later}, b"")]
    url = site.publish(data, script=script)
    assert fetch(pinned(data, url), retry=patient).read_bytes() == data
    assert waits[0] == 17
    assert 40 < waits[1] <= 50


def test_a_server_that_asks_for_too_long_a_wait_is_left_for_the_next_mirror(
    site, content, pinned, patient, waits
):
    data = content()
    busy = site.publish(b"", "busy", always=(429, {"Retry-After": "86400"}, b""))
    free = site.publish(data, "free")
    assert fetch(pinned(data, busy, free, filename="w"), retry=patient).read_bytes() == data
    assert len(site.asked(busy)) == 1
    assert waits == []


def test_a_redirect_is_followed(site, content, pinned, patient):
    data = content()
    there = site.publish(data, "there")
    url = site.publish(b"", "here", always=(302, {"Location": there}, b""))
    assert fetch(pinned(data, url), retry=patient).read_bytes() == data


def test_a_redirect_loop_ends(site, content, pinned, patient):
    url = site.publish(b"", "a", always=(302, {"Location": "/b"}, b""))
    site.publish(b"", "b", always=(302, {"Location": "/a"}, b""))
    with pytest.raises(ArtifactError, match="redirects in a loop"):
        fetch(pinned(content(), url), retry=patient)


@pytest.mark.parametrize("offset", [0, 1, 20_000, 150_000])
def test_a_server_that_stalls_is_left_and_the_rest_asked_for_again(site, content, pinned, waits, offset):
    data = content()
    url = site.publish(data, stall_at=offset)

    def mend(seconds):
        waits.append(seconds)
        site.resource(url).stall_at = None

    retry = Retry(read_timeout=0.3, sleep=mend)
    assert fetch(pinned(data, url), retry=retry).read_bytes() == data
    assert len(site.asked(url)) == 2


def test_an_endless_stall_is_an_error_that_says_so(site, content, pinned, waits):
    url = site.publish(content(), stall_at=0)
    with pytest.raises(ArtifactError, match=r"no byte within 0.2 s .tried 2 times"):
        fetch(pinned(content(), url), retry=Retry(attempts=2, read_timeout=0.2, sleep=waits.append))


def test_a_compressed_answer_is_refused_by_name(site, content, pinned, patient):
    url = site.publish(content(), encoding="gzip")
    with pytest.raises(ArtifactError, match="compressed"):
        fetch(pinned(content(), url), retry=patient)


def test_the_next_mirror_is_tried_and_the_error_lists_every_one(site, content, pinned, patient):
    data = content()
    urls = [
        site.publish(content(seed=5), "wrong"),
        f"{site.address}/missing",
        site.publish(b"<html></html>", "page"),
        "http://127.0.0.1:1/refused",
        "ftp://127.0.0.1/unknown",
        "http://[::1",
    ]
    spec = pinned(data, *urls, filename="w")
    with pytest.raises(VerificationError) as caught:
        fetch(spec, retry=patient)
    lines = str(caught.value).splitlines()
    for url, why in zip(
        urls, ["sha256", "404", "HTML", "refused", "not a kind of URL", "not a usable URL"], strict=True
    ):
        assert any(line.strip().startswith(f"{url}: ") and why in line for line in lines), (url, lines)
    good = pinned(data, *urls, site.publish(data, "good"), filename="w")
    assert fetch(good, retry=patient).read_bytes() == data


# --- disks and other processes ----------------------------------------------------------------------


def test_a_full_disk_is_named_and_what_came_is_kept(site, content, pinned, home, spawner):
    data = content(3 * BLOCK)
    url = site.publish(data)
    spec = pinned(data, url)
    failed = spawner.fetch(spec, file_limit=BLOCK).result()
    assert "ArtifactError" in failed["kinds"]
    assert "no room to write" in failed["message"]
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


# --- the cache damaged ------------------------------------------------------------------------------


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
