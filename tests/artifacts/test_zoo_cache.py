"""What `sigzoo cache` does, from Python: by names of models and artifacts, members of archives too."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import zipfile

import pytest
import yaml

from sigzoo import Zoo
from sigzoo.artifacts import ArtifactSpec, ZooCache, fetch
from sigzoo.cli import run
from sigzoo.errors import ArtifactError, UnknownNameError

PICKLE = b"\x80\x02a pickle that is published."


@pytest.fixture
def zoo(site, tmp_path):
    """A zoo with a pinned file, and an archive with a pinned member."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.pkl", PICKLE)
    data = b"file" * 1000
    entries = {
        "file": {
            "urls": [site.publish(data, "f.bin")],
            "sha256": hashlib.sha256(data).hexdigest(),
            "size": len(data),
        },
        "archive": {
            "urls": [site.publish(stream.getvalue(), "m.zip")],
            "unpinned": True,
            "members": {"a.pkl": {"sha256": hashlib.sha256(PICKLE).hexdigest()}},
        },
    }
    common = {"summary": "s", "provenance": "p"}
    (tmp_path / "r.yaml").write_text(
        yaml.safe_dump({"artifacts": {k: common | v for k, v in entries.items()}})
    )
    return Zoo([tmp_path / "r.yaml"], home=tmp_path / "zoo-home")


def test_a_zoo_s_cache_is_listed_verified_exported_imported_and_cleared(zoo, tmp_path, site):
    cache = ZooCache(zoo)
    assert cache.home == tmp_path / "zoo-home"
    assert cache.entries() == []
    assert [place.present for place in cache.paths(["file", "archive/a.pkl"])] == [False, False]
    zoo.fetch("file")
    zoo.fetch("archive/a.pkl")
    assert [place.present for place in cache.paths(["file", "archive/a.pkl"])] == [True, True]
    against = {verdict.path.name: verdict.against for verdict in cache.verify(["file", "archive"])}
    assert {name: against[name] for name in ("f.bin", "a.pkl", "m.zip")} == dict.fromkeys(
        ("f.bin", "a.pkl", "m.zip"), "registry"
    )
    written = cache.export(tmp_path / "all.tar")
    assert sorted(path.name for path in written) == ["a.pkl", "f.bin", "m.zip"]
    other = ZooCache(Zoo([tmp_path / "r.yaml"], home=tmp_path / "other", offline=True))
    assert all(imported.new for imported in other.import_from(tmp_path / "all.tar"))
    assert other.zoo.fetch("archive/a.pkl")[0].read_bytes() == PICKLE
    assert cache.clear(["file"]) >= 4000
    cache.clear()
    assert cache.entries() == []


def test_a_damaged_member_is_found_by_the_registry(zoo):
    [path] = zoo.fetch("archive/a.pkl")
    path.write_bytes(PICKLE[::-1])
    problems = {verdict.path.name: verdict.problem for verdict in ZooCache(zoo).verify(["archive"])}
    assert "sha256" in problems["a.pkl"]
    assert zoo.fetch("archive/a.pkl")[0].read_bytes() == PICKLE


def test_names_that_nothing_has_are_named(zoo, tmp_path):
    cache = ZooCache(zoo)
    for ask in (cache.paths, cache.verify, cache.clear):
        with pytest.raises(UnknownNameError):
            ask(["nothing"])
    with pytest.raises(ArtifactError, match="not in the cache"):
        cache.verify(["file"])
    with pytest.raises(ArtifactError, match="is empty"):
        cache.export(tmp_path / "x.tar")


def test_a_dry_run_fetches_nothing_and_tells_the_sizes(capsys):
    assert run(["fetch", "--all", "--dry-run", "--json"]) == 0
    rows = {row["file"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["inverted-signet.npz"]["size"] == 1_682_413_442
    assert rows["signet.pth"]["state"] == "to be fetched"
    assert run(["fetch", "inverted-signet", "--dry-run"]) == 0
    assert "1 files, 1,682,413,442 bytes" in capsys.readouterr().out


def test_a_licence_counts_as_shown_only_with_its_file(site, content, caplog, home, monkeypatch):
    from sigzoo.artifacts import notices

    caplog.set_level(logging.WARNING, "sigzoo.artifacts")
    data = content()
    url = site.publish(data)
    spec = ArtifactSpec("w", (url,), hashlib.sha256(data).hexdigest(), licence_notice="for research")
    monkeypatch.setenv("SIGZOO_OFFLINE", "1")
    for _ in range(2):
        with pytest.raises(ArtifactError):
            fetch(spec)
    assert caplog.text.count("for research") == 1
    assert not (home / "notices.json").exists()
    monkeypatch.setenv("SIGZOO_OFFLINE", "0")
    monkeypatch.setattr(notices, "_shown", set())  # as in another process
    fetch(spec)
    assert caplog.text.count("for research") == 2
    monkeypatch.setattr(notices, "_shown", set())
    fetch(spec)
    assert caplog.text.count("for research") == 2
