"""Registries of plugins: their models are listed, and one that is not valid takes its plugin out."""

from __future__ import annotations

import json
from typing import Any

import pytest


def test_models_of_a_plugin_are_listed_with_their_distribution(site: Any) -> None:
    site.add("our-lab", site.models(), registry_yaml=site.registry("toy", "our-lab"))
    code = "import sigzoo; print(sigzoo.info('toy').distribution)"
    assert site.python(code).stdout == "our-lab\n"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("summary: a test", "summery: a test", "models.toy.summery: unknown key"),
        ("  toy:\n", "  signet:\n", "the model name 'signet' is taken by sigzoo"),
        ("artifact: toy-weights", "artifact: signet-models/x", "no artifact 'signet-models/x'"),
        ("artifact: toy-weights", "artifact: hafemann-examples", "is a collection"),
        ("/w.safetensors", "/.w", "cannot be a file's name"),
        ("urls: [", "filename: ../../evil\n    urls: [", "cannot be a file's name"),
    ],
)
def test_a_registry_that_is_not_valid_leaves_the_whole_plugin_out(
    site: Any, old: str, new: str, reason: str
) -> None:
    text = site.registry("toy", "our-lab")
    assert old in text
    site.add(
        "our-lab",
        site.models() + site.hook("losses", "register('x', 'json:loads')"),
        registry_yaml=text.replace(old, new),
    )
    listed = site.sigzoo("list", "--json")
    assert listed.returncode == 0
    assert "toy" not in {each["name"] for each in json.loads(listed.stdout)}
    assert len(listed.stderr.splitlines()) == 1
    assert reason in listed.stderr
    assert site.state()["our-lab"]["provides"] == []


def test_a_second_registry_that_fails_takes_the_first_with_it(site: Any) -> None:
    source = site.models() + site.hook("losses", "pass").replace("losses", "preprocessors")
    twice = source.replace(
        "register(Path", "register(Path(__file__).with_name('first.yaml'))\n    register(Path"
    )
    site.add("our-lab", twice, first_yaml=site.registry("one", "our-lab"), registry_yaml="models: nonsense")
    names = {each["name"] for each in json.loads(site.sigzoo("list", "--json").stdout)}
    assert "one" not in names
    assert "signet" in names


def test_a_model_whose_plugin_was_left_out_says_why(site: Any) -> None:
    source = site.models() + site.hook("backbones", "register('net', 'our_lab.gone:Net')")
    site.add("our-lab", source, registry_yaml=site.registry("toy", "our-lab"))
    code = site.caught.format(call="load('toy')")
    told = site.python(code).stdout
    assert (
        "PluginError The model 'toy' needs the backbone 'net' of our-lab, which was left out: its target"
        in told
    )


def test_a_model_whose_installed_plugin_lacks_a_part_is_not_told_to_install_it(site: Any) -> None:
    site.add("our-lab", site.models(), registry_yaml=site.registry("toy", "our-lab"))
    code = site.caught.format(call="load('toy')")
    told = site.python(code).stdout
    assert "our-lab 2.5 is installed but does not provide all of that" in told
