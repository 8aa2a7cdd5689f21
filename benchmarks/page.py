"""Tables of what `run.py` measured, in Markdown, and their place in a page."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any

import budgets
import measured_part
from measured_part import END, begin

__all__ = ["BEGIN", "END", "replaced", "tables"]

BEGIN = begin("run.py")


def replaced(text: str, found: dict[str, Any]) -> str:
    """A page with its measured part replaced."""
    return measured_part.replaced(text, "run.py", tables(found))


def tables(found: dict[str, Any]) -> str:
    """All parts that were measured, and on what."""
    made = [_machine(found), *_budgets(found)]
    made += [write(found[part]) for part, write in _PARTS.items() if part in found]
    return "\n".join(made)


def _machine(found: dict[str, Any]) -> str:
    machine, files = found["machine"], found["files"]
    return (
        f"Measured {machine['date']} on {machine['processor']}, {machine['cores']} cores,"
        f" {machine['memory_gb']} GB, with {machine['load']} programs at work on average when it began;"
        f" Python {machine['python']}, torch {machine['torch']}, numpy {machine['numpy']}. One core"
        f" multiplies float32 matrices at {machine['gflops']} GFLOPS and copies {machine['gbytes']} GB/s."
        f" {files['scans']} scans of 0.1 to 1 megapixel; files to features: {files['images']} images."
        f" {_gpu(machine.get('gpu'))}\n"
    )


def _gpu(name: str | None) -> str:
    return f"GPU: {name}." if name else "There was no GPU."


def _budgets(found: dict[str, Any]) -> list[str]:
    rows = budgets.rows(found)
    head = ["files to features", "asked at least", "measured", "by", "features"]
    return [
        _table("What was asked: times the published program, where nothing else is said", head, rows)
    ] * bool(rows)


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    text = "\n".join(
        "| " + " | ".join("" if cell is None else str(cell) for cell in line) + " |" for line in lines
    )
    return f"**{title}**\n\n{text}\n"


def _preparation(part: dict[str, Any]) -> str:
    times = part["milliseconds"]
    peer = times.get("published program")
    rows = [
        [
            name,
            f"{statistics.median(column):.2f}",
            f"{statistics.fmean(column):.2f}",
            f"{max(column):.2f}",
            _ratio(peer, column) if peer and name not in _NOT_PREPROCESSING else None,
        ]
        for name, column in times.items()
    ]
    head = ["", "median", "mean", "slowest", "times the published program"]
    return _table("Decoding, looking, preprocessing: ms of one core an image", head, rows)


_NOT_PREPROCESSING = {"Pillow decodes", "read_image", "look", "published program"}


def _ratio(peer: list[float], column: list[float]) -> str:
    return f"{statistics.median(a / b for a, b in zip(peer, column, strict=True)):.1f}"


def _who(row: dict[str, Any]) -> list[object]:
    return [row["model"], row["runtime"], row["precision"]]


_WHO = ["model", "runtime", "precision"]


def _forward(rows: list[dict[str, Any]]) -> str:
    lines = [
        [*_who(row), f"{row['ms']:.2f}", row.get("floor_ms"), _part(row.get("floor_ms"), row["ms"])]
        for row in rows
    ]
    head = [*_WHO, "ms", "floor, float32", "of the peak"]
    return _table("Forward pass, batches of 32: ms of one core an image", head, lines)


def _part(floor: float | None, taken: float) -> str | None:
    return None if floor is None else f"{floor / taken:.0%}"


def _features(rows: list[dict[str, Any]]) -> str:
    lines = [
        [
            *_who(row),
            f"{row['images_per_s']:.1f}",
            f"{row['cores_ms']:.1f}",
            f"{row['times']:.1f}" if "times" in row else None,
            f"{row['times_cores']:.1f}" if "times_cores" in row else None,
            row.get("difference_published"),
            row.get("difference_torch"),
            row.get("cosine_torch"),
        ]
        for row in rows
    ]
    head = [*_WHO, "images/s", "ms of cores", "times faster", "times less of cores"]
    return _table("Files to features", [*head, "from published", "from torch", "cosine, torch"], lines)


def _cores(rows: list[dict[str, Any]]) -> str:
    lines = [
        [
            row["model"],
            row["runtime"],
            *(row[beside][key] for beside in _BESIDE for key in _ONE_AND_ALL),
            *(row.get("apart", {}).get(key) for key in _ONE_AND_ALL[1:]),
        ]
        for row in rows
    ]
    head = ["model", "runtime", "one core", "all", "ratio", "beside: one core", "all", "ratio"]
    head += ["programs apart", "ratio"]
    title = "Files a second on one core and on all; alone, and beside a busy process"
    return _table(title, head, lines)


_BESIDE, _ONE_AND_ALL = ("alone", "beside one"), ("one", "all", "ratio")


def _corpus(part: dict[str, Any]) -> str:
    commits = {"now": part["now"], f"commit {part['earlier_commit']}": part.get("earlier")}
    lines = [
        [name, row["images_per_s"], row["drawing_ms"], row["synsig_ms"]]
        for name, row in commits.items()
        if row is not None
    ]
    head = ["", "images/s and core", "drawing, ms", "synsig, ms"]
    return _table("A training corpus of the bundled models", head, lines)


def _start(rows: list[dict[str, Any]]) -> str:
    lines = [
        [
            row["model"],
            row["runtime"],
            row["seconds"],
            row["cores_s"],
            row["first_s"],
            "yes" if row["imports_torch"] else "no",
        ]
        for row in rows
    ]
    head = ["model", "runtime", "seconds", "seconds of cores", "the very first time", "imports torch"]
    return _table("`sigzoo embed` of one image, the whole command", head, lines)


def _memory(rows: list[dict[str, Any]]) -> str:
    lines = [
        [
            row["model"],
            row["runtime"],
            row["loaded_mb"],
            row["peak_mb"],
            "yes" if row["imports_torch"] else "no",
        ]
        for row in rows
    ]
    head = ["model", "runtime", "MB, loaded", "MB, most", "imports torch"]
    return _table("Memory of one process that embeds on one core, without shared libraries", head, lines)


_PARTS: dict[str, Callable[[Any], str]] = {
    "preparation": _preparation,
    "forward": _forward,
    "features": _features,
    "cores": _cores,
    "corpus": _corpus,
    "start": _start,
    "memory": _memory,
}
