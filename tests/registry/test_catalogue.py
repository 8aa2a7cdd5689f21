"""Names: aliases, deprecations, wildcards, "did you mean", and no name twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from sigzoo.errors import RegistryError, SigzooWarning, UnknownNameError
from sigzoo.registry import Catalogue, read_registry

ARTIFACT = """\
    summary: weights
    urls: ["https://example.org/w"]
    unpinned: true
    provenance: a test
"""


def registry_text(*models: str, artifact: str = "w", extra: str = "") -> str:
    """A registry of some models that share one artifact."""
    cards = "".join(
        f"""\
  {name}:
    summary: s
    distribution: d
    backbone: b
    preprocessor: p
    input_scale: 1.0
    weights: {{artifact: {artifact}, format: safetensors}}
    features: {{layer: fc, size: 2}}
    licence: {{code: MIT, weights: MIT, commercial_use: true}}
    trained_on: nothing
{extra}"""
        for name in models
    )
    return f"models:\n{cards}artifacts:\n  {artifact}:\n{ARTIFACT}"


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    """Three models, the last with an alias and a former name."""
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text(registry_text("signet", "signet-f-0.95"))
    names = "    aliases: [tiny-alias]\n    deprecated_aliases: [tiny-old]\n"
    second.write_text(registry_text("tiny", artifact="w2", extra=names))
    known = Catalogue()
    known.add(read_registry(first), "one")
    known.add(read_registry(second), "two")
    return known


def test_names_and_aliases_resolve(catalogue: Catalogue) -> None:
    assert catalogue.resolve("signet") == "signet"
    assert catalogue.resolve("tiny-alias") == "tiny"


def test_a_former_name_works_with_a_warning(catalogue: Catalogue) -> None:
    with pytest.warns(SigzooWarning, match="'tiny-old' is deprecated; use 'tiny'"):
        assert catalogue.resolve("tiny-old") == "tiny"


def test_wildcards_match_in_the_order_of_the_registry(catalogue: Catalogue) -> None:
    assert catalogue.search() == ["signet", "signet-f-0.95", "tiny"]
    assert catalogue.search("signet*") == ["signet", "signet-f-0.95"]
    assert catalogue.search("*-alias") == ["tiny"]
    assert catalogue.search("zzz*") == []


def test_an_unknown_name_gets_the_nearest(catalogue: Catalogue) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean signet"):
        catalogue.resolve("sinet")
    with pytest.raises(UnknownNameError) as caught:
        catalogue.search("signet-f-095")
    assert caught.value.suggestions[0] == "signet-f-0.95"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("text", [registry_text("signet", artifact="w3"), registry_text("new", artifact="w")])
def test_a_name_that_is_taken_is_refused_and_nothing_is_taken_in(
    catalogue: Catalogue, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "third.yaml"
    path.write_text(text)
    before = dict(catalogue.models)
    with pytest.raises(RegistryError, match="is taken by one"):
        catalogue.add(read_registry(path), "three")
    assert catalogue.models == before


def test_a_reference_to_nothing_is_refused(catalogue: Catalogue, tmp_path: Path) -> None:
    path = tmp_path / "third.yaml"
    path.write_text(registry_text("new", artifact="w3").replace("artifact: w3", "artifact: w4"))
    with pytest.raises(RegistryError, match=r"models\.new\.weights\.artifact: no artifact 'w4'"):
        catalogue.add(read_registry(path), "three")
