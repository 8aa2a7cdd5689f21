"""A picture of an answer: the signatures, and where the score lies among those of the calibration's sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np

from sigzoo.common.messages import counted
from sigzoo.imaging import ImageSource
from sigzoo.imaging.figures import draw_thumbnail, new_figure, save_figure, thumbnail
from sigzoo.verification.calibration import LEVELS, ReferenceCount
from sigzoo.verification.verification import Verification
from sigzoo.verification.wording import answer_fields

__all__ = ["MAX_QUESTIONED", "draw_verification"]

MAX_QUESTIONED, _MAX_REFERENCES = 12, 10
"""Signatures that a picture shows so that one sees them; of more references the first are shown."""

_COLOURS = {"genuine": "#2c7fb8", "skilled": "#d95f0e", "random": "#888888"}
_NAMES = {"genuine": "genuine", "skilled": "skilled forgeries", "random": "random forgeries"}
_DECIDED = {"genuine": "#1a7a3a", "not genuine": "#b02020", "inconclusive": "#8a6d00", None: "#444444"}
_BINS = 60
_LEADING = 0.155
"""Inches from one line of text to the next."""


def draw_verification(
    path: Path,
    references: Sequence[ImageSource],
    questioned: Sequence[ImageSource],
    answers: Sequence[Verification],
    count: ReferenceCount | None,
) -> None:
    """Draw references, questioned signatures with what was found, and the calibration's scores.

    Parameters
    ----------
    path
        File to write.
    references, questioned
        The images.
    answers
        One for each questioned image.
    count
        The calibration that the answers come from; without it there are no scores to draw.

    Raises
    ------
    UsageError
        If matplotlib is not installed or the suffix is none that figures have.
    """
    shown = list(references)[:_MAX_REFERENCES]
    columns = 5
    rows = -(-len(shown) // columns)
    texts = [_lines(answer) for answer in answers]
    line = max(1.0, 0.4 + _LEADING * max(map(len, texts)))
    width, row, chart = 9.0, 1.05, 2.6 if count else 0.0
    height = 0.75 + rows * row + 0.3 + len(questioned) * line + chart + (1.1 if count else 0.1)
    figure = new_figure(width, height)

    def area(left: float, top: float, wide: float, high: float) -> Any:
        return figure.add_axes((left / width, 1 - (top + high) / height, wide / width, high / height))

    def write(left: float, top: float, text: str, **style: Any) -> None:
        figure.text(left / width, 1 - top / height, text, va="top", parse_math=False, **style)

    first = answers[0]
    write(0.15, 0.1, f"Verification with {first.model}, layer {first.layer}", fontsize=11, weight="bold")
    left_out = f"; the first {len(shown)} are shown" if len(shown) < len(references) else ""
    write(0.15, 0.42, f"{counted(len(references), 'reference')}{left_out}", fontsize=8, color="0.35")
    top = 0.62
    for number, image in enumerate(shown):
        down, across = divmod(number, columns)
        axes = area(0.15 + across * 1.75, top + 0.14 + down * row, 1.6, row - 0.22)
        draw_thumbnail(axes, thumbnail(image), first.references[number], 1.0)
    top += rows * row + 0.12
    write(0.15, top, "questioned", fontsize=8, color="0.35")
    top += 0.2
    for number, (image, answer) in enumerate(zip(questioned, answers, strict=True)):
        draw_thumbnail(area(0.15, top + 0.14, 1.6, 0.76), thumbnail(image), answer.questioned, 1.0)
        decided = answer.decision or "no decision"
        mark = f"{number + 1}  " if len(answers) > 1 else ""
        write(
            1.95, top + 0.08, f"{mark}{decided}", fontsize=10, weight="bold", color=_DECIDED[answer.decision]
        )
        for place, text in enumerate(texts[number]):
            write(1.95, top + 0.31 + _LEADING * place, text, fontsize=7.5)
        top += line
    if count is not None:
        _draw_scores(area(0.55, top + 0.28, width - 0.8, chart), answers, count)
    save_figure(figure, path)


def _lines(answer: Verification) -> list[str]:
    found = [(label, text) for label, text in answer_fields(answer) if label != "decision"]
    parts = [wrap(f"{label}: {text}", 116, subsequent_indent="    ") for label, text in found[:4]]
    return [line for part in parts for line in part]


def _draw_scores(axes: Any, answers: Sequence[Verification], count: ReferenceCount) -> None:
    """Draw how often scores occur, the threshold, and the questioned signatures' scores."""
    quantiles: dict[str, list[float]] = {"genuine": count.genuine}
    quantiles.update({str(kind): each for kind, each in count.impostor.items()})
    scores = [each.score for each in answers]
    low = min([each[0] for each in quantiles.values()] + scores)
    high = max([each[-1] for each in quantiles.values()] + scores)
    edges = np.linspace(low, high, _BINS + 1)
    for kind, each in quantiles.items():
        share = np.diff(np.interp(edges, each, LEVELS, left=0.0, right=1.0))
        share[0] += np.interp(edges[0], each, LEVELS, left=0.0)
        axes.stairs(100 * share, edges, color=_COLOURS[kind], fill=True, alpha=0.28)
        axes.stairs(100 * share, edges, color=_COLOURS[kind], label=f"{_NAMES[kind]}, % of them")
    line = answers[0].threshold
    if line is not None:
        axes.axvline(
            line.value, color="black", linestyle="--", linewidth=1, label=f"threshold {line.value:.3f}"
        )
    top = axes.get_ylim()[1]
    for number, answer in enumerate(answers):
        colour = _DECIDED[answer.decision]
        axes.axvline(answer.score, color=colour, linewidth=1.8)
        name = str(number + 1) if len(answers) > 1 else "questioned"
        axes.annotate(
            name,
            (answer.score, top),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            color=colour,
            fontsize=8,
        )
    axes.set_xlabel(f"score ({answers[0].score_name}); the calibration's sets", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.set_xlim(low - 0.01 * (high - low), high + 0.01 * (high - low))
    axes.legend(fontsize=7, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=4)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
