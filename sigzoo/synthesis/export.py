"""Writing synthetic signatures to a folder of images or to one npz file."""

from __future__ import annotations

import os
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from filecmp import cmp
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from sigzoo.common.atomic import remove_leftovers, whole_file, write_bytes, write_error
from sigzoo.common.job_records import begin_or_check
from sigzoo.data.npz_writer import ArrayWriter
from sigzoo.errors import DataError, SigzooError
from sigzoo.imaging.contact_sheet import contact_sheet
from sigzoo.synthesis.generation import DatasetSpec, Sample, SyntheticImage, generate

__all__ = ["check_free", "file_name", "png_bytes", "sheet_of", "write_file", "write_folder", "write_npz"]


JOB = ".synth.json"
"""What a folder that can be gone on with is of."""

_END = b"\0\0\0\0IEND\xaeB`\x82"


class _AlreadyThereError(Exception):
    """What was to be written is there, byte for byte, and is left as it is."""


def file_name(item: SyntheticImage | Sample) -> str:
    """Return the name of an image's file, ``w001_g01.png`` or ``w001_f01.png``."""
    return f"w{item.writer:03d}_{item.kind[0]}{item.index:02d}.png"


def png_bytes(image: NDArray[np.uint8], dpi: float = 300) -> bytes:
    """Encode a grey image; the same pixels give the same bytes.

    Rows are not filtered and compressed quickly. Pillow cannot leave the filters out, which make noisy
    scans larger; its usual level takes several times as long as drawing.
    """
    rows = np.zeros((image.shape[0], image.shape[1] + 1), dtype=np.uint8)
    rows[:, 1:] = image
    dots = round(dpi / 0.0254)
    chunks = [
        (b"IHDR", struct.pack(">2I5B", image.shape[1], image.shape[0], 8, 0, 0, 0, 0)),
        (b"pHYs", struct.pack(">2IB", dots, dots, 1)),
        (b"IDAT", zlib.compress(rows.data, 1)),
        (b"IEND", b""),
    ]
    framed = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def check_free(path: Path, content: bytes) -> bool:
    """Whether a file has still to be written: `False` if it is there with this content.

    Raises
    ------
    DataError
        If there is another file of that name.
    """
    try:
        if not path.exists():
            return True
        if path.is_file() and path.read_bytes() == content:
            return False
    except OSError as error:
        raise _unwritable(path, error) from error
    raise _taken(path)


def write_file(path: Path, content: bytes, *, force: bool = False) -> None:
    """Put a file under its name, whole or not at all.

    Raises
    ------
    DataError
        If there is another file of that name and `force` is not set, or the file cannot be written.
    """
    if force or check_free(path, content):
        _make_folder(path.parent)
        # Not durable: a flush takes longer than drawing, and the same command completes what is missing.
        write_bytes(path, content, durable=False, failure=_unwritable)


def write_folder(
    spec: DatasetSpec,
    folder: Path,
    *,
    force: bool = False,
    resume: Mapping[str, Any] | None = None,
    workers: int = 1,
    progress: Callable[[int], object] = lambda done: None,
) -> int:
    """Write each image as a PNG file; returns how many images there are.

    Files that are there already are looked at before any is written: one with other content stops all,
    one with the same content stays, so that the same command completes what an earlier one began.
    With `resume` they are not drawn again to be compared.

    Parameters
    ----------
    spec
        What to draw.
    folder
        Where to; made if need be.
    force
        Replace files that hold something else.
    resume
        What decides the images beside their numbers, as plain data: it is kept in `JOB`, and where that is
        there and says the same, whole files stay as they are. More writers or signatures may be asked for
        than before.
    workers
        Processes that draw and encode.
    progress
        Called with how many more images are done.

    Raises
    ------
    DataError
        If `folder` is a file; and as `write_file` does.
    UsageError
        If files of the folder are of another job than `resume` says, or it does not say of which.
    SigzooError
        If a process dies; what is written by then are whole files.
    """
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file; images need a folder (or a name that ends in .npz).")
    if resume is not None:
        return _write_missing(spec, folder, resume, workers, progress)
    there = set() if force else {s for s in spec.samples() if (folder / file_name(s)).exists()}
    for present in (True, False):
        samples = (sample for sample in spec.samples() if (sample in there) is present)
        with closing(generate(spec, _encoded, samples=samples, workers=workers)) as files:
            for name, content in files:
                write_file(folder / name, content, force=force)
                progress(1)
    return len(spec)


