"""`sigzoo list`, `info` and `plugins`: what there is, without importing torch."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def test_list_shows_every_model_with_its_licence(run: Run) -> None:
    done = run("list")
    assert done.status == 0
    assert "signet-spp-600dpi-f" in done.out
    rows = json.loads(run("list", "--json").out)
    assert {row["name"] for row in rows} >= {"signet", "synsig-tiny"}
    assert [row["name"] for row in rows if row["default"]] == ["synsig-tiny"]
    assert {row["name"]: row["commercial_use"] for row in rows}["signet"] is False


def test_list_takes_a_pattern(run: Run) -> None:
    rows = json.loads(run("list", "signet-f*", "--json").out)
    assert [row["name"] for row in rows] == ["signet-f-0.95", "signet-f-0.999", "signet-f-0.95.pytorch"]


def test_a_pattern_that_matches_nothing_is_told(run: Run) -> None:
    done = run("list", "zzz*")
    assert done.status == 0
    assert "no model matches 'zzz*'" in done.err


def names_of(run: Run, *options: str) -> list[str]:
    return [row["name"] for row in json.loads(run("list", *options, "--json").out)]


def test_list_filters_and_sorts(run: Run) -> None:
    assert set(names_of(run, "--free")) == {"synsig-tiny", "synsig-base"}
    assert set(names_of(run, "--cached")) == {"synsig-tiny", "synsig-base"}
    assert names_of(run, "--family", "signet-f") == [
        "signet-f-0.95",
        "signet-f-0.999",
        "signet-f-0.95.pytorch",
    ]
    assert names_of(run, "--family", "signet", "--free") == []
    assert names_of(run)[:2] == ["synsig-tiny", "synsig-base"]
    assert names_of(run, "--sort", "name") == sorted(names_of(run))
    sizes = [row["features"] for row in json.loads(run("list", "--sort", "features", "--json").out)]
    assert sizes == sorted(sizes)
    done = run("list", "--family", "nobody")
    assert (done.status, done.out) == (0, "")
    assert "no model matches" in done.err


def test_cite_prints_the_papers_of_models_once(run: Run) -> None:
    done = run("cite", "signet", "signetf_lambda0.95", "synsig-tiny")
    assert done.status == 0
    assert re.findall(r"^@\w+{(\w+),$", done.out, re.MULTILINE) == ["hafemann2017", "sigzoo", "luo2023"]
    assert "10.1016/j.patcog.2017.05.012" in done.out
    data = json.loads(run("cite", "signet", "--json").out)
    assert data["models"] == {"signet": ["hafemann2017"]}
    assert "Hafemann" in data["citations"]["hafemann2017"]
    assert run("cite", "signte").status == 2


def test_an_unknown_command_gets_the_nearest_names(run: Run) -> None:
    done = run("ebmed")
    assert done.status == 2
    assert "no command named 'ebmed'. Did you mean embed" in done.err


def test_info_shows_a_card_by_its_alias(run: Run) -> None:
    done = run("info", "signetf_lambda0.95", "--all")
    assert done.status == 0
    for words in (
        "signet-f-0.95",
        "non-commercial",
        "1.72 %",
        "reported",
        "signet_models.zip",
        "git blob 36ac",
    ):
        assert words in done.out
    card = json.loads(run("info", "signet", "--json").out)
    assert card["weights"]["artifact"] == "signet-models/signet.pkl"
    assert card["licence"]["commercial_use"] is False


def test_info_of_every_model_shows_a_digest_or_says_why_there_is_none(run: Run) -> None:
    names = [row["name"] for row in json.loads(run("list", "--json").out)]
    assert len(names) > 20
    for name in names:
        (digest,) = re.findall(r"^  digest +(.*)", run("info", name).out, re.MULTILINE)
        pinned = re.match(r"SHA-256 [0-9a-f]{64}\b|git blob [0-9a-f]{40}\b", digest)
        reasons = ("unpinned: nobody published a digest", "none: nobody publishes these weights")
        assert pinned or digest.startswith(reasons), name


def test_an_unknown_model_gets_the_nearest_names_and_status_two(run: Run) -> None:
    done = run("info", "sinet")
    assert done.status == 2
    assert done.err.count("\n") == 1
    assert "Did you mean signet" in done.err
    assert "Traceback" not in done.err
    assert "Traceback" in run("--debug", "info", "sinet").err


def test_plugins_tell_who_provides_what(run: Run) -> None:
    rows = {row["distribution"]: row for row in json.loads(run("plugins", "--json").out)}
    assert set(rows) >= {"sigzoo-signet", "sigzoo-spp", "sigzoo-students"}
    assert all(row["healthy"] for row in rows.values())
    provided = {(item["kind"], item["name"]) for item in rows["sigzoo-signet"]["provides"]}
    assert {("backbone", "signet"), ("preprocessor", "signet-2017"), ("preprocessor", "sigver")} <= provided


@pytest.mark.parametrize(
    "arguments", [["--help"], ["list"], ["info", "signet"], ["plugins"], ["embed", "--help"]]
)
def test_torch_is_not_imported(arguments: list[str]) -> None:
    code = (
        "import sys; from sigzoo.cli import run; status = run(sys.argv[1:]);"
        "assert 'torch' not in sys.modules, 'torch was imported'; sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


FRESH = "import sys; from sigzoo.cli import run; sys.exit(run(sys.argv[1:]))"
WITHOUT = (
    "from sigzoo.plugins import discovery; everything = discovery.discover;"
    "less = lambda: [each for each in everything() if each.distribution != 'sigzoo-signet'];"
    "import sigzoo.installed as place, sigzoo.plugins.requirements as other;"
    "place.discover = other.discover = less;"
)


def fresh(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)


def test_a_model_without_its_plugin_is_listed_and_says_what_it_needs(signatures: list[Path]) -> None:
    listed = fresh(WITHOUT + FRESH, "list", "signet")
    assert listed.returncode == 0
    assert "needs sigzoo-signet" in listed.stdout
    failed = fresh(WITHOUT + FRESH, "embed", str(signatures[0]), "-m", "signet")
    assert failed.returncode == 1
    assert "needs the distribution sigzoo-signet, which is not installed" in failed.stderr
    assert "pip install sigzoo-signet" in failed.stderr


def test_a_plugin_that_is_not_allowed_is_not_called_missing(
    signatures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGZOO_PLUGINS", "sigzoo-students")
    failed = fresh(FRESH, "embed", str(signatures[0]), "-m", "signet")
    assert failed.returncode == 1
    assert "needs sigzoo-signet, which SIGZOO_PLUGINS does not allow" in failed.stderr


def test_a_broken_user_registry_is_named(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("models: {net: {summary: 3}}")
    done = fresh(FRESH, "--registry", str(path), "list")
    assert done.returncode == 1
    assert f"{path}: models.net." in done.stderr
    assert "Traceback" not in done.stderr
