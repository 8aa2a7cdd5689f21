"""The registry that ships with the core: complete, and true to what is published."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sigzoo.registry import Catalogue, Registry, core_registry_path, read_registry

PUBLISHED = {
    "signet",
    "signet-f-0.95",
    "signet-f-0.999",
    "signet-spp-300dpi",
    "signet-spp-300dpi-f",
    "signet-spp-600dpi",
    "signet-spp-600dpi-f",
    "signet.pytorch",
    "signet-f-0.95.pytorch",
    "signet.teacher",
    "signet-synthetic",
    "signet-triplet-0.1",
    "signet-ntxent-0.01",
}


@pytest.fixture(scope="module")
def registry() -> Registry:
    """The core's registry."""
    return read_registry(core_registry_path())


def test_every_published_model_and_data_artifact_is_listed(registry: Registry) -> None:
    assert set(registry.models) >= PUBLISHED
    assert {name for name, card in registry.models.items() if card.recipe} == {
        "signet-student-tiny",
        "signet-student-base",
        "signet-student-thin",
    }
    assert set(registry.artifacts) >= {"inverted-signet", "hafemann-examples"}


def test_all_references_hold_and_names_are_unique(registry: Registry) -> None:
    catalogue = Catalogue()
    catalogue.add(registry, "sigzoo")
    assert catalogue.resolve("signetf_lambda0.95") == "signet-f-0.95"
    assert (catalogue.default, catalogue.default_distribution) == ("synsig-tiny", "sigzoo-students")


def test_published_weights_are_never_free_for_commercial_use(registry: Registry) -> None:
    for name in PUBLISHED | {name for name, card in registry.models.items() if card.recipe}:
        licence = registry.models[name].licence
        assert not licence.commercial_use, name
        assert "non-commercial" in licence.weights, name


def test_input_scale_goes_with_the_preprocessing(registry: Registry) -> None:
    for name, card in registry.models.items():
        if card.preprocessor.name in ("signet-2017", "spp-2018"):
            assert card.input_scale == 1.0, name
        elif card.preprocessor.name == "sigver":
            assert card.input_scale == pytest.approx(1 / 255, abs=0), name


def test_every_citation_and_artifact_is_used(registry: Registry) -> None:
    cited = {paper for card in registry.models.values() for paper in card.cite}
    assert cited == set(registry.citations)
    weights = {card.weights.artifact for card in registry.models.values() if card.weights}
    members = {f"{name}/{member}" for name, entry in registry.artifacts.items() for member in entry.members}
    assert members <= weights
    used = {name.partition("/")[0] for name in weights}
    used |= {card.recipe.data for card in registry.models.values() if card.recipe}
    for card in registry.models.values():
        for case in card.golden:
            used |= {item.partition("/")[0] for item in [*case.images, case.features or case.images[0]]}
    assert used | {"inverted-signet"} == set(registry.artifacts)


def test_every_published_digest_and_address_stands_at_its_artifact(root: Path, registry: Registry) -> None:
    """The collected facts have a row an artifact; what a row names must stand at one artifact together."""
    facts = root.parent / "shared" / "upstream.md"
    if not facts.exists():
        pytest.skip("the collected facts are not here")
    text = facts.read_text()
    rows = text[text.index("## Artifacts") : text.index("## Preprocessing")].splitlines()
    known = {
        key: {
            *re.findall(r"\b(?:[0-9a-f]{64}|[0-9a-f]{40})\b", str(artifact)),
            *re.findall(r"1[A-Za-z0-9_-]{32}\b", str(artifact)),
            *(url for url in artifact.urls if url.startswith("https:")),
        }
        for key, artifact in registry.artifacts.items()
    }
    found = 0
    for row in rows:
        digests = re.findall(r"`([0-9a-f]{64}|[0-9a-f]{40})`", row)
        facts_of_row = {
            *digests,
            *re.findall(r"`(1[A-Za-z0-9_-]{32})`", row),
            *re.findall(r"`(https://[^`<]+\.(?:zip|pth))`", row),
        }
        if "contrastive" in row:  # three files in one row
            owners = [key for key, own in known.items() for digest in digests if digest in own]
            assert owners == ["signet-synthetic", "signet-triplet-0.1", "signet-ntxent-0.01"]
        elif "signet_spp_models" in row:  # its Drive id is SigNet's, by mistake
            assert known["signet-spp-models"] & facts_of_row
        elif facts_of_row:
            assert any(facts_of_row <= own for own in known.values()), row
        found += len(facts_of_row)
    assert found >= 25


def test_the_example_files_have_their_own_digests(root: Path, registry: Registry) -> None:
    facts = root.parent / "shared" / "upstream.md"
    if not facts.exists():
        pytest.skip("the collected facts are not here")
    row = next(line for line in facts.read_text().splitlines() if "`data/some_signature.png`" in line)
    digests = re.findall(r"`([0-9a-f]{64})`", row)
    names = [name.removeprefix("data/") for name in re.findall(r"`((?:data/)?[a-z0-9_]+\.(?:png|npy))`", row)]
    assert len(names) == len(digests) == 9
    files = registry.artifacts["hafemann-examples"].files
    assert {name: entry.sha256 for name, entry in files.items()} == dict(zip(names, digests, strict=True))