def _write_missing(
    spec: DatasetSpec,
    folder: Path,
    made_with: Mapping[str, Any],
    workers: int,
    progress: Callable[[int], object],
) -> int:
    """Write the images that are not there, or not whole."""
    begin_or_check(folder, JOB, made_with)
    remove_leftovers(folder)

    def missing() -> Iterator[Sample]:
        for sample in spec.samples():
            if _is_whole(folder / file_name(sample)):
                progress(1)
            else:
                yield sample

    with closing(generate(spec, _encoded, samples=missing(), workers=workers)) as files:
        for name, content in files:
            write_bytes(folder / name, content, durable=False, failure=_unwritable)
            progress(1)
    return len(spec)


def _is_whole(path: Path) -> bool:
    """Whether a PNG of ours is there to its end: a machine that lost its power may leave the name alone."""
    try:
        with path.open("rb") as file:
            file.seek(-len(_END), os.SEEK_END)
            return file.read() == _END
    except OSError:
        return False


def write_npz(
    spec: DatasetSpec,
    path: Path,
    *,
    force: bool = False,
    workers: int = 1,
    progress: Callable[[int], object] = lambda done: None,
) -> int:
    """Write one file in the layout of sigver's data sets; returns the number of images.

    ``x`` uint8 ``(N, 1, H, W)``, each image in the middle of a common white canvas; ``y`` int64, the
    writer; ``yforg`` int64, 0 genuine and 1 skilled forgery; ``user_mapping`` (N writers, 2): writer
    and the number in ``y``; ``filenames``. The images wait on disk, beside the file, until the size of
    the canvas is known, so that they need not fit into memory. For the arguments see `write_folder`.

    Raises
    ------
    DataError
        As `write_file` does.
    SigzooError
        If a process dies; nothing is written then.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder; an .npz is one file. Choose another name.")
    _make_folder(path.parent)
    with (
        suppress(_AlreadyThereError),
        whole_file(path, failure=_unwritable) as file,
        tempfile.TemporaryFile(dir=path.parent) as store,
    ):
        sizes = []
        with closing(generate(spec, _raw, workers=workers)) as items:
            for height, width, pixels in items:
                store.write(pixels)
                sizes.append((height, width))
                progress(1)
        store.seek(0)
        _write_arrays(file, list(spec.samples()), sizes, store)
        file.flush()
        if not force and path.exists():
            raise _AlreadyThereError if cmp(file.name, path, shallow=False) else _taken(path)
    return len(spec)


def sheet_of(spec: DatasetSpec, rows: int = 12, columns: int = 8) -> NDArray[np.uint8]:
    """Return a contact sheet: a row for each writer, the first of them."""
    genuine = min(spec.genuine, columns)
    shown = replace(
        spec,
        writers=min(spec.writers, rows),
        genuine=genuine,
        forgeries=min(spec.forgeries, columns - genuine),
    )
    table: dict[int, list[NDArray[np.uint8]]] = {}
    with closing(generate(shown)) as items:
        for item in items:
            table.setdefault(item.writer, []).append(item.image)
    return contact_sheet(list(table.values()))


def _encoded(item: SyntheticImage) -> tuple[str, bytes]:
    return file_name(item), png_bytes(item.image, item.dpi)


def _raw(item: SyntheticImage) -> tuple[int, int, bytes]:
    return item.image.shape[0], item.image.shape[1], item.image.tobytes()


def _taken(path: Path) -> DataError:
    return DataError(
        f"{path} exists with other content. Choose another place, or pass --force to replace it."
    )


def _unwritable(path: Path, error: OSError) -> SigzooError:
    return write_error(path, error, kind=DataError)


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error


def _write_arrays(
    out: IO[bytes], samples: list[Sample], sizes: list[tuple[int, int]], store: IO[bytes]
) -> None:
    """Write an npz of images of these heights and widths, whose pixels `store` holds in order."""
    height, width = (max(sides) for sides in zip(*sizes, strict=True))
    writers = sorted({sample.writer for sample in samples})
    with ArrayWriter(out, compressed=True) as archive:
        with archive.open("x", np.uint8, (len(samples), 1, height, width)) as file:
            for h, w in sizes:
                canvas = np.full((height, width), 255, dtype=np.uint8)
                top, left = (height - h) // 2, (width - w) // 2
                pixels = np.frombuffer(store.read(h * w), dtype=np.uint8)
                canvas[top : top + h, left : left + w] = pixels.reshape(h, w)
                file.write(canvas.data)
        arrays = {
            "y": np.array([sample.writer for sample in samples], dtype=np.int64),
            "yforg": np.array([sample.kind == "forgery" for sample in samples], dtype=np.int64),
            "user_mapping": np.array([[w, w] for w in writers], dtype=np.int64),
            "filenames": np.array([file_name(sample) for sample in samples]),
        }
        for name, array in arrays.items():
            archive.add(name, array)
