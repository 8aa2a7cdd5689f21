"""`build_index`: features on disk into an index, in constant memory; lists by k-means, recall measured."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from sigzoo.common.atomic import whole_folder, write_error
from sigzoo.data.feature_blocks import FeatureBlock, FeatureFiles
from sigzoo.errors import DataError, SigzooError, UsageError
from sigzoo.search.facts import IndexFacts, Recall
from sigzoo.search.files import CENTROIDS, ENTRIES, LISTS, MANIFEST, OFFSETS, ROWS, VECTORS, ArrayFile
from sigzoo.search.index import FeatureIndex, prepared
from sigzoo.search.lists import assigned, centroids_of
from sigzoo.search.nearest import Metric

__all__ = ["Built", "build_index"]

_RECALL_K = 10
_RECALL_SAMPLE = 200
_TRAINED_ON_BYTES = 96 << 20
"""Vectors that centroids are computed of."""


@dataclass(frozen=True)
class Built:
    """An index that was made."""

    count: int
    size: int
    kind: str
    lists: int
    probes: int
    recall: float
    """Of the 10 nearest, with so many probes; 1 where all is compared."""


@dataclass(frozen=True)
class _Plan:
    files: FeatureFiles
    metric: Metric
    part_weights: list[tuple[int, float]]
    folder: Path
    progress: Callable[[int], object]


def build_index(
    files: FeatureFiles,
    folder: Path,
    *,
    kind: str = "exact",
    metric: Metric = "cosine",
    part_weights: Mapping[int, float] | None = None,
    lists: int | None = None,
    recall: float = 0.99,
    progress: Callable[[int], object] = lambda done: None,
) -> Built:
    """Make an index of features.

    Parameters
    ----------
    files
        The features.
    folder
        Where to; must be free. It appears when the index is whole.
    kind
        ``exact``, or ``ivf``: vectors in lists by their nearest centroid (an inverted file), of which a
        search looks into some.
    metric
        What is near: ``cosine``, or ``euclidean``.
    part_weights
        First column -> weight, as the model's score has them.
    lists
        How many; the square root of the number of images by default.
    recall
        For ``ivf``: so many lists are looked into by default that of the 10 nearest this share is found,
        in the mean over a sample of the images, each sought among all others.
    progress
        Told how many more images are done, each twice with lists.

    Returns
    -------
    Built
        What the index holds, and how it was measured.

    Raises
    ------
    UsageError
        If an argument is out of range, or there are too few images for so many lists.
    DataError
        If features are damaged, or for cosines a row is zero.
    SigzooError
        If the folder is there, or cannot be written.
    """
    if kind not in ("exact", "ivf"):
        raise UsageError(f"An index is 'exact' or 'ivf', not {kind!r}.")
    if not 0 < recall <= 1:
        raise UsageError(f"A recall is above 0 and at most 1, not {recall:g}.")
    count = 0 if kind == "exact" else max(1, round(files.count**0.5)) if lists is None else lists
    if kind == "ivf" and not 0 < count <= files.count:
        raise UsageError(f"{files.count} images cannot be in {count} lists; take fewer lists.")
    with whole_folder(folder, failure=_unwritable) as beside:
        weights = [(column, float(weight)) for column, weight in sorted((part_weights or {}).items())]
        plan = _Plan(files, metric, weights, beside, progress)
        written = _write_entries(plan)
        facts = _facts(plan, "exact", written)
        if kind == "ivf":
            _sort_into_lists(plan, facts, count)
            facts = _facts(plan, "ivf", written, lists=count, probes=1)
            facts = _with_recall(plan, facts, recall)
        content = json.dumps(_plain(facts), indent=2) + "\n"
        (beside / MANIFEST).write_text(content, encoding="utf-8")
    measured = next((each.recall for each in facts.recall if each.probes == facts.probes), 1.0)
    return Built(facts.count, facts.size, facts.kind, facts.lists, facts.probes, measured)


def _plain(facts: IndexFacts) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(facts)
    return found


def _facts(plan: _Plan, kind: str, entries_bytes: int, **more: Any) -> IndexFacts:
    from sigzoo import __version__

    return IndexFacts(
        format=1,
        kind=kind,  # type: ignore[arg-type]
        metric=plan.metric,
        part_weights=plan.part_weights,
        count=plan.files.count,
        size=plan.files.size,
        entries_bytes=entries_bytes,
        provenance=dict(plan.files.provenance),
        sigzoo_version=__version__,
        **more,
    )


def _write_entries(plan: _Plan) -> int:
    """Write vectors in their order, and what is known of each image; returns the bytes of the latter."""
    folder, at, count = plan.folder, 0, 0
    with (
        (folder / VECTORS).open("wb") as vectors,
        (folder / ENTRIES).open("wb") as entries,
        (folder / OFFSETS).open("wb") as offsets,
    ):
        offsets.write(np.array([0], "<i8").tobytes())
        for block in plan.files.blocks():
            rows = prepared(block.features, plan.metric, plan.part_weights)
            vectors.write(rows.astype("<f4", copy=False).data)
            lines = list(_lines(block))
            ends = at + np.cumsum([len(line) for line in lines], dtype=np.int64)
            entries.writelines(lines)
            offsets.write(ends.astype("<i8").tobytes())
            at, count = int(ends[-1]), count + len(lines)
            plan.progress(len(lines))
    if count != plan.files.count:
        raise DataError(f"The files say that they hold {plan.files.count} rows, and hold {count}.")
    return at


def _lines(block: FeatureBlock) -> Iterator[bytes]:
    names = list(block.columns)
    for place, path in enumerate(block.files):
        others = {name: block.columns[name][place] for name in names if name != "path"}
        yield json.dumps({"path": path, **others}, default=str).encode() + b"\n"


def _sort_into_lists(plan: _Plan, facts: IndexFacts, lists: int) -> None:
    """Put the vectors into the order of lists, through a second file."""
    folder = plan.folder
    vectors = ArrayFile(folder / VECTORS, "<f4", (facts.count, facts.size))
    try:
        centroids = centroids_of(_sample(vectors, lists), lists)
        centroids.astype("<f4", copy=False).tofile(folder / CENTROIDS)
        with (folder / "assigned.i32").open("w+b") as kept, (folder / "sorted.f32").open("w+b") as target:
            sizes = np.zeros(lists, np.int64)
            for _, rows in _blocks(vectors):
                which = assigned(rows, centroids)
                kept.write(which.astype("<i4").tobytes())
                sizes += np.bincount(which, minlength=lists)
                plan.progress(len(rows))
            starts = np.concatenate([[0], np.cumsum(sizes)])
            starts.astype("<i8").tofile(folder / LISTS)
            kept.seek(0)
            with (folder / ROWS).open("w+b") as numbers:
                _place(vectors, kept, starts[:-1].copy(), target, numbers)
    finally:
        vectors.close()
    (folder / "assigned.i32").unlink()
    (folder / "sorted.f32").replace(folder / VECTORS)


def _place(
    vectors: ArrayFile, kept: IO[bytes], free: NDArray[np.int64], target: IO[bytes], numbers: IO[bytes]
) -> None:
    """Write each vector, and its number, to the next free place of its list."""
    width = 4 * vectors.shape[1]
    for start, rows in _blocks(vectors):
        which = np.frombuffer(kept.read(4 * len(rows)), "<i4")
        order = np.argsort(which, kind="stable")
        bounds = np.flatnonzero(np.diff(which[order], prepend=-1, append=-1))
        for begin, end in pairwise(bounds):
            some, own = order[begin:end], which[order[begin]]
            target.seek(int(free[own]) * width)
            target.write(rows[some].data)
            numbers.seek(int(free[own]) * 8)
            numbers.write((start + some).astype("<i8").tobytes())
            free[own] += end - begin


def _blocks(vectors: ArrayFile) -> Iterator[tuple[int, NDArray[np.float32]]]:
    step = max(1, (16 << 20) // (4 * vectors.shape[1]))
    for start in range(0, len(vectors), step):
        yield start, vectors.rows(start, min(start + step, len(vectors)))


def _sample(vectors: ArrayFile, lists: int) -> NDArray[np.float32]:
    """Vectors spread over all, as many as memory may take, at most 256 for each list."""
    most = max(lists, min(256 * lists, _TRAINED_ON_BYTES // (4 * vectors.shape[1])))
    if len(vectors) <= most:
        return vectors.rows(0, len(vectors))
    chosen = np.random.default_rng(0).choice(len(vectors), most, replace=False)
    chosen.sort()
    return np.concatenate([vectors.rows(int(place), int(place) + 1) for place in chosen])


def _with_recall(plan: _Plan, facts: IndexFacts, wanted: float) -> IndexFacts:
    """Measure recall with 1, 2, 4, ... lists until it is that wanted, or all are looked into.

    All of a list is compared, so that a true neighbour is found just where its list is looked into: it is
    enough to know the true neighbours, and the place of each one's list in the order of search.
    """
    index = FeatureIndex(plan.folder, facts)
    try:
        sample = min(_RECALL_SAMPLE, facts.count)
        places = np.random.default_rng(1).choice(facts.count, sample, replace=False)
        own, asked = index.vectors(np.sort(places))
        k = min(_RECALL_K, facts.count - 1)
        nearest = index.numbers(asked, k + 1)
        truth = [_others(row, itself, k) for row, itself in zip(nearest, own, strict=True)]
        needed = index.probes_needed(asked, truth)
    finally:
        index.close()
    measured: list[Recall] = []
    probes = 1
    while True:
        share = float(np.mean(needed <= probes)) if needed.size else 1.0
        measured.append(Recall(probes, share))
        if share >= wanted or probes == facts.lists:
            break
        probes = min(2 * probes, facts.lists)
    return msgspec.structs.replace(facts, probes=probes, recall=measured, recall_k=k, recall_sample=sample)


def _others(numbers: NDArray[np.int64], itself: int, k: int) -> NDArray[np.int64]:
    """Neighbours of an image but itself; where copies put itself out, the last goes."""
    others: NDArray[np.int64] = numbers[numbers != itself][:k]
    return others


def _unwritable(path: Path, error: OSError) -> SigzooError:
    return write_error(path, error)
