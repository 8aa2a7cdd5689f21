"""The plugin's hooks: lazy, named as the cards name them, and their targets exist."""

import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import sigzoo_students
from sigzoo_students.descriptors import InkStatistics

import sigzoo
from sigzoo.interfaces import Backbone, Loss, Preprocessor
from sigzoo.registry import read_registry


def registered(hook) -> dict[str, object]:
    found = {}

    def register(name: str, target: str, /, **defaults: object) -> None:
        module, _, attribute = target.partition(":")
        found[name] = getattr(import_module(module), attribute)

    hook(register)
    return found


def test_importing_the_plugin_does_not_import_torch():
    code = "import sys, sigzoo_students; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_hooks_register_what_the_cards_name():
    backbones = registered(sigzoo_students.sigzoo_register_backbones)
    preprocessors = registered(sigzoo_students.sigzoo_register_preprocessors)
    losses = registered(sigzoo_students.sigzoo_register_losses)
    assert issubclass(backbones["student-tiny"], Backbone)
    assert issubclass(preprocessors["synsig"], Preprocessor)
    assert issubclass(losses["am-softmax"], Loss)
    assert sigzoo_students.SIGZOO_API == 2


def test_the_bundled_models_state_what_was_measured():
    registry = read_registry(Path(sigzoo_students.__file__).with_name("registry.yaml"))
    assert set(registry.models) == {"synsig-tiny", "synsig-base"}
    for card in registry.models.values():
        measured = [each for each in card.results if each.source == "measured"]
        assert len(measured) >= 4
        for each in measured:
            assert "measure.py" in each.how or "sigzoo evaluate" in each.how
            # Not every protocol has trivial baselines, nor enough bootstrap samples for an interval.
            assert "measure.py" not in each.how or (each.interval and each.baseline is not None)
            if each.interval is not None:
                assert each.interval[0] <= each.value <= each.interval[1]


@pytest.mark.parametrize(("name", "least"), [("synsig-tiny", 328), ("synsig-base", 424)])
def test_the_score_of_a_bundled_model_weighs_the_ink_less_and_nothing_else(name, least):
    model = sigzoo.load(name, device="cpu")
    (column, weight), *others = model.score.part_weights
    assert not others
    layers = model.backbone.layers
    assert layers.index("with_directions") + 1 == layers.index("with_ink")
    assert column == least == model.feature_dim - InkStatistics(0.6).size
    assert 0 < weight < 1
    rng = np.random.default_rng(0)
    known, asked = rng.normal(size=(3, column)), rng.normal(size=(4, column))
    plain = replace(model.score, part_weights=())
    assert model.score(known, asked) == pytest.approx(plain(known, asked))
