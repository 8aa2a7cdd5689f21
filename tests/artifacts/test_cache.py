"""Looking at the cache, verifying it again, clearing it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile

import pytest

from sigzoo.artifacts import ArtifactSpec, Retry, extract_member, fetch, locate
from sigzoo.artifacts.cache import clear, entries, verify_again
from sigzoo.errors import ArtifactError, UsageError, VerificationError


def unknown(name, filename):
    """A registry that knows nothing."""
    return None


def registry(*specs):
    known = {(spec.name, spec.stored_name): spec for spec in specs}
    return lambda name, filename: known.get((name, filename))


def rewrite_quietly(path, data):
    """Change a file so that neither its size nor its time tells."""
    before = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def forge_stamp(path):
    """Let the stamp say that the file as it is now is the one that was verified."""
    place, found = path.with_name(f"{path.name}.stamp.json"), path.stat()
    times = {"mtime_ns": found.st_mtime_ns, "ctime_ns": found.st_ctime_ns, "inode": found.st_ino}
    place.write_text(json.dumps(json.loads(place.read_text()) | times))


def test_the_list_tells_whole_changed_and_partial_files_apart(site, content, pinned):
    data = content()
    fetch(pinned(data, site.publish(data, "good.bin"), name="good"))
    fetch(pinned(data, site.publish(data, "bad.bin"), name="bad")).write_bytes(b"short")
    with pytest.raises(ArtifactError):
        fetch(
            pinned(data, site.publish(data, "cut.bin", cuts=[100_000]), name="cut"), retry=Retry(attempts=1)
        )
    assert [(entry.name, entry.state, entry.size) for entry in entries()] == [
        ("bad", "changed", 5),
        ("cut", "partial", 100_000),
        ("good", "verified", len(data)),
    ]
    assert entries()[2].sha256 == hashlib.sha256(data).hexdigest()


def test_an_empty_cache_is_an_empty_list():
    assert entries() == []
    assert verify_again(unknown) == []
    assert clear() == 0


def test_verify_notices_what_a_stamp_cannot(site, content, pinned):
    data = content()
    spec = pinned(data, site.publish(data))
    path = fetch(spec)
    assert [verdict.problem for verdict in verify_again(registry(spec))] == [None]
    rewrite_quietly(path, bytes(len(data)))
    forge_stamp(path)
    assert locate(spec) == path
    [verdict] = verify_again(registry(spec))
    assert "sha256" in verdict.problem
    assert locate(spec) is None
    assert fetch(spec).read_bytes() == data


def test_verify_compares_with_the_stamp_what_the_registry_does_not_know(site, content, pinned):
    data = content()
    path = fetch(pinned(data, site.publish(data)))
    assert [(each.against, each.problem) for each in verify_again(unknown)] == [("stamp", None)]
    rewrite_quietly(path, bytes(len(data)))
    assert "sha256" in verify_again(unknown)[0].problem


def test_verify_reads_extracted_members_too(site, pinned):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("signet.pkl", b"good" * 1000)
    data = stream.getvalue()
    spec = pinned(data, site.publish(data, "m.zip"))
    path = extract_member(fetch(spec), "signet.pkl")
    rewrite_quietly(path, b"evil" * 1000)
    problems = {verdict.path.name: verdict.problem for verdict in verify_again(registry(spec))}
    assert problems["m.zip"] is None
    assert "sha256" in problems[path.name]
    assert extract_member(fetch(spec), "signet.pkl").read_bytes() == b"good" * 1000


def test_clear_removes_what_is_named_and_says_how_much(site, content, pinned):
    data = content()
    one = pinned(data, site.publish(data), name="one")
    two = pinned(data, site.publish(data), name="two")
    fetch(one)
    fetch(two)
    assert clear(["one"]) >= len(data)
    assert locate(one) is None
    assert locate(two) is not None
    clear()
    assert entries() == []


def test_clear_can_be_held_to_what_cut_downloads_left(site, content, pinned):
    data = content()
    kept = fetch(pinned(data, site.publish(data, "kept"), name="kept"))
    with pytest.raises(ArtifactError):
        fetch(pinned(data, site.publish(data, cuts=[100_000])), retry=Retry(attempts=1))
    assert clear(partial_only=True) >= 100_000
    assert kept.exists()
    assert [entry.name for entry in entries()] == ["kept"]


def test_clear_keeps_the_record_of_unpinned_files_unless_told(site, content):
    spec = ArtifactSpec("models", (site.publish(content(seed=1)),), unpinned=True)
    fetch(spec)
    clear()
    site.publish(content(seed=2))
    with pytest.raises(VerificationError):
        fetch(spec)
    clear(["models"], forget_pins=True)
    assert fetch(spec).read_bytes() == content(seed=2)


@pytest.mark.parametrize("name", ["..", "../..", "/", "a/b", ""])
def test_clear_never_leaves_the_cache(home, name):
    with pytest.raises(UsageError):
        clear([name])


def test_clear_does_not_follow_links(tmp_path, home):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("mine")
    (home / "artifacts").mkdir(parents=True)
    (home / "artifacts" / "link").symlink_to(tmp_path / "precious")
    clear()
    clear(["link"])
    assert (tmp_path / "precious" / "file").read_text() == "mine"
