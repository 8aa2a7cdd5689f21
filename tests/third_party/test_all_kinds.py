"""A wheel with one of each kind of plugin: all are used by their names, from Python and the command line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sigzoo.testing import images

pytestmark = pytest.mark.wheels

HERE = Path(__file__).parent
PROVIDED = {
    "runtime": "counting",
    "weight_format": "allkinds",
    "data_source": "allkinds",
    "sampler": "allkinds",
    "preset": "allkinds",
    "protocol": "allkinds",
    "command": "allkinds",
}

USE = """
import sys
from pathlib import Path

import numpy as np
import sigzoo
from allkinds_sigzoo.runtime import CountingRuntime
from allkinds_sigzoo.weight_format import write
from sigzoo.interfaces import SampledData, Signatures, WeightArrays

zoo = sigzoo.Zoo()
usual = zoo.load(device="cpu")
wanted = usual.embed(["set/0.png", "set/1.png", "set/4.png"])

counted = zoo.load(runtime="counting", device="cpu")
assert CountingRuntime.calls == 0
found = counted.embed(["set/0.png", "set/1.png", "set/4.png"], batch_size=1)
assert CountingRuntime.calls == 3, CountingRuntime.calls
assert sigzoo.load(runtime="counting").embed("set/0.png").shape == wanted[:1].shape
np.testing.assert_allclose(found, wanted, atol=1e-5)

state = {name: value.numpy() for name, value in usual.backbone.state_dict().items()}
write(Path("weights.bin"), WeightArrays(state))
again = zoo.load(weights="weights.bin", device="cpu")
np.testing.assert_allclose(again.embed(["set/0.png", "set/1.png", "set/4.png"]), wanted, atol=1e-6)
np.save("wanted.npy", wanted)

source = zoo.build("data_source", "allkinds")
assert source.recognises("set")
signatures = source.open("set")
assert signatures.forged.sum() == 4 and len(signatures) == 24

sampler = zoo.build("sampler", "allkinds", forgeries=False)
data = SampledData(np.arange(24), np.arange(24) // 6, signatures.forged.astype(np.int64))
drawn = sampler.batches(data, size=8, seed=1, epoch=1)
assert drawn and not any(data.forged[batch.indices].any() for batch in drawn)

assert zoo.component("preset", "allkinds").settings["epochs"] == 1

who = [f"w{i // 6}" for i in range(24)]
features = np.eye(4)[np.arange(24) // 6] + 0.01 * np.arange(24)[:, None]
known = Signatures(who, who, signatures.forged)
rates = zoo.build("protocol", "allkinds", references=2).measure(features, known)
assert set(rates) == {"random", "skilled"}
assert rates["random"].eer < 5

assert zoo.component("command", "allkinds").name == "allkinds"
"""


@pytest.fixture(scope="module")
def installed(
    make_environment: Callable[..., Any],
    build: Callable[..., list[Path]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Any:
    """An environment with the wheel, and a data set of the kind that its source reads."""
    environment = make_environment(*build([HERE / "allkinds-sigzoo"], tmp_path_factory.mktemp("wheel")))
    folder = environment.work / "set"
    folder.mkdir()
    with (folder / "signatures.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "writer", "forged"])
        for number in range(24):
            writer, kind = divmod(number, 6)
            Image.fromarray(images.signature(10 * writer + (kind == 5))).save(folder / f"{number}.png")
            table.writerow([f"{number}.png", f"w{writer}", int(kind == 5)])
    return environment


def test_all_of_it_is_there_and_an_unknown_optional_hook_does_no_harm(installed: Any) -> None:
    done = installed.sigzoo("plugins", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    (shown,) = (each for each in json.loads(done.stdout) if each["distribution"] == "allkinds-sigzoo")
    assert shown["healthy"]
    assert {each["kind"]: each["name"] for each in shown["provides"]} == PROVIDED
    assert installed.sigzoo("plugins", "check", "allkinds-sigzoo").returncode == 0


def test_each_kind_is_used_by_its_name_from_python(installed: Any) -> None:
    done = installed.python("-c", USE)
    assert done.returncode == 0, done.stderr


def test_the_command_is_one_of_sigzoo(installed: Any) -> None:
    helped = installed.sigzoo("--help")
    assert "allkinds" in helped.stdout
    done = installed.sigzoo("allkinds")
    assert done.returncode == 0
    listed = json.loads(installed.sigzoo("list", "--json").stdout)
    assert done.stdout.split() == [each["name"] for each in listed if each["commercial_use"]]


def test_one_training_takes_preset_sampler_and_data_source(installed: Any) -> None:
    parts = ["--backbone", "student-tiny", "--preprocessor", "synsig", "--loss", "am-softmax"]
    done = installed.sigzoo(
        "train", "--preset", "allkinds", "--data", "allkinds:set", *parts, "-o", "run", "--device", "cpu"
    )
    assert done.returncode == 0, done.stderr
    settings = json.loads((installed.work / "run" / "settings.json").read_text())
    assert "allkinds" in json.dumps(settings)
    with (installed.work / "run" / "log.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 1
    loaded = installed.sigzoo("--registry", "run", "embed", "set/0.png", "-m", "run", "-o", "run.npz")
    assert loaded.returncode == 0, loaded.stderr


def test_weights_of_its_format_are_taken_by_commands(installed: Any) -> None:
    if not (installed.work / "weights.bin").exists():
        assert installed.python("-c", USE).returncode == 0
    done = installed.sigzoo("embed", "set/0.png", "--weights", "weights.bin", "-o", "own.npz")
    assert done.returncode == 0, done.stderr
    with np.load(installed.work / "own.npz") as found:
        np.testing.assert_allclose(found["features"][0], np.load(installed.work / "wanted.npy")[0], atol=1e-5)


def test_it_passes_the_conformance_checks(installed: Any) -> None:
    (installed.work / "test_allkinds.py").write_text(
        "from allkinds_sigzoo.weight_format import write\n"
        "from sigzoo.testing import PluginConformance\n\n\n"
        "class TestPlugin(PluginConformance):\n"
        '    distribution = "allkinds-sigzoo"\n'
        '    places = {"allkinds": "set"}\n'
        '    writers = {"allkinds": write}\n'
    )
    done = installed.python("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_allkinds.py")
    assert done.returncode == 0, done.stdout
    assert " skipped" not in done.stdout
