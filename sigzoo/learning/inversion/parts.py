"""The unfinished inversion: a folder beside the result that holds a file for each finished batch."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sigzoo import __version__
from sigzoo.data import NpzFile, open_npz
from sigzoo.data.npz_writer import ArrayWriter
from sigzoo.errors import DataError, SigzooError, UsageError
from sigzoo.learning.files import write_whole
from sigzoo.learning.inversion.inversion_results import MEASURES, BatchResult, beside
from sigzoo.settings.inversion_settings import InversionSettings

__all__ = ["Parts", "check_places", "read_inversion_settings"]

SETTINGS = "settings.json"


def check_places(settings: InversionSettings, *, resume: bool) -> None:
    """Refuse places that are taken or cannot be written to, before any work is done.

    Raises
    ------
    UsageError
        If a folder does not exist, or there is a result or an unfinished run already; with
        `resume`, if there is none to go on with.
    DataError
        If the ``settings.json`` of the run to go on with is damaged.
    """
    output, folder = settings.output, parts_folder(settings.output)
    for path in (output, settings.plot):
        if path is not None and not path.absolute().parent.is_dir():
            raise UsageError(f"{path}: the folder {path.absolute().parent} does not exist.")
    if resume:
        read_inversion_settings(output)
        return
    for path in (folder, output, beside(output, "csv"), beside(output, "json")):
        if path.exists() and not (path is folder and _holds_nothing(folder)):
            way = "It holds an unfinished inversion: --resume, or choose" if path is folder else "Choose"
            raise UsageError(f"{path} is there already. {way} another file.")


def _holds_nothing(folder: Path) -> bool:
    """Whether a run that began here was stopped before it had written its settings."""
    return folder.is_dir() and all(path.suffix == ".part" for path in folder.iterdir())


def parts_folder(output: Path) -> Path:
    """Where the finished batches of a result are kept."""
    return output.with_name(f"{output.name}.parts")


def read_inversion_settings(output: Path) -> InversionSettings:
    """The settings of the unfinished inversion beside a result.

    Raises
    ------
    UsageError
        If there is none.
    DataError
        If its ``settings.json`` is damaged.
    """
    return _read(output)[0]


def _read(output: Path) -> tuple[InversionSettings, dict[str, str]]:
    """Settings, and digests of the networks."""
    path = parts_folder(output) / SETTINGS
    if not path.is_file():
        what = "it is finished already" if output.exists() else f"there is no {path}"
        raise UsageError(f"{output}: there is no inversion to go on with: {what}.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        values = {**content["settings"], "output": str(output)}
        digests = {str(role): str(digest) for role, digest in content["networks"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{path}: does not hold the settings of an inversion: {error}.") from error
    return InversionSettings.from_json(values, str(path)), digests


@dataclass(frozen=True)
class Parts:
    """The finished batches of one inversion.

    A batch is a small ``.npz`` with ``x`` as the result will hold it, ``y`` (the wanted outputs of
    the head) and ``measures`` (see `BatchResult`).
    """

    settings: InversionSettings
    folder: Path

    @classmethod
    def open(cls, settings: InversionSettings, digests: dict[str, str], *, resume: bool) -> Parts:
        """Begin, or go on.

        Parameters
        ----------
        settings
            What is made.
        digests
            Digest of each network's weights.
        resume
            Whether there must be an unfinished run; see `check_places` for the other case.

        Raises
        ------
        UsageError
            If, with `resume`, there is no run or one with other settings or networks.
        DataError
            If the run's ``settings.json`` is damaged.
        SigzooError
            If nothing can be written there.
        """
        output, folder = settings.output, parts_folder(settings.output)
        if resume:
            before, known = _read(output)
            different = settings.differences(before)
            if different:
                raise UsageError(
                    f"{folder}: the inversion there has other settings: {', '.join(different)}. Go on with"
                    " the same (`sigzoo invert --resume -o FILE` alone takes them from there), or choose"
                    " another file."
                )
            changed = sorted(role for role in digests if digests[role] != known.get(role))
            if changed:
                raise UsageError(
                    f"{folder}: the {' and the '.join(changed)} had other weights when this inversion began."
                    " Choose another file."
                )
            return cls(settings, folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SigzooError(f"{folder}: cannot be made: {error.strerror or error}.") from error
        content = {"sigzoo_version": __version__, "settings": settings.to_json(), "networks": digests}
        write_whole(folder / SETTINGS, f"{json.dumps(content, indent=2, ensure_ascii=False)}\n".encode())
        return cls(settings, folder)

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Of the images as they are kept."""
        return np.dtype(np.uint8 if self.settings.uint8 else np.float32)

    def path(self, number: int) -> Path:
        """The file of a batch."""
        return self.folder / f"batch-{number:06d}.npz"

    def keep(self, result: BatchResult, images: NDArray[np.generic], labels: NDArray[np.int64]) -> None:
        """Write a finished batch, whole or not at all.

        Raises
        ------
        SigzooError
            If it cannot be written; what is finished stays.
        """
        content = io.BytesIO()
        with ArrayWriter(content) as arrays:
            for name, values in (("x", images), ("y", labels), ("measures", result.to_array())):
                arrays.add(name, values)
        write_whole(self.path(result.batch), content.getvalue())

    def finished(self, batches: tuple[NDArray[np.int64], ...], shape: tuple[int, ...]) -> list[BatchResult]:
        """What is known of the batches that are finished: the first ones, without a gap.

        Parameters
        ----------
        batches
            The plan's.
        shape
            Of one image.

        Raises
        ------
        DataError
            If a file is damaged or does not belong to the plan.
        """
        results: list[BatchResult] = []
        stored = self.dtype
        for number, labels in enumerate(batches):
            if not self.path(number).exists():
                break
            with self.reading(number) as part:
                measures = part["measures"]
                right = (
                    (part["x"].shape, part["x"].dtype) == ((len(labels), *shape), stored)
                    and part["y"].shape == labels.shape
                    and np.array_equal(part["y"].read(), labels)
                    and (measures.shape, measures.dtype) == ((len(MEASURES),), np.dtype(np.float64))
                )
                result = BatchResult.from_array(number, measures.read()) if right else None
                if result is None:
                    raise DataError(f"{part.path}: is not batch {number} of this inversion.")
                results.append(result)
        return results

    @contextmanager
    def reading(self, number: int) -> Iterator[NpzFile]:
        """Open the file of a batch for a block.

        Raises
        ------
        DataError
            If it is damaged, however late that is found; says what to do.
        """
        try:
            with open_npz(self.path(number)) as part:
                yield part
        except DataError as error:
            raise DataError(f"{error} Remove it and go on with --resume.") from error

    def remove(self) -> None:
        """Remove the folder; what cannot be removed stays."""
        shutil.rmtree(self.folder, ignore_errors=True)
