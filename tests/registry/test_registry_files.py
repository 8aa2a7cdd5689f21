"""A registry is read strictly: every fault is an error with the file and the path of the entry."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sigzoo.common.limits import MAX_YAML, MAX_YAML_DEPTH
from sigzoo.errors import RegistryError
from sigzoo.registry import read_registry
from sigzoo.registry.catalogue import Catalogue

VALID = """\
models:
  net:
    summary: a network
    distribution: some-plugin
    backbone: {name: some-net, width: 3}
    preprocessor: plain
    input_scale: 1.0
    weights: {artifact: net-weights, format: safetensors}
    features: {layer: fc, size: 16}
    licence: {code: MIT, weights: MIT, commercial_use: true}
    trained_on: nothing
    cite: [somebody2020]
    aliases: [network]
    results:
      - {dataset: D, protocol: P, metric: EER, value: 1.5, source: reported, how: a paper}
artifacts:
  net-weights:
    summary: its weights
    urls: ["https://example.org/net.safetensors"]
    sha256: "0000000000000000000000000000000000000000000000000000000000000000"
    provenance: a test
citations:
  somebody2020: {text: Somebody}
"""

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a registry file."""

    def written(text: str) -> Path:
        path = tmp_path / "registry.yaml"
        path.write_text(text)
        return path

    return written


def test_a_valid_registry_gives_cards(write: Write) -> None:
    registry = read_registry(write(VALID))
    card = registry.models["net"]
    assert (card.backbone.name, card.backbone.options) == ("some-net", {"width": 3})
    assert (card.preprocessor.name, card.preprocessor.options) == ("plain", {})
    assert card.results[0].value == 1.5
    assert registry.artifacts["net-weights"].sha256 == "0" * 64


@pytest.mark.parametrize(
    ("old", "new", "path", "reason"),
    [
        ("summary: a network", "summry: a network", "models.net.summry", "unknown key"),
        ("input_scale: 1.0", "input_scale: big", "models.net.input_scale", "Expected float, got str"),
        ("input_scale: 1.0", "input_scale: 0.0", "models.net.input_scale", "above 0"),
        ("    trained_on: nothing\n", "", "models.net.trained_on", "missing"),
        (
            "format: safetensors",
            "format: a pickle",
            "models.net.weights.format",
            "expected the name of a weight format",
        ),
        ("size: 16", "size: 16.5", "models.net.features.size", "Expected int"),
        ("size: 16", "size: 0", "models.net.features.size", "at least 1"),
        ("value: 1.5", "value: low", "models.net.results[0].value", "Expected float"),
        (
            "source: reported",
            "source: guessed",
            "models.net.results[0].source",
            "Invalid enum value",
        ),
        (
            "commercial_use: true",
            "commercial_use: maybe",
            "models.net.licence.commercial_use",
            "Expected bool",
        ),
        (
            "backbone: {name: some-net, width: 3}",
            "backbone: [some-net]",
            "models.net.backbone",
            "expected a name",
        ),
        ("width: 3", '"a=1, b": 3', "models.net.backbone", "an option's name is an identifier, got 'a=1, b'"),
        ("width: 3", "class: 3", "models.net.backbone", "an option's name is an identifier"),
        ("width: 3", "ﬁt: 3", "models.net.backbone", "an option's name is an identifier"),
        ("width: 3", "w: [2020-01-01]", "models.net.backbone.w", "expected plain data, got a value of the"),
        ("width: 3", "w: {a: .nan}", "models.net.backbone.w", "expected plain data, got the number nan"),
        ("width: 3", "w: {1: 2}", "models.net.backbone.w", "expected plain data, got a key of the type int"),
        ("preprocessor: plain", "preprocessor: 'a b'", "models.net.preprocessor.name", "lower-case letters"),
        ("some-plugin", "'evil @ http://x/y'", "models.net.distribution", "the name of a distribution"),
        ("some-plugin", '"a\\nb"', "models.net.distribution", "the name of a distribution"),
        ("layer: fc", 'layer: "a\\nb"', "models.net.features.layer", "the name of a layer"),
        ("input_scale: 1.0", "input_scale: .inf", "models.net.input_scale", "finite"),
        ("aliases: [network]", "aliases: ['a; b']", "models.net.aliases", "an alias is letters and digits"),
        (
            "models:\n",
            "default: {model: net, distribution: 'a b'}\nmodels:\n",
            "default.distribution",
            "the name of a distribution",
        ),
        ('"0000', '"00', "artifacts.net-weights.sha256", "64 lower-case hexadecimal digits, got 62"),
        ('"0000', '"XXXX', "artifacts.net-weights.sha256", "hexadecimal"),
        ("    provenance: a test\n", "", "artifacts.net-weights.provenance", "missing"),
        ("provenance: a test", "provenance: a test\n    unpinned: true", "artifacts.net-weights", "unpinned"),
        (
            "provenance: a test",
            "provenance: a test\n    size: -5",
            "artifacts.net-weights",
            "at least 1 byte",
        ),
        ("cite: [somebody2020]", "cite: [nobody]", "models.net.cite", "'nobody'"),
        ("aliases: [network]", "aliases: [net]", "models.net.aliases", "taken by 'net'"),
        ("  net:\n", "  NET:\n", "models.NET", "lower-case"),
        ("models:\n", "modles: {}\nmodels:\n", "modles", "unknown key"),
        ("models:\n", "default: other\nmodels:\n", "default", "no model 'other'"),
        ("models:\n", "default: 3\nmodels:\n", "default", "name of a model"),
        (
            "    summary: a network\n",
            "    summary: a\n    summary: b\n",
            "models.net.summary",
            "duplicate key",
        ),
        ("artifacts:\n", "  net: {}\nartifacts:\n", "models.net", "duplicate key"),
    ],
)
def test_a_fault_is_named_with_file_and_path(
    write: Write, old: str, new: str, path: str, reason: str
) -> None:
    assert old in VALID
    file = write(VALID.replace(old, new, 1))
    with pytest.raises(RegistryError) as caught:
        read_registry(file)
    assert f"{file}: {path}" in str(caught.value)
    assert reason in str(caught.value)


