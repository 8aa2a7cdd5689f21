"""Carrying the cache to another machine: verified on arrival; hostile archives change nothing."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sigzoo.artifacts import ArtifactSpec, fetch, locate
from sigzoo.artifacts.bundle import export_cache, import_cache
from sigzoo.artifacts.cache import entries
from sigzoo.errors import ArtifactError, SigzooError, VerificationError


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


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Go to the cache of another machine, which has no network."""

    def go(name="other"):
        monkeypatch.setenv("SIGZOO_HOME", str(tmp_path / name))
        monkeypatch.setenv("SIGZOO_OFFLINE", "1")
        return tmp_path / name

    return go


def test_what_is_exported_is_imported_whole_elsewhere(site, content, pinned, tmp_path, elsewhere):
    a, b = content(seed=1), content(seed=2)
    specs = [pinned(a, site.publish(a, "a"), name="one"), pinned(b, site.publish(b, "b"), name="two")]
    for spec in specs:
        fetch(spec)
    out = tmp_path / "bundle.tar"
    assert len(export_cache(specs, out)) == 2
    elsewhere()
    brought = import_cache(out, registry(*specs))
    assert [(each.name, each.new) for each in brought] == [("one", True), ("two", True)]
    assert [fetch(spec).read_bytes() for spec in specs] == [a, b]
    assert [each.new for each in import_cache(out, registry(*specs))] == [False, False]


def test_the_first_seen_digest_travels_with_an_unpinned_file(site, content, tmp_path, elsewhere, monkeypatch):
    data = content()
    spec = ArtifactSpec("models", (site.publish(data),), unpinned=True)
    fetch(spec)
    export_cache([spec], tmp_path / "bundle.tar")
    home = elsewhere()
    import_cache(tmp_path / "bundle.tar", registry(spec))
    assert (
        json.loads((home / "pins.json").read_text())["models"]["sha256"] == hashlib.sha256(data).hexdigest()
    )
    assert fetch(spec).read_bytes() == data


def test_an_import_must_match_the_record_of_an_unpinned_file(site, content, tmp_path, elsewhere):
    spec = ArtifactSpec("models", (site.publish(content(seed=1)),), unpinned=True)
    fetch(spec)
    export_cache([spec], tmp_path / "bundle.tar")
    home = elsewhere()
    home.mkdir()
    (home / "pins.json").write_text(json.dumps({"models": {"sha256": "0" * 64}}))
    with pytest.raises(VerificationError, match="recorded at the first fetch"):
        import_cache(tmp_path / "bundle.tar", registry(spec))
    assert locate(spec) is None


def test_export_refuses_what_is_missing_or_changed_and_leaves_no_half(site, content, pinned, tmp_path):
    data = content()
    spec = pinned(data, site.publish(data))
    with pytest.raises(ArtifactError, match="not in the cache: weights"):
        export_cache([spec], tmp_path / "out.tar")
    rewrite_quietly(fetch(spec), bytes(len(data)))
    with pytest.raises(VerificationError, match="sha256"):
        export_cache([spec], tmp_path / "out.tar")
    with pytest.raises(ArtifactError, match="no name was given"):
        export_cache([], tmp_path / "out.tar")
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_export_into_a_folder_that_is_not_there_is_named(site, content, pinned, tmp_path):
    data = content()
    spec = pinned(data, site.publish(data))
    fetch(spec)
    with pytest.raises(ArtifactError, match=r"cannot write .*nowhere/out\.tar"):
        export_cache([spec], tmp_path / "nowhere" / "out.tar")


DATA = b"weights " * 500
PATH = "artifacts/weights/w.bin"


def regular(name, data=DATA):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    return info, data


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


def manifest(*files, **fields):
    entry = {
        "artifact": "weights",
        "filename": "w.bin",
        "size": len(DATA),
        "sha256": hashlib.sha256(DATA).hexdigest(),
    }
    text = json.dumps(
        {"format": "sigzoo cache", "version": 1, "files": [entry | file for file in files or [{}]]} | fields
    )
    return regular("manifest.json", text.encode())


def write_tar(path, *members, **options):
    with tarfile.open(path, "w", **options) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return path


def spec_of_data():
    return ArtifactSpec("weights", ("https://example.invalid/w.bin",), hashlib.sha256(DATA).hexdigest())


