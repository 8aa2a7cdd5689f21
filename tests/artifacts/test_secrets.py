"""Passwords and tokens of URLs: used, never shown, never kept, never given to another host."""

from __future__ import annotations

import base64
import logging
from pathlib import Path

import pytest

from sigzoo.artifacts import ArtifactSpec, Retry, fetch
from sigzoo.artifacts.cache import entries
from sigzoo.common.redaction import redacted
from sigzoo.errors import ArtifactError

SECRET = "s3cr3tPW"


def with_password(url, user="user"):
    return url.replace("://", f"://{user}:{SECRET}@")


def with_token(url, key="token"):
    return f"{url}?id=7&{key}={SECRET}&x=1"


SPELLINGS = {
    "a password": with_password,
    "a token as the user": lambda url: url.replace("://", f"://{SECRET}@"),
    "a password of no user": lambda url: with_password(url, ""),
    "a token": with_token,
    "an access token": lambda url: with_token(url, "access_token"),
    "a key": lambda url: with_token(url, "X-API-Key"),
    "a signature of Amazon's": lambda url: with_token(url, "X-Amz-Signature"),
    "a signature of Azure's": lambda url: with_token(url, "sig"),
    "a password as a parameter": lambda url: with_token(url, "password"),
}


def everything_under(folder):
    return b"".join(
        path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix == ".json"
    )


@pytest.fixture(autouse=True)
def _heard(caplog):
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.DEBUG, "sigzoo.artifacts")


@pytest.fixture
def publish(site):
    """Put a file at a URL as it is asked for."""

    def put(spelling, data, **faults):
        url = SPELLINGS[spelling](f"{site.address}/w.bin")
        name = "w.bin" + (f"?{url.partition('?')[2]}" if "?" in url else "")
        site.publish(data, name, **faults)
        return url

    return put


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_secret_is_kept_nowhere_after_a_fetch(spelling, publish, content, home, caplog, capfd):
    data = content()
    fetch(ArtifactSpec("models", (publish(spelling, data),), unpinned=True))
    assert SECRET not in caplog.text
    assert SECRET not in "".join(capfd.readouterr())
    assert SECRET.encode() not in everything_under(home)
    assert "***" in everything_under(home).decode()
    assert not [entry for entry in entries() if SECRET in repr(entry)]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize(
    "fault", ["missing", "wrong", "cut", "refused", "page", "offline", "unknown", "https"]
)
def test_a_secret_is_in_no_message(spelling, fault, publish, content, home, caplog, monkeypatch, pinned):
    data = content()
    url = publish(spelling, data[:-1] + b"?" if fault == "wrong" else data, cuts=[1000] * (fault == "cut"))
    if fault == "missing":
        url = url.replace("w.bin", "404.bin")
    elif fault == "refused":
        url = SPELLINGS[spelling]("http://127.0.0.1:1/w.bin")
    elif fault == "https":
        url = url.replace("http:", "https:")
    elif fault == "page":
        url = publish(spelling, b"<html></html>")
    elif fault == "offline":
        monkeypatch.setenv("SIGZOO_OFFLINE", "1")
    elif fault == "unknown":
        url = url.replace("http:", "ftp:")
    with pytest.raises(ArtifactError) as caught:
        fetch(pinned(data, url, filename="w"), retry=Retry(attempts=1, sleep=lambda seconds: None))
    assert SECRET not in str(caught.value)
    assert SECRET not in caplog.text
    assert SECRET.encode() not in everything_under(home)


def test_a_password_is_sent_to_its_host(site, content, pinned):
    data = content()
    url = with_password(site.publish(data))
    assert fetch(pinned(data, url)).read_bytes() == data
    expected = base64.b64encode(f"user:{SECRET}".encode()).decode()
    assert site.requests[-1].headers["Authorization"] == f"Basic {expected}"


@pytest.mark.parametrize("entry", ["machine 127.0.0.1", "default", "machine localhost"])
def test_credentials_of_netrc_follow_no_redirect_to_another_host(
    entry, site, content, pinned, tmp_path, monkeypatch
):
    netrc = tmp_path / "netrc"
    netrc.write_text(f"{entry} login user password {SECRET}\n")
    monkeypatch.setenv("NETRC", str(netrc))
    data = content()
    there = site.publish(data, "there")
    elsewhere = there.replace("127.0.0.1", "localhost")
    url = site.publish(b"", "here", always=(302, {"Location": elsewhere}, b""))
    assert fetch(pinned(data, url)).read_bytes() == data
    first, second = site.requests
    assert ("Authorization" in first.headers) == (entry != "machine localhost")
    assert "Authorization" not in second.headers


@pytest.mark.parametrize("inside", [with_password, with_token])
def test_a_redirect_out_of_https_shows_no_secret(inside, secure_site, site, content, pinned):
    url = secure_site.publish(b"", "here", always=(302, {"Location": inside(site.publish(content()))}, b""))
    with pytest.raises(ArtifactError, match="redirected from https") as caught:
        fetch(pinned(content(), url))
    assert SECRET not in str(caught.value)


def test_a_download_says_nothing_through_pooch_and_leaves_its_log_as_it_was(site, content, pinned, capfd):
    import pooch

    before = list(pooch.get_logger().filters)
    fetch(pinned(content(), site.publish(content())))
    assert capfd.readouterr().err == ""
    assert pooch.get_logger().filters == before


@pytest.mark.parametrize(
    "text",
    [
        "https://example.org/a/b?id=1&export=download&confirm=t#part",
        "gdrive:1l8NFdxSvQSLb2QTv71E6bKcTgvShKPpx",
        "file:///home/user@host/w.bin",
        "package:sigzoo_students/weights/w.bin",
        "someone@example.org wrote https://example.org/~me/",
        str(Path("/a/b@c:d")),
    ],
)
def test_what_is_no_secret_is_left_as_it_is(text):
    assert redacted(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://u:p@h/x", "https://***@h/x"),
        ("https://u:p@ss@h/x", "https://***@h/x"),
        ("HTTPS://u@h:8/x?a=1", "HTTPS://***@h:8/x?a=1"),
        ("x https://u:p@h/ and http://v:q@i/y", "x https://***@h/ and http://***@i/y"),
        ("https://h/x?TOKEN=abc&b=2", "https://h/x?TOKEN=***&b=2"),
        ("https://h/x#access_token=abc", "https://h/x#access_token=***"),
    ],
)
def test_secrets_are_replaced_wherever_they_stand(text, shown):
    assert redacted(text) == shown
