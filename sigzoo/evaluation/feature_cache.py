"""Features kept between runs, by what they were computed with and by the digest of each image's file."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigzoo.artifacts.home import cache_home
from sigzoo.common.atomic import write_bytes
from sigzoo.data.npz import open_npz
from sigzoo.errors import DataError, SigzooError

__all__ = ["FeatureCache"]

Rows = NDArray[np.float32]

_DIGEST = 32
"""Bytes of a SHA-256."""


class FeatureCache:
    """Rows of features in files that are written once and never changed.

    Each file of a folder holds the rows of some images; which images is in it. So several processes may
    write at a time, and a killed one leaves nothing half done. A file that is damaged counts for nothing.

    Parameters
    ----------
    folder
        By default ``features`` in the cache of sigzoo (`SIGZOO_HOME`).
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = cache_home() / "features" if folder is None else folder

    def place(self, name: str, made_with: Mapping[str, Any]) -> Path:
        """The folder of features of one kind.

        Parameters
        ----------
        name
            For a reader: the model and the layer.
        made_with
            All that decides features beside the image, as plain data.
        """
        words = json.dumps(made_with, sort_keys=True, default=str)
        return self.folder / f"{name}-{hashlib.sha256(words.encode()).hexdigest()[:32]}"

    def read(self, place: Path, wanted: Sequence[bytes]) -> dict[bytes, Rows]:
        """Rows that are kept of these images, by the SHA-256 of each image's file."""
        missing, found = set(wanted), dict[bytes, Rows]()
        for file in sorted(place.glob("*.npz")) if place.is_dir() else ():
            if not missing:
                break
            part = _read(file, missing)
            found.update(part)
            missing -= part.keys()
        return found

    def write(self, place: Path, digests: Sequence[bytes], rows: Rows) -> None:
        """Keep rows ``(N, D)`` of images; where they cannot be kept the run goes on without.

        Raises
        ------
        SigzooError
            Never for a full disk or a folder that cannot be written: those rows are computed again.
        """
        if not digests:
            return
        joined = b"".join(digests)
        content = io.BytesIO()
        np.savez(content, digests=np.frombuffer(joined, np.uint8).reshape(-1, _DIGEST), features=rows)
        try:
            place.mkdir(parents=True, exist_ok=True)
            name = hashlib.sha256(joined).hexdigest()[:32]
            write_bytes(place / f"{name}.npz", content.getvalue(), durable=False)
        except (OSError, SigzooError):
            return


def _read(file: Path, wanted: set[bytes]) -> dict[bytes, Rows]:
    """Those rows of a file that are wanted; none of a damaged one."""
    try:
        with open_npz(file) as arrays:
            digests = arrays["digests"].read()
            keys = [bytes(each) for each in digests]
            places = [place for place, key in enumerate(keys) if key in wanted]
            if not places:
                return {}
            rows = arrays["features"].take(np.array(places, np.int64))
    except (DataError, KeyError, OSError, ValueError):
        return {}
    if digests.dtype != np.uint8 or digests.shape[1:] != (_DIGEST,) or rows.dtype != np.float32:
        return {}
    return {keys[place]: row for place, row in zip(places, rows, strict=True)}
