"""Registry fragments, models and distributions: a sound plugin passes, and each check finds its fault."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from safetensors.torch import save

from sigzoo.evaluation.calibrating import ScoreSample, calibrate_references
from sigzoo.testing import (
    DISTRIBUTION,
    MODEL,
    REGISTRY,
    ConformanceFailure,
    DistributionCase,
    ModelCase,
    PluginConformance,
    RegistryCase,
    check_distribution,
    check_model,
    check_registry,
)
from sigzoo.verification import Calibration
from sigzoo.verification.calibration import CalibrationSet

Install = Callable[..., Path]

ENTRY = """\
from pathlib import Path

from sigzoo import hookimpl

SIGZOO_API = 1


@hookimpl
def sigzoo_register_backbones(register):
    register("toy", "toyplugin.parts:Toy")


@hookimpl
def sigzoo_register_preprocessors(register):
    register("plain", "toyplugin.parts:Plain")


@hookimpl
def sigzoo_register_models(register):
    register(Path(__file__).with_name("registry.yaml"))
"""

PARTS = """\
import numpy as np
import torch
from PIL import Image
from torch import nn

from sigzoo.interfaces import Backbone, ImageError, Preprocessor, check_grey


class Toy(Backbone):
    layers = ("features",)
    feature_dim = 4
    input_size = (16, 32)

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(16 * 32, 4)

    def forward_layers(self, x, names):
        self.check_layers(names)
        self.check_input(x)
        return {name: self.fc(x.flatten(1)) for name in names}


class Plain(Preprocessor):
    output_size = (16, 32)

    def stages(self, image):
        check_grey(image)
        if image.min() == image.max():
            raise ImageError("it holds no ink.")
        return {"resized": np.asarray(Image.fromarray(255 - image).resize((32, 16), Image.Resampling.BOX))}
"""

WEIGHTS = save({"fc.weight": torch.linspace(-0.1, 0.1, 2048).reshape(4, 512), "fc.bias": torch.zeros(4)})

REGISTRY_TEXT = f"""\
models:
  toy:
    summary: a toy for tests
    distribution: toyplugin
    backbone: toy
    preprocessor: plain
    input_scale: 1.0
    weights: {{artifact: toy-weights, format: safetensors}}
    features: {{layer: features, size: 4}}
    licence: {{code: MIT, weights: CC0-1.0, commercial_use: true}}
    trained_on: nothing; made for a test
    cite: [toy]
    results:
      - {{dataset: D, protocol: P, metric: EER, value: 40, source: measured, how: guessed by hand}}
artifacts:
  toy-weights:
    summary: the toy's weights
    urls: ["package:toyplugin/weights.safetensors"]
    sha256: {hashlib.sha256(WEIGHTS).hexdigest()}
    size: {len(WEIGHTS)}
    provenance: digest of the file in this distribution
citations:
  toy: {{text: a test of sigzoo}}
"""

FILES = {
    "__init__.py": ENTRY,
    "parts.py": PARTS,
    "weights.safetensors": WEIGHTS,
    "registry.yaml": REGISTRY_TEXT,
}


def with_registry(old: str, new: str) -> dict[str, str | bytes]:
    assert old in REGISTRY_TEXT
    return {**FILES, "registry.yaml": REGISTRY_TEXT.replace(old, new)}


def test_a_sound_plugin_passes_every_check(install: Install) -> None:
    package = install("toyplugin", FILES)
    check_distribution("toyplugin")
    check_registry(package / "registry.yaml")
    check_model("toy")


BROKEN_REGISTRIES = [
    ("valid", "summary: a toy", "sumary: a toy", "unknown key"),
    ("valid", "  toy:\n    summary", "  signet:\n    summary", "'signet' is taken by sigzoo"),
    ("licences", "weights: CC0-1.0", "weights: TODO", "models.toy.licence.weights says nothing: 'TODO'"),
    ("licences", "code: MIT", 'code: " "', "models.toy.licence.code says nothing"),
    (
        "training_data",
        "trained_on: nothing; made for a test",
        "trained_on: unknown",
        "trained_on says nothing",
    ),
    ("training_data", "summary: a toy for tests", "summary: '...'", "models.toy.summary says nothing"),
    ("citations", "cite: [toy]", "cite: []", "models.toy.cite is empty"),
    ("citations", "text: a test of sigzoo", "text: tba", "citations.toy.text says nothing"),
    ("results", "how: guessed by hand", "how: '?'", r"models.toy.results\[0\].how says nothing"),
    (
        "digests",
        "provenance: digest of the file in this distribution",
        "provenance: n/a",
        "provenance says nothing",
    ),
    ("digests", f"size: {len(WEIGHTS)}", "", "size is missing"),
    ("digests", f"sha256: {hashlib.sha256(WEIGHTS).hexdigest()}", "unpinned: true", "is unpinned"),
    ("addresses", "package:toyplugin/weights.safetensors", "file:weights.safetensors", "of no use to others"),
    ("addresses", "package:toyplugin/weights.safetensors", "package:toyplugin/gone", "holds no file gone"),
    ("addresses", f"size: {len(WEIGHTS)}", f"size: {len(WEIGHTS) + 1}", "VerificationError"),
    ("components", "backbone: toy", "backbone: toi", "needs the backbone toi"),
    (
        "components",
        "distribution: toyplugin\n    backbone: toy",
        "distribution: x\n    backbone: t",
        "install x",
    ),
    (
        "recipes",
        "weights: {artifact: toy-weights, format: safetensors}",
        "recipe: {teacher: t, data: d, loss: kd-kl, settings: {batch_size: 4, per_writer: 5}}",
        "models.toy.recipe: per_writer must be at most batch_size",
    ),
    (
        "recipes",
        "weights: {artifact: toy-weights, format: safetensors}",
        "recipe: {teacher: t, data: d, loss: toy-loss}",
        "models.toy.recipe: There is no loss named 'toy-loss'",
    ),
]


@pytest.mark.parametrize(("check", "old", "new", "words"), BROKEN_REGISTRIES)
def test_a_check_of_a_registry_finds_its_fault(
    install: Install, check: str, old: str, new: str, words: str
) -> None:
    package = install("toyplugin", with_registry(old, new))
    with pytest.raises(ConformanceFailure, match=f"^{check}: .*{words}"):
        REGISTRY.checks[check](RegistryCase(package / "registry.yaml"))


def test_every_check_of_a_registry_has_a_fault_to_find() -> None:
    assert {each[0] for each in BROKEN_REGISTRIES} == set(REGISTRY.checks)


BROKEN_MODELS = [
    ("parts_fit", "size: 4}", "size: 5}", "gives 4 numbers, the card says 5"),
    ("parts_fit", "layer: features", "layer: fc9", "no layer named 'fc9'"),
    ("parts_fit", "backbone: toy", "backbone: toy-wide", r"takes images of .*plain' gives \(16, 32\)"),
    ("weights_load", "backbone: toy", "backbone: toy-wide", r"takes images of \(16, 64\)"),
    ("weights_load", "backbone: toy", "backbone: toy-blind", "same features"),
]

MORE_PARTS = """

