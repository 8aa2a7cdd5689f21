"""Options that commands share which read images, and the refusal to write over what is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sigzoo.cli.help_pages import READING, ExpertOption
from sigzoo.errors import UsageError

if TYPE_CHECKING:
    from sigzoo.imaging.npz_images import ImageInputs

_F = TypeVar("_F", bound=Callable[..., Any])

force_option = click.option("--force", is_flag=True, help="Replace files that are there already.")


def _canvas(_: click.Context, __: click.Parameter, value: str | None) -> tuple[int, int] | str | None:
    """Height and width, or the name of a data set whose canvas is known."""
    sides = [] if value is None else value.replace("x", ",").split(",")
    if len(sides) == 2 and all(side.isascii() and side.isdigit() and len(side) < 8 for side in sides):
        return int(sides[0]), int(sides[1])
    return value


def canvas_options(canvas: tuple[int, int] | str | None) -> dict[str, Any]:
    """The preprocessor's options that ``--canvas`` stands for."""
    return {} if canvas is None else {"canvas": canvas}


def options_for(inputs: ImageInputs, canvas: tuple[int, int] | str | None) -> dict[str, Any]:
    """The preprocessor's options of some images: ``--canvas``, or what they were preprocessed with.

    Raises
    ------
    UsageError
        If a canvas is wanted for images that are preprocessed already.
    """
    if inputs.preprocessed_by is None:
        return canvas_options(canvas)
    if canvas is not None:
        raise UsageError("These images are preprocessed already: --canvas changes nothing.")
    return dict(inputs.preprocessor_options)


def image_options(command: _F) -> _F:
    """Add how images are read: ``--image-check/--no-image-check``, ``--grey-range`` and ``--canvas``."""
    command = click.option(
        "--canvas",
        cls=ExpertOption,
        group=READING,
        callback=_canvas,
        metavar="H,W|NAME",
        help="Canvas in place of the card's, for models that have one: pixels, or a data set such as cedar.",
    )(command)
    command = click.option(
        "--grey-range",
        cls=ExpertOption,
        group=READING,
        type=(float, float),
        metavar="BLACK WHITE",
        help="Values of black and white of images deeper than 8 bits, where the file does not say.",
    )(command)
    return click.option(
        "--image-check/--no-image-check",
        cls=ExpertOption,
        group=READING,
        default=True,
        show_default=True,
        help="Warn of images that do not look like one signature on paper.",
    )(command)


def check_free(path: Path, force: bool) -> None:
    """Refuse to write over a file.

    Raises
    ------
    UsageError
        If it is there and `force` is not given.
    """
    if not force and path.exists() and path.stat().st_size:
        raise UsageError(f"{path} is there already; --force replaces it.")
