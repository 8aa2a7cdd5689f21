"""Built models in the cache: whole or not there, verified like any other file, listed and cleared."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from pathlib import Path

import pytest

from sigzoo.artifacts import cache
from sigzoo.artifacts.built import (
    PROVENANCE,
    WEIGHTS,
    built_folder,
    built_names,
    clear_built,
    read_built,
    replacing,
    run_folder,
    verified_weights,
    write_provenance,
)
from sigzoo.artifacts.lock import locked
from sigzoo.errors import ArtifactError, UsageError, VerificationError


def store(content: bytes = b"weights", name: str = "student", **facts: object) -> None:
    """Keep some bytes as a model that was built."""
    with replacing(name) as folder:
        (folder / WEIGHTS).write_bytes(content)
        write_provenance(folder, name, hashlib.sha256(content).hexdigest(), len(content), facts)


def test_what_was_stored_is_read_and_verified(home: Path) -> None:
    assert read_built("student") is None
    store(teacher="teacher")
    model = read_built("student")
    assert model is not None
    assert verified_weights(model) == home / "built" / "student" / WEIGHTS
    assert model.provenance["teacher"] == "teacher"
    assert built_names() == ["student"]
    assert sorted(path.name for path in model.folder.iterdir()) == [
        WEIGHTS,
        f"{WEIGHTS}.stamp.json",
        PROVENANCE,
    ]


def test_a_failure_while_storing_keeps_what_was_there(home: Path) -> None:
    store(b"first")

    def fail() -> None:
        with replacing("student") as folder:
            (folder / WEIGHTS).write_bytes(b"half of the sec")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    model = read_built("student")
    assert model is not None
    assert verified_weights(model).read_bytes() == b"first"
    assert [path.name for path in (home / "built").iterdir()] == ["student"]


def test_storing_again_replaces_all_of_it() -> None:
    store(b"first", extra=1)
    store(b"second")
    model = read_built("student")
    assert model is not None
    assert verified_weights(model).read_bytes() == b"second"
    assert "extra" not in model.provenance


def test_a_kill_between_the_two_renames_loses_nothing(home: Path) -> None:
    store(b"first")
    built_folder("student").rename(home / "built" / ".student.old")
    (home / "built" / ".student.new").mkdir()
    assert built_names() == []
    with pytest.raises(ZeroDivisionError), replacing("student"):
        raise ZeroDivisionError
    model = read_built("student")
    assert model is not None
    assert verified_weights(model).read_bytes() == b"first"


@pytest.mark.parametrize("change", [b"", b"weighty", b"weights and more"])
def test_a_tampered_file_is_refused(change: bytes) -> None:
    store(b"weights")
    model = read_built("student")
    assert model is not None
    verified_weights(model)
    model.weights.write_bytes(change)
    with pytest.raises(VerificationError, match=r"model\.safetensors is not the file that was built.*sigzoo"):
        verified_weights(model)


def test_a_file_changed_behind_its_stamp_is_found_by_verifying_again() -> None:
    store(b"weights")
    model = read_built("student")
    assert model is not None
    before = verified_weights(model).stat()
    model.weights.write_bytes(b"WEIGHTS")
    os.utime(model.weights, ns=(before.st_atime_ns, before.st_mtime_ns))
    (verdict,) = cache.verify_again(lambda name, file: None)
    assert (verdict.name, verdict.against) == ("student", "provenance")
    assert "sha256 is" in (verdict.problem or "")
    with pytest.raises(VerificationError):
        verified_weights(model)


@pytest.mark.parametrize(
    "damage", ["", "[]", "{", '{"format": 1}', '{"format": 2}', "\0", '{"format": 1, "model": "other"}']
)
def test_a_damaged_provenance_is_told_with_the_remedy(damage: str) -> None:
    store()
    (built_folder("student") / PROVENANCE).write_text(damage)
    with pytest.raises(ArtifactError, match=r"is damaged .*`sigzoo build student`.*`sigzoo cache clear stud"):
        read_built("student")
    (entry,) = cache.entries()
    assert entry.state == "damaged"
    (verdict,) = cache.verify_again(lambda name, file: None)
    assert "is damaged" in (verdict.problem or "")


def test_a_provenance_that_pins_nothing_is_damaged() -> None:
    store()
    path = built_folder("student") / PROVENANCE
    path.write_text(json.dumps({**json.loads(path.read_text()), "sha256": "none"}))
    with pytest.raises(ArtifactError, match="64 hex digits"):
        read_built("student")


@pytest.mark.parametrize("size", ["Infinity", "NaN", "1e999", "-1", "[]", "9" * 5000])
def test_a_provenance_with_a_size_that_is_none_is_damaged(size: str) -> None:
    store()
    path = built_folder("student") / PROVENANCE
    path.write_text(path.read_text().replace('"size": 7', f'"size": {size}'))
    with pytest.raises(ArtifactError, match=r"is damaged .*`sigzoo build student`"):
        read_built("student")


def test_a_provenance_without_end_is_damaged_and_not_read() -> None:
    store()
    path = built_folder("student") / PROVENANCE
    path.write_text(path.read_text() + (16 << 20) * " ")
    with pytest.raises(ArtifactError, match=r"is damaged .*`sigzoo build student`"):
        read_built("student")
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(ArtifactError, match=r"is damaged .*`sigzoo build student`"):
        read_built("student")


@pytest.mark.parametrize("there", [True, False], ids=["a link", "a dangling link"])
def test_a_folder_that_is_a_link_is_replaced_and_cleared_but_not_what_it_points_to(
    tmp_path: Path, home: Path, there: bool
) -> None:
    far = tmp_path / "far"
    if there:
        far.mkdir()
        (far / "mine").write_bytes(b"12345")
    for folder in (built_folder("student"), run_folder("student")):
        folder.parent.mkdir(parents=True)
        folder.symlink_to(far)
    for content in (b"first", b"second"):
        store(content)
        model = read_built("student")
        assert model is not None
        assert verified_weights(model).read_bytes() == content
        assert [path.name for path in (home / "built").iterdir()] == ["student"]
    built_folder("other").symlink_to(far)
    assert clear_built("other") == 0
    assert clear_built("student", partial_only=True) == 0
    assert not list((home / "building").iterdir())
    assert [path.name for path in (home / "built").iterdir()] == ["student"]
    assert far.exists() is there
    assert not there or (far / "mine").read_bytes() == b"12345"


def test_the_cache_lists_built_models_and_interrupted_builds() -> None:
    store(b"weights")
    run_folder("other").mkdir(parents=True)
    (run_folder("other") / "checkpoint.pt").write_bytes(b"12345")
    found = {entry.name: (entry.state, entry.size) for entry in cache.entries()}
    assert found == {"student": ("unverified", 7), "other": ("partial", 5)}


def test_clearing_removes_them_and_partial_only_what_is_not_whole() -> None:
    store(b"weights")
    run_folder("student").mkdir(parents=True)
    (run_folder("student") / "checkpoint.pt").write_bytes(b"12345")
    assert cache.clear(["student"], partial_only=True) == 5
    assert built_names() == ["student"]
    assert cache.clear(None) > 7
    assert cache.entries() == []


def test_clearing_does_not_pull_the_run_from_under_a_build() -> None:
    run_folder("student").mkdir(parents=True)
    held, done = threading.Event(), threading.Event()

    def build() -> None:
        with locked("building-student"):
            held.set()
            done.wait(20)

    thread = threading.Thread(target=build)
    thread.start()
    held.wait(20)
    try:
        with pytest.raises(ArtifactError, match="Another process is building student"):
            clear_built("student")
        assert run_folder("student").is_dir()
    finally:
        done.set()
        thread.join()
    clear_built("student")
    assert not run_folder("student").exists()


@pytest.mark.parametrize("name", ["../student", "a/b", ".hidden", "", "a\0b"])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    for use in (read_built, clear_built, run_folder):
        with pytest.raises(UsageError, match="cannot be the name of a model"):
            use(name)
