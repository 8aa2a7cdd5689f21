"""Fetching: kinds of URL, verification, pins, stamps, licences, offline."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pooch
import pytest

from sigzoo.artifacts import ArtifactSpec, Retry, cache_home, fetch, locate, sources
from sigzoo.artifacts.http import ResumingDownloader
from sigzoo.errors import ArtifactError, OfflineError, UsageError, VerificationError

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


# --- the usual way ----------------------------------------------------------------------------------


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


# --- verification -----------------------------------------------------------------------------------


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


# --- kinds of URL -----------------------------------------------------------------------------------


def test_https_is_verified_and_never_left(secure_site, site, content, pinned, monkeypatch):
    data = content()
    assert fetch(pinned(data, secure_site.publish(data))).read_bytes() == data
    plain = secure_site.publish(b"", "down", always=(302, {"Location": site.publish(data)}, b""))
    with pytest.raises(ArtifactError, match="redirected from https to http:"):
        fetch(pinned(data, plain, name="down"))
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(ArtifactError, match=r"no trusted connection .*certificate"):
        fetch(pinned(data, secure_site.publish(data), name="other"))


def test_a_drive_id_is_asked_for_with_confirmation(site, content, pinned, monkeypatch):
    data = content()
    assert sources.DRIVE_URL.startswith("https://drive.usercontent.google.com/download?id={id}&")
    assert "confirm=t" in sources.DRIVE_URL
    url = site.publish(data, "download?id=1l8NFdxSvQSLb2QTv71E6bKcTgvShKPpx&confirm=t")
    monkeypatch.setattr(sources, "DRIVE_URL", f"{site.address}/download?id={{id}}&confirm=t")
    path = fetch(pinned(data, "gdrive:1l8NFdxSvQSLb2QTv71E6bKcTgvShKPpx"))
    assert path.read_bytes() == data
    assert path.name == "weights"
    assert len(site.asked(url)) == 1


@pytest.mark.parametrize(
    "url", ["gdrive:../../x", "gdrive:", "gdrive:a&b=c12345678", "file://host/x", "file:x"]
)
def test_a_malformed_url_is_named(pinned, url):
    with pytest.raises(ArtifactError, match="weights"):
        fetch(pinned(b"x", url, filename="w"))


def test_a_file_url_is_copied_and_verified(content, pinned, tmp_path, home):
    data = content()
    source = tmp_path / "a file.bin"
    source.write_bytes(data)
    path = fetch(pinned(data, source.as_uri(), filename="w"))
    assert path.read_bytes() == data
    assert home in path.parents
    source.write_bytes(content(seed=9))
    with pytest.raises(VerificationError, match="sha256"):
        fetch(pinned(data, source.as_uri(), filename="w", name="other"))
    with pytest.raises(ArtifactError, match="cannot read"):
        fetch(pinned(data, (tmp_path / "nothing").as_uri(), filename="w", name="other"))
    with pytest.raises(ArtifactError, match="cannot read"):
        fetch(pinned(data, tmp_path.as_uri(), filename="w", name="other"))


@pytest.fixture
def package(tmp_path, monkeypatch, request):
    """An installed package with a file inside; a new name for each test, as modules are remembered."""
    name = "bundled_" + hashlib.sha256(request.node.name.encode()).hexdigest()[:8]
    folder = tmp_path / "installed" / name
    (folder / "data").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(folder.parent))
    return folder


def test_a_file_of_an_installed_package_is_used_where_it_lies(package, content, pinned, home):
    data = content()
    (package / "data" / "tiny.safetensors").write_bytes(data)
    spec = pinned(data, f"package:{package.name}/data/tiny.safetensors")
    assert fetch(spec) == locate(spec) == package / "data" / "tiny.safetensors"
    assert not list(home.rglob("*.safetensors"))


def test_a_file_of_an_installed_package_is_verified_too(package, content, pinned):
    data = content()
    (package / "data" / "tiny.safetensors").write_bytes(data[:-1] + b"\0")
    spec = pinned(data, f"package:{package.name}/data/tiny.safetensors")
    assert locate(spec) is None
    with pytest.raises(VerificationError, match="sha256"):
        fetch(spec)


def test_a_bundled_file_needs_no_writable_cache(package, content, pinned, tmp_path, monkeypatch):
    data = content()
    (package / "w").write_bytes(data)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SIGZOO_HOME", str(tmp_path / "file" / "home"))
    assert fetch(pinned(data, f"package:{package.name}/w")) == package / "w"


def test_a_file_of_a_zipped_package_is_copied(content, pinned, tmp_path, monkeypatch, home):
    data = content()
    with zipfile.ZipFile(tmp_path / "zipped.zip", "w") as archive:
        archive.writestr("zipped_bundle/__init__.py", "")
        archive.writestr("zipped_bundle/w.bin", data)
    monkeypatch.syspath_prepend(str(tmp_path / "zipped.zip"))
    path = fetch(pinned(data, "package:zipped_bundle/w.bin"))
    assert path.read_bytes() == data
    assert home in path.parents


@pytest.mark.parametrize(
    ("inside", "why"),
    [
        ("/missing.bin", "holds no file"),
        ("/data", "holds no file"),
        ("/../secret", "is written package:"),
        ("//etc/passwd", "is written package:"),
        ("", "is written package:"),
    ],
)
def test_a_package_url_that_leads_nowhere_is_named(package, pinned, inside, why):
    with pytest.raises(ArtifactError, match=why):
        fetch(pinned(b"x", f"package:{package.name}{inside}", filename="w"))


def test_a_package_that_is_missing_or_broken_is_named(package, pinned):
    with pytest.raises(ArtifactError, match="no_such_package is not installed"):
        fetch(pinned(b"x", "package:no_such_package/w"))
    (package / "__init__.py").write_text("1 / 0")
    with pytest.raises(ArtifactError, match="ZeroDivisionError"):
        fetch(pinned(b"x", f"package:{package.name}/w"))


# --- licences ---------------------------------------------------------------------------------------


def test_a_licence_is_told_once_at_the_first_fetch(site, content, pinned, caplog):
    data = content()
    spec = pinned(data, site.publish(data), licence_notice="GPDS, non-commercial use only")
    fetch(spec)
    assert caplog.text.count("GPDS, non-commercial use only") == 1
    fetch(spec)
    assert caplog.text.count("GPDS, non-commercial use only") == 1
    fetch(pinned(data, spec.urls[0], licence_notice="GPDS, changed"))
    assert "GPDS, changed" in caplog.text


def test_a_licence_is_told_on_stderr_where_nobody_set_up_logging(site, content, pinned):
    data = content()
    code = (
        "from sigzoo.artifacts import *\n"
        f"fetch(ArtifactSpec('w', ({site.publish(data)!r},), sha256={hashlib.sha256(data).hexdigest()!r},"
        " licence_notice='non-commercial use only'))"
    )
    assert "sigzoo: licence of w: non-commercial use only" in python(code).stderr


# --- offline ----------------------------------------------------------------------------------------

_WATCHED = """
import sys
def watch(event, arguments):
    if event.startswith("socket."):
        print("SOCKET", event); sys.stdout.flush()
