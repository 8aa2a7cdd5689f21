"""Homes that may not be entered or are not there, file systems without locks, certificates of a company."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sigzoo.artifacts import ArtifactSpec, Retry, cache_home, fetch, locate
from sigzoo.artifacts import lock as locks
from sigzoo.artifacts.built import WEIGHTS, read_built, run_folder, write_provenance
from sigzoo.artifacts.cache import clear, entries, verify_again
from sigzoo.artifacts.connections import CA_VARIABLES
from sigzoo.artifacts.home import StorageError
from sigzoo.errors import ArtifactError, SigzooError, VerificationError

REPOSITORY = Path(__file__).resolve().parents[2]
NOBODY = 64_123

as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("setpriv") is None,
    reason="only root can become another user",
)


def as_another_user(*command, home=None, user=NOBODY):
    """Run as a user without a home of its own, or with one that it may not enter."""
    environment = {key: value for key, value in os.environ.items() if key not in {"HOME", "SIGZOO_HOME"}}
    environment |= {"PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1"}
    if home is not None:
        environment["HOME"] = str(home)
    become = ["setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups"]
    done = subprocess.run(
        [*become, sys.executable, *command], capture_output=True, text=True, env=environment, cwd="/"
    )
    if "Permission denied" in done.stderr and sys.executable in done.stderr:
        pytest.skip("another user may not run this Python")
    return done


@pytest.fixture(params=["not to be entered", "not there", "none"])
def homeless(request, tmp_path_factory):
    """A home in which this user can do nothing."""
    if request.param == "none":
        return None
    place = tmp_path_factory.mktemp("homes") / "root"
    if request.param == "not to be entered":
        place.mkdir(mode=0o700)
    return place


@as_root
@pytest.mark.parametrize(
    "arguments",
    [["list"], ["list", "--json"], ["info", "synsig-tiny"], ["info", "signet-student-tiny"], ["plugins"]],
)
def test_what_needs_no_cache_asks_for_none(arguments, homeless):
    done = as_another_user("-m", "sigzoo", *arguments, home=homeless)
    assert done.returncode == 0, done.stderr
    assert "ermission" not in done.stderr


@as_root
def test_a_bundled_model_loads_without_a_cache(homeless):
    done = as_another_user("-c", "import sigzoo; print(sigzoo.load().card.features.size)", home=homeless)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0


@as_root
@pytest.mark.parametrize(
    "arguments",
    [
        ["cache", "list"],
        ["cache", "verify"],
        ["cache", "clear", "--all"],
        ["cache", "export", "--all", "-o", "/tmp/sigzoo-never.tar"],
        ["fetch", "hafemann-examples/a1.png"],
    ],
)
def test_what_needs_a_cache_says_what_to_do(arguments, tmp_path_factory):
    home = tmp_path_factory.mktemp("homes") / "root"
    (home / ".cache" / "sigzoo" / "artifacts").mkdir(parents=True)
    home.chmod(0o700)
    done = as_another_user("-m", "sigzoo", *arguments, home=home)
    assert done.returncode == 1
    assert "Set SIGZOO_HOME" in done.stderr
    assert "Traceback" not in done.stderr


_ASKED = """
import sys
from sigzoo.artifacts import ArtifactSpec, fetch, locate
from sigzoo.artifacts.connections import CA_VARIABLES
from sigzoo.artifacts.cache import clear, entries, verify_again
from sigzoo.artifacts.bundle import export_cache, import_cache
from sigzoo.artifacts.built import read_built, built_names, run_names
from sigzoo.errors import SigzooError
spec = ArtifactSpec("w", ("file:///etc/hostname",), sha256="0" * 64)
asked = [
    lambda: locate(spec), lambda: fetch(spec), entries, lambda: verify_again(lambda *names: spec), clear,
    lambda: clear(["w"]), lambda: clear(partial_only=True), lambda: clear(["w"], forget_pins=True),
    lambda: export_cache([spec], __import__("pathlib").Path("/nowhere/x")), built_names, run_names,
    lambda: import_cache(__import__("pathlib").Path("/etc/hostname"), lambda *names: spec),
    lambda: read_built("m"),
]
for number, ask in enumerate(asked):
    try:
        ask()
    except SigzooError as error:
        print(number, type(error).__name__)
    except Exception as error:
        print("RAW", number, repr(error))