def test_a_card_needs_weights_or_a_recipe_and_not_both(write: Write) -> None:
    without = VALID.replace("    weights: {artifact: net-weights, format: safetensors}\n", "")
    with pytest.raises(RegistryError, match="either `weights` or a `recipe`|either weights or a recipe"):
        read_registry(write(without))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("models: !!python/object/apply:os.system ['touch CANARY']", "tags are not allowed"),
        ("models: !!python/name:os.system", "tags are not allowed"),
        ("models: !unknown {}", "tags are not allowed"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]", "anchors and aliases"),
        ("models: &loop\n  again: *loop", "anchors and aliases"),
        ("models: " + "[" * (MAX_YAML_DEPTH + 1), "nested deeper"),
        ("models: " + "{a: " * 50_000, "nested deeper"),
        ("[" * 1_000_000, "nested deeper"),
        ("models: [1, 2", "not valid YAML"),
        ("models: \x00", "not valid YAML"),
        ("--- {}\n--- {}", "not valid YAML"),
        ("just words", "a registry is a mapping"),
        ("models: [net]", "expected a mapping"),
        ("? [complex, key]\n: value", "not valid YAML|unknown key"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else None,
)
def test_hostile_yaml_is_refused(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RegistryError, match=reason):
        read_registry(write(text))
    assert not (tmp_path / "CANARY").exists()


def test_a_hundred_megabytes_are_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "registry.yaml"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    with pytest.raises(RegistryError, match=f"larger than {MAX_YAML} bytes"):
        read_registry(path)


def test_a_missing_or_undecodable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="absent.yaml: cannot be read"):
        read_registry(tmp_path / "absent.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"models: \xff")
    with pytest.raises(RegistryError, match="not UTF-8"):
        read_registry(tmp_path / "latin.yaml")


def test_plain_yaml_is_read_as_pyyaml_reads_it(write: Write) -> None:
    from sigzoo.registry.yaml import read_yaml

    assert read_yaml(write(VALID)) == yaml.safe_load(VALID)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_registry_gives_nothing_but_registry_errors(write: Write, data: st.DataObject) -> None:
    """Cut, repeat, overwrite and insert anywhere: it is read or refused, never a crash."""
    text = VALID
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 40)))
        new = data.draw(
            st.sampled_from(
                ["", text[start:end] * 2, "&a ", "*a", "!!map ", "{", "]", "- ", ": ", "\t", "null"]
            )
        )
        text = text[:start] + new + text[end:]
    with suppress(RegistryError):
        read_registry(write(text))


LONG = "\x1b[31m" + "a" * 100_000 + "\n\u202e"
"""A text that no entry of a registry has, and that a terminal must not be given."""


def _places(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """Paths of all that stands in a registry."""
    if isinstance(value, dict):
        below = [each for key, inner in value.items() for each in _places(inner, (*path, key))]
    elif isinstance(value, list):
        below = [each for index, inner in enumerate(value) for each in _places(inner, (*path, index))]
    else:
        below = []
    return [path, *below] if path else below


@pytest.mark.parametrize("text", [LONG, "a" * 100_000, [LONG] * 3, {LONG: LONG}, {"name": LONG}])
@pytest.mark.parametrize("instead", ["value", "key"])
@pytest.mark.parametrize("path", _places(yaml.safe_load(VALID)), ids=str)
def test_a_refusal_is_short_and_of_one_line_whatever_stands_there(
    text: object, instead: str, path: tuple[object, ...], write: Write
) -> None:
    raw = yaml.safe_load(VALID)
    parent: Any = raw
    for step in path[:-1]:
        parent = parent[step]
    if instead == "value":
        parent[path[-1]] = text
    elif isinstance(parent, dict) and isinstance(text, str):
        parent[text] = parent.pop(path[-1])
    else:
        return
    file = write(yaml.safe_dump(raw, sort_keys=False, allow_unicode=False))
    try:
        registry = read_registry(file)
        Catalogue().add(registry, "a test")
    except RegistryError as refusal:
        message = str(refusal).removeprefix(str(file))
        assert message.isprintable(), message[:200]
        assert len(message) < 1000, message[:200]
