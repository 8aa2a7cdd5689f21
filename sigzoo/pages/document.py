"""`document`: a whole page of HTML with nothing outside of it, light or dark; `picture`: an image in it."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from sigzoo.pages.markup import Markup, tag

__all__ = ["document", "picture"]


def document(title: str, *body: Markup | None, style: str = "", script: str = "") -> str:
    """Write a page.

    It names no resource outside of itself, forbids itself to fetch any, and runs no script but the one given
    and that of its button for light and dark.

    Parameters
    ----------
    title
        Text of the window's title.
    body
        What the page shows.
    style, script
        CSS and JavaScript of the page's own, beside what all pages have.
    """
    here = files("sigzoo.pages")
    style = here.joinpath("theme.css").read_text(encoding="utf-8") + style
    script = script + here.joinpath("theme.js").read_text(encoding="utf-8")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(script)),
        tag("title", title),
        tag("style", Markup(style)),
    )
    button = tag("button", "light / dark", id="theme", type="button", hidden=True)
    whole = tag("html", head, tag("body", button, *body, tag("script", Markup(script))), lang="en")
    return f"<!doctype html>\n{whole}\n"


def picture(png: bytes, alt: str, **attributes: object) -> Markup:
    """An image that lies in the page itself."""
    source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    return tag("img", src=source, alt=alt, loading="lazy", **attributes)


def _policy(script: str) -> str:
    """Of a page that may load nothing and run nothing but its own script."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
