"""A plan: the virtual targets that a hand aims at when it writes a text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sigzoo.synthesis.figures import figure, flourish
from sigzoo.synthesis.hand import Hand
from sigzoo.synthesis.kinematics import Floats
from sigzoo.synthesis.letters import CAPITALS, HANGING, MARKS, PARTS, SMALL
from sigzoo.synthesis.text import Text

__all__ = ["Plan", "make_plan"]

Piece = Floats
"""Targets reached without lifting the pen, ``(n, 2)``."""


@dataclass(frozen=True)
class Plan:
    """Virtual targets of a signature, in heights of the middle zone; y points up."""

    targets: Floats
    """float64 ``(n, 2)``."""
    down: NDArray[np.bool_]
    """``(n,)``: whether the way to this target is written (False: the pen is lifted on the way)."""
    unit: NDArray[np.int64]
    """``(n,)``: letter, character or flourish that the target belongs to; they vary together."""


class _Draft:
    """Collects pieces; joins them or lifts the pen between them."""

    def __init__(self) -> None:
        self.targets: list[Floats] = []
        self.down: list[bool] = []
        self.unit: list[int] = []
        self.units = 0

    def add(self, piece: Piece, *, joined: bool, unit: int) -> None:
        self.targets.extend(piece)
        self.down.extend([joined and len(self.down) > 0, *[True] * (len(piece) - 1)])
        self.unit.extend([unit] * len(piece))

    def plan(self) -> Plan:
        targets = np.array(self.targets, dtype=np.float64)
        return Plan(targets, np.array(self.down), np.array(self.unit, dtype=np.int64))


def make_plan(text: Text, hand: Hand) -> Plan:
    """Lay out `text` as `hand` writes it; the same text and hand give the same plan."""
    draft = _Draft()
    line = {"latin": _latin, "chinese": _chinese, "headline": _headline, "paraph": _paraph}[text.script]
    end = line(draft, text, hand)
    if text.script in ("latin", "paraph"):
        body = draft.plan()
        for piece, joined in flourish(hand, body.targets, end):
            draft.add(piece, joined=joined, unit=draft.units)
        draft.units += 1
    plan = draft.plan()
    x, y = plan.targets.T
    y = (
        y + hand.slope * x + hand.arch * (x - x.mean()) ** 2
        if text.script != "chinese"
        else y + 0.4 * hand.slope * x
    )
    x = x + hand.slant * (y if text.script != "chinese" else 0.15 * y)
    return Plan(np.stack([x, y], axis=1), plan.down, plan.unit)


def _own(shape: list[list[tuple[float, float]]], key: str, hand: Hand, share: float = 1.0) -> list[Piece]:
    """Return the shape in this hand's own form."""
    rng = hand.form(key)
    own = []
    bias = rng.normal(0.0, 0.5 * hand.distortion, 4)
    for piece in shape:
        points = np.array(piece, dtype=np.float64)
        points += rng.normal(0.0, share * hand.distortion, points.shape)
        centre = points - 0.5
        points += share * np.stack(
            [centre[:, 0] * bias[0] + centre[:, 1] * bias[1], centre[:, 1] * bias[2]], axis=1
        )
        own.append(points)
    return own


def _stretch(piece: Piece, hand: Hand, capital: bool) -> Piece:
    x, y = piece[:, 0] * hand.width, piece[:, 1].copy()
    if capital:
        return np.stack([x * hand.capital, y * hand.capital * (0.6 + 0.4 * hand.ascender)], axis=1)
    y = np.where(y > 1.1, 1.1 + (y - 1.1) * hand.ascender, y)
    y = np.where(y < -0.1, -0.1 + (y + 0.1) * hand.descender, y)
    return np.stack([x, y], axis=1)


def _latin(draft: _Draft, text: Text, hand: Hand) -> float:
    """Write words from left to right, dots and bars last, and return where the line ends."""
    pen = 0.0
    for number, word in enumerate(text.words):
        late: list[tuple[Piece, int]] = []
        for place, glyph in enumerate(word):
            name = glyph.shapes[0][0]
            pieces = _letter(name, f"{number}.{place}", place, len(word), hand)
            joined = place > 0 and hand.form(f"join {number}.{place}").random() < hand.joining
            unit, capital = draft.units, name in CAPITALS
            draft.units += 1
            for i, piece in enumerate(pieces):
                moved = piece + (pen, 0.0)
                if i and not capital:
                    late.append((moved, unit))
                else:
                    draft.add(moved, joined=joined and i == 0, unit=unit)
            reach = float(np.concatenate(pieces)[:, 0].max()) if capital else float(pieces[0][-1, 0])
            pen += reach + hand.gap * (1.0 if joined else 1.3)
        for piece, unit in late:
            draft.add(piece, joined=False, unit=unit)
        if len(word) == 1 and hand.form("dot").random() < 0.5 and number + 1 < len(text.words):
            draft.add(np.array([[pen + 0.1, 0.06], [pen + 0.16, 0.0]]), joined=False, unit=draft.units - 1)
        pen += hand.word_gap
    return pen - hand.word_gap


