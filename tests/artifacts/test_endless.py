"""Downloads that would never end: given up in bounded time, with a reason, and the next mirror is asked."""

from __future__ import annotations

import time

import pytest

from sigzoo.artifacts import Retry, fetch
from sigzoo.artifacts.part_files import part_path
from sigzoo.artifacts.retry import retry_after_seconds
from sigzoo.errors import ArtifactError
from tests.artifacts.rude_servers import deaf, mute, rude_server, trickle

HEAD = b"HTTP/1.1 200 OK\r\n"

ENDLESS = {
    "a header of a byte at a time": (trickle(HEAD + b"X-Long: ", b"x"), "no whole answer"),
    "a status line of a byte at a time": (trickle(b"HTTP/1.1 2", b"0"), "no whole answer|BadStatus|Status"),
    "100 Continue for ever": (trickle(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "no whole answer"),
    "103 Early Hints for ever": (
        trickle(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
        "no whole answer|Early Hints|connection",
    ),
    "a body of a byte at a time": (trickle(HEAD + b"Content-Length: 300000\r\n\r\n", b"x"), "slower than"),
    "a body without a stated end": (trickle(HEAD + b"\r\n", b"x"), "slower than"),
    "the length of a chunk, a digit at a time": (
        trickle(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", b"0"),
        "slower than",
    ),
    "an extension of a chunk": (
        trickle(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5;e=", b"x"),
        "slower than",
    ),
    "chunks of a byte": (trickle(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"), "slower than"),
    "trailers for ever": (
        trickle(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", b"X-T: y\r\n"),
        "slower than",
    ),
    "a redirect to itself whose head comes slowly": (
        trickle(b"HTTP/1.1 302 Found\r\nLocation: /w.bin\r\nX: ", b"x"),
        "no whole answer",
    ),
    "an error page that never ends": (
        trickle(b"HTTP/1.1 404 Not Found\r\nContent-Length: 999999\r\n\r\n", b"x"),
        "404",
    ),
    "nothing at all": (mute, "no (whole )?answer"),
    "nothing after the request": (deaf, "no (whole )?answer"),
}


@pytest.fixture
def hasty(waits):
    """Bounds small enough for a test, and wide enough for a machine that is busy."""
    return Retry(
        read_timeout=2, connect_timeout=2, answer_timeout=1, speed_window=1, sleep=waits.append, attempts=5
    )


@pytest.mark.parametrize("case", ENDLESS)
def test_what_never_ends_is_given_up_with_a_reason(case, content, pinned, hasty, home):
    talk, reason = ENDLESS[case]
    started = time.monotonic()
    with rude_server(talk) as url, pytest.raises(ArtifactError, match=reason) as caught:
        fetch(pinned(content(), url), retry=hasty)
    assert time.monotonic() - started < 60
    assert url in str(caught.value)


@pytest.mark.parametrize("case", ENDLESS)
def test_after_what_never_ends_the_next_mirror_is_asked(case, site, content, pinned, hasty):
    data = content()
    with rude_server(ENDLESS[case][0]) as url:
        spec = pinned(data, url, site.publish(data), filename="w.bin")
        assert fetch(spec, retry=hasty).read_bytes() == data


def test_a_handshake_that_is_never_answered_ends(content, pinned, hasty):
    started = time.monotonic()
    with rude_server(mute) as url, pytest.raises(ArtifactError, match="no (whole )?answer|no connection"):
        fetch(pinned(content(), url.replace("http:", "https:")), retry=hasty)
    assert time.monotonic() - started < 60


@pytest.mark.parametrize("case", ["a body of a byte at a time", "trailers for ever", "100 Continue for ever"])
def test_the_same_holds_behind_tls(case, secure_site, tmp_path, content, pinned, hasty):
    talk, reason = ENDLESS[case]
    certificate = tmp_path / "certificate.pem"
    with rude_server(talk, certificate) as url, pytest.raises(ArtifactError, match=reason):
        fetch(pinned(content(), url), retry=hasty)


def test_a_proxy_that_never_answers_ends(content, pinned, hasty, monkeypatch):
    with rude_server(trickle(b"HTTP/1.1 200 Connection ", b"x")) as proxy:
        monkeypatch.setenv("https_proxy", proxy.removesuffix("/w.bin"))
        with pytest.raises(ArtifactError, match="no whole answer|Tunnel|proxy"):
            fetch(pinned(content(), "https://sigzoo.invalid/w.bin"), retry=hasty)


def test_what_a_slow_mirror_gave_is_kept_for_the_next(site, content, pinned, hasty, home):
    data = content()
    head = HEAD + b"Content-Length: 300000\r\n\r\n" + data[:100_000]
    good = site.publish(data)

    def rest(connection, over):
        connection.recv(1 << 16)
        connection.sendall(head)
        for byte in data[100_000:]:
            if over.wait(0.05):
                return
            connection.sendall(bytes([byte]))

    with rude_server(rest) as url:
        assert fetch(pinned(data, url, good, filename="w.bin"), retry=hasty).read_bytes() == data
    assert site.asked(good)[0].start >= 100_000


def test_one_mirror_has_only_so_much_time_in_all(site, content, pinned, home):
    data = content(2_000_000)
    url = site.publish(data, pace=0.01)
    spec = pinned(data, url)
    with pytest.raises(ArtifactError, match=r"not whole after 0\.5 s, \d+ bytes are here; the next fetch"):
        fetch(spec, retry=Retry(longest=0.5))
    assert part_path(home / "artifacts" / "weights" / "weights.bin").stat().st_size > 0
    site.resource(url).pace = 0
    assert fetch(spec).read_bytes() == data
    assert site.asked(url)[1].start > 0


ODD_DATES = [
    "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
    "Mon, 01 Jan 2030 99999999999999999999:00:00 GMT",
    "Mon, 01 Jan 2030 00:00:00 +99999999999999",
    "Mon, 32 Foo 2030 00:00:00 GMT",
    "Thu, 01 Jan 0000 00:00:00 GMT",
    "9" * 400,
    "-5",
    "1e9",
    "٣",
    "",
    " ",
    "soon",
    "x" * 10_000,
    "Mon, 01 Jan 9999 23:59:59 -2359",
]


@pytest.mark.parametrize("value", ODD_DATES)
def test_an_odd_retry_after_does_not_end_the_fetch(site, content, pinned, patient, value):
    data = content()
    found = retry_after_seconds(value)
    assert found is None or found >= 0
    shown = value if value.isascii() else "x"
    busy = site.publish(b"", "busy", always=(503, {"Retry-After": shown}, b""))
    spec = pinned(data, busy, site.publish(data, "good"), filename="w")
    assert fetch(spec, retry=patient).read_bytes() == data
