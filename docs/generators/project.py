"""Files of the repository that are pages of the site, too, and where links to them lead."""

from __future__ import annotations

import posixpath
import re

from generators.pages import ROOT, Pages

__all__ = ["add_to", "site_links"]

FILES = {
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
    "SECURITY.md": "project/security.md",
    **{
        path.relative_to(ROOT).as_posix(): f"project/{path.parent.name}.md"
        for path in sorted(ROOT.glob("plugins/*/README.md"))
    },
}
"""Where each stands in the site."""

OPTIONAL = {"CODE_OF_CONDUCT.md": "project/code-of-conduct.md", "RELEASING.md": "project/releasing.md"}
"""Those that need not be there."""

FILES |= {name: place for name, place in OPTIONAL.items() if (ROOT / name).is_file()}

_TARGETS = {**FILES, "README.md": "index.md"}
_ORIGINS = {place: name for name, place in FILES.items()}
_LINK = re.compile(r"(\]\()([^)\s]+)(\))")
_FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def add_to(pages: Pages) -> None:
    """Add them, and their part of the navigation."""
    for name, place in FILES.items():
        pages.files[place] = (ROOT / name).read_text(encoding="utf-8")
    pages.groups["project"] = list(FILES.values())


def site_links(markdown: str, place: str) -> str:
    """The text of a page with its links as the site has their targets.

    A link that leads to a page stays checked by MkDocs; one to a file that the site has not becomes its text.

    Parameters
    ----------
    markdown
        With links that are right in the repository.
    place
        Of the page in the site.
    """
    origin = _ORIGINS.get(place, f"docs/{place}")

    def site_link(found: re.Match[str]) -> str:
        target, mark, anchor = found[2].partition("#")
        if not target or re.match(r"[a-z]+:", target):
            return found[0]
        aim = posixpath.normpath(posixpath.join(posixpath.dirname(origin), target))
        there = _TARGETS.get(aim, aim.removeprefix("docs/"))
        if there == aim and (ROOT / aim).exists():
            raise ValueError(
                f"{origin} links to {aim}, which is no page of the site: docs/generators/project.py"
            )
        return (
            f"{found[1]}{posixpath.relpath(there, posixpath.dirname(place) or '.')}{mark}{anchor}{found[3]}"
        )

    parts = _FENCE.split(markdown)
    return "".join(part if part.startswith("```") else _LINK.sub(site_link, part) for part in parts)
