"""A page for each public package or module: mkdocstrings fills it from the docstrings."""

from __future__ import annotations

import importlib
import inspect

from generators.pages import Pages

__all__ = ["add_to"]

MODULES: dict[str, list[str]] = {
    "sigzoo": [],
    "sigzoo.errors": [],
    "sigzoo.datasets": [],
    "sigzoo.imaging": [],
    "sigzoo.data": [],
    "sigzoo.verification": ["scores", "plda"],
    "sigzoo.evaluation": [
        *("run", "protocols", "writer_dependent", "writer_independent", "metrics", "likelihood_ratios"),
        *("distances", "resampling", "calibrating", "results", "report", "plots", "leaderboard"),
    ],
    "sigzoo.sklearn": [],
    "sigzoo.learning": [],
    "sigzoo.synthesis": [],
    "sigzoo.search": [],
    "sigzoo.jobs": [],
    "sigzoo.export": [],
    "sigzoo.serving": [],
    "sigzoo.gallery": [],
    "sigzoo.weights": [],
    "sigzoo.artifacts": [],
    "sigzoo.registry": [],
    "sigzoo.interfaces": [],
    "sigzoo.hookspecs": [],
    "sigzoo.testing": [],
    "sigzoo.compat.wiwd": [],
    "sigzoo.compat.sigver": [],
}
"""What CONTRIBUTING calls public: packages, and of some the modules that have a page, too."""


def add_to(pages: Pages) -> None:
    """Add a page a module, and the list of them."""
    rows = ["# Python", "", "What is documented here is public: it changes only as the changelog says.", ""]
    entries: list[object] = ["reference/api/index.md"]
    for package, inner in MODULES.items():
        places = [_add(pages, name) for name in (package, *(f"{package}.{each}" for each in inner))]
        entries.append(
            {package: places[0]} if not inner else {package: [{"overview": places[0]}, *places[1:]]}
        )
        for name, place in zip((package, *(f"{package}.{each}" for each in inner)), places, strict=True):
            summary = (inspect.getdoc(importlib.import_module(name)) or "").partition("\n")[0]
            rows += [f"[`{name}`]({place.rpartition('/')[2]})", f":   {summary}", ""]
    pages.files["reference/api/index.md"] = "\n".join(rows)
    pages.groups["api"] = entries


def _add(pages: Pages, name: str) -> str:
    place = f"reference/api/{name}.md"
    pages.files[place] = f"# `{name}`\n\n::: {name}\n    options:\n      show_root_heading: false\n"
    return place
