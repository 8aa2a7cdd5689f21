"""`sigzoo new-plugin` writes distributions that install, work and pass their tests as they are."""

from __future__ import annotations

import compileall
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

import sigzoo
from sigzoo.errors import UsageError
from sigzoo.scaffold.names import class_name
from sigzoo.scaffold.skeleton import KINDS, write_plugin
from sigzoo.testing import check_registry, images

PLUGINS = {
    "backbone": "ourlab-sigzoo",
    "preprocessor": "our-cut",
    "loss": "our-smoothing",
    "models": "our-models",
    "runtime": "our-runtime",
    "weight-format": "our-format",
    "data-source": "our-source",
    "sampler": "our-pairs",
    "preset": "our-settings",
    "protocol": "our-nearest",
    "command": "our-command",
}
SIZES = {"ourlab": 64, "our-models": sigzoo.info("synsig-tiny").features.size}
"""Of features; a new plugin's model has the weights of the default one."""


@pytest.fixture(scope="module")
def environment(make_environment: Callable[..., Any]) -> Any:
    """An environment with a new plugin of each kind, written and installed in it."""
    made = make_environment()
    Image.fromarray(images.signature(3)).save(made.work / "signature.png")
    for kind, name in PLUGINS.items():
        done = made.sigzoo("new-plugin", name, "--kind", kind)
        assert done.returncode == 0, done.stderr
    made.pip("install", *(made.work / name for name in PLUGINS.values()))
    return made


@pytest.mark.wheels
def test_a_new_plugin_of_each_kind_passes_its_own_tests(environment: Any) -> None:
    done = environment.python("-m", "pytest", "-q", "--import-mode=importlib", *PLUGINS.values())
    assert done.returncode == 0, done.stdout
    assert " skipped" not in done.stdout
    assert "warning" not in done.stdout


@pytest.mark.wheels
def test_all_that_new_plugins_provide_can_be_built(environment: Any) -> None:
    done = environment.sigzoo("plugins", "check")
    assert done.returncode == 0, done.stdout + done.stderr
    kinds = {kind: "model" if kind == "models" else kind.replace("-", " ") for kind in KINDS}
    for kind, name in PLUGINS.items():
        assert re.search(f": {kinds[kind].replace(' ', '.')} {name.removesuffix('-sigzoo')}\n", done.stdout)


@pytest.mark.wheels
@pytest.mark.parametrize(("model", "size"), SIZES.items())
def test_a_new_model_embeds_at_once(environment: Any, model: str, size: int) -> None:
    done = environment.sigzoo("embed", "signature.png", "-m", model, "-o", f"{model}.npz")
    assert done.returncode == 0, done.stderr
    with np.load(environment.work / f"{model}.npz") as found:
        assert found["features"].shape == (1, size)
        assert np.isfinite(found["features"]).all()


