"""The plugin's hooks: lazy, named as the cards name them, and their targets exist."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import sigzoo_students

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
            assert each.interval is not None
            assert each.interval[0] <= each.value <= each.interval[1]
            assert each.baseline is not None
            assert "measure.py" in each.how
