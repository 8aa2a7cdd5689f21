"""Pictures of what a model does, drawn with matplotlib (the extra ``plot``)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sigzoo.common.extras import import_extra
from sigzoo.common.terminal import safe_text
from sigzoo.errors import UsageError
from sigzoo.imaging.image_files import read_image
from sigzoo.imaging.sources import ImageSource
from sigzoo.interfaces import collected_warnings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".pdf", ".svg", ".jpg", ".jpeg")
THUMBNAIL = 360
"""Long side of a drawn signature, in pixels."""

MAX_COMPARED, MAX_STAGED = 100, 64
"""Images that a picture can show so that one sees them."""

_COLUMNS = 8


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of `width` x `height` inches, bound to no window.

    Raises
    ------
    UsageError
        If matplotlib is not installed.
    """
    figure: Figure = import_extra("matplotlib.figure", "plot", "Drawing").Figure(figsize=(width, height))
    return figure


def check_plot(path: Path, images: int = 0, most: int = MAX_COMPARED) -> None:
    """Refuse a figure that cannot be drawn, before any work is done for it.

    Raises
    ------
    UsageError
        If the suffix is none of `SUFFIXES`, the folder does not exist, matplotlib is not installed, or
        there are too many images.
    """
    new_figure(1, 1)
    check_suffix(path)
    if images > most:
        raise UsageError(
            f"{safe_text(path)}: a picture shows at most {most} images, not {images}; name fewer."
        )


def check_suffix(path: Path) -> None:
    """Refuse a file that no figure can be written to, before any work is done for it.

    Raises
    ------
    UsageError
        If the suffix is none of `SUFFIXES`, or the folder does not exist.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(
            f"{safe_text(path)}: figures are written as {', '.join(SUFFIXES)}; choose one of these suffixes."
        )
    if not path.parent.is_dir():
        raise UsageError(f"{safe_text(path)}: the folder {safe_text(path.parent)} does not exist.")


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure in the format of the suffix.

    Raises
    ------
    UsageError
        If the suffix is none of `SUFFIXES`.
    """
    check_suffix(path)
    # Without a date the same input gives the same bytes; JPEG takes no metadata at all.
    metadata: dict[str, Any] | None = {
        ".png": {},
        ".pdf": {"CreationDate": None},
        ".svg": {"Date": None},
    }.get(path.suffix.lower())
    options: dict[str, Any] = {} if metadata is None else {"metadata": metadata}
    figure.savefig(path, dpi=120, **options)


def fitted(text: object, letters: int) -> str:
    """A name safe to show, its middle left out where it is longer than `letters`."""
    shown = safe_text(text)
    if len(shown) <= letters:
        return shown
    tail = (letters - 1) // 2
    return f"{shown[: letters - 1 - tail]}…{shown[-tail:] if tail else ''}"


