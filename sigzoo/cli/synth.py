"""The command ``sigzoo synth``: example signatures that belong to nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import click

from sigzoo.cli.output import json_option, print_json

_T = TypeVar("_T")

__all__ = ["synth"]


@click.command()
@click.option(
    "--writers", default=3, show_default=True, type=click.IntRange(1, 9999), help="How many writers."
)
@click.option(
    "--genuine",
    default=3,
    show_default=True,
    type=click.IntRange(1, 999),
    help="Genuine signatures of each writer.",
)
@click.option(
    "--forgeries",
    default=0,
    show_default=True,
    type=click.IntRange(0, 999),
    help="Skilled forgeries of each writer.",
)
@click.option(
    "--seed",
    default=4,
    show_default=True,
    type=click.IntRange(0),
    help="The same seed gives the same signatures.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder for PNG files (w001_g01.png genuine, w001_f01.png forged), or one file ending in .npz.",
)
@click.option(
    "--plot", type=click.Path(path_type=Path, dir_okay=False), help="Also draw a contact sheet (PNG)."
)
@click.option(
    "--rendering",
    default="office",
    show_default=True,
    type=click.Choice(["office", "varied"]),
    help="Clean scans, or any pen, tablet, poor scanner and camera.",
)
@click.option("--force", is_flag=True, help="Replace files of the same name that hold something else.")
@json_option
def synth(
    writers: int,
    genuine: int,
    forgeries: int,
    seed: int,
    output: Path,
    plot: Path | None,
    rendering: str,
    force: bool,
    as_json: bool,
) -> None:
    """Write signatures of invented people, made from scratch by a model of hand movements.

    Nobody's handwriting is in them, so they may be shown, shared and committed anywhere. A forgery
    is another invented person's attempt at the writer's signature.

    \b
    sigzoo synth -o signatures
    sigzoo synth --writers 100 --genuine 24 --forgeries 10 -o set.npz --plot sheet.png
    """
    from sigzoo.errors import UsageError
    from sigzoo.progress import bar
    from sigzoo.synthesis import generate, office, varied
    from sigzoo.synthesis.export import png_bytes, sheet_of, write_file, write_folder, write_npz

    if plot is not None and plot.suffix.lower() != ".png":
        raise UsageError(f"--plot writes a PNG picture; {plot} does not end in .png.")
    as_file = output.suffix.lower() == ".npz"
    drawn = generate(
        writers, genuine, forgeries, seed=seed, rendering=office if rendering == "office" else varied
    )
    with bar(True, writers * (genuine + forgeries), "writing") as step:
        items = _counted(drawn, step)
        if plot is None and not as_file:
            count = len(write_folder(items, output, force=force))
        else:
            made = list(items)
            count = (
                write_npz(made, output, force=force)
                if as_file
                else len(write_folder(made, output, force=force))
            )
            if plot is not None:
                write_file(plot, png_bytes(sheet_of(made)), force=force)
    if as_json:
        print_json({"signatures": count, "output": str(output), "plot": str(plot) if plot else None})
        return
    click.echo(
        f"{count} signatures of {writers} writers in {output}" + (f", sheet in {plot}" if plot else "")
    )


def _counted(items: Iterable[_T], step: Callable[[int], object]) -> Iterator[_T]:
    """Tell of each item as it passes."""
    for item in items:
        step(1)
        yield item
