"""sigzoo: the model zoo for offline handwritten signatures. Name a model, get features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigzoo.common.lazy import lazy_names
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

__getattr__ = lazy_names(
    __name__,
    {
        "SignatureModel": "model",
        "backbone": "plugins",
        "distances": "evaluation.distances",
        "fetch": "zoo",
        "info": "zoo",
        "list_models": "zoo",
        "load": "loading",
        "loss": "plugins",
        "preprocessor": "plugins",
    },
)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
