"""`sigzoo fetch` and `sigzoo cache`, as a person runs them."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import sys
from pathlib import Path

import pytest
import yaml

from sigzoo.cli import run

LICENCE = "GPDS: non-commercial use only"


@pytest.fixture
def sigzoo(capfd):
    """Run a command; give its exit status, stdout and stderr."""

    def command(*arguments):
        capfd.readouterr()
        status = run(arguments)
        captured = capfd.readouterr()
        return status, captured.out, captured.err

    return command


@pytest.fixture
def served(site, content, tmp_path, monkeypatch):
    """A registry of a user's own with four artifacts, two of which the loopback server has."""
    pinned, unpinned = content(seed=1), content(seed=2)
    common = {"summary": "for tests", "provenance": "made here"}
    artifacts = {
        "test-pinned": common
        | {
            "urls": [site.publish(pinned, "p.bin")],
            "sha256": hashlib.sha256(pinned).hexdigest(),
            "size": len(pinned),
            "licence": LICENCE,
        },
        "test-unpinned": common | {"urls": [site.publish(unpinned, "u.bin")], "unpinned": True},
        "test-elsewhere": common | {"urls": ["package:no_such_package/w"], "sha256": "0" * 64},
        "test-broken": common | {"urls": [f"{site.address}/missing"], "sha256": "0" * 64},
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"artifacts": artifacts}))
    monkeypatch.setenv("SIGZOO_REGISTRY", str(tmp_path / "mine.yaml"))
    return {"test-pinned": pinned, "test-unpinned": unpinned}


def test_fetch_prints_where_the_file_is_and_tells_its_licence_once(sigzoo, served, home, caplog):
    status, out, _ = sigzoo("fetch", "test-pinned")
    path = home / "artifacts" / "test-pinned" / "p.bin"
    assert status == 0
    assert str(path) in out
    assert caplog.text.count(LICENCE) == 1
    sigzoo("fetch", "test-pinned")
    assert caplog.text.count(LICENCE) == 1


