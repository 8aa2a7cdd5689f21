"""What was asked of speed, and what was measured: a row for each, with the way that did best."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

__all__ = ["rows"]

Row = dict[str, Any]

PUBLISHED, DEFAULT = "signet.pytorch", "synsig-tiny"
EXACT, ALIKE = 1e-4, 0.999
"""How far features in float32 may be from those of the published program, and how alike others must be."""


def rows(found: dict[str, Any]) -> list[list[object]]:
    """Asked, measured, by what, and how exact that is; for what was measured."""
    made = list(_features(found["features"])) if "features" in found else []
    if "corpus" in found and "times" in found["corpus"]:
        commit = found["corpus"]["earlier_commit"]
        times = found["corpus"]["times"]
        made.append(
            [f"training corpus of `synsig` images, beside commit {commit}", 3, f"{times:.1f}", "", ""]
        )
    if "cores" in found:
        for row in found["cores"]:
            for beside, asked in (("alone", 1.8), ("beside one", 1)):
                what = f"{row['model']}: {row['cores']} cores to one, {_COMPANY[beside]}"
                by = row["runtime"]
                if beside == "alone" and "apart" in row:
                    by += f"; programs apart, the most there is: {row['apart']['ratio']:.2f}"
                made.append([what, asked, f"{row[beside]['ratio']:.2f}", by, ""])
    return made


_COMPANY = {"alone": "nothing else at work", "beside one": "beside one busy process"}


def _features(measured: list[Row]) -> Iterator[list[object]]:
    theirs = [row for row in measured if row["runtime"] == "published program"]
    ours = [row for row in measured if row not in theirs]
    signet = [row for row in ours if row["model"] == PUBLISHED and _is_exact(row)]
    exact = [row for row in signet if row["precision"] == "float32"]
    reduced = [row for row in signet if row["precision"] != "float32"]
    torch = [row for row in exact if row["runtime"] == "torch"]
    tiny = [row for row in ours if row["model"] == DEFAULT and _settings(row) == "torch, float32"]
    if theirs:
        for name, asked, ways in (
            ("SigNet, torch float32", 4.5, torch),
            ("SigNet, best float32 runtime", 6, exact),
            ("SigNet, bfloat16 or int8", 9, reduced),
            (f"{DEFAULT}, default settings", 12, tiny),
        ):
            best = max(ways, key=lambda row: row["times"], default=None)
            if best is not None:
                yield [name, asked, f"{best['times']:.1f}", _settings(best), _exactness(best)]
    if tiny and torch:
        pairs = zip(torch[0]["seconds_an_image"], tiny[0]["seconds_an_image"], strict=True)
        ratio = statistics.median(a / b for a, b in pairs)
        name = f"{DEFAULT}, default settings, beside our own SigNet"
        yield [name, 2, f"{ratio:.1f}", _settings(tiny[0]), ""]


def _settings(row: Row) -> str:
    return f"{row['runtime']}, {row['precision']}"


def _is_exact(row: Row) -> bool:
    """Whether a way's features count: not where they are another model's, so to say."""
    if "difference_published" not in row:
        return True
    if row["precision"] == "float32":
        return bool(row["difference_published"] <= EXACT)
    return bool(row["cosine_published"] >= ALIKE)


def _exactness(row: Row) -> str:
    """How far from the published program's features."""
    if "difference_published" not in row:
        return ""
    if row["precision"] == "float32":
        return f"within {row['difference_published']:.0e}"
    return f"cosine {row['cosine_published']:.5f}"
