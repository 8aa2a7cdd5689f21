"""The plugin module itself: light to import, every name behind it real."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest
import sigzoo_spp

NAMES = {
    "backbones": {"signet-spp-300dpi", "signet-spp-600dpi"},
    "preprocessors": {"spp-2018"},
}


def registered(kind):
    found = {}
    getattr(sigzoo_spp, f"sigzoo_register_{kind}")(
        lambda name, target, **defaults: found.update({name: target})
    )
    return found


@pytest.mark.parametrize("kind", NAMES)
def test_the_names_are_those_of_the_registry_and_lead_to_classes(kind):
    found = registered(kind)
    assert set(found) == NAMES[kind]
    for target in found.values():
        module, attribute = target.split(":")
        assert isinstance(getattr(import_module(module), attribute), type)


def test_finding_out_what_there_is_does_not_import_torch():
    program = (
        "import sys, sigzoo_spp as plugin\n"
        "for hook in [name for name in dir(plugin) if name.startswith('sigzoo_register')]:\n"
        "    getattr(plugin, hook)(lambda *_, **__: None)\n"
        "sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
