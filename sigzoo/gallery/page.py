"""`gallery_page`: a gallery as the text of one HTML file, with nothing outside of it."""

from __future__ import annotations

from importlib.resources import files

import numpy as np

from sigzoo.gallery.contents import Exhibit, Gallery
from sigzoo.pages.document import document, picture
from sigzoo.pages.markup import Markup, join, tag

__all__ = ["gallery_page"]


def gallery_page(gallery: Gallery) -> str:
    """Write a gallery as HTML.

    Each signature is a button: pressed, all are ordered by their distance from it. Without scripts the page
    shows them in the order given, each with its nearest neighbour. All names are escaped.

    Parameters
    ----------
    gallery
        What `gallery_of` made.

    Returns
    -------
    str
        A page in one piece.
    """
    here = files("sigzoo.gallery")
    facts = tag("dl", *(join([tag("dt", label), tag("dd", text)]) for label, text in gallery.facts.items()))
    told = "Press a signature: all are ordered by the Euclidean distance of their features from it."
    return document(
        gallery.title,
        tag("h1", gallery.title),
        facts,
        tag("p", told, id="told", role="status", aria_live="polite"),
        tag("ol", *(_exhibit(gallery, place) for place in range(len(gallery.exhibits))), id="exhibits"),
        style=here.joinpath("gallery.css").read_text(encoding="utf-8"),
        script=here.joinpath("gallery.js").read_text(encoding="utf-8"),
    )


def _exhibit(gallery: Gallery, place: int) -> Markup:
    """A signature with its steps; what the script orders by stands in an attribute."""
    shown = gallery.exhibits[place]
    distances = gallery.distances[place]
    button = tag(
        "button",
        picture(shown.png, f"signature {shown.name}"),
        tag("span", shown.name, class_="name"),
        tag("span", _nearest(gallery, place), class_="distance"),
        type="button",
        aria_pressed="false",
    )
    return tag("li", button, _steps(shown), data_distances=" ".join(f"{value:.4g}" for value in distances))


def _nearest(gallery: Gallery, place: int) -> str:
    if len(gallery.exhibits) < 2:
        return ""
    others = gallery.distances[place].astype(np.float64)
    others[place] = np.inf
    nearest = int(others.argmin())
    return f"nearest: {gallery.exhibits[nearest].name}, {f'{others[nearest]:#.3g}'.rstrip('.')}"


def _steps(shown: Exhibit) -> Markup:
    figures = (
        tag("figure", picture(png, f"{name} of {shown.name}"), tag("figcaption", name))
        for name, png in shown.steps.items()
    )
    return tag("details", tag("summary", "preprocessing"), tag("div", *figures, class_="steps"))
