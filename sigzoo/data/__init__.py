"""Data files: arrays in npz archives, signatures in them, and features written as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigzoo.common.lazy import lazy_names

if TYPE_CHECKING:
    from sigzoo.data.npz import NpzArray, NpzFile, open_npz
    from sigzoo.data.signature_npz import DataBatch, SignatureData

__all__ = ["DataBatch", "NpzArray", "NpzFile", "SignatureData", "open_npz"]

__getattr__ = lazy_names(
    __name__,
    {
        "DataBatch": "signature_npz",
        "NpzArray": "npz",
        "NpzFile": "npz",
        "SignatureData": "signature_npz",
        "open_npz": "npz",
    },
)
