"""Labels that all training data have, and several data sets as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sigzoo.interfaces.data_sources import FORGER, WRITER
from sigzoo.learning.data.in_memory import TrainingData

__all__ = ["join", "with_common_labels"]

_MEANINGS = frozenset({"role", "simple"})
"""Labels whose numbers mean the same in all data; those of any other tell apart within one data set."""

Numbers = NDArray[np.int64]


def with_common_labels(data: TrainingData) -> TrainingData:
    """Number the labels without gaps, and add those that the source does not define.

    ``hand``: a writer, and all who forged his signature, together; ``family``: a writer with his forgers;
    ``role``: writer or forger.
    """
    labels = {
        name: values if name in _MEANINGS else _numbered(values) for name, values in data.labels.items()
    }
    labels.setdefault("hand", _numbered(2 * data.writers + data.forged))
    labels.setdefault("family", data.writers)
    labels.setdefault("role", np.where(data.forged == 1, FORGER, WRITER).astype(np.int64))
    return replace(data, labels=labels)


def join(parts: Sequence[TrainingData]) -> TrainingData:
    """Several data sets as one, whose label ``part`` numbers them; writers are told apart across them.

    Of labels those are kept that all parts have.
    """
    names = [name for name in parts[0].labels if all(name in each.labels for each in parts)]
    labels = {name: _joined([each.labels[name] for each in parts], name in _MEANINGS) for name in names}
    lengths = [len(each) for each in parts]
    labels["part"] = np.repeat(np.arange(len(parts)), lengths)
    return TrainingData(
        pixels=parts[0].pixels if len(parts) == 1 else np.concatenate([each.pixels for each in parts]),
        sizes=np.concatenate([each.sizes for each in parts]),
        writers=_joined([each.writers for each in parts], meaning=False),
        forged=np.concatenate([each.forged for each in parts]),
        labels=labels,
    )


def _numbered(values: Numbers) -> Numbers:
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


def _joined(parts: Sequence[Numbers], meaning: bool) -> Numbers:
    """Numbers of several data sets; unless they mean the same in all, those of later ones are moved up."""
    if meaning:
        return np.concatenate(parts)
    firsts = np.cumsum([0, *(int(each.max()) + 1 for each in parts[:-1])])
    return np.concatenate([each + first for each, first in zip(parts, firsts, strict=True)])
