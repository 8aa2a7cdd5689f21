"""What is written: the words of a signature, apart from the hand that writes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sigzoo.errors import UnknownNameError
from sigzoo.synthesis.letters import CAPITALS, HANGING, MARKS, PARTS

__all__ = ["SCRIPTS", "Glyph", "Text", "invent"]

SCRIPTS = {"latin": 0.5, "chinese": 0.18, "headline": 0.08, "paraph": 0.24}
"""Kinds of signature and how often they are drawn."""

_VOWELS, _ONSETS = "aeiou", "bcdfghklmnprstvwyz"
_CODAS = ["", "", "", "n", "r", "l", "s", "t", "ll", "rt", "ng", "ck"]


@dataclass(frozen=True)
class Glyph:
    """One letter or character: named shapes, each with its box ``(x, y, width, height)``."""

    shapes: tuple[tuple[str, tuple[float, float, float, float]], ...]


@dataclass(frozen=True)
class Text:
    """The words of a signature in one script; a hand decides what they look like."""

    script: str
    words: tuple[tuple[Glyph, ...], ...]


def invent(rng: np.random.Generator, script: str | None = None) -> Text:
    """Invent the text of a signature; no person's name is looked up anywhere.

    Parameters
    ----------
    rng
        Source of chance.
    script
        One of `SCRIPTS`, or `None` to draw one.

    Raises
    ------
    UnknownNameError
        If there is no such script.
    """
    if script is not None and script not in SCRIPTS:
        raise UnknownNameError("script", script, SCRIPTS)
    script = script or str(rng.choice(list(SCRIPTS), p=list(SCRIPTS.values())))
    build = {"latin": _latin, "chinese": _chinese, "headline": _headline, "paraph": _paraph}[script]
    return Text(script, build(rng))


def _letter(name: str) -> Glyph:
    return Glyph(((name, (0.0, 0.0, 1.0, 1.0)),))


def _name(rng: np.random.Generator, syllables: int) -> tuple[Glyph, ...]:
    name = str(rng.choice(list(CAPITALS)))
    for i in range(syllables):
        onset = str(rng.choice(list(_ONSETS))) if i or name in "AEIOU" or rng.random() < 0.3 else ""
        name += onset + str(rng.choice(list(_VOWELS))) + str(rng.choice(_CODAS))
    return tuple(_letter(letter) for letter in name)


def _initial(rng: np.random.Generator) -> tuple[Glyph, ...]:
    return (_letter(str(rng.choice(list(CAPITALS)))),)


def _latin(rng: np.random.Generator) -> tuple[tuple[Glyph, ...], ...]:
    kind = rng.random()
    surname = _name(rng, int(rng.integers(1, 4)))
    if kind < 0.3:
        return (surname,)
    if kind < 0.6:
        return (*(_initial(rng) for _ in range(1 + (rng.random() < 0.3))), surname)
    if kind < 0.9:
        return (_name(rng, int(rng.integers(1, 3))), surname)
    return tuple(_initial(rng) for _ in range(int(rng.integers(2, 4))))


def _chinese(rng: np.random.Generator) -> tuple[tuple[Glyph, ...], ...]:
    return (tuple(_character(rng) for _ in range(int(rng.choice([2, 3, 4], p=[0.5, 0.42, 0.08])))),)


def _character(rng: np.random.Generator) -> Glyph:
    parts = [str(p) for p in rng.choice(list(PARTS), 3)]
    cut = float(rng.uniform(0.34, 0.6))
    layouts: dict[str, list[tuple[float, float, float, float]]] = {
        "one": [(0, 0, 1, 1)],
        "sides": [(0, 0.05, cut, 0.9), (cut + 0.06, 0, 0.94 - cut, 1)],
        "stack": [(0.1, 1 - cut, 0.8, cut), (0, 0, 1, 0.95 - cut)],
        "stack left": [
            (0, 0, cut, 1),
            (cut + 0.08, 0.52, 0.92 - cut, 0.46),
            (cut + 0.05, 0, 0.95 - cut, 0.46),
        ],
        "pile": [(0.25, 0.55, 0.5, 0.45), (0, 0, 0.47, 0.48), (0.53, 0, 0.47, 0.48)],
    }
    boxes = layouts[str(rng.choice(list(layouts), p=[0.2, 0.36, 0.24, 0.14, 0.06]))]
    return Glyph(tuple((part, box) for part, box in zip(parts, boxes, strict=False)))


def _headline(rng: np.random.Generator) -> tuple[tuple[Glyph, ...], ...]:
    words = []
    for _ in range(int(rng.choice([1, 2], p=[0.35, 0.65]))):
        word = []
        for _ in range(int(rng.integers(2, 5))):
            shapes = [(str(rng.choice(list(HANGING))), (0.0, 0.0, 1.0, 1.0))]
            if rng.random() < 0.45:
                shapes.append((str(rng.choice(list(MARKS))), (0.0, 0.0, 1.0, 1.0)))
            word.append(Glyph(tuple(shapes)))
        words.append(tuple(word))
    return tuple(words)


def _paraph(rng: np.random.Generator) -> tuple[tuple[Glyph, ...], ...]:
    """Describe free figures by names only: how many turns of what; the hand draws them."""
    kinds = ["loops", "zigzag", "spiral", "waves", "oval", "sweeps"]
    often = [0.23, 0.21, 0.12, 0.17, 0.1, 0.17]
    figures = [str(k) for k in rng.choice(kinds, int(rng.integers(1, 4)), p=often)]
    start = (_initial(rng),) if rng.random() < 0.6 else ()
    return (*start, tuple(Glyph(((kind, (0.0, 0.0, float(rng.integers(2, 7)), 1.0)),)) for kind in figures))
