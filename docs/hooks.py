"""What the site has beside the pages of this folder: pages made from the code, and files of the repository.

MkDocs calls these functions (``hooks`` in ``mkdocs.yml``). A page that somebody adds to this folder and
that stands nowhere in the navigation is put under "How to".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from generators import Content, Pages, generated_pages, project
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

DOCS = Path(__file__).parent

_MARK = "generated:"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Make the pages, and put them where the navigation asks for them."""
    pages = generated_pages()
    config.extra["generated"] = pages
    assert config.nav is not None
    groups = {**pages.groups, "elsewhere": _elsewhere(config.nav, pages)}
    config.nav = _filled(config.nav, groups)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the made pages and pictures to the site."""
    for name, content in config.extra["generated"].files.items():
        if isinstance(content, Path):
            files.append(File.generated(config, name, abs_src_path=str(content)))
        else:
            files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill a page with what was made for it, and turn links out of this folder to where the site has it."""
    name = page.file.src_uri
    filled: str = config.extra["generated"].fillings.get(name, lambda text: text)(markdown)
    return project.site_links(filled, name)


def _filled(nav: list[Any], groups: dict[str, list[Any]]) -> list[Any]:
    """The navigation with lists in place of their marks."""
    found: list[Any] = []
    for each in nav:
        if isinstance(each, str) and each.startswith(_MARK):
            found += groups[each.removeprefix(_MARK)]
        elif isinstance(each, dict):
            ((title, inner),) = each.items()
            if isinstance(inner, list):
                found.append({title: _filled(inner, groups)})
            elif inner.startswith(_MARK):
                found.append({title: groups[inner.removeprefix(_MARK)]})
            else:
                found.append(each)
        else:
            found.append(each)
    return found


def _named(nav: Any) -> Iterator[str]:
    """The pages that a navigation names."""
    if isinstance(nav, str):
        yield nav
    else:
        for each in nav.values() if isinstance(nav, dict) else nav:
            yield from _named(each)


def _elsewhere(nav: list[Any], pages: Pages) -> list[str]:
    """Pages of this folder that the navigation does not name."""
    written = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    return sorted(written - set(_named(nav)) - set(pages.files))


__all__ = ["Content", "on_config", "on_files", "on_page_markdown"]