sys.addaudithook(watch)
from sigzoo.artifacts import ArtifactSpec, fetch
from sigzoo.errors import OfflineError
try:
    fetch(ArtifactSpec("w", {urls!r}, sha256="0" * 64, size=7))
except OfflineError as error:
    print(error)
"""


def test_offline_opens_not_one_socket_and_says_what_to_bring_and_where(site, home):
    urls = (site.publish(b"x", "w.bin"), "gdrive:1l8NFdxSvQSLb2QTv71E6bKcTgvShKPpx")
    told = python(_WATCHED.format(urls=urls), SIGZOO_OFFLINE="1").stdout
    assert "SOCKET" not in told
    assert site.requests == []
    for part in (
        "w.bin is not in the cache",
        "SIGZOO_OFFLINE",
        str(home / "artifacts" / "w" / "w.bin"),
        "sha256 " + "0" * 64,
        "7 bytes",
        urls[0],
        "https://drive.usercontent.google.com/download?id=1l8NFdxSvQSLb2QTv71E6bKcTgvShKPpx",
        "sigzoo cache import",
    ):
        assert part in told
    assert "SOCKET" in python(_WATCHED.format(urls=urls[:1]), SIGZOO_OFFLINE="0").stdout


def test_offline_uses_what_is_here(site, content, pinned, monkeypatch, tmp_path):
    data = content()
    spec = pinned(data, site.publish(data))
    path = fetch(spec)
    monkeypatch.setenv("SIGZOO_OFFLINE", "1")
    assert fetch(spec) == path
    (tmp_path / "w").write_bytes(data)
    copied = pinned(data, "https://example.invalid/w", (tmp_path / "w").as_uri(), name="copied")
    assert fetch(copied).read_bytes() == data


def test_offline_names_a_damaged_file_as_damaged(site, content, pinned, monkeypatch):
    data = content()
    spec = pinned(data, site.publish(data))
    fetch(spec).write_bytes(b"")
    monkeypatch.setenv("SIGZOO_OFFLINE", "1")
    with pytest.raises(OfflineError, match="is here but is not the published file"):
        fetch(spec)


def test_a_typo_in_the_offline_switch_does_not_open_the_network(site, content, pinned, monkeypatch):
    monkeypatch.setenv("SIGZOO_OFFLINE", "ture")
    with pytest.raises(UsageError, match="'ture'"):
        fetch(pinned(content(), site.publish(content())))
    assert site.requests == []


@pytest.fixture(autouse=True)
def _heard(caplog):
    caplog.set_level(logging.WARNING, "sigzoo.artifacts")