"""


@as_root
def test_no_function_of_the_cache_lets_an_error_of_the_system_through(homeless):
    done = as_another_user("-c", _ASKED, home=homeless)
    assert done.returncode == 0, done.stderr
    assert "RAW" not in done.stdout
    assert "1 StorageError" in done.stdout


def test_no_home_at_all_is_named(monkeypatch):
    import platformdirs

    monkeypatch.delenv("SIGZOO_HOME")
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name: "~/.cache/sigzoo")
    with pytest.raises(StorageError, match="no home folder.*Set SIGZOO_HOME"):
        cache_home()


# --- bundled files ---------------------------------------------------------------------------------


@pytest.mark.parametrize("offline", ["0", "1"])
def test_a_bundled_file_that_is_not_installed_says_what_to_install(offline, monkeypatch):
    monkeypatch.setenv("SIGZOO_OFFLINE", offline)
    spec = ArtifactSpec("w", ("package:no_such_students/w.bin",), sha256="0" * 64)
    with pytest.raises(ArtifactError, match=r"not installed.*pip install no-such-students") as caught:
        fetch(spec)
    assert "cache" not in str(caught.value)


@pytest.mark.parametrize("offline", ["0", "1"])
@pytest.mark.parametrize("case", ["another file", "no such file"])
def test_a_bundled_file_of_another_release_says_what_to_upgrade(case, offline, monkeypatch):
    monkeypatch.setenv("SIGZOO_OFFLINE", offline)
    inside = "weights/synsig-tiny.safetensors" if case == "another file" else "weights/other.safetensors"
    spec = ArtifactSpec("w", (f"package:sigzoo_students/{inside}",), sha256="0" * 64)
    with pytest.raises(
        VerificationError, match=r"sigzoo-students \d.* is installed: run `pip install --upgrade"
    ) as caught:
        fetch(spec)
    assert "cache" not in str(caught.value)


# --- locks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_worked_with_and_named_once(
    code, site, content, pinned, monkeypatch, tmp_path, caplog, home
):
    import fcntl
    import tempfile

    real = fcntl.flock

    def refused(handle, operation):
        if str(home) in str(Path(f"/proc/self/fd/{handle}").readlink()):
            raise OSError(code, os.strerror(code))
        return real(handle, operation)

    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")
    monkeypatch.setattr(fcntl, "flock", refused)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    caplog.set_level("WARNING", "sigzoo.artifacts")
    data = content()
    assert fetch(pinned(data, site.publish(data))).read_bytes() == data
    assert caplog.text.count("has no locks") == 1
    with (
        locks.locked("x", "busy"),
        pytest.raises(ArtifactError, match="Another process is busy"),
        locks.locked("x", "busy", wait=False),
    ):
        pass


def test_the_stand_in_for_a_lock_is_no_place_of_another_user(tmp_path, monkeypatch):
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"sigzoo-locks-{os.geteuid()}").symlink_to(tmp_path / "elsewhere")
    with pytest.raises((StorageError, FileExistsError)):
        locks._stand_in(tmp_path / "x.lock")


# --- certificates ----------------------------------------------------------------------------------


@pytest.fixture
def nothing_trusted(secure_site, monkeypatch):
    for name in CA_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_certificates_that_are_not_there_are_named_and_the_next_mirror_is_asked(
    variable, secure_site, site, content, pinned, monkeypatch, nothing_trusted
):
    data = content()
    monkeypatch.setenv(variable, "/nonexistent/company.pem")
    url = secure_site.publish(data)
    with pytest.raises(ArtifactError, match=rf"{variable} is '/nonexistent/company\.pem'"):
        fetch(pinned(data, url))
    spec = pinned(data, url, site.publish(data), filename="w")
    assert fetch(spec).read_bytes() == data


@pytest.mark.parametrize("content_of", [b"", b"not a certificate", b"-----BEGIN CERTIFICATE-----\nxx"])
@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_certificates_that_are_none_are_an_error_of_ours(
    variable, content_of, secure_site, content, pinned, monkeypatch, tmp_path, nothing_trusted
):
    (tmp_path / "bad.pem").write_bytes(content_of)
    monkeypatch.setenv(variable, str(tmp_path / "bad.pem"))
    with pytest.raises(ArtifactError, match="REQUESTS_CA_BUNDLE or SSL_CERT_FILE"):
        fetch(pinned(content(), secure_site.publish(content())), retry=Retry(attempts=1))


def test_an_untrusted_server_names_both_variables(secure_site, content, pinned, nothing_trusted):
    with pytest.raises(ArtifactError, match="REQUESTS_CA_BUNDLE or SSL_CERT_FILE"):
        fetch(pinned(content(), secure_site.publish(content())))


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_certificates_are_taken_from_each_variable(variable, secure_site, content, pinned, monkeypatch):
    pem = os.environ["REQUESTS_CA_BUNDLE"]
    for name in CA_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, pem)
    assert fetch(pinned(content(), secure_site.publish(content()))).read_bytes() == content()


def test_a_redirect_to_https_without_certificates_is_an_error_of_ours(
    secure_site, site, content, pinned, monkeypatch
):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent/company.pem")
    url = site.publish(b"", "r", always=(302, {"Location": secure_site.publish(content())}, b""))
    with pytest.raises(ArtifactError, match="REQUESTS_CA_BUNDLE or SSL_CERT_FILE"):
        fetch(pinned(content(), url))


# --- records of models that were built ----------------------------------------------------------------


@pytest.mark.parametrize(
    "fact",
    [
        {"overrides": 5},
        {"overrides": []},
        {"agreement": "x"},
        {"agreement": None},
        {"versions": 1},
        {"recipe": []},
        {"settings": "x"},
        {"licence": 7},
        {"epochs": {}},
        {"built": 3},
        {"sha256": 1},
        {"size": "x"},
        {"size": 1e400},
        {"size": -1},
        {"format": 2},
        {"model": "other"},
    ],
    ids=str,
)
def test_an_odd_fact_of_a_built_model_is_damage(fact, home):
    folder = home / "built" / "m"
    folder.mkdir(parents=True)
    (folder / WEIGHTS).write_bytes(b"x")
    write_provenance(folder, "m", "0" * 64, 1, {})
    assert read_built("m") is not None
    place = folder / "provenance.json"
    place.write_text(json.dumps(json.loads(place.read_text()) | fact))
    with pytest.raises(ArtifactError, match="is damaged"):
        read_built("m")
    assert [entry.state for entry in entries()] == ["damaged"]
    assert [verdict.problem is None for verdict in verify_again(lambda *names: None)] == [False]
    clear(["m"])
    assert entries() == []


def test_odd_names_of_runs_are_wrong_usage():
    for name in ("..", "a/b", "", "x" * 500):
        with pytest.raises(SigzooError):
            run_folder(name)


def test_a_pinned_file_needs_no_stamp(content, pinned, home):
    folder = home / "artifacts" / "weights"
    folder.mkdir(parents=True)
    (folder / "w").write_bytes(content())
    assert locate(pinned(content(), "https://example.invalid/w")) == folder / "w"
