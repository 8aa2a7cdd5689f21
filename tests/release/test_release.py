"""A release has one version, links that work on a package index, and wheels that anyone builds alike."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import sigzoo

SCRIPT = Path(".ci/release.py")


def release(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    """What the script reads and writes, in a folder of its own."""
    wanted = ["pyproject.toml", "README.md", "CITATION.cff", "mkdocs.yml", "sigzoo/__init__.py", str(SCRIPT)]
    plugins = [each.relative_to(root) for each in root.glob("plugins/*/pyproject.toml")]
    wanted += map(str, [*plugins, *(each.with_name("README.md") for each in plugins)])
    for name in wanted:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, tmp_path / name)
    for folder in ("docs", "docs/plugins"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    return tmp_path


def test_there_is_one_version(root: Path) -> None:
    done = release(root)
    assert done.returncode == 0, done.stderr
    assert f"version {sigzoo.__version__}," in done.stdout


def test_a_place_that_differs_is_named(copy: Path) -> None:
    path = copy / "CITATION.cff"
    path.write_text(path.read_text().replace(f"version: {sigzoo.__version__}", "version: 9.9.9"))
    done = release(copy)
    assert done.returncode == 1
    assert "CITATION.cff: 9.9.9" in done.stderr


def test_a_version_is_set_everywhere(copy: Path) -> None:
    assert release(copy, "--version", "1.2.3rc1").returncode == 0
    for path in [copy / "pyproject.toml", *copy.glob("plugins/*/pyproject.toml")]:
        assert tomllib.loads(path.read_text())["project"]["version"] == "1.2.3rc1"
    assert yaml.safe_load((copy / "CITATION.cff").read_text())["version"] == "1.2.3rc1"
    assert '__version__ = "1.2.3rc1"' in (copy / "sigzoo/__init__.py").read_text()
    assert release(copy, "--version", "newest").returncode == 1


def test_links_lead_to_the_repository(copy: Path) -> None:
    for address in ("https://host.example/group/zoo", "https://host.example/group/other/"):
        done = release(copy, "--address", address)
        assert done.returncode == 0, done.stderr
    for path in [copy / "pyproject.toml", *copy.glob("plugins/*/pyproject.toml")]:
        links = tomllib.loads(path.read_text())["project"]["urls"]
        assert links["Source"] == "https://host.example/group/other"
        readme = path.with_name("README.md").read_text()
        targets = re.findall(r"\]\(([^)]+)\)", readme)
        assert targets
        assert all(re.match("https?:|#", each) for each in targets), path
    readme = (copy / "README.md").read_text()
    assert re.search(r"!\[[^]]*\]\(https://host\.example/group/zoo/raw/main/docs/images/\w+\.png\)", readme)
    assert "https://host.example/group/zoo/blob/main/CONTRIBUTING.md" in readme
    assert release(copy, "--address", "ftp://x").returncode == 1
    citation = yaml.safe_load((copy / "CITATION.cff").read_text())
    assert citation["repository-code"] == "https://host.example/group/other"
    assert (copy / "mkdocs.yml").read_text().count("repo_url: https://host.example/group/other\n") == 1


def test_the_site_knows_where_it_stands(copy: Path) -> None:
    before = (copy / "mkdocs.yml").read_text()
    for address in ("https://docs.example/old", "https://docs.example/zoo/"):
        assert release(copy, "--site", address).returncode == 0
    after = (copy / "mkdocs.yml").read_text()
    assert after.replace("site_url: https://docs.example/zoo/\n", "") == before
    assert release(copy, "--site", "docs.example").returncode == 1


def test_no_address_is_invented(root: Path) -> None:
    """Until the repository has one; then this test goes, and the checklist's step with it."""
    for path in [root / "pyproject.toml", *root.glob("plugins/*/pyproject.toml")]:
        assert "urls" not in tomllib.loads(path.read_text())["project"], path
    stated = (root / "mkdocs.yml").read_text() + (root / "CITATION.cff").read_text()
    assert not re.search(r"^(?:repo_url|site_url|edit_uri|repository-code):", stated, re.MULTILINE)


@pytest.mark.wheels
def test_wheels_are_the_same_bytes_wherever_they_are_built(root: Path) -> None:
    if not (root / ".git").exists():
        pytest.skip("not a clone")
    done = subprocess.run([sys.executable, root / ".ci/reproducible.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(".whl") == len([root, *root.glob("plugins/*/pyproject.toml")])
