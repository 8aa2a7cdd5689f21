"""The registry: cards of models and artifacts, read strictly from YAML, found by name."""

from sigzoo.registry.cards import Artifact, Card, Citation, ComponentSpec, Golden, Licence, Recipe, Result
from sigzoo.registry.catalogue import Catalogue
from sigzoo.registry.core import core_registry_path
from sigzoo.registry.registry_files import Registry, read_registry

__all__ = [
    "Artifact",
    "Card",
    "Catalogue",
    "Citation",
    "ComponentSpec",
    "Golden",
    "Licence",
    "Recipe",
    "Registry",
    "Result",
    "core_registry_path",
    "read_registry",
]
