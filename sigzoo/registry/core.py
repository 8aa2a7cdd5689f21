"""The registry that belongs to the core: where it lies, and whose components its cards use."""

from __future__ import annotations

from pathlib import Path

from sigzoo.registry.cards import Card
from sigzoo.registry.registry_files import Registry


def core_registry_path() -> Path:
    """Path of the registry that belongs to the installed core, in a wheel or in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "registry.yaml"
    return installed if installed.exists() else package.parent / "registry.yaml"


def component_keys(card: Card) -> tuple[str, str]:
    """``"kind name"`` of the components that a card is made of."""
    return f"backbone {card.backbone.name}", f"preprocessor {card.preprocessor.name}"


def component_owners(registry: Registry) -> dict[str, str]:
    """``"kind name"`` -> distribution, for the components that a registry's cards use."""
    owners: dict[str, str] = {}
    for card in registry.models.values():
        for key in component_keys(card):
            owners.setdefault(key, card.distribution)
    return owners
