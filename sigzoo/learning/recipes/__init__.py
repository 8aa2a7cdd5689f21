"""Recipes carried out: what a build would do, and from a card's recipe to a model that loads by name.

What a card's recipe says, and whether its model has been built, is told by `sigzoo.recipes`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigzoo.lazy import lazy_names

if TYPE_CHECKING:
    from sigzoo.learning.recipes.building import BuildError, BuildResult, build
    from sigzoo.learning.recipes.planning import Plan, plan

__all__ = ["BuildError", "BuildResult", "Plan", "build", "plan"]

__getattr__ = lazy_names(
    __name__,
    {
        "BuildError": "building",
        "BuildResult": "building",
        "Plan": "planning",
        "build": "building",
        "plan": "planning",
    },
)