def test_a_bar_is_drawn_where_stderr_is_a_terminal(sigzoo, served, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    assert "p.bin" in sigzoo("fetch", "test-pinned")[2]
    assert "p.bin" not in sigzoo("fetch", "test-pinned")[2]


def test_fetch_gives_json_and_nothing_else_on_stdout(sigzoo, served):
    status, out, _ = sigzoo("fetch", "test-pinned", "test-unpinned", "--json")
    rows = json.loads(out)
    assert status == 0
    assert [row["artifact"] for row in rows] == ["test-pinned", "test-unpinned"]
    assert [row["size"] for row in rows] == [len(data) for data in served.values()]


def test_one_failure_does_not_keep_the_others_from_being_fetched(sigzoo, served, site):
    status, out, err = sigzoo("fetch", "test-broken", "test-pinned")
    assert status == 1
    assert "p.bin" in out
    assert f"{site.address}/missing: 404" in err
    assert "Traceback" not in err


def test_require_hash_refuses_the_unpinned(sigzoo, served):
    status, _, err = sigzoo("fetch", "test-unpinned", "--require-hash")
    assert status == 1
    assert "test-unpinned is unpinned" in err


def test_fetch_without_a_name_or_with_an_unknown_one_is_wrong_usage(sigzoo, served):
    assert sigzoo("fetch")[0] == 2
    assert sigzoo("fetch", "--all", "test-pinned")[0] == 2
    status, _, err = sigzoo("fetch", "test-pined")
    assert status == 2
    assert "test-pinned" in err


@pytest.mark.parametrize("url", ["ftp://example.org/w", "data:,w", ""])
def test_a_registry_with_a_url_of_an_unknown_kind_is_refused_when_it_is_read(sigzoo, served, tmp_path, url):
    registry = tmp_path / "mine.yaml"
    known = yaml.safe_load(registry.read_text())
    known["artifacts"]["test-pinned"]["urls"].append(url)
    registry.write_text(yaml.safe_dump(known))
    status, _, err = sigzoo("list")
    assert status == 1
    assert f"{registry}: artifacts.test-pinned: " in err
    assert repr(url) in err


def test_an_export_of_nothing_says_that_the_cache_is_empty(sigzoo, served, home, tmp_path):
    status, _, err = sigzoo("cache", "export", "--all", "-o", str(tmp_path / "all.tar"))
    assert status == 1
    assert f"the cache, {home}, is empty" in err
    (home / "artifacts" / "test-pinned").mkdir(parents=True)
    (home / "artifacts" / "test-pinned" / "p.bin.part").write_bytes(b"x")
    assert "holds no whole file" in sigzoo("cache", "export", "--all", "-o", str(tmp_path / "all.tar"))[2]
    assert not (tmp_path / "all.tar").exists()


def test_the_cache_is_listed_verified_and_cleared(sigzoo, served, home):
    assert "Nothing is in the cache" in sigzoo("cache", "list")[1]
    sigzoo("fetch", "test-pinned", "test-unpinned")
    status, out, _ = sigzoo("cache", "list")
    assert status == 0
    assert out.count("verified") == 2
    listed = json.loads(sigzoo("cache", "list", "--json")[1])
    assert listed["home"] == str(home)
    assert [file["state"] for file in listed["files"]] == ["verified", "verified"]
    status, out, _ = sigzoo("cache", "verify", "test-pinned", "test-unpinned")
    assert status == 0
    assert out.count("ok") == 2
    status, out, _ = sigzoo("cache", "clear", "test-pinned", "--json")
    assert status == 0
    assert json.loads(out)["freed"] >= len(served["test-pinned"])
    assert "test-pinned" not in sigzoo("cache", "list")[1]
    assert sigzoo("cache", "clear", "--all")[0] == 0
    assert "Nothing is in the cache" in sigzoo("cache", "list")[1]


def test_verify_fails_on_a_changed_file_and_names_it(sigzoo, served, home):
    sigzoo("fetch", "test-pinned")
    (home / "artifacts" / "test-pinned" / "p.bin").write_bytes(b"changed")
    status, out, err = sigzoo("cache", "verify", "test-pinned", "--json")
    assert status == 1
    assert json.loads(out)[0]["ok"] is False
    assert "p.bin" in err
    assert sigzoo("cache", "verify", "test-unpinned")[0] == 1


def test_verify_does_not_mind_packages_that_are_not_installed(sigzoo, served):
    sigzoo("fetch", "test-pinned")
    judged = {row["artifact"] for row in json.loads(sigzoo("cache", "verify", "--json")[1])}
    assert "test-pinned" in judged
    assert "test-elsewhere" not in judged
    status, _, err = sigzoo("cache", "verify", "test-elsewhere")
    assert status == 1
    assert "test-elsewhere" in err


def test_path_says_where_a_file_is_or_would_be(sigzoo, served, home):
    path = home / "artifacts" / "test-pinned" / "p.bin"
    assert sigzoo("cache", "path")[1].strip() == str(home)
    assert sigzoo("cache", "path", "test-pinned")[1].strip() == str(path)
    assert json.loads(sigzoo("cache", "path", "test-pinned", "--json")[1])[0]["present"] is False
    sigzoo("fetch", "test-pinned")
    assert json.loads(sigzoo("cache", "path", "test-pinned", "--json")[1])[0]["present"] is True


def test_clear_and_export_must_be_told_what(sigzoo, served, tmp_path):
    assert sigzoo("cache", "clear")[0] == 2
    assert sigzoo("cache", "clear", "--all", "test-pinned")[0] == 2
    assert sigzoo("cache", "export", "-o", str(tmp_path / "x.tar"))[0] == 2
    status, _, err = sigzoo("cache", "export", "test-pinned", "-o", str(tmp_path / "x.tar"))
    assert status == 1
    assert "sigzoo fetch" in err


def test_a_cache_is_carried_to_a_machine_without_a_network(sigzoo, served, tmp_path, monkeypatch, site):
    out = tmp_path / "carried.tar"
    sigzoo("fetch", "test-pinned", "test-unpinned")
    assert sigzoo("cache", "export", "--all", "-o", str(out))[0] == 0
    monkeypatch.setenv("SIGZOO_HOME", str(tmp_path / "other"))
    monkeypatch.setenv("SIGZOO_OFFLINE", "1")
    before = len(site.requests)
    status, _, err = sigzoo("fetch", "test-pinned")
    assert status == 1
    assert "sigzoo cache import" in err
    status, text, _ = sigzoo("cache", "import", str(out), "--json")
    assert status == 0
    assert [row["new"] for row in json.loads(text)] == [True, True]
    status, _, err = sigzoo("fetch", "test-pinned", "test-unpinned")
    assert status == 0
    assert len(site.requests) == before
    out.write_bytes(out.read_bytes()[:5000])
    status, _, err = sigzoo("cache", "import", str(out))
    assert status == 1
    assert "carried.tar" in err


def documented_commands():
    text = (Path(__file__).resolve().parents[2] / "docs" / "cache.md").read_text()
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    lines = [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


@pytest.mark.parametrize("words", documented_commands(), ids=" ".join)
def test_the_program_takes_every_command_of_the_documentation(sigzoo, words):
    """With ``--help`` added, unknown commands and options are still refused, and nothing is done."""
    assert words[0] == "sigzoo"
    assert sigzoo(*words[1:], "--help")[0] == 0
    assert sigzoo(*words[1:], "--no-such-option", "--help")[0] == 2