class Wide(Toy):
    input_size = (16, 64)

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(16 * 64, 4)


class Blind(Toy):
    def forward_layers(self, x, names):
        return super().forward_layers(x * 0, names)
"""


@pytest.mark.parametrize(("check", "old", "new", "words"), BROKEN_MODELS)
def test_a_check_of_a_model_finds_its_fault(
    install: Install, check: str, old: str, new: str, words: str
) -> None:
    toy = 'register("toy", "toyplugin.parts:Toy")'
    others = [toy.replace('toy"', f'toy-{name.lower()}"').replace("Toy", name) for name in ("Wide", "Blind")]
    entry = ENTRY.replace(toy, "\n    ".join([toy, *others]))
    files = {**with_registry(old, new), "__init__.py": entry, "parts.py": PARTS + MORE_PARTS}
    install("toyplugin", files)
    with pytest.raises(ConformanceFailure, match=f"^{check}: .*{words}"):
        MODEL.checks[check](ModelCase("toy"))


def calibrated(**changed: object) -> dict[str, str | bytes]:
    """The toy with a calibration beside its weights."""
    scores = np.random.default_rng(0)
    sample = ScoreSample(
        np.sort(scores.normal(1.0, 0.3, 100)),
        {"skilled": np.sort(scores.normal(0.2, 0.3, 100)), "random": np.sort(scores.normal(-1.0, 0.3, 100))},
    )
    values = {
        "format": 1,
        "model": "toy",
        "weights_sha256": hashlib.sha256(WEIGHTS).hexdigest(),
        "preprocessor": "plain",
        "preprocessor_options": {},
        "input_scale": 1.0,
        "made": "2026-11-27",
        "sigzoo_version": "0.1.0",
        "score": "mean",
        "score_options": {},
        "protocol": "drawn",
        "basis": [CalibrationSet(name="a", writers=3, genuine=9, forged=4, note="n")],
        "checked_on": [],
        "layer": "features",
        "layers": {"features": {1: calibrate_references({"a": sample})}},
        **changed,
    }
    data = msgspec.json.encode(Calibration(**values))  # type: ignore[arg-type]
    artifact = f"""\
  toy-calibration:
    summary: the toy's calibration
    urls: ["package:toyplugin/calibration.json"]
    sha256: {hashlib.sha256(data).hexdigest()}
    size: {len(data)}
    provenance: made by a test