def test_the_tars_of_these_tests_are_good_but_for_what_each_adds(tmp_path):
    write_tar(tmp_path / "a.tar", manifest(), regular(PATH))
    [brought] = import_cache(tmp_path / "a.tar", registry(spec_of_data()))
    assert brought.path.read_bytes() == DATA


SECOND = {"artifact": "second"}
SECOND_PATH = "artifacts/second/w.bin"

HOSTILE = {
    "a name that escapes": [manifest(), regular(PATH), regular("../../evil")],
    "an absolute name": [manifest(), regular(PATH), regular("/tmp/evil")],
    "a file that the manifest does not name": [manifest(), regular(PATH), regular("artifacts/weights/extra")],
    "a manifest with an artifact that escapes": [
        manifest({"artifact": "../.."}),
        regular("artifacts/../../w.bin"),
    ],
    "a manifest with a file that escapes": [
        manifest({"filename": "../../../evil"}),
        regular("artifacts/weights/../../../evil"),
    ],
    "a manifest with an absolute file": [
        manifest({"filename": "/etc/passwd"}),
        regular("artifacts/weights//etc/passwd"),
    ],
    "a manifest with a file of the cache's own": [
        manifest({"filename": "w.stamp.json"}),
        regular("artifacts/weights/w.stamp.json"),
    ],
    "a symbolic link": [manifest(), special(PATH, tarfile.SYMTYPE, "/etc/passwd")],
    "a symbolic link that a file is written through": [
        manifest(),
        special("artifacts/weights", tarfile.SYMTYPE, "/tmp"),
        regular(PATH),
    ],
    "a hard link": [manifest({}, SECOND), regular(PATH), special(SECOND_PATH, tarfile.LNKTYPE, PATH)],
    "a character device": [manifest(), special(PATH, tarfile.CHRTYPE)],
    "a block device": [manifest(), special(PATH, tarfile.BLKTYPE)],
    "a pipe": [manifest(), special(PATH, tarfile.FIFOTYPE)],
    "a folder": [manifest(), special(PATH, tarfile.DIRTYPE)],
    "a sparse file": [manifest(), special(PATH, tarfile.GNUTYPE_SPARSE)],
    "an unknown kind of entry": [manifest(), special(PATH, b"Q")],
    "a file twice": [manifest(), regular(PATH), regular(PATH)],
    "a file missing": [manifest({}, SECOND), regular(PATH)],
    "a wrong digest": [manifest({"sha256": "0" * 64}), regular(PATH)],
    "no digest": [manifest({"sha256": ""}), regular(PATH)],
    "a wrong size": [manifest({"size": 7}), regular(PATH)],
    "a negative size": [manifest({"size": -1}), regular(PATH)],
    "a gigantic size": [manifest({"size": 1 << 62}), regular(PATH)],
    "a size that is no number": [manifest({"size": "4000"}), regular(PATH)],
    "an unknown key": [manifest({"run": "me"}), regular(PATH)],
    "the same file twice in the manifest": [manifest({}, {}), regular(PATH)],
    "another version": [manifest(version=2), regular(PATH)],
    "another format": [manifest(format="else"), regular(PATH)],
    "no manifest": [regular(PATH)],
    "the manifest last": [regular(PATH), manifest()],
    "a manifest that is a link": [special("manifest.json", tarfile.SYMTYPE, "/etc/passwd"), regular(PATH)],
    "a manifest that is empty": [regular("manifest.json", b""), regular(PATH)],
    "a manifest that is no JSON": [regular("manifest.json", b"\xff{"), regular(PATH)],
    "a manifest that is nested too deep": [regular("manifest.json", b"[" * 500_000), regular(PATH)],
    "a manifest of two megabytes": [regular("manifest.json", b" " * (2 << 20)), regular(PATH)],
    "content that is not the registry's": [
        manifest({"sha256": hashlib.sha256(DATA[::-1]).hexdigest()}),
        regular(PATH, DATA[::-1]),
    ],
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_import_is_refused_and_changes_nothing(tmp_path, home, case):
    archive = write_tar(tmp_path / "a.tar", *HOSTILE[case])
    with pytest.raises(ArtifactError, match=r"a\.tar|weights"):
        import_cache(archive, registry(spec_of_data()))
    assert [path for path in home.rglob("*") if path.is_file() and path.parent.name != "locks"] == []
    assert {path.name for path in tmp_path.iterdir()} == {"a.tar", "home"}


def test_an_import_is_held_to_the_registry_s_git_blob_id(tmp_path):
    archive = write_tar(tmp_path / "a.tar", manifest(), regular(PATH))
    blob = hashlib.sha1(b"blob %d\0" % len(DATA) + DATA).hexdigest()
    url = ("https://example.invalid/w.bin",)
    with pytest.raises(VerificationError, match=f"git blob id is {blob} instead of"):
        import_cache(archive, registry(ArtifactSpec("weights", url, git_blob="0" * 40)))
    right = ArtifactSpec("weights", url, git_blob=blob)
    assert import_cache(archive, registry(right))[0].path == locate(right)


def test_one_bad_file_keeps_the_good_ones_out_too(tmp_path, home):
    second = SECOND | {"sha256": "0" * 64}
    archive = write_tar(tmp_path / "a.tar", manifest({}, second), regular(PATH), regular(SECOND_PATH))
    with pytest.raises(VerificationError, match="Nothing was imported"):
        import_cache(archive, registry(spec_of_data()))
    assert entries() == []


def test_a_lying_header_cannot_inflate(tmp_path, home):
    """Only plain tars are read: no layer could make more bytes than the file has."""
    for mode in ("w:gz", "w:bz2", "w:xz"):
        with tarfile.open(tmp_path / "a.tar", mode) as archive:
            for info, data in (manifest(), regular(PATH)):
                archive.addfile(info, io.BytesIO(data))
        with pytest.raises(ArtifactError, match="is not a tar"):
            import_cache(tmp_path / "a.tar", unknown)


@pytest.mark.parametrize("rest", [0, 1, 511, 512, 1024, 1600, 2048, 3000, 5000])
def test_a_truncated_tar_is_refused(tmp_path, rest):
    archive = write_tar(tmp_path / "a.tar", manifest(), regular(PATH))
    archive.write_bytes(archive.read_bytes()[:rest])
    with pytest.raises(ArtifactError, match=r"a\.tar"):
        import_cache(archive, registry(spec_of_data()))
    assert entries() == []


def test_a_tar_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ArtifactError, match="there is no such file"):
        import_cache(tmp_path / "none.tar", unknown)


