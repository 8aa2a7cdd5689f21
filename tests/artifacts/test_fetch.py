"""The usual way: fetched once, verified, stamped, recorded where nobody published a digest."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pooch
import pytest

from sigzoo.artifacts import ArtifactSpec, Retry, cache_home, fetch, locate
from sigzoo.artifacts.http import ResumingDownloader
from sigzoo.errors import ArtifactError, VerificationError

REPOSITORY = Path(__file__).resolve().parents[2]


def git_blob_id(data, folder):
    """What git itself says."""
    file = folder / "blob"
    file.write_bytes(data)
    return subprocess.run(
        ["git", "hash-object", "--no-filters", str(file)], capture_output=True, text=True, check=True
    ).stdout.strip()


def python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)} | environment,
    )


def test_a_file_is_fetched_once_and_kept_under_its_artifact_s_name(site, content, pinned, home):
    data = content()
    url = site.publish(data, "signet.pth")
    spec = pinned(data, url)
    path = fetch(spec)
    assert path == home / "artifacts" / "weights" / "signet.pth"
    assert path.read_bytes() == data
    assert fetch(spec) == locate(spec) == path
    assert len(site.asked(url)) == 1


def test_progress_ends_at_the_size_of_the_file(site, content, pinned):
    data = content(3_000_000)
    seen = []
    fetch(pinned(data, site.publish(data)), progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(data), len(data))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_verified_file_is_not_read_again(site, content, pinned, monkeypatch):
    data = content()
    spec = pinned(data, site.publish(data))
    path = fetch(spec)
    real, opened = Path.open, []
    monkeypatch.setattr(Path, "open", lambda self, *a, **k: (opened.append(self), real(self, *a, **k))[1])
    assert locate(spec) == path
    assert path not in opened


def test_a_stamp_does_not_outlive_a_changed_registry(site, content, pinned):
    old, new = content(seed=1), content(seed=2)
    url = site.publish(old)
    fetch(pinned(old, url))
    site.publish(new)
    assert locate(pinned(new, url)) is None
    assert fetch(pinned(new, url)).read_bytes() == new


def test_two_artifacts_with_the_same_file_name_do_not_collide(site, content, pinned):
    a, b = content(seed=1), content(seed=2)
    first = fetch(pinned(a, site.publish(a, "one/signet.pth"), name="sigver"))
    second = fetch(pinned(b, site.publish(b, "two/signet.pth"), name="continual"))
    assert first.name == second.name == "signet.pth"
    assert (first.read_bytes(), second.read_bytes()) == (a, b)


def test_several_files_of_one_artifact_lie_side_by_side(site, content, pinned):
    a, b = content(seed=1), content(seed=2)
    first = fetch(pinned(a, site.publish(a, "a1.png")))
    second = fetch(pinned(b, site.publish(b, "a2.png")))
    assert first.parent == second.parent
    assert (first.read_bytes(), second.read_bytes()) == (a, b)


def test_an_empty_file_can_be_an_artifact(site, pinned):
    assert fetch(pinned(b"", site.publish(b""))).read_bytes() == b""


def test_the_cache_is_pooch_s_folder_unless_told_otherwise(monkeypatch, tmp_path):
    monkeypatch.setenv("SIGZOO_HOME", str(tmp_path / "mine"))
    assert cache_home() == tmp_path / "mine"
    monkeypatch.delenv("SIGZOO_HOME")
    assert cache_home() == Path(pooch.os_cache("sigzoo"))


def test_fetching_imports_no_torch():
    done = python("import sys, sigzoo.artifacts, sigzoo.artifacts.bundle; sys.exit('torch' in sys.modules)")
    assert done.returncode == 0, done.stderr


def test_the_downloader_resumes_inside_pooch_too(site, content, tmp_path):
    data = content(3_000_000)
    url = site.publish(data, cuts=[2_000_000])
    digest = hashlib.sha256(data).hexdigest()
    downloader = ResumingDownloader(part=tmp_path / "part", retry=Retry(attempts=1))
    arguments = {"known_hash": digest, "fname": "w", "path": tmp_path / "pooch", "downloader": downloader}
    with pytest.raises(ArtifactError, match="connection cut"):
        pooch.retrieve(url, **arguments)
    assert Path(pooch.retrieve(url, **arguments)).read_bytes() == data
    assert site.asked(url)[1].start == 2_000_000


def test_a_git_blob_id_pins_a_file_as_git_computes_it(site, content, pinned, tmp_path):
    data = content()
    blob = git_blob_id(data, tmp_path)
    assert fetch(pinned(data, site.publish(data), sha256=None, size=None, git_blob=blob)).read_bytes() == data
    wrong = pinned(data, site.publish(data, "x"), name="other", sha256=None, git_blob="0" * 40)
    with pytest.raises(VerificationError, match=f"git blob id is {blob} instead of {'0' * 40}"):
        fetch(wrong)


def test_both_digests_must_be_right_where_both_are_known(site, content, pinned):
    data = content()
    with pytest.raises(VerificationError, match="git blob id"):
        fetch(pinned(data, site.publish(data), git_blob="0" * 40))


def test_an_unpinned_file_is_told_of_recorded_and_must_stay(site, content, home, caplog):
    data = content(seed=1)
    digest = hashlib.sha256(data).hexdigest()
    url = site.publish(data)
    spec = ArtifactSpec("models", (url,), unpinned=True)
    path = fetch(spec)
    assert digest in caplog.text
    assert "nobody published a digest of models" in caplog.text
    assert json.loads((home / "pins.json").read_text())["models"]["sha256"] == digest
    caplog.clear()
    path.unlink()
    assert fetch(spec).read_bytes() == data
    assert caplog.text == ""
    path.unlink()
    site.publish(content(seed=2))
    with pytest.raises(
        VerificationError, match=rf"instead of {digest}, which was recorded.*'models'.*pins\.json"
    ):
        fetch(spec)
    assert locate(spec) is None


def test_the_record_of_unpinned_files_decides_between_mirrors(site, content):
    data = content(seed=1)
    right = site.publish(data, "right")
    spec = ArtifactSpec("models", (right,), unpinned=True, filename="w")
    fetch(spec).unlink()
    other = site.publish(content(seed=2), "other")
    again = ArtifactSpec("models", (other, right), unpinned=True, filename="w")
    assert fetch(again).read_bytes() == data


def test_a_damaged_record_of_unpinned_files_is_not_overwritten(site, content, home):
    home.mkdir()
    (home / "pins.json").write_text("{ damaged")
    with pytest.raises(ArtifactError, match=r"pins\.json is damaged"):
        fetch(ArtifactSpec("models", (site.publish(content()),), unpinned=True))
    assert (home / "pins.json").read_text() == "{ damaged"


def test_require_hash_refuses_the_unpinned_only(site, content, pinned):
    data = content()
    url = site.publish(data)
    with pytest.raises(VerificationError, match="models is unpinned"):
        fetch(ArtifactSpec("models", (url,), unpinned=True), require_hash=True)
    assert site.requests == []
    assert fetch(pinned(data, url), require_hash=True).read_bytes() == data


def test_a_file_put_into_the_cache_by_hand_is_verified_and_used(content, pinned, home):
    data = content()
    spec = pinned(data, "https://example.invalid/w.bin")
    folder = home / "artifacts" / "weights"
    folder.mkdir(parents=True)
    (folder / "w.bin").write_bytes(data)
    assert fetch(spec) == folder / "w.bin"
    (folder / "w.bin").write_bytes(data + b"x")
    assert locate(spec) is None


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"sha256": "12"}, "sha256 is not 64"),
        ({"sha256": "g" * 64}, "sha256 is not 64"),
        ({"git_blob": "0" * 39}, "git_blob is not 40"),
        ({"sha256": "0" * 64, "size": -1}, "size is -1"),
        ({}, "needs sha256 or git_blob"),
        ({"unpinned": True, "urls": ()}, "no urls"),
        ({"unpinned": True, "name": "../up"}, "cannot be the name"),
        ({"unpinned": True, "name": ".."}, "cannot be the name"),
        ({"unpinned": True, "name": "a/b"}, "cannot be the name"),
        ({"unpinned": True, "filename": "../../x"}, "cannot be a file's name"),
        ({"unpinned": True, "filename": "x.part"}, "cannot be a file's name"),
        ({"unpinned": True, "urls": ("https://h/..",)}, "cannot be a file's name"),
        ({"unpinned": True, "urls": ("https://h/a%2Fb%5Cc",)}, "cannot be a file's name"),
    ],
)
def test_a_specification_that_cannot_be_right_is_refused(fields, why):
    with pytest.raises(ArtifactError, match=why):
        ArtifactSpec(**({"name": "w", "urls": ("https://example.invalid/w",)} | fields))


@pytest.fixture(autouse=True)
def _heard(caplog):
    caplog.set_level(logging.WARNING, "sigzoo.artifacts")
