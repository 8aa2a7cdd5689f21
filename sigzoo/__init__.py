"""sigzoo: the model zoo for offline handwritten signatures. Name a model, get features."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sigzoo import torch_backends
from sigzoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from sigzoo.evaluation.distances import distances
    from sigzoo.loading import load
    from sigzoo.model import SignatureModel
    from sigzoo.plugins import backbone, loss, preprocessor
    from sigzoo.zoo import fetch, info, list_models

__version__ = "0.1.0"

__all__ = [
    "SignatureModel",
    "backbone",
    "distances",
    "fetch",
    "hookimpl",
    "info",
    "list_models",
    "load",
    "loss",
    "preprocessor",
]

torch_backends.watch()

_HOME = {
    "SignatureModel": "sigzoo.model",
    "backbone": "sigzoo.plugins",
    "distances": "sigzoo.evaluation.distances",
    "fetch": "sigzoo.zoo",
    "info": "sigzoo.zoo",
    "list_models": "sigzoo.zoo",
    "load": "sigzoo.loading",
    "loss": "sigzoo.plugins",
    "preprocessor": "sigzoo.plugins",
}


def __getattr__(name: str) -> Any:
    """Import what the public names need on first use, so that `import sigzoo` stays light."""
    if name not in _HOME:
        raise AttributeError(f"module 'sigzoo' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
