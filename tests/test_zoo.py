"""A zoo holds what is installed and named; nothing outside it decides which models exist."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import sigzoo
from sigzoo.artifacts.home import cache_home, is_offline
from sigzoo.errors import OfflineError, PluginError, RegistryError, UnknownNameError, UsageError
from sigzoo.weights import save_weights
from sigzoo.zoo import default_zoo

CARD = """\
models:
  {name}:
    summary: a test
    distribution: sigzoo-students
    backbone: student-tiny
    preprocessor: synsig
    input_scale: 0.00392156862745098
    weights: {{artifact: {name}-weights, format: safetensors}}
    features: {{layer: embedding, size: 160}}
    licence: {{code: MIT, weights: MIT, commercial_use: true}}
    trained_on: nothing
artifacts:
  {name}-weights:
    summary: weights
    urls: ["file:weights.safetensors"]
    unpinned: true
    provenance: a test
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder as a training run leaves it."""
    folder = tmp_path / "some run"
    folder.mkdir()
    torch.manual_seed(0)
    network = sigzoo.backbone("student-tiny")
    save_weights(folder / "weights.safetensors", network.state_dict(), {}, {"model": "mine"})
    (folder / "registry.yaml").write_text(CARD.format(name="mine"))
    return folder


def test_a_run_loads_by_its_folder_and_by_a_zoo_that_knows_it(run: Path) -> None:
    with pytest.raises(UnknownNameError, match="mine"):
        sigzoo.load("mine")
    by_folder = sigzoo.load(run, device="cpu")
    by_text = sigzoo.load(str(run), device="cpu")
    zoo = sigzoo.Zoo(registries=[run])
    by_name = zoo.load("mine", device="cpu")
    assert {by_folder.name, by_text.name, by_name.name} == {"mine"}
    image = Path(run).parent / "ink.png"
    from PIL import Image

    from sigzoo.synthesis import Writer

    Image.fromarray(Writer(1).genuine(0)).save(image)
    expected = by_name.embed(image)
    assert (by_folder.embed(image) == expected).all()
    assert (by_text.embed(image) == expected).all()
    assert "mine" in zoo.list_models()
    assert "mine" not in sigzoo.list_models()


def test_the_environment_is_asked_each_time(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one process, without anything to be cleared."""
    assert "mine" not in sigzoo.list_models()
    monkeypatch.setenv("SIGZOO_REGISTRY", str(run / "registry.yaml"))
    assert sigzoo.info("mine").summary == "a test"
    text = (run / "registry.yaml").read_text()
    (run / "registry.yaml").write_text(text.replace("summary: a test", "summary: changed"))
    assert sigzoo.info("mine").summary == "changed"
    monkeypatch.delenv("SIGZOO_REGISTRY")
    assert "mine" not in sigzoo.list_models()


