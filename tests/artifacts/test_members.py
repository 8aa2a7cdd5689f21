"""Members of zip archives: taken one by one; archives that would do harm are refused."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import struct
import warnings
import zipfile
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sigzoo.artifacts import extract_member, fetch
from sigzoo.errors import ArtifactError, SigzooError


def write_zip(path, *members, method=zipfile.ZIP_DEFLATED):
    """``(name or ZipInfo, bytes)``, duplicates and all."""
    with zipfile.ZipFile(path, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for info, data in members:
            archive.writestr(info, data)
    return path


def entry(name, mode):
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    return info


def patched(path, *changes):
    """Replace bytes of a file, each old text wherever it stands."""
    data = path.read_bytes()
    for old, new in changes:
        assert old in data
        data = data.replace(old, new)
    path.write_bytes(data)
    return path


@pytest.fixture
def outside(tmp_path):
    """Nothing may appear beside the cache."""
    (tmp_path / "in").mkdir()
    yield tmp_path / "in"
    assert {path.name for path in tmp_path.iterdir()} <= {"in", "home"}


# --- honest archives -------------------------------------------------------------------------------


def test_a_member_is_extracted_once(tmp_path, content, monkeypatch):
    data = content()
    archive = write_zip(tmp_path / "a.zip", ("models/signet.pkl", data), ("other", b"x"))
    path = extract_member(archive, "models/signet.pkl")
    assert path.read_bytes() == data
    monkeypatch.setattr(zipfile, "ZipFile", None)
    assert extract_member(archive, "models/signet.pkl") == path


def test_a_member_can_be_named_by_its_last_part_where_that_is_unique(tmp_path, content):
    archive = write_zip(tmp_path / "a.zip", ("models/signet.pkl", content()), ("b/x", b"1"), ("c/x", b"2"))
    assert extract_member(archive, "signet.pkl").read_bytes() == content()
    with pytest.raises(ArtifactError, match="2 members named 'x'"):
        extract_member(archive, "x")


def test_members_of_a_fetched_archive_lie_beside_it(site, tmp_path, pinned, home, content):
    archive = write_zip(tmp_path / "m.zip", ("signet.pkl", content())).read_bytes()
    path = fetch(pinned(archive, site.publish(archive, "m.zip"), name="signet-models"))
    extracted = extract_member(path, "signet.pkl")
    assert extracted.parent == home / "artifacts" / "signet-models" / "m.zip.members"


@pytest.mark.parametrize("damage", ["corrupted", "emptied", "deleted"])
def test_a_damaged_member_is_extracted_again(tmp_path, content, damage):
    archive = write_zip(tmp_path / "a.zip", ("w", content()))
    path = extract_member(archive, "w")
    if damage == "deleted":
        path.unlink()
    else:
        path.write_bytes(b"" if damage == "emptied" else bytes(len(content())))
    assert extract_member(archive, "w").read_bytes() == content()


def test_a_changed_archive_gives_its_own_member(tmp_path, content):
    archive = write_zip(tmp_path / "a.zip", ("w", content(seed=1)))
    extract_member(archive, "w")
    write_zip(archive, ("w", content(size=1000, seed=2)))
    assert extract_member(archive, "w").read_bytes() == content(size=1000, seed=2)


def test_two_members_with_the_same_last_part_do_not_collide(tmp_path):
    archive = write_zip(tmp_path / "a.zip", ("one/w", b"1"), ("two/w", b"2"))
    assert extract_member(archive, "one/w").read_bytes() == b"1"
    assert extract_member(archive, "two/w").read_bytes() == b"2"


# --- hostile or damaged archives -------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "a/../../evil",
        "/evil",
        "..",
        "a/..",
        "C:/evil",
        "C:evil",
        "..\\evil",
        "a\\..\\..\\evil",
        "\\evil",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(outside, name):
    archive = write_zip(outside / "a.zip", ("safe", b"good"), (name, b"evil"))
    with pytest.raises(ArtifactError, match="leads out of its folder"):
        extract_member(archive, name)
    assert extract_member(archive, "safe").read_bytes() == b"good"


def test_a_name_with_a_hidden_end_is_refused(outside):
    archive = patched(write_zip(outside / "a.zip", ("good#evil", b"x")), (b"good#evil", b"good\0evil"))
    with pytest.raises(ArtifactError, match="leads out of its folder"):
        extract_member(archive, "good")


@pytest.mark.parametrize(
    "kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFDIR]
)
def test_links_devices_and_folders_are_refused(outside, kind):
    archive = write_zip(outside / "a.zip", (entry("w", kind | 0o777), b"/etc/passwd"))
    with pytest.raises(ArtifactError, match="a folder, a link or a device"):
        extract_member(archive, "w")


def test_a_folder_entry_is_refused(outside):
    archive = write_zip(outside / "a.zip", ("w/", b""))
    with pytest.raises(ArtifactError, match="a folder, a link or a device"):
        extract_member(archive, "w/")


def test_a_member_that_exists_twice_is_refused(outside):
    archive = write_zip(outside / "a.zip", ("w", b"good"), ("w", b"evil"))
    with pytest.raises(ArtifactError, match="2 members named 'w'"):
        extract_member(archive, "w")


def test_a_bomb_is_refused_by_its_stated_size(outside):
    archive = write_zip(outside / "a.zip", ("w", bytes(5_000_000)))
    with pytest.raises(ArtifactError, match="would have 5000000 bytes, more than 1000000"):
        extract_member(archive, "w", limit=1_000_000)


def stated_size(path, true, stated):
    return patched(path, (struct.pack("<I", true), struct.pack("<I", stated)))


def test_a_bomb_that_understates_its_size_does_not_inflate_beyond_it(outside, home):
    archive = stated_size(write_zip(outside / "a.zip", ("w", bytes(50_000_000))), 50_000_000, 1000)
    with pytest.raises(ArtifactError, match="'w'"):
        extract_member(archive, "w", limit=1_000_000)
    assert sum(path.stat().st_size for path in home.rglob("*") if path.is_file()) < 10_000


def test_a_member_that_overstates_its_size_is_refused(outside):
    archive = stated_size(write_zip(outside / "a.zip", ("w", bytes(1000))), 1000, 4000)
    with pytest.raises(ArtifactError, match="'w'"):
        extract_member(archive, "w")


def test_a_member_with_a_wrong_checksum_is_refused(outside):
    archive = write_zip(outside / "a.zip", ("w", b"ABCDEFGH"), method=zipfile.ZIP_STORED)
    with pytest.raises(ArtifactError, match=r"'w' is damaged .*CRC"):
        extract_member(patched(archive, (b"ABCDEFGH", b"ABCDEFGX")), "w")


def test_two_names_for_one_member_are_refused(outside):
    archive = write_zip(outside / "a.zip", ("nameA", b"one"), ("nameB", b"two"))
    data = archive.read_bytes()
    archive.write_bytes(data.replace(b"nameA", b"nameZ", 1))
    with pytest.raises(ArtifactError, match="'nameA' is damaged"):
        extract_member(archive, "nameA")


def test_overlapping_members_are_refused(outside):
    """The trick of zip bombs that grow with the square of their size."""
    archive = write_zip(outside / "a.zip", ("nameA", bytes(100_000)), ("nameB", bytes(100_000)))
    data = bytearray(archive.read_bytes())
    second = data.rindex(b"nameB") - 46
    data[second + 42 : second + 46] = struct.pack("<I", 0)
    data[second + 46 : second + 51] = b"nameA"
    archive.write_bytes(data)
    with pytest.raises(ArtifactError):
        extract_member(archive, "nameA")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_uncommon_compression_is_refused(outside, method):
    archive = write_zip(outside / "a.zip", ("w", bytes(1000)), method=method)
    with pytest.raises(ArtifactError, match="uncommon way"):
        extract_member(archive, "w")


def test_an_encrypted_member_is_refused(outside):
    archive = write_zip(outside / "a.zip", ("w", b"x" * 100))
    data = bytearray(archive.read_bytes())
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(signature) + offset] |= 1
    archive.write_bytes(data)
    with pytest.raises(ArtifactError, match="encrypted"):
        extract_member(archive, "w")


@pytest.mark.parametrize("rest", [0, 1, 21, 22, 100, 5000])
def test_what_is_no_whole_archive_is_refused(outside, content, rest):
    archive = write_zip(outside / "a.zip", ("w", content(10_000)))
    archive.write_bytes(archive.read_bytes()[:rest])
    with pytest.raises(ArtifactError, match="no whole zip archive"):
        extract_member(archive, "w")


def test_names_of_members_are_shown_and_not_obeyed(outside):
    archive = write_zip(outside / "a.zip", ("w\x1b[2J", b"1"))
    with pytest.raises(ArtifactError, match=r"it holds w\\x1b\[2J"):
        extract_member(archive, "v")


def test_a_missing_member_or_archive_is_named(outside):
    archive = write_zip(outside / "a.zip", ("w", b"x"))
    with pytest.raises(ArtifactError, match="holds no member 'v'; it holds w"):
        extract_member(archive, "v")
    with pytest.raises(ArtifactError, match="cannot read"):
        extract_member(outside / "none.zip", "w")


def test_nothing_half_extracted_is_left(outside, home):
    archive = write_zip(outside / "a.zip", ("w", os.urandom(3_000_000)), method=zipfile.ZIP_STORED)
    data = bytearray(archive.read_bytes())
    data[2_900_000] ^= 1
    archive.write_bytes(data)
    with pytest.raises(ArtifactError, match="damaged"):
        extract_member(archive, "w")
    assert [path for path in (home / "members").rglob("*") if path.is_file()] == []


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8))
@example(changes=[(386, 0)])
def test_a_mutated_archive_gives_the_member_or_an_error_of_ours(tmp_path, changes):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/w", b"signature " * 20)
        archive.writestr("b", bytes(range(256)))
    data = bytearray(stream.getvalue())
    for where, value in changes:
        data[where % len(data)] = value
    path = tmp_path / f"{hashlib.sha256(data).hexdigest()}.zip"
    path.write_bytes(data)
    with suppress(SigzooError):
        assert extract_member(path, "a/w").read_bytes() == b"signature " * 20
