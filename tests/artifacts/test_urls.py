"""Kinds of URL, licences, and working without a network."""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sigzoo.artifacts import fetch, locate, urls
from sigzoo.errors import ArtifactError, OfflineError, UsageError, VerificationError

REPOSITORY = Path(__file__).resolve().parents[2]


def python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)} | environment,
    )


def test_https_is_verified_and_never_left(secure_site, site, content, pinned, monkeypatch):
    data = content()
    assert fetch(pinned(data, secure_site.publish(data))).read_bytes() == data
    plain = secure_site.publish(b"", "down", always=(302, {"Location": site.publish(data)}, b""))
    with pytest.raises(ArtifactError, match="redirected from https to http:"):
        fetch(pinned(data, plain, name="down"))
    there_and_back = site.publish(b"", "back", always=(302, {"Location": secure_site.publish(data)}, b""))
    through = secure_site.publish(b"", "through", always=(302, {"Location": there_and_back}, b""))
    with pytest.raises(ArtifactError, match=f"redirected from https to {there_and_back}"):
        fetch(pinned(data, through, name="through"))
    onward = secure_site.publish(b"", "onward", always=(302, {"Location": secure_site.publish(data)}, b""))
    assert fetch(pinned(data, onward, name="onward")).read_bytes() == data
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(ArtifactError, match=r"no trusted connection .*certificate"):
        fetch(pinned(data, secure_site.publish(data), name="other"))


def test_a_drive_id_is_asked_for_with_confirmation(site, content, pinned, monkeypatch):
    data = content()
    assert urls.DRIVE_URL.startswith("https://drive.usercontent.google.com/download?id={id}&")
    assert "confirm=t" in urls.DRIVE_URL
    url = site.publish(data, "download?id=1l8NFdxSvQSLb2QTv71E6bKcTgvShKPpx&confirm=t")
    monkeypatch.setattr(urls, "DRIVE_URL", f"{site.address}/download?id={{id}}&confirm=t")
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


@pytest.mark.parametrize("kind", ["a device", "a pipe", "a folder"])
def test_a_file_url_of_something_without_an_end_is_refused(pinned, tmp_path, home, kind):
    place = tmp_path / "endless"
    if kind == "a device":
        place = Path("/dev/zero")
        if not place.is_char_device():
            pytest.skip("needs /dev/zero")
    elif kind == "a pipe":
        os.mkfifo(place)
    else:
        place.mkdir()
    with pytest.raises(ArtifactError, match="not a regular file"):
        fetch(pinned(b"", place.as_uri(), filename="w", sha256=None, size=None, unpinned=True))
    assert not [path for path in home.rglob("w*") if path.is_file()]


def test_a_file_url_of_another_size_is_refused_before_it_is_copied(content, pinned, tmp_path):
    (tmp_path / "w").write_bytes(content())
    with pytest.raises(VerificationError, match="has 300000 bytes instead of 299999"):
        fetch(pinned(content(299_999), (tmp_path / "w").as_uri()))


def test_a_copy_ends_at_the_limit_and_leaves_nothing(content, pinned, tmp_path, home, monkeypatch):
    monkeypatch.setattr(urls, "MAX_UNSTATED_SIZE", 200_000)
    (tmp_path / "w").write_bytes(content())
    with pytest.raises(VerificationError, match="more than 200000 bytes"):
        fetch(pinned(content(), (tmp_path / "w").as_uri(), size=None))
    assert not list(home.rglob("w*.part"))


def test_a_copy_that_finds_no_room_does_not_promise_to_go_on(content, pinned, tmp_path, home, spawner):
    data = content()
    (tmp_path / "w").write_bytes(data)
    failed = spawner.fetch(pinned(data, (tmp_path / "w").as_uri()), file_limit=1 << 16).result()
    assert "no room to write" in failed["message"]
    assert "goes on" not in failed["message"]
    assert not list(home.rglob("w*.part"))


@pytest.mark.parametrize(
    "url", ["", "w", "/w", "ftp://example.org/w", "data:,w", "https:", "https://", "file:"]
)
def test_a_url_of_an_unknown_kind_is_refused_at_once(pinned, url):
    with pytest.raises(
        ArtifactError, match=r"artifact weights: .*https, http, gdrive, file, package"
    ) as caught:
        pinned(b"x", "https://example.org/w", url)
    assert repr(url) in str(caught.value)


@pytest.mark.parametrize("home_folder", ["~nosuchuser/x", "~no such user"])
def test_a_cache_in_the_home_of_nobody_is_wrong_usage(pinned, monkeypatch, home_folder):
    monkeypatch.setenv("SIGZOO_HOME", home_folder)
    with pytest.raises(UsageError, match=f"SIGZOO_HOME is '{home_folder}'"):
        locate(pinned(b"x", "https://example.org/w"))


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


def test_a_package_that_is_missing_or_a_module_is_named(package, pinned):
    for missing in ("no_such_package", f"{package.name}.no_such_part", "no_such_package.part"):
        with pytest.raises(ArtifactError, match=rf"{missing.split('.')[0]}\S* is not installed"):
            fetch(pinned(b"x", f"package:{missing}/w"))
    (package.parent / f"{package.name}_alone.py").write_text("")
    with pytest.raises(ArtifactError, match="is not a package"):
        fetch(pinned(b"x", f"package:{package.name}_alone/w"))


def test_no_package_is_imported_for_a_file_of_it(package, content, pinned, tmp_path):
    canary = f"import pathlib; pathlib.Path({str(tmp_path / 'canary')!r}).touch()\n"
    below = package / "below"
    below.mkdir()
    alone = package.parent / f"{package.name}_alone.py"
    for code in (package / "__init__.py", below / "__init__.py", alone):
        code.write_text(canary)
    data = content()
    (package / "w").write_bytes(data)
    (below / "w").write_bytes(data)
    name = package.name
    assert locate(pinned(data, "https://x.invalid/a", f"package:{name}/w")) == package / "w"
    assert fetch(pinned(data, f"package:{name}.below/w", name="below")) == below / "w"
    for url in (f"package:{name}/gone", f"package:{name}.below.gone/w", f"package:{alone.stem}/w"):
        assert locate(pinned(data, url, filename="w", name="gone")) is None
    assert not (tmp_path / "canary").exists()
    assert not [module for module in sys.modules if module.startswith(name)]
    subprocess.run([sys.executable, "-c", f"import {name}"], cwd=package.parent, check=True)
    assert (tmp_path / "canary").exists(), "the canary would have sung"


def test_a_file_of_a_package_in_several_places_is_found_in_any(content, pinned, tmp_path, monkeypatch):
    for place in ("one", "two"):
        (tmp_path / place / "spread_bundle").mkdir(parents=True)
        monkeypatch.syspath_prepend(str(tmp_path / place))
    (tmp_path / "one" / "spread_bundle" / "w").write_bytes(content())
    found = locate(pinned(content(), "package:spread_bundle/w"))
    assert found == tmp_path / "one" / "spread_bundle" / "w"


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


@pytest.fixture(autouse=True)
def _heard(caplog):
    caplog.set_level(logging.WARNING, "sigzoo.artifacts")


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