def test_a_file_unknown_to_the_registry_is_taken_but_replaces_nothing(tmp_path, home):
    archive = write_tar(tmp_path / "a.tar", manifest(), regular(PATH))
    import_cache(archive, unknown)
    path = home / "artifacts" / "weights" / "w.bin"
    assert path.read_bytes() == DATA
    path.write_bytes(b"something else of value")
    with pytest.raises(ArtifactError, match="sigzoo cache clear weights"):
        import_cache(archive, unknown)
    assert path.read_bytes() == b"something else of value"


def test_a_damaged_file_of_a_known_artifact_is_mended_by_an_import(tmp_path, home):
    archive = write_tar(tmp_path / "a.tar", manifest(), regular(PATH))
    spec = spec_of_data()
    import_cache(archive, registry(spec))
    (home / "artifacts" / "weights" / "w.bin").write_bytes(b"damaged")
    assert [each.new for each in import_cache(archive, registry(spec))] == [True]
    assert locate(spec).read_bytes() == DATA


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8),
    form=st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)
@example(changes=[(514, 128)], form=tarfile.GNU_FORMAT)
def test_a_mutated_tar_brings_the_file_or_an_error_of_ours(tmp_path, monkeypatch, changes, form):
    long_named = manifest({"filename": "w" * 150})
    archive = write_tar(
        tmp_path / "a.tar", long_named, regular(f"artifacts/weights/{'w' * 150}"), format=form
    )
    data = bytearray(archive.read_bytes())
    for where, value in changes:
        data[where % len(data)] = value
    archive.write_bytes(data)
    monkeypatch.setenv("SIGZOO_HOME", str(tmp_path / hashlib.sha256(data).hexdigest()))
    with suppress(SigzooError):
        [brought] = import_cache(archive, registry(spec_of_data()))
        assert brought.path.read_bytes() == DATA