citations:
"""
    text = REGISTRY_TEXT.replace(
        "    cite: [toy]\n",
        "    verification: {artifact: toy-calibration, made_on: a set of a test}\n    cite: [toy]\n",
    ).replace("citations:\n", artifact)
    return {**FILES, "registry.yaml": text, "calibration.json": data}


BROKEN_CALIBRATIONS = [
    ({"weights_sha256": "0" * 64}, "the calibration is of other weights"),
    ({"preprocessor": "synsig"}, "the calibration is of other preprocessor"),
    ({"input_scale": 0.5}, "the calibration is of other input scale"),
]


def test_a_calibration_for_these_weights_passes(install: Install) -> None:
    install("toyplugin", calibrated())
    MODEL.checks["calibration_is_for_these_weights"](ModelCase("toy"))


@pytest.mark.parametrize(("changed", "words"), BROKEN_CALIBRATIONS)
def test_a_calibration_for_something_else_is_found(
    install: Install, changed: dict[str, object], words: str
) -> None:
    install("toyplugin", calibrated(**changed))
    with pytest.raises(ConformanceFailure, match=f"^calibration_is_for_these_weights: .*{words}"):
        MODEL.checks["calibration_is_for_these_weights"](ModelCase("toy"))


def test_every_check_of_a_model_has_a_fault_to_find() -> None:
    found = {each[0] for each in BROKEN_MODELS} | {"calibration_is_for_these_weights"}
    assert found == set(MODEL.checks)
    assert BROKEN_CALIBRATIONS


BROKEN_DISTRIBUTIONS = [
    ("healthy", {"__init__.py": ENTRY.replace("SIGZOO_API = 1", "")}, "does not declare `SIGZOO_API"),
    ("healthy", {"__init__.py": ENTRY.replace("parts:Toy", "gone:Toy")}, "no module toyplugin.gone"),
    ("healthy", {"__init__.py": "SIGZOO_API = 1"}, "registers nothing"),
    ("healthy", {"registry.yaml": "models: 3"}, "expected a mapping"),
    ("light_import", {"__init__.py": "import torch\n" + ENTRY}, "imports torch"),
    ("light_import", {"__init__.py": ENTRY + "print('hello')"}, "prints 'hello"),
    ("light_import", {"__init__.py": ENTRY + "import nowhere_to_be_found"}, "ModuleNotFoundError"),
    ("no_pickles", {"weights/old.PTH": b"1234"}, "ships pickles.*old.PTH"),
    ("size", {"large.bin": b"\0" * 3 * 2**20}, "take 3 MB, more than 2 MB"),
]


@pytest.mark.parametrize(("check", "files", "words"), BROKEN_DISTRIBUTIONS)
def test_a_check_of_a_distribution_finds_its_fault(
    install: Install, check: str, files: dict[str, str | bytes], words: str
) -> None:
    install("toyplugin", {**FILES, **files})
    with pytest.raises(ConformanceFailure, match=f"(?s)^{check}: .*{words}"):
        DISTRIBUTION.checks[check](DistributionCase("toyplugin", limit_mb=2))


def test_every_check_of_a_distribution_has_a_fault_to_find() -> None:
    assert {each[0] for each in BROKEN_DISTRIBUTIONS} == set(DISTRIBUTION.checks)


def test_a_distribution_that_is_not_there_is_not_healthy(install: Install) -> None:
    install("toyplugin", FILES)
    with pytest.raises(ConformanceFailure, match="no plugin of the distribution 'toy-plugin' is installed"):
        DISTRIBUTION.checks["healthy"](DistributionCase("toy-plugin"))


def test_the_test_class_covers_everything_that_a_plugin_provides(install: Install) -> None:
    install("toyplugin", FILES)

    class Conformance(PluginConformance):
        distribution = "toyplugin"

    names = [name for name, _ in Conformance.cases()]
    assert len(set(names)) == len(names)
    for what in ("distribution", "backbone toy", "preprocessor plain", "registry registry.yaml", "model toy"):
        assert any(name.startswith(f"{what}: ") for name in names), what


def test_models_made_of_anothers_parts_are_covered_too(install: Install) -> None:
    install("toyplugin", with_registry("distribution: toyplugin", "distribution: sigzoo-signet"))

    class Conformance(PluginConformance):
        distribution = "toyplugin"

    assert "model toy: parts_fit" in [name for name, _ in Conformance.cases()]


BLOCKED = PARTS.replace("self.fc(x.flatten(1))", "self.fc(x.flatten(1)).detach()")

PLUGINS_TESTS = """\
from sigzoo.testing import PluginConformance


class TestPlugin(PluginConformance):
    distribution = "toyplugin"
    skip = {"backbone toy: export": "to see that it is left out"}


class TestMisspelt(PluginConformance):
    distribution = "toyplugin"
    skip = {"backbone toy: exports": "nothing is called so"}

    def test_conforms(self):
        pass
"""


def test_the_test_class_runs_under_pytest(install: Install, tmp_path: Path) -> None:
    install("toyplugin", {**FILES, "parts.py": BLOCKED})
    module = tmp_path / "test_toy.py"
    module.write_text(PLUGINS_TESTS)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "-q",
            "-rA",
            "--rootdir",
            tmp_path,
            module,
        ],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site"), "COLUMNS": "300"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    failed = [line for line in lines if line.startswith("FAILED")]
    assert len(failed) == 2, done.stdout
    assert "gradient_flow: RuntimeError" in failed[0]
    assert "checks that do not exist: ['backbone toy: exports']" in failed[1]
    passed = [line for line in lines if line.startswith("PASSED")]
    assert any("[backbone toy: batch_independence]" in line for line in passed)
    assert not any("[backbone toy: export]" in line for line in lines)
