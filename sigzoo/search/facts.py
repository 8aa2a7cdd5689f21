"""What an index says of itself, in ``index.json``: strict to read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import msgspec

from sigzoo.common.bounded_files import read_bounded
from sigzoo.common.terminal import safe_text
from sigzoo.errors import DataError
from sigzoo.search.files import MANIFEST
from sigzoo.search.nearest import Metric

__all__ = ["IndexFacts", "Recall", "read_facts"]

_MAX_MANIFEST = 1 << 20
_MAX_COUNT = 1 << 40
_MAX_SIZE = 1 << 24


class Recall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What share of the true nearest is found."""

    probes: int
    """Lists that are looked into."""
    recall: float
    """Share of the `k` true nearest that are among the `k` found, mean over the sample."""


class IndexFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``index.json`` says."""

    format: Literal[1]
    kind: Literal["exact", "ivf"]
    """``exact``: all is compared. ``ivf``: vectors in lists by their nearest centroid, of which some are."""
    metric: Metric
    part_weights: list[tuple[int, float]]
    """Weights of columns, as the model's score has them: see `sigzoo.verification`."""
    count: int
    size: int
    entries_bytes: int
    provenance: dict[str, Any]
    """What the features depend on."""
    lists: int = 0
    probes: int = 0
    """Lists that are looked into by default."""
    recall_k: int = 0
    recall_sample: int = 0
    """Images that recall was measured with, each sought among all others."""
    recall: list[Recall] = []
    sigzoo_version: str

    def __post_init__(self) -> None:
        if not (0 < self.count <= _MAX_COUNT and 0 < self.size <= _MAX_SIZE and self.entries_bytes >= 0):
            raise ValueError("its sizes cannot be")
        if self.kind == "ivf" and not (0 < self.lists <= self.count and 0 < self.probes <= self.lists):
            raise ValueError("its lists cannot be")


def read_facts(folder: Path) -> IndexFacts:
    """Read what the ``index.json`` of a folder says.

    Raises
    ------
    DataError
        If there is none, or it is damaged.
    """
    shown = safe_text(folder)
    if not (folder / MANIFEST).is_file():
        raise DataError(
            f"{shown}: is no index of features (there is no {MANIFEST}); `sigzoo index` makes one."
        )
    content = read_bounded(folder / MANIFEST, _MAX_MANIFEST, DataError, f"no {MANIFEST} is")
    try:
        return msgspec.convert(json.loads(content), IndexFacts)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{shown}: its {MANIFEST} is damaged, or of a newer sigzoo: {error}.") from error
