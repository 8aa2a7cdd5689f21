"""What makes pages of the site from the code, a module a kind of page."""

from __future__ import annotations

from generators import (
    api,
    commands,
    environment,
    files,
    gallery,
    install,
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
    for module in (
        commands,
        api,
        environment,
        reference,
        model_pages,
        project,
        install,
        files,
        gallery,
        tutorial,
    ):
        module.add_to(pages)
    return pages
