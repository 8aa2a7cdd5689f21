"""Connections that are cut and processes that are killed: what came is kept, the file is right."""

from __future__ import annotations

import time

import numpy as np
import pytest

from sigzoo.artifacts import Retry, fetch, locate
from sigzoo.errors import ArtifactError

BLOCK = 1 << 20


def files_of(home, name="weights"):
    folder = home / "artifacts" / name
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


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
