"""Recipes carried out: what a build would do, and from a card's recipe to a model that loads by name.

What a card's recipe says, and whether its model has been built, is told by `sigzoo.recipes`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigzoo.common.lazy import lazy_names

if TYPE_CHECKING:
    from sigzoo.learning.building.build import BuildError, BuildResult
    from sigzoo.learning.building.build_plan import Plan, plan

__all__ = ["BuildError", "BuildResult", "Plan", "plan"]

__getattr__ = lazy_names(
    __name__,
    {
        "BuildError": "build",
        "BuildResult": "build",
        "Plan": "build_plan",
        "plan": "build_plan",
    },
)
