"""Writing synthetic signatures to a folder of images or to one npz file."""

from __future__ import annotations

import io
import secrets
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sigzoo.errors import DataError
from sigzoo.synthesis.sheet import contact_sheet
from sigzoo.synthesis.writer import SyntheticImage

__all__ = ["file_name", "png_bytes", "sheet_of", "write_file", "write_folder", "write_npz"]


def file_name(item: SyntheticImage) -> str:
    """Return the name of an image's file, ``w001_g01.png`` or ``w001_f01.png``."""
    return f"w{item.writer:03d}_{item.kind[0]}{item.index:02d}.png"


def png_bytes(image: NDArray[np.uint8], dpi: int = 300) -> bytes:
    """Encode a grey image; the same pixels give the same bytes."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", dpi=(dpi, dpi))
    return file.getvalue()


def write_file(path: Path, content: bytes, *, force: bool = False) -> None:
    """Put a file under its name, whole or not at all.

    Raises
    ------
    DataError
        If there is another file of that name and `force` is not set, or the file cannot be written.
    """
    try:
        if path.exists() and not force:
            if path.is_file() and path.read_bytes() == content:
                return
            raise DataError(
                f"{path} exists with other content. Choose another place, or pass --force to replace it."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        try:
            part.write_bytes(content)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}.") from error


def write_folder(items: Iterable[SyntheticImage], folder: Path, *, force: bool = False) -> list[Path]:
    """Write each image as a PNG file; returns the paths in order.

    Raises
    ------
    DataError
        If `folder` is a file, or see `write_file`.
    """
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file; images need a folder (or a name that ends in .npz).")
    paths = []
    for item in items:
        paths.append(folder / file_name(item))
        write_file(paths[-1], png_bytes(item.image), force=force)
    return paths


def write_npz(items: Iterable[SyntheticImage], path: Path, *, force: bool = False) -> int:
    """Write one file in the layout of sigver's data sets; returns the number of images.

    ``x`` uint8 ``(N, 1, H, W)``, each image in the middle of a common white canvas; ``y`` int64, the
    writer; ``yforg`` int64, 0 genuine and 1 skilled forgery; ``user_mapping`` (N writers, 2): writer
    and the number in ``y``; ``filenames``.
    """
    made = list(items)
    height = max(item.image.shape[0] for item in made)
    width = max(item.image.shape[1] for item in made)
    x = np.full((len(made), 1, height, width), 255, dtype=np.uint8)
    for row, item in zip(x, made, strict=True):
        h, w = item.image.shape
        top, left = (height - h) // 2, (width - w) // 2
        row[0, top : top + h, left : left + w] = item.image
    writers = sorted({item.writer for item in made})
    arrays = {
        "x": x,
        "y": np.array([item.writer for item in made], dtype=np.int64),
        "yforg": np.array([item.kind == "forgery" for item in made], dtype=np.int64),
        "user_mapping": np.array([[w, w] for w in writers], dtype=np.int64),
        "filenames": np.array([file_name(item) for item in made]),
    }
    write_file(path, _npz_bytes(arrays), force=force)
    return len(made)


def sheet_of(items: Iterable[SyntheticImage], rows: int = 12, columns: int = 8) -> NDArray[np.uint8]:
    """Return a contact sheet: a row for each writer, the first of them."""
    table: dict[int, list[NDArray[np.uint8]]] = {}
    for item in items:
        if len(table) < rows or item.writer in table:
            table.setdefault(item.writer, []).append(item.image)
    return contact_sheet([images[:columns] for images in table.values()])


def _npz_bytes(arrays: dict[str, NDArray[np.generic]]) -> bytes:
    """Encode arrays as npz without the time of day, so that the same arrays give the same bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, member.getvalue())
    return file.getvalue()