@pytest.mark.wheels
def test_weights_can_be_made_again_and_are_the_same(environment: Any) -> None:
    folder = environment.work / PLUGINS["backbone"]
    before = {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    done = environment.python(folder / "make_weights.py")
    assert done.returncode == 0, done.stderr
    after = {path: path.read_bytes() for path in before}
    assert after == before


@pytest.mark.wheels
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_whole(environment: Any, kind: str) -> None:
    folder = environment.work / PLUGINS[kind]
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    package = PLUGINS[kind].replace("-", "_")
    expected = {"pyproject.toml", "README.md", "LICENSE", ".gitignore", ".github/workflows/test.yml"}
    assert expected | {"tests/test_plugin.py", f"{package}/__init__.py", f"{package}/py.typed"} <= names
    texts = [path for path in folder.rglob("*") if path.suffix in (".py", ".yml", ".yaml", ".toml", ".md")]
    assert not [path for path in texts if "$" in path.read_text().replace("${{ matrix.python }}", "")]
    assert compileall.compile_dir(folder, quiet=1)


def test_the_card_of_a_new_backbone_is_complete_and_says_that_it_is_untrained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_plugin("some-new-lab", folder=tmp_path / "plugin")
    monkeypatch.syspath_prepend(str(folder))
    registry = folder / "some_new_lab" / "registry.yaml"
    check_registry(registry, skip=("components",))
    assert "untrained" in registry.read_text()


@pytest.mark.slow
def test_another_number_of_features_is_stated_in_one_place(tmp_path: Path) -> None:
    folder = write_plugin("some-new-lab", folder=tmp_path / "plugin")
    network = folder / "some_new_lab" / "backbone.py"
    before = network.read_text(encoding="utf-8")
    assert before.count("feature_dim = 64") == 1
    network.write_text(before.replace("feature_dim = 64", "feature_dim = 512"), encoding="utf-8")
    installed = folder / "some_new_lab-0.1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: some-new-lab\nVersion: 0.1.0\n")
    (installed / "entry_points.txt").write_text("[sigzoo]\nsome-new-lab = some_new_lab\n")
    paths = os.pathsep.join([str(folder), *filter(None, sys.path)])
    for command in (["make_weights.py"], ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    card = yaml.safe_load((folder / "some_new_lab/registry.yaml").read_text())["models"]["some-new-lab"]
    assert card["features"] == {"layer": "features", "size": 512}
    assert " passed" in done.stdout


@pytest.mark.parametrize("word", ["none", "backbone", "tensor", "sequence"])
def test_a_class_never_has_the_name_of_another(word: str) -> None:
    assert class_name(word) == f"Net{word.capitalize()}"


def test_the_folder_is_the_names_own_or_the_one_that_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert write_plugin("some-loss", "loss") == Path("some-loss")
    write_plugin("some-loss", "loss", tmp_path / "elsewhere")
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {"some-loss", "elsewhere"}
    files = [{str(path.relative_to(root)) for path in root.rglob("*")} for root in tmp_path.iterdir()]
    assert files[0] == files[1]
    assert Path("some-loss").stat().st_mode & 0o700 == 0o700


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Our-Lab", "lower-case letters"),
        ("9lab", "a letter first"),
        ("our--lab", "single hyphens"),
        ("our_lab", "lower-case letters"),
        ("../evil", "lower-case letters"),
        ("", "lower-case letters"),
        ("x" * 61, "at most 60"),
        ("class", "Python has a use"),
        ("check", "means something else"),
        ("json", "Python has a use"),
        ("null-sigzoo", "is no text in YAML"),
        ("sigzoo-on", "is no text in YAML"),
        ("tests", "has a folder 'tests' already"),
        ("dist", "has a folder 'dist' already"),
        ("numpy", "is installed already"),
        ("signet", "taken by a backbone of sigzoo-signet"),
        ("sigzoo-signet-2017", "taken by a preprocessor of sigzoo-signet"),
        ("signet-synthetic", "taken by a model"),
    ],
)
def test_names_that_cannot_be_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=reason):
        write_plugin(name, "loss")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_left_as_it_is(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    with pytest.raises(UsageError, match="exists already"):
        write_plugin("some-loss", "loss", taken)
    assert list(tmp_path.iterdir()) == [taken]
    assert list(taken.iterdir()) == []
    with pytest.raises(UsageError, match="does not exist"):
        write_plugin("some-loss", "loss", tmp_path / "no" / "such")


def test_nothing_is_left_behind_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sigzoo.errors import SigzooError
    from sigzoo.scaffold import skeleton

    monkeypatch.setattr(skeleton.sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(SigzooError, match="cannot be written"):
        write_plugin("some-lab", folder=tmp_path / "plugin")
    assert list(tmp_path.iterdir()) == []


def test_like_goes_with_models_alone(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--like goes with --kind models"):
        write_plugin("some-loss", "loss", tmp_path / "x", like="signet")