def test_two_zoos_do_not_see_each_others_models(run: Path, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(CARD.format(name="other"))
    first, second = sigzoo.Zoo(registries=[run]), sigzoo.Zoo(registries=[tmp_path / "other.yaml"])
    assert ("mine" in first.list_models(), "other" in first.list_models()) == (True, False)
    assert ("mine" in second.list_models(), "other" in second.list_models()) == (False, True)
    with pytest.raises(UnknownNameError):
        second.load("mine")


def test_functions_at_the_root_ask_the_zoo_of_the_block(run: Path) -> None:
    with sigzoo.Zoo(registries=[run]).as_default() as zoo:
        assert default_zoo() is zoo
        assert sigzoo.info("mine").summary == "a test"
    assert "mine" not in sigzoo.list_models()


def test_a_zoo_has_a_cache_and_an_offline_mode_of_its_own(tmp_path: Path) -> None:
    before = cache_home(), is_offline()
    zoo = sigzoo.Zoo(home=tmp_path / "elsewhere", offline=True)
    with pytest.raises(OfflineError, match="elsewhere"):
        zoo.load("signet")
    with zoo.store():
        assert (cache_home(), is_offline()) == (tmp_path / "elsewhere", True)
    assert (cache_home(), is_offline()) == before
    assert "SIGZOO_OFFLINE" not in os.environ


def test_plugins_are_chosen_by_name() -> None:
    zoo = sigzoo.Zoo(plugins=["sigzoo-signet"])
    assert zoo.list_components("backbone") == ["signet", "signet-smaller", "signet-thin"]
    with pytest.raises(UsageError, match="a list of names"):
        sigzoo.Zoo(plugins="sigzoo-signet")
    with pytest.raises(UnknownNameError, match="no backbone named"):
        zoo.backbone("signet-spp-300dpi")


def test_the_default_model_says_what_to_install_where_its_distribution_is_not_there() -> None:
    zoo = sigzoo.Zoo(plugins=["sigzoo-signet"])
    for name in (None, "synsig-tiny"):
        with pytest.raises(PluginError, match=r"The default model 'synsig-tiny' needs sigzoo-students"):
            zoo.load(name)
    assert "synsig-tiny" not in zoo.list_models()


def test_a_zoo_finds_the_same_in_another_process(run: Path) -> None:
    zoo = pickle.loads(pickle.dumps(sigzoo.Zoo(registries=[run], plugins=["sigzoo-students"])))
    assert zoo.info("mine").summary == "a test"
    assert zoo.list_components("backbone") == ["student-base", "student-tiny"]


def test_a_deprecated_model_warns_when_it_is_loaded(run: Path) -> None:
    text = (run / "registry.yaml").read_text()
    (run / "registry.yaml").write_text(
        text.replace("trained_on: nothing", "trained_on: nothing\n    deprecated: use another")
    )
    with pytest.warns(sigzoo.SigzooWarning, match="'mine' is deprecated: use another"):
        sigzoo.load(run, device="cpu")


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        (3, UsageError, "must be a string, got int"),
        (b"signet", UsageError, "must be a string, got bytes"),
        (Path("nowhere"), UsageError, "no folder of a training run"),
    ],
)
def test_what_is_no_name_is_told(name: object, kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says):
        sigzoo.load(name)  # type: ignore[arg-type]


@pytest.mark.parametrize("weights", [b"x", 3, True, 0.5, ["a.pkl"], {}], ids=str)
def test_weights_that_are_no_path_are_told(weights: object) -> None:
    with pytest.raises(UsageError, match="`weights` must be the path of a file"):
        sigzoo.load("signet", weights=weights)  # type: ignore[arg-type]


def test_a_registry_that_is_not_there_is_told() -> None:
    with pytest.raises(RegistryError, match=r"gone\.yaml: cannot be read"):
        sigzoo.Zoo(registries=["gone.yaml"]).list_models()


def test_components_of_every_kind_are_found_by_name() -> None:
    zoo = sigzoo.Zoo()
    assert "torch" in zoo.list_components("runtime")
    assert zoo.component("command", "list").name == "list"
    with pytest.raises(UnknownNameError, match="no kind named 'bakbone'.*backbone"):
        zoo.component("bakbone", "signet")
    with pytest.raises(UnknownNameError, match="no runtime named 'troch'.*torch"):
        sigzoo.load(runtime="troch")


TOGETHER = """\
import threading
import sigzoo

barrier = threading.Barrier(8)
def ask():
    barrier.wait()
    sigzoo.list_models()
    sigzoo.info("signet")
threads = [threading.Thread(target=ask) for _ in range(8)]
for each in threads: each.start()
for each in threads: each.join()
print(len(sigzoo.list_models()))
"""


def test_threads_that_ask_first_at_once_get_the_same_answer() -> None:
    """Msgspec crashed where two threads described a type at once: one process in eight ended so."""
    wanted = f"{len(sigzoo.list_models())}\n"
    for _ in range(12):
        done = subprocess.run([sys.executable, "-c", TOGETHER], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, wanted, "")
