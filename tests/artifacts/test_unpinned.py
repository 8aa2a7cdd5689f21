"""Files of which nobody published a digest: no mixture, no error page and no lie becomes the recorded one."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile

import numpy as np
import pytest

from sigzoo.artifacts import ArtifactSpec, Member, Retry, fetch, locate
from sigzoo.artifacts.bundle import export_cache, import_cache
from sigzoo.artifacts.cache import clear
from sigzoo.errors import ArtifactError, VerificationError

DATE = "Tue, 15 Nov 1994 12:45:26 GMT"


def unpinned(*urls, name="models", **fields):
    return ArtifactSpec(name, urls, unpinned=True, **fields)


def archive_of(*members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members:
            archive.writestr(name, data)
    return stream.getvalue()


def blob_id(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


VALIDATORS = {
    "none": {"etag": None},
    "a weak ETag": {"etag": 'W/"v"'},
    "a weak ETag in lower case": {"etag": 'w/"v"'},
    "an ETag without quotes": {"etag": "v"},
    "a date": {"etag": None, "last_modified": DATE},
    "a weak ETag and a date": {"etag": 'W/"v"', "last_modified": DATE},
    "an odd ETag and a date": {"etag": '"a\tb"', "last_modified": DATE},
}


@pytest.mark.parametrize("obeys", [True, False])
@pytest.mark.parametrize("case", VALIDATORS)
def test_two_versions_are_never_spliced(case, obeys, site, content, monkeypatch):
    old, new = content(seed=1), content(seed=2)
    url = site.publish(old, cuts=[100_000], **VALIDATORS[case])
    spec = unpinned(url)
    with pytest.raises(ArtifactError, match="connection cut"):
        fetch(spec, retry=Retry(attempts=1))
    site.publish(new, **VALIDATORS[case])
    if not obeys:
        monkeypatch.setattr(site, "_same", lambda request, resource: True)
    assert fetch(spec).read_bytes() == new


@pytest.mark.parametrize("later", [None, '"other"', 'W/"v1"', '"v1" ', "v1"])
def test_a_part_whose_etag_is_not_the_strong_one_of_before_is_not_added(later, site, content, monkeypatch):
    old, new = content(seed=1), content(seed=2)
    url = site.publish(old, cuts=[100_000])
    spec = unpinned(url)
    with pytest.raises(ArtifactError):
        fetch(spec, retry=Retry(attempts=1))
    site.publish(new, etag=later)
    monkeypatch.setattr(site, "_same", lambda request, resource: True)
    found = fetch(spec).read_bytes()
    # A blank behind an ETag is none of its: then the server says that nothing has changed.
    assert found == new or later == '"v1" '


def test_an_unchanged_file_with_a_strong_etag_is_resumed(site, content):
    data = content()
    url = site.publish(data, cuts=[100_000])
    with pytest.raises(ArtifactError):
        fetch(unpinned(url), retry=Retry(attempts=1))
    assert fetch(unpinned(url)).read_bytes() == data
    assert [request.start for request in site.asked(url)] == [0, 100_000]


@pytest.mark.parametrize("stated", ["bytes */100000", "bytes */300000", "bytes */7", "bytes */*", ""])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_lying_416_ends_no_download(stated, chunked, site, content):
    data = content()
    url = site.publish(data, cuts=[100_000], chunked=chunked)
    with pytest.raises(ArtifactError):
        fetch(unpinned(url), retry=Retry(attempts=1))
    site.publish(data, script=[(416, {"Content-Range": stated}, b"")])
    assert fetch(unpinned(url)).read_bytes() == data


def as_npz():
    stream = io.BytesIO()
    np.savez(stream, a=np.arange(5))
    return stream.getvalue()


GOOD = {
    "w.zip": archive_of(("signet.pkl", b"weights" * 100)),
    "w.npz": as_npz(),
    "w.npy": as_npz()[:0] + b"\x93NUMPY\x01\x00rest",
    "w.pth": archive_of(("archive/data.pkl", b"x")),
    "w.pt": b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.",
    "w.pkl": b"\x80\x02}q\x00.",
    "old.pkl": b"(dp0\nS'a'\np1\nI1\ns.",
    "w.bin": bytes(range(256)) * 10,
    "w.json": b'{"layers": [1, 2]}',
    "w.csv": b"a,b\n1,2\n",
    "w.png": b"\x89PNG\r\n\x1a\n0000",
    "w": bytes(range(256)),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_can_be_the_file_is_taken(name, site):
    assert fetch(unpinned(site.publish(GOOD[name], name))).read_bytes() == GOOD[name]


ANSWERS = {
    "JSON": b'{"error": {"code": 403, "message": "quota"}}',
    "a list in JSON": b' \n[{"error": 1}]',
    "JSON longer than what is looked at": b'{"error": "' + b"x" * 30_000 + b'"}',
    "XML": b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>',
    "XML without a declaration": b"<Error><Code>AccessDenied</Code></Error>",
    "XML with a mark before it": b"\xef\xbb\xbf<?xml version='1.0'?><Error/>",
    "HTML": b"<!doctype html><title>Sign in</title>",
    "HTML behind a long comment": b"<!--" + b" " * 20_000 + b"--><html><body>quota</body></html>",
    "a fragment of HTML": b"<p>Not found</p>",
    "a pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
}


@pytest.mark.parametrize("name", ["w.zip", "w.npz", "w.npy", "w.pth", "w.pkl", "w.bin", "w.png", "w"])
@pytest.mark.parametrize("case", ANSWERS)
def test_an_answer_in_place_of_the_file_is_never_recorded(case, name, site, home):
    url = site.publish(ANSWERS[case], name)
    with pytest.raises(ArtifactError):
        fetch(unpinned(url))
    assert not (home / "pins.json").exists()
    site.publish(GOOD[name], name)
    assert fetch(unpinned(url)).read_bytes() == GOOD[name]


@pytest.mark.parametrize("name", ["w.zip", "w.npz", "w.npy", "w.pth", "w.png"])
@pytest.mark.parametrize("text", [b"Not found", b"403 Forbidden\n", b"PK is not here", b"\0\0\0\0"])
def test_text_in_place_of_a_file_of_known_form_is_never_recorded(name, text, site, home):
    with pytest.raises(VerificationError, match="what came"):
        fetch(unpinned(site.publish(text, name)))
    assert not (home / "pins.json").exists()


@pytest.mark.parametrize("damage", ["cut", "spliced", "zeroed", "bomb"])
def test_a_damaged_archive_is_never_recorded(damage, site, home, content):
    data = bytearray(archive_of(("a", content(50_000)), ("b", content(50_000, 1))))
    if damage == "cut":
        data = data[:-30]
    elif damage == "spliced":
        data[20_000:30_000] = content(10_000, 7)
    elif damage == "zeroed":
        data[60_000:] = bytes(len(data) - 60_000)
    else:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("zeros", bytes(100_000_000))
        data = stream.getvalue()
    with pytest.raises(VerificationError, match="what came"):
        fetch(unpinned(site.publish(bytes(data), "w.zip")))
    assert not (home / "pins.json").exists()


def test_a_wrong_first_file_names_the_way_out(site, content, caplog):
    url = site.publish(content(seed=1))
    with caplog.at_level("WARNING", "sigzoo.artifacts"):
        fetch(unpinned(url)).unlink()
    assert "sigzoo cache clear models --forget" in caplog.text
    site.publish(content(seed=2))
    with pytest.raises(VerificationError, match="sigzoo cache clear models --forget"):
        fetch(unpinned(url))
    clear(["models"], forget_pins=True)
    assert fetch(unpinned(url)).read_bytes() == content(seed=2)


@pytest.mark.parametrize(
    "entry", [{}, None, 5, [], "x", {"sha256": None}, {"sha256": ""}, {"sha256": "0" * 63}, {"sha256": [1]}]
)
def test_a_damaged_entry_lets_nothing_pass_and_can_be_forgotten(entry, site, content, home):
    home.mkdir()
    (home / "pins.json").write_text(json.dumps({"models": entry, "others": {"sha256": "0" * 64}}))
    url = site.publish(content())
    with pytest.raises(ArtifactError, match=r"entry 'models' of .*pins\.json is damaged.*--forget"):
        fetch(unpinned(url))
    clear(["models"], forget_pins=True)
    assert fetch(unpinned(url)).read_bytes() == content()
    assert json.loads((home / "pins.json").read_text())["others"] == {"sha256": "0" * 64}


# --- archives whose members have digests --------------------------------------------------------------

PICKLE = b"\x80\x02published weights."


def with_member(*urls, member_urls=(), **pins):
    pins = pins or {"git_blob": blob_id(PICKLE)}
    return unpinned(*urls, filename="m.zip", members=(Member("signet.pkl", member_urls, **pins),))


@pytest.mark.parametrize("pin", ["git_blob", "sha256"])
def test_an_archive_whose_member_is_another_is_refused_before_it_is_recorded(pin, site, home):
    digest = blob_id(PICKLE) if pin == "git_blob" else hashlib.sha256(PICKLE).hexdigest()
    wrong = site.publish(archive_of(("signet.pkl", PICKLE[::-1])), "wrong.zip")
    right = site.publish(archive_of(("models/signet.pkl", PICKLE)), "right.zip")
    with pytest.raises(
        VerificationError, match=f"{pin.split('_')[0]}.* of member 'signet.pkl' is .* instead"
    ):
        fetch(with_member(wrong, **{pin: digest}))
    assert not (home / "pins.json").exists()
    assert fetch(with_member(wrong, right, **{pin: digest})).read_bytes().startswith(b"PK")


def test_an_archive_without_its_member_or_with_two_is_refused(site, home):
    for number, members in enumerate(
        [[("other", PICKLE)], [("a/signet.pkl", PICKLE), ("b/signet.pkl", b"")]]
    ):
        url = site.publish(archive_of(*members), f"{number}.zip")
        with pytest.raises(VerificationError, match="signet.pkl"):
            fetch(with_member(url))
    assert not (home / "pins.json").exists()


def test_a_member_comes_from_its_own_addresses_first(site):
    alone = site.publish(PICKLE, "signet.pkl")
    archive = site.publish(archive_of(("signet.pkl", PICKLE)), "m.zip")
    spec = with_member(archive, member_urls=(alone,)).of_member("signet.pkl")
    path = fetch(spec, require_hash=True)
    assert path.read_bytes() == PICKLE
    assert (path.name, path.parent.name) == ("signet.pkl", "models")
    assert site.asked(archive) == []


@pytest.mark.parametrize("alone", ["wrong", "missing", "none"])
def test_a_member_comes_out_of_the_archive_where_its_addresses_fail(alone, site, home):
    archive = site.publish(archive_of(("m/signet.pkl", PICKLE)), "m.zip")
    wrong = site.publish(b"another", "signet.pkl")
    urls = {"wrong": (wrong,), "missing": (f"{site.address}/404",), "none": ()}[alone]
    spec = with_member(archive, member_urls=urls).of_member("signet.pkl")
    assert fetch(spec).read_bytes() == PICKLE
    assert locate(spec) == fetch(spec)


def test_a_member_that_nobody_has_right_is_refused_with_every_reason(site):
    archive = site.publish(archive_of(("signet.pkl", PICKLE[::-1])), "m.zip")
    spec = with_member(archive, member_urls=(f"{site.address}/404",)).of_member("signet.pkl")
    with pytest.raises(VerificationError) as caught:
        fetch(spec)
    assert "404" in str(caught.value)
    assert "git blob id of member 'signet.pkl' is" in str(caught.value)
    assert locate(spec) is None


def test_a_wrong_archive_that_is_here_already_gives_no_member(site, monkeypatch):
    url = site.publish(archive_of(("signet.pkl", PICKLE[::-1])), "m.zip")
    fetch(unpinned(url, filename="m.zip"))
    monkeypatch.setenv("SIGZOO_OFFLINE", "1")
    spec = with_member(url).of_member("signet.pkl")
    with pytest.raises(
        VerificationError, match="member 'signet.pkl' is not the file that the registry names"
    ):
        fetch(spec)
    assert locate(spec) is None


def test_a_right_archive_that_is_here_serves_without_a_network(site, monkeypatch):
    url = site.publish(archive_of(("signet.pkl", PICKLE)), "m.zip")
    fetch(with_member(url))
    monkeypatch.setenv("SIGZOO_OFFLINE", "1")
    assert fetch(with_member(url).of_member("signet.pkl")).read_bytes() == PICKLE


def test_an_import_can_refuse_what_nobody_pinned(site, content, tmp_path, monkeypatch):
    spec = unpinned(site.publish(content()))
    fetch(spec)
    export_cache([spec], tmp_path / "a.tar")
    monkeypatch.setenv("SIGZOO_HOME", str(tmp_path / "other"))
    with pytest.raises(VerificationError, match="nobody published a digest of"):
        import_cache(tmp_path / "a.tar", lambda name, file: spec, require_hash=True)
    assert not (tmp_path / "other" / "pins.json").exists()


def test_an_import_records_no_archive_with_another_member(site, tmp_path, monkeypatch):
    url = site.publish(archive_of(("signet.pkl", PICKLE[::-1])), "m.zip")
    plain = unpinned(url, filename="m.zip")
    fetch(plain)
    export_cache([plain], tmp_path / "a.tar")
    monkeypatch.setenv("SIGZOO_HOME", str(tmp_path / "other"))
    with pytest.raises(VerificationError, match="git blob id of member"):
        import_cache(tmp_path / "a.tar", lambda name, file: with_member(url))
    assert not (tmp_path / "other" / "pins.json").exists()
