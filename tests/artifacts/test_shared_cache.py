"""A cache that others can write, records that are damaged or forged: nothing is followed or believed."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from sigzoo.artifacts import Retry, built, extract_member, fetch, locate
from sigzoo.artifacts.bundle import export_cache, import_cache
from sigzoo.artifacts.home import StorageError, make_folder
from sigzoo.artifacts.json_records import write_json
from sigzoo.artifacts.ownership import others_may_change
from sigzoo.errors import ArtifactError

as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can make files of others"
)


@pytest.fixture
def victim(tmp_path):
    """A file outside the cache that must stay as it is."""
    place = tmp_path / "victim" / "precious.txt"
    place.parent.mkdir()
    place.write_text("precious")
    yield place
    assert place.read_text() == "precious"
    assert sorted(path.name for path in place.parent.iterdir()) == ["precious.txt"]


def folder_of(home, name="weights"):
    folder = home / "artifacts" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize("kind", ["symlink", "hard link", "dangling", "loop", "folder link"])
def test_a_link_in_place_of_the_partial_file_is_replaced(kind, record, site, content, pinned, home, victim):
    data = content()
    url = site.publish(data)
    part = folder_of(home) / "weights.bin.part"
    if kind == "hard link":
        part.hardlink_to(victim)
    else:
        target = {"symlink": victim, "loop": part, "folder link": victim.parent}
        part.symlink_to(target.get(kind, victim.parent / "nothing"))
    if record:
        write_json(
            part.with_name("weights.bin.part.json"),
            {"url": url, "total": len(data), "etag": '"v1"', "last_modified": None},
        )
    assert fetch(pinned(data, url)).read_bytes() == data
    assert not part.is_symlink()


@pytest.mark.parametrize("suffix", [".stamp.json", ".part.json", ""])
def test_links_in_place_of_other_files_are_replaced(suffix, site, content, pinned, home, victim):
    data = content()
    (folder_of(home) / f"weights.bin{suffix}").symlink_to(victim)
    path = fetch(pinned(data, site.publish(data)))
    assert path.read_bytes() == data
    assert not path.is_symlink()


@pytest.mark.parametrize("name", ["pins.json", "notices.json"])
def test_links_in_place_of_records_lead_no_writing_elsewhere(name, site, content, pinned, home, victim):
    home.mkdir()
    other = victim.parent.parent / "record.json"
    other.write_text("{}")
    (home / name).symlink_to(other)
    fields = {"sha256": None, "size": None, "unpinned": True, "licence_notice": "none"}
    fetch(pinned(content(), site.publish(content()), **fields))
    assert other.read_text() == "{}"


@pytest.mark.parametrize("name", ["incoming", ".arriving-0", ".arriving-link"])
def test_a_link_in_place_of_the_staging_folder_is_not_followed(
    name, site, content, pinned, home, victim, tmp_path, monkeypatch
):
    spec = pinned(content(), site.publish(content()))
    fetch(spec)
    export_cache([spec], tmp_path / "a.tar")
    other = tmp_path / "other"
    folder_of(other)
    (other / name).symlink_to(victim.parent)
    (folder_of(other) / name).symlink_to(victim.parent)
    monkeypatch.setenv("SIGZOO_HOME", str(other))
    assert import_cache(tmp_path / "a.tar", lambda *names: spec)[0].path.read_bytes() == content()


def test_a_link_in_place_of_a_member_s_partial_file_is_not_followed(tmp_path, home, victim):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("w", b"member")
    path = extract_member(tmp_path / "a.zip", "w")
    path.unlink()
    path.with_name(f"{path.name}.part").symlink_to(victim)
    assert extract_member(tmp_path / "a.zip", "w").read_bytes() == b"member"


def test_a_link_in_place_of_a_model_that_is_being_stored_is_not_followed(home, victim):
    (home / "built").mkdir(parents=True)
    for ending in ("new", "old"):
        (home / "built" / f".m.{ending}").symlink_to(victim.parent)
    with built.replacing("m") as fresh:
        (fresh / "model.safetensors").write_bytes(b"x")
    assert (home / "built" / "m" / "model.safetensors").read_bytes() == b"x"


@as_root
@pytest.mark.parametrize("depth", ["home", "artifacts", "artifacts/weights", "locks"])
def test_a_folder_that_is_another_user_s_link_is_refused(
    depth, site, content, pinned, home, tmp_path, victim
):
    link = home if depth == "home" else home / depth
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(victim.parent)
    os.lchown(link, 12345, 12345)
    with pytest.raises(StorageError, match="is a link that another user has made"):
        fetch(pinned(content(), site.publish(content())))


@pytest.mark.parametrize("depth", ["artifacts", "artifacts/weights"])
def test_a_folder_that_is_one_s_own_link_is_followed(depth, site, content, pinned, home, tmp_path):
    roomy = tmp_path / "roomy"
    roomy.mkdir()
    link = home / depth
    link.parent.mkdir(parents=True)
    link.symlink_to(roomy)
    path = fetch(pinned(content(), site.publish(content())))
    assert path.read_bytes() == content()
    assert list(roomy.rglob("weights.bin"))


def forged(path, sha256):
    """Put other content there, with the stamp that belongs to it."""
    size = path.stat().st_size
    path.write_bytes(b"planted" + bytes(size - 7))
    place, found = path.with_name(f"{path.name}.stamp.json"), path.stat()
    record = {
        "sha256": sha256,
        "size": size,
        "mtime_ns": found.st_mtime_ns,
        "ctime_ns": found.st_ctime_ns,
        "inode": found.st_ino,
    }
    place.write_text(json.dumps(json.loads(place.read_text()) | record))


def opened_to_others(home, path, how):
    stamp = path.with_name(f"{path.name}.stamp.json")
    places = {
        "home": home,
        "artifacts": home / "artifacts",
        "folder": path.parent,
        "file": path,
        "stamp": stamp,
    }
    where, _, kind = how.partition(", ")
    if kind == "anybody's":
        os.chown(places[where], 12345, -1)
    else:
        places[where].chmod(0o777 if places[where].is_dir() else 0o666)
    if kind == "and sticky":
        places[where].chmod(0o1777)


PLACES = ["home", "artifacts", "folder", "file", "stamp"]


@pytest.mark.parametrize(
    "how",
    [
        *PLACES,
        "home, and sticky",
        *(pytest.param(f"{each}, anybody's", marks=as_root) for each in PLACES),
    ],
)
def test_a_forged_stamp_is_not_believed_where_others_may_write(how, site, content, pinned, home):
    data = content()
    spec = pinned(data, site.publish(data))
    path = fetch(spec)
    forged(path, spec.sha256)
    opened_to_others(home, path, how)
    assert locate(spec) is None
    assert fetch(spec).read_bytes() == data


@pytest.mark.parametrize("how", ["home", "folder", "file"])
def test_a_right_file_serves_where_others_may_write(how, site, content, pinned, home):
    data = content()
    url = site.publish(data)
    spec = pinned(data, url)
    path = fetch(spec)
    opened_to_others(home, path, how)
    assert fetch(spec) == path
    assert len(site.asked(url)) == 1


def test_an_extracted_member_is_compared_with_its_archive_where_others_may_write(tmp_path, home):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("w", b"genuine" * 100)
    path = extract_member(tmp_path / "a.zip", "w")
    forged(path, hashlib.sha256(b"planted" + bytes(693)).hexdigest())
    home.chmod(0o777)
    assert extract_member(tmp_path / "a.zip", "w").read_bytes() == b"genuine" * 100


@pytest.mark.parametrize("kept", ["size and time", "size, time and inode"])
def test_content_that_was_replaced_behind_the_stamp_is_noticed(kept, site, content, pinned):
    data = content()
    spec = pinned(data, site.publish(data))
    path = fetch(spec)
    before = path.stat()
    if kept == "size and time":
        other = path.with_name("other")
        other.write_bytes(bytes(len(data)))
        other.replace(path)
    else:
        with path.open("r+b") as file:
            file.write(bytes(len(data)))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert locate(spec) is None
    assert fetch(spec).read_bytes() == data


@as_root
def test_who_may_change_a_file_is_told_by_owner_and_mode(tmp_path):
    top = tmp_path / "top"
    make_folder(top / "a")
    file = top / "a" / "f"
    file.write_bytes(b"")
    assert not others_may_change(file, top)
    for place, mode, owner, others in (
        (file, 0o664, 0, False),  # the private group of root
        (file, 0o646, 0, True),
        (top, 0o757, 0, True),
        (top / "a", 0o755, 12345, True),
        (file, 0o600, 0, False),
    ):
        was = place.stat()
        place.chmod(mode)
        os.chown(place, owner, 0)
        assert others_may_change(file, top) == others, (place, mode, owner)
        place.chmod(was.st_mode)
        os.chown(place, was.st_uid, was.st_gid)
    os.chown(file, 0, 12345)
    file.chmod(0o664)
    assert others_may_change(file, top)


# --- records ---------------------------------------------------------------------------------------

ODD = [
    7,
    [],
    {},
    True,
    "",
    "v",
    '"a b"',
    '"\xa0"',
    "\xa0v",
    "\x0bv",
    "\x1cv",
    "\x85v",
    "é",
    "x" * 70_000,
    "a\nb",
]
FIELDS = {"url": ODD[:4], "total": ["7", [], {}, True, -1, 1.5, 10**30], "etag": ODD, "last_modified": ODD}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("pinned_file", [True, False])
def test_an_odd_record_of_a_partial_file_only_costs_a_download(
    field, pinned_file, site, content, pinned, home
):
    data = content()
    for number, value in enumerate(FIELDS[field]):
        url = site.publish(data, f"{number}.bin")
        folder = folder_of(home, f"n{number}")
        (folder / f"{number}.bin.part").write_bytes(b"x" * 1000)
        record = {"url": url, "total": len(data), "etag": '"v1"', "last_modified": None, field: value}
        (folder / f"{number}.bin.part.json").write_text(json.dumps(record))
        fields = {} if pinned_file else {"sha256": None, "size": None, "unpinned": True}
        spec = pinned(data, url, name=f"n{number}", **fields)
        assert fetch(spec, retry=Retry(attempts=2, sleep=lambda seconds: None)).stat().st_size == len(data)
        assert pinned_file is False or locate(spec).read_bytes() == data


@pytest.mark.parametrize("header", ["ETag", "Last-Modified"])
@pytest.mark.parametrize(
    "value",
    ["\xa0v", "\x0bv", "\x0cv", "\x1cv", "\x85v", '"\xa0"', "v", "", '"', "x" * 9000, '"é"', "W/", "0"],
)
def test_an_odd_validator_of_a_server_wedges_nothing(header, value, site, content, pinned):
    data = content()
    name = {"ETag": "etag", "Last-Modified": "last_modified"}[header]
    url = site.publish(data, cuts=[100_000], **{"etag": None, name: value})
    spec = pinned(data, url)
    with pytest.raises(ArtifactError):
        fetch(spec, retry=Retry(attempts=1))
    assert fetch(spec, retry=Retry(attempts=2, sleep=lambda seconds: None)).read_bytes() == data


@pytest.mark.parametrize("size_known", [True, False])
@pytest.mark.parametrize("stated", ["total", "no total"])
@pytest.mark.parametrize("ranges", [True, False])
def test_a_partial_file_that_is_too_long_starts_anew(size_known, stated, ranges, site, content, pinned, home):
    data = content()
    url = site.publish(data, ranges=ranges)
    part = folder_of(home) / "weights.bin.part"
    part.write_bytes(data + b"more")
    record = {
        "url": url,
        "total": len(data) if stated == "total" else None,
        "etag": '"v1"',
        "last_modified": None,
    }
    part.with_name("weights.bin.part.json").write_text(json.dumps(record))
    spec = pinned(data, url, **({} if size_known else {"size": None}))
    assert fetch(spec, retry=Retry(attempts=2, sleep=lambda seconds: None)).read_bytes() == data


@pytest.mark.parametrize(
    "rubbish", [b"", b"[]", b"{", b"null", b'"x"', b"\0", b"\xff", b"[" * 100_000, b"1e999"]
)
@pytest.mark.parametrize("name", ["notices.json", "pins.json"])
def test_a_damaged_record_is_named_and_not_thrown_away(rubbish, name, site, content, pinned, home):
    home.mkdir()
    (home / name).write_bytes(rubbish)
    fields = {"sha256": None, "size": None, "unpinned": True, "licence_notice": "none"}
    with pytest.raises(ArtifactError, match=f"{name} is damaged"):
        fetch(pinned(content(), site.publish(content()), **fields))
    assert (home / name).read_bytes() == rubbish


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o027, 0o002])
def test_the_process_s_mask_decides_who_may_read(mask, site, content, pinned, home, spawner):
    data = content()
    spec = pinned(data, site.publish(data), sha256=None, size=None, unpinned=True, licence_notice="x")
    result = spawner.fetch(spec, umask=mask).result()
    assert "path" in result, result
    files = [path for path in home.rglob("*") if path.is_file() and path.parent.name != "locks"]
    assert {path.name for path in files} == {
        "weights.bin",
        "weights.bin.stamp.json",
        "pins.json",
        "notices.json",
    }
    assert {oct(path.stat().st_mode & 0o777) for path in files} == {oct(0o666 & ~mask)}


@pytest.mark.parametrize("mode", [0o640, 0o600, 0o644, 0o440, 0o755])
def test_a_copy_lets_nobody_read_who_may_not_read_the_original(mode, content, pinned, tmp_path):
    source = tmp_path / "w"
    source.write_bytes(content())
    source.chmod(mode)
    found = fetch(pinned(content(), source.as_uri())).stat().st_mode & 0o777
    assert found & ~(mode | 0o200) == 0
    assert found & 0o600 == 0o600


# --- tars that make work -----------------------------------------------------------------------------


def extended(kind, body):
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, len(body)
    padded = body + bytes(-len(body) % 512)
    return info.tobuf(tarfile.USTAR_FORMAT) + padded


TARS = {
    "a pax header of ones": extended(tarfile.XHDTYPE, b"1" * 400_000),
    "a global pax header of ones": extended(tarfile.XGLTYPE, b"1" * 400_000),
    "a pax header of Solaris": extended(b"X", b"1" * 400_000),
    "a name of a megabyte": extended(tarfile.GNUTYPE_LONGNAME, b"n" * 1_000_000),
    "a link of a megabyte": extended(tarfile.GNUTYPE_LONGLINK, b"n" * 1_000_000),
    "a sparse map": extended(tarfile.XHDTYPE, b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"),
    "an old sparse map": extended(tarfile.XHDTYPE, b"26 GNU.sparse.numblocks=1\n19 GNU.sparse.map=0,1\n"),
    "many pax headers": extended(tarfile.XHDTYPE, b"1" * 4000) * 50,
}


@pytest.mark.parametrize("case", TARS)
@pytest.mark.parametrize("first", [True, False])
def test_a_tar_that_makes_work_is_refused_at_once(case, first, tmp_path, home):
    manifest = json.dumps({"format": "sigzoo cache", "version": 1, "files": []}).encode()
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        info = tarfile.TarInfo("manifest.json")
        info.size = len(manifest)
        archive.addfile(info, io.BytesIO(manifest))
    head = stream.getvalue()[:1024]
    rest = tarfile.TarInfo("after").tobuf() + b"1\n" * 200_000 + bytes(1024)
    parts = [TARS[case], head, rest] if first else [head, TARS[case], rest]
    (tmp_path / "a.tar").write_bytes(b"".join(parts))
    with pytest.raises(ArtifactError) as caught:
        import_cache(tmp_path / "a.tar", lambda *names: None)
    assert len(str(caught.value)) < 1000


def test_a_header_that_declares_gigabytes_takes_no_memory(tmp_path):
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 3 << 30
    place = tmp_path / "a.tar"
    with place.open("wb") as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT))
        file.truncate(4 << 30)
    with pytest.raises(ArtifactError, match="an extended header of"):
        import_cache(place, lambda *names: None)


@pytest.mark.parametrize("name", [".", "./", "", "/", "./.", "a/.", "..", "//"])
def test_members_called_after_no_file_are_refused(name, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo(name or "x"), b"x")
    with pytest.raises(ArtifactError):
        extract_member(tmp_path / "a.zip", name)


def test_a_message_about_a_zip_of_many_members_stays_short(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for number in range(3000):
            archive.writestr(f"{number}/" + "n" * 1000, b"")
    with pytest.raises(ArtifactError, match="holds no member") as caught:
        extract_member(tmp_path / "a.zip", "missing" * 1000)
    assert len(str(caught.value)) < 2000


def test_the_archive_s_place_is_in_no_way_a_limit(tmp_path):
    """Names of paths that are no UTF-8 are as good as others."""
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes no such name")
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("w", b"x")
    assert extract_member(folder / "a.zip", "w").read_bytes() == b"x"
