"""sigzoo: the model zoo for offline handwritten signatures. Name a model, get features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigzoo.common.lazy import lazy_names
from sigzoo.errors import SigzooError, SigzooWarning
from sigzoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from sigzoo.api import (
        backbone,
        fetch,
        info,
        list_backbones,
        list_losses,
        list_models,
        list_preprocessors,
        load,
        loss,
        preprocessor,
    )
    from sigzoo.conversion import convert
    from sigzoo.evaluation.distances import distances
    from sigzoo.model import SignatureModel
    from sigzoo.zoo import Zoo

__version__ = "0.1.0"

__all__ = [
    "SignatureModel",
    "SigzooError",
    "SigzooWarning",
    "Zoo",
    "backbone",
    "convert",
    "distances",
    "fetch",
    "hookimpl",
    "info",
    "list_backbones",
    "list_losses",
    "list_models",
    "list_preprocessors",
    "load",
    "loss",
    "preprocessor",
]

__getattr__ = lazy_names(
    __name__,
    {
        "SignatureModel": "model",
        "Zoo": "zoo",
        "backbone": "api",
        "convert": "conversion",
        "distances": "evaluation.distances",
        "fetch": "api",
        "info": "api",
        "list_backbones": "api",
        "list_losses": "api",
        "list_models": "api",
        "list_preprocessors": "api",
        "load": "api",
        "loss": "api",
        "preprocessor": "api",
    },
)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