def draw_stages(
    path: Path,
    names: list[str],
    columns: list[dict[str, NDArray[np.uint8]]],
    model: str,
    notes: list[str] | None = None,
) -> None:
    """Draw the steps of a preprocessing as the published notebook does: a column an image.

    Parameters
    ----------
    path
        File to write.
    names
        N names of images.
    columns
        N results of `Preprocessor.stages`, with the same steps.
    model
        Name of the model, for the title.
    notes
        What there is to say against each image, shown above it; empty where nothing.

    Raises
    ------
    UsageError
        If matplotlib is not installed or the suffix is not one of `SUFFIXES`.
    """
    steps = list(columns[0])
    cell_width, cell_height, title = 2.6, 1.9, 0.5
    heading = f"Preprocessing of {safe_text(model)}"
    across = min(len(names), _COLUMNS)
    blocks = -(-len(names) // across)
    width = max(cell_width * across, 0.11 * len(heading)) + 0.2
    height = cell_height * len(steps) * blocks + title + 0.1
    figure = new_figure(width, height)
    figure.text(0.1 / width, 1 - 0.3 / height, heading, fontsize=11, weight="bold", parse_math=False)
    for number, (name, stages) in enumerate(zip(names, columns, strict=True)):
        block, column = divmod(number, across)
        for row, (step, picture) in enumerate(stages.items()):
            bottom = height - title - (block * len(steps) + row + 1) * cell_height
            left, wide, high = 0.1 + column * cell_width, cell_width - 0.12, cell_height - 0.28
            axes = figure.add_axes((left / width, bottom / height, wide / width, high / height))
            axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
            axes.set_xticks([])
            axes.set_yticks([])
            size = f"{step}, {picture.shape[0]} x {picture.shape[1]}"
            label = f"{fitted(name, 38 - len(size))}: {size}" if row == 0 else size
            if row == 0 and notes and notes[number]:
                label = f"! {fitted(notes[number], 46)}\n{label}"
            axes.set_title(
                label, fontsize=7.5, pad=2, parse_math=False, color="#a02020" if "\n" in label else "black"
            )
    save_figure(figure, path)


def draw_comparison(
    path: Path,
    images: Sequence[ImageSource],
    names: list[str],
    distances: NDArray[np.float32],
    model: str,
    *,
    top: float | None = None,
) -> None:
    """Draw a distance matrix as a heat map, the signatures along both of its sides.

    Parameters
    ----------
    path
        File to write.
    images, names
        N images and what to call them.
    distances
        float32 ``(N, N)``.
    model
        Name of the model, for the title.
    top
        The distance of the darkest colour; by default one of few steps (see `colour_top`), so that in the
        pictures of a model the same colour is the same distance.

    Raises
    ------
    UsageError
        If matplotlib is not installed or the suffix is not one of `SUFFIXES`.
    """
    top = colour_top(distances) if top is None else top
    count = len(images)
    cell = min(1.0, max(0.45, 9.0 / count), 27.0 / count)
    side, above = 1.7 * max(cell, 0.7), 1.0 * max(cell, 0.7)
    margin, title = 0.2, 0.4
    extent = cell * count
    width, height = side + extent + 2 * margin + 1.0, above + extent + title + 2 * margin
    figure = new_figure(width, height)

    def area(left: float, bottom: float, wide: float, high: float) -> Any:
        return figure.add_axes((left / width, bottom / height, wide / width, high / height))

    heat = area(margin + side, margin, extent, extent)
    shown = heat.imshow(distances, cmap="viridis_r", vmin=0, vmax=top, aspect="auto")
    heat.set_axis_off()
    if cell >= 0.45:
        _write_values(heat, distances, cell, top)
    for index, image in enumerate(images):
        small = thumbnail(image)
        left = margin + side + index * cell
        bottom = margin + extent - (index + 1) * cell
        draw_thumbnail(area(margin, bottom + 0.03 * cell, side - 0.1, 0.77 * cell), small, names[index], cell)
        draw_thumbnail(area(left + 0.04 * cell, margin + extent + 0.05, 0.92 * cell, above - 0.1), small)
    bar = area(margin + side + extent + 0.2, margin, 0.18, extent)
    figure.colorbar(shown, cax=bar)
    figure.text(
        margin / width,
        1 - 0.3 / height,
        f"Euclidean distance of {safe_text(model)}'s features",
        fontsize=11,
        weight="bold",
        parse_math=False,
    )
    save_figure(figure, path)


def colour_top(distances: NDArray[np.float32]) -> float:
    """The end of the colour scale: 1.5 for features of unit length, else 5, 50, 500, ...

    Steps of ten hold all pictures of a model on one scale, where its largest distance would not.
    """
    largest = float(distances.max(initial=0.0))
    top = 1.5
    while top < largest:
        top = 5.0 if top == 1.5 else 10 * top
    return top


def _write_values(heat: Any, distances: NDArray[np.float32], cell: float, top: float) -> None:
    digits = max(0, 2 - len(str(int(distances.max()))) + 1)
    middle = top / 2
    for (row, column), value in np.ndenumerate(distances):
        colour = "white" if value > middle else "black"
        heat.text(
            column, row, f"{value:.{digits}f}", ha="center", va="center", color=colour, fontsize=8.5 * cell
        )


def thumbnail(source: ImageSource) -> NDArray[np.uint8]:
    """A small copy of an image, cut to its ink."""
    with collected_warnings():  # they were told when its features were computed
        grey = read_image(source)
    rows, columns = np.where(grey < (int(grey.min()) + int(grey.max())) / 2 + 1)
    if rows.size:
        grey = grey[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    picture = Image.fromarray(grey)
    picture.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def draw_thumbnail(axes: Any, picture: NDArray[np.uint8], name: str = "", cell: float = 1.0) -> None:
    """Draw a small image into its place; with a name above it, to the left."""
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="lanczos")
    axes.set_axis_off()
    axes.set_anchor("W" if name else "S")
    if name:
        size = 6.5 * max(cell, 0.6)
        letters = int(1.7 * max(cell, 0.7) * 72 / (0.6 * size))
        axes.set_title(
            fitted(name, letters), fontsize=size, pad=1, loc="left", color="0.35", parse_math=False
        )


def short_names(paths: list[Path]) -> list[str]:
    """Name images by their file names, with as many folders as it takes to tell them apart."""
    parts = 1
    longest = max(len(path.parts) for path in paths)
    while True:
        names = ["/".join([*path.parts[-parts:-1], path.stem]) for path in paths]
        if len(set(names)) == len(names):
            return names
        if parts >= longest:
            return [str(path) for path in paths]
        parts += 1
