"""Nearest signatures among millions: an index of features on disk, built and searched in constant memory.

An index is a folder of plain numbers and JSON, and no file of a library's own format: nothing in it is ever
unpickled or executed, and every size in it is checked before it is used. FAISS, where it is installed,
computes (`faiss.knn`, k-means) and reads no file; without it numpy does, and gives the same neighbours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigzoo.common.lazy import lazy_names

if TYPE_CHECKING:
    from sigzoo.search.build import Built, build_index
    from sigzoo.search.index import FeatureIndex, Match, matches_data, open_index

__all__ = ["Built", "FeatureIndex", "Match", "build_index", "matches_data", "open_index"]

__getattr__ = lazy_names(
    __name__,
    {
        "Built": "build",
        "FeatureIndex": "index",
        "Match": "index",
        "build_index": "build",
        "matches_data": "index",
        "open_index": "index",
    },
)
