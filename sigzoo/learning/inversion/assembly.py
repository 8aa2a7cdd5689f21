"""The result's file, written from the finished batches in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sigzoo.common.atomic import whole_file, write_error
from sigzoo.data import SignatureData
from sigzoo.data.npz_writer import ArrayWriter
from sigzoo.learning.inversion.batch_plan import Plan
from sigzoo.learning.inversion.parts import Parts

__all__ = ["assemble", "sheet_rows"]

_ROWS, _COLUMNS = 12, 8
_CHUNK = 16
"""Images in memory at a time."""


def assemble(parts: Parts, plan: Plan, shape: tuple[int, ...]) -> None:
    """Write the ``.npz`` from the batches, in the published layout; it appears when it is whole.

    Parameters
    ----------
    parts, plan
        The batches, all finished.
    shape
        Of one image: ``(1, h, w)``.

    Raises
    ------
    DataError
        If a batch's file is damaged.
    SigzooError
        If the file cannot be written; the batches stay.
    """
    settings = parts.settings
    labels = np.concatenate(plan.batches) + settings.first_label
    output = settings.output
    advice = f"All images are kept in {parts.folder}; make room and go on with --resume."
    with (
        whole_file(output, failure=partial(write_error, advice=advice)) as file,
        ArrayWriter(file) as arrays,
    ):
        with arrays.open("x", parts.dtype, (len(plan), *shape)) as member:
            for images in _images(parts, plan):
                member.write(np.ascontiguousarray(images, parts.dtype).data)
        arrays.add("y", labels)
        arrays.add("yforg", np.zeros_like(labels))


def sheet_rows(data: Path, plan: Plan) -> list[list[NDArray[np.uint8]]]:
    """Images for a contact sheet, uint8 ``(h, w)``: the first ones of the first writers.

    Raises
    ------
    DataError
        If the file is damaged.
    """
    wanted = np.concatenate(plan.batches)
    rows = []
    with SignatureData(data) as found:
        for writer in plan.writers[:_ROWS]:
            images = found.images(np.flatnonzero(wanted == writer)[:_COLUMNS])[:, 0]
            scaled = images.astype(np.float64) * (255.0 * found.unit_scale)
            rows.append(list(np.rint(scaled).clip(0, 255).astype(np.uint8)))
    return rows


def _images(parts: Parts, plan: Plan) -> Iterator[NDArray[np.generic]]:
    for number, labels in enumerate(plan.batches):
        with parts.reading(number) as part:
            images = part["x"]
            for start in range(0, len(labels), _CHUNK):
                yield images.rows(start, min(start + _CHUNK, len(labels)))
