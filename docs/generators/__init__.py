"""What makes pages of the site from the code, a module a kind of page."""

from __future__ import annotations

from generators import (
    api,
    architecture,
    commands,
    environment,
    files,
    gallery,
    model_pages,
    project,
    reference,
    tutorial,
)
from generators.pages import Content, Pages

__all__ = ["Content", "Pages", "generated_pages", "project"]


def generated_pages() -> Pages:
    """All of them, made anew."""
    pages = Pages()
    read = (commands, api, environment, reference, model_pages, project, architecture)
    run = (files, gallery, tutorial)
    for module in (*read, *run):
        module.add_to(pages)
    return pages
