"""What servers send instead of a file: tried again, left for the next mirror, or named."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from sigzoo.artifacts import Retry, fetch
from sigzoo.errors import ArtifactError, VerificationError

BLOCK = 1 << 20


def files_of(home, name="weights"):
    folder = home / "artifacts" / name
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


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


UNPINNED = {"sha256": None, "size": None, "unpinned": True}


def test_a_part_that_nobody_asked_for_is_refused(site, content, pinned, patient, home):
    part = (206, {"Content-Range": "bytes 0-99/500000"}, content(100))
    url = site.publish(b"", always=part)
    with pytest.raises(ArtifactError, match=r"a part of the file \(206\)"):
        fetch(pinned(b"", url, **UNPINNED), retry=patient)
    assert not (home / "pins.json").exists()
    assert files_of(home) == []


def test_a_part_of_a_file_of_unknown_length_is_no_end_of_an_unpinned_one(site, content, pinned, patient):
    url = site.publish(content(), chunked=True, cuts=[100_000], content_range="bytes 100000-199999/*")
    spec = pinned(b"", url, **UNPINNED)
    with pytest.raises(ArtifactError, match="connection cut"):
        fetch(spec, retry=Retry(attempts=1))
    assert fetch(spec, retry=patient).read_bytes() == content()
    assert [request.start for request in site.asked(url)] == [0, 100_000, 0]


def test_an_empty_answer_is_never_recorded_as_an_unpinned_file(site, pinned, patient, home, tmp_path):
    (tmp_path / "empty").touch()
    for url in (site.publish(b""), (tmp_path / "empty").as_uri()):
        with pytest.raises(VerificationError, match="an empty file"):
            fetch(pinned(b"", url, filename="w", **UNPINNED), retry=patient)
    assert not (home / "pins.json").exists()
    assert files_of(home) == []


def test_a_file_that_is_stated_to_be_empty_may_be_empty(site, pinned, patient):
    url = site.publish(b"")
    assert fetch(pinned(b"", url), retry=patient).read_bytes() == b""
    assert fetch(pinned(b"", url, name="other", **UNPINNED | {"size": 0}), retry=patient).read_bytes() == b""


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_page_of_another_encoding_is_named(site, pinned, patient, home, encoding):
    page = "\n<!-- x --><!DOCTYPE html>\n<html><title>Sign in, Zoë</title></html>".encode(encoding)
    with pytest.raises(ArtifactError, match="titled 'Sign in, Zoë'"):
        fetch(pinned(b"", site.publish(page), **UNPINNED), retry=patient)
    assert not (home / "pins.json").exists()


def test_a_head_of_nothing_but_comments_is_judged_in_no_time(site, pinned, patient):
    data = b"<!---->" * 2000 + b"x"
    assert fetch(pinned(data, site.publish(data)), retry=patient).read_bytes() == data


@pytest.fixture
def rude():
    """Make a server that answers every connection with the same raw bytes; give its URL."""
    listeners = []

    def start(answer: bytes) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve() -> None:
            for connection in _accepted(listener):
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/w"

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _accepted(listener: socket.socket) -> Iterator[socket.socket]:
    while True:
        try:
            yield listener.accept()[0]
        except OSError:
            return


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (b"\0\1\x1b]0;mine\7\r\n\r\n", r"\x1b]0;mine\x07"),
        (b"HTTP/1.1 404 no\x1b[2Jway\r\nContent-Length: 0\r\n\r\n", r"404 no\x1b[2Jway"),
        (b"HTTP/1.1 200 OK\r\n\r\n<html><title>\x1b[2J\xc2\x9bhi</title>", r"\x1b[2J\x9bhi"),
    ],
)
def test_what_a_server_says_is_shown_and_not_obeyed(rude, content, pinned, waits, answer, shown):
    with pytest.raises(ArtifactError) as caught:
        fetch(pinned(content(), rude(answer)), retry=Retry(attempts=1, sleep=waits.append))
    assert shown in str(caught.value)
    assert str(caught.value).replace("\n", "").isprintable()


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
        "gdrive:no id",
        "http://[::1",
    ]
    spec = pinned(data, *urls, filename="w")
    with pytest.raises(VerificationError) as caught:
        fetch(spec, retry=patient)
    lines = str(caught.value).splitlines()
    for url, why in zip(
        urls, ["sha256", "404", "HTML", "refused", "not a Google Drive id", "not a usable URL"], strict=True
    ):
        assert any(line.strip().startswith(f"{url}: ") and why in line for line in lines), (url, lines)
    good = pinned(data, *urls, site.publish(data, "good"), filename="w")
    assert fetch(good, retry=patient).read_bytes() == data
