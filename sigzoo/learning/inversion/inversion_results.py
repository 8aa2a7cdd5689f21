"""What an inversion leaves beside the images: the log, a description, the contact sheet, and how it went."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigzoo.learning.files import write_whole

__all__ = ["BatchResult", "InversionResult", "beside", "write_description", "write_log", "write_sheet"]


@dataclass(frozen=True)
class BatchResult:
    """One finished batch; a row of the log. The terms are those of the images as kept, unweighted."""

    batch: int
    """From 0."""
    images: int
    cross_entropy: float
    tv_l1: float
    tv_l2: float
    l2: float
    statistics: float
    competition: float | None
    """1 - JS(teacher, student); `None` without a student."""
    as_wanted: int
    """Images that the teacher gives to the wanted writer."""
    student_differs: int | None
    """Images that the student gives to another writer than the teacher does."""
    seconds: float

    def to_array(self) -> NDArray[np.float64]:
        """All fields but the number, NaN for `None`."""
        values = asdict(self)
        return np.array([np.nan if values[key] is None else values[key] for key in MEASURES], np.float64)

    @classmethod
    def from_array(cls, batch: int, values: NDArray[np.float64]) -> BatchResult | None:
        """What `to_array` wrote; `None` if it cannot have."""
        found: dict[str, Any] = {
            key: None if np.isnan(value) else float(value)
            for key, value in zip(MEASURES, values, strict=True)
        }
        unknown = {key for key, value in found.items() if value is None}
        if np.isinf(values).any() or not unknown <= {"competition", "student_differs"}:
            return None
        for key in ("images", "as_wanted", "student_differs"):
            found[key] = None if found[key] is None else int(found[key])
        return cls(batch=batch, **found)


MEASURES = tuple(each.name for each in fields(BatchResult) if each.name != "batch")


@dataclass(frozen=True)
class InversionResult:
    """What came of an inversion."""

    data: Path
    """The ``.npz``: ``x`` ``(N, 1, h, w)``, ``y`` int64 ``(N,)``, ``yforg`` int64, all 0."""
    log: Path
    """A row for each batch."""
    description: Path
    """JSON: settings, digests of the networks, the licence of the teacher's weights, and how it went."""
    sheet: Path | None
    images: int
    writers: int
    agreement: float
    """Percentage of the images that the teacher gives to the wanted writer."""
    disagreement: float | None
    """Percentage that the student gives to another writer than the teacher does; `None` without one."""
    batches: tuple[BatchResult, ...]

    @property
    def seconds(self) -> float:
        """Time that the batches took, over all runs."""
        return sum(each.seconds for each in self.batches)


def beside(output: Path, suffix: str) -> Path:
    """The name of a file that accompanies a result: ``data.npz`` has ``data.inversion.csv``."""
    return output.with_name(f"{output.stem}.inversion.{suffix}")


def write_log(path: Path, batches: Sequence[BatchResult]) -> None:
    """Write a row for each batch, numbers with all their digits."""
    text = io.StringIO()
    writer = csv.DictWriter(text, ["batch", *MEASURES], lineterminator="\n")
    writer.writeheader()
    for batch in batches:
        writer.writerow({key: "" if value is None else value for key, value in asdict(batch).items()})
    write_whole(path, text.getvalue().encode())


def write_description(path: Path, content: dict[str, Any]) -> None:
    """Write the JSON that says what the images are."""
    write_whole(path, f"{json.dumps(content, indent=2, ensure_ascii=False)}\n".encode())


def write_sheet(path: Path, rows: Sequence[Sequence[NDArray[np.uint8]]]) -> None:
    """Draw images as ink on paper, a row for each writer.

    Parameters
    ----------
    path
        A PNG file.
    rows
        Images uint8 ``(h, w)``, ink bright on 0.

    Raises
    ------
    SigzooError
        If it cannot be written.
    """
    from sigzoo.imaging.contact_sheet import contact_sheet
    from sigzoo.synthesis.export import png_bytes

    inked = [[np.asarray(255 - image, np.uint8) for image in row] for row in rows]
    write_whole(path, png_bytes(contact_sheet(inked)))