def _letter(name: str, where: str, place: int, letters: int, hand: Hand) -> list[Piece]:
    capital = name in CAPITALS
    if (
        not capital
        and letters > 3
        and hand.form(f"neglect {where}").random() < hand.neglect * place / letters * 1.4
    ):
        rng = hand.form(f"wave {where}")
        top = rng.uniform(0.25, 0.8) * (1.8 if name in "bdfhklt" and rng.random() < 0.6 else 1.0)
        wave = [[0.0, rng.uniform(0.0, 0.3)], [rng.uniform(0.2, 0.5), top], [rng.uniform(0.5, 0.9), 0.0]]
        return [np.array(wave) * (hand.width, 1.0)]
    shape = (CAPITALS if capital else SMALL)[name]
    return [_stretch(piece, hand, capital) for piece in _own(shape, name, hand, 1.3 if capital else 1.0)]


def _chinese(draft: _Draft, text: Text, hand: Hand) -> float:
    """Write characters of about four units; the hand shifts and stretches parts, joins and bends strokes."""
    pen = 0.0
    for number, glyph in enumerate(text.words[0]):
        form = hand.form(f"character {number}")
        width, height = 4.0 * hand.width**0.5 * form.uniform(0.75, 1.2), 4.0 * form.uniform(0.8, 1.2)
        base = form.normal(0.0, 0.25)
        for order, (name, (x, y, w, h)) in enumerate(glyph.shapes):
            shift = form.normal(0.0, 0.05, 2)
            stretch = np.exp(form.normal(0.0, 0.1, 2))
            for piece in _own(PARTS[name], f"{number} {order} {name}", hand, 0.75):
                points = np.array([x, y]) + shift + (piece - 0.5) * stretch * (w, h) + np.array([w, h]) * 0.5
                points[:, 1] += hand.rise * points[:, 0]
                joined = len(points) > 1 and form.random() < 0.45 * hand.joining**2
                draft.add(points * (width, height) + (pen, base), joined=joined, unit=draft.units)
        draft.units += 1
        pen += width + 2.0 * hand.gap + 0.25 * hand.word_gap
    return pen


def _headline(draft: _Draft, text: Text, hand: Hand) -> float:
    """Hang letters from a head line, which is drawn after each word."""
    pen = 0.0
    for number, word in enumerate(text.words):
        start = pen
        for glyph in word:
            for name, _ in glyph.shapes:
                shape = {**HANGING, **MARKS}[name]
                for piece in _own(shape, name, hand):
                    joined = hand.form(f"join {name}").random() < 0.5 * hand.joining
                    points = piece * (1.7 * hand.width, 2.0) + (pen, 0.0)
                    draft.add(points, joined=joined, unit=draft.units)
            draft.units += 1
            pen += 1.7 * hand.width * 0.9 + hand.gap
        ends = hand.form(f"head line {number}").uniform(0.1, 0.5, 2)
        middle = [0.5 * (start + pen), 2.0 + hand.form("bow").normal(0.0, 0.08)]
        head = np.array([[start - ends[0], 2.0], middle, [pen + ends[1], 2.0]])
        draft.add(head, joined=False, unit=draft.units)
        draft.units += 1
        pen += hand.word_gap
    return pen


def _paraph(draft: _Draft, text: Text, hand: Hand) -> float:
    """Write an initial, if there is one, and free figures after it."""
    pen = 0.0
    *start, figures = text.words
    if start:
        pen = 0.7 * _latin(draft, Text("latin", tuple(start)), hand)
    for number, glyph in enumerate(figures):
        name, (_, _, turns, _) = glyph.shapes[0]
        piece = figure(name, int(turns), hand.form(f"figure {number} {name}")) * (hand.width, 1.0)
        joined = number > 0 or hand.form("join paraph").random() < hand.joining
        draft.add(piece + (pen, 0.0), joined=joined, unit=draft.units)
        draft.units += 1
        pen = float(np.mean([piece[-1, 0], piece[:, 0].max()])) + pen
    return pen
