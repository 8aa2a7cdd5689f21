"""The command ``sigzoo synth``: example signatures that belong to nobody."""

from __future__ import annotations

from pathlib import Path

import click

from sigzoo.cli.help_pages import ExpertOption, HelpfulCommand
from sigzoo.cli.output import echo, json_option, print_json
from sigzoo.common.messages import counted

__all__ = ["synth"]

RENDERINGS = ["office", "scanner", "jpeg", "binarised", "tablet", "photographed", "varied"]
PENS = ["ballpoint", "fibre", "pencil", "stylus"]


@click.command(
    cls=HelpfulCommand,
    examples=[
        "sigzoo synth -o signatures",
        "sigzoo synth --writers 20 --genuine 6 -o set.npz --plot sheet.png",
        "sigzoo synth --writers 10 --rendering scanner --dpi 600 -o scans",
    ],
)
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
    type=click.Choice(RENDERINGS),
    help="Clean scans (office, 300 dpi); any pen on flatbeds of 300 and 600 dpi (scanner), only with JPEG"
    " or in black and white (binarised), on a tablet or photographed; or all of it, small (varied).",
)
@click.option(
    "--dpi",
    cls=ExpertOption,
    group="How they look, and speed",
    type=click.IntRange(50, 1200),
    help="Resolution of every image, such as 600; by default as the rendering has it.",
)
@click.option(
    "--pen",
    cls=ExpertOption,
    group="How they look, and speed",
    type=click.Choice(PENS),
    help="Kind of pen of every image; by default as the rendering has it.",
)
@click.option(
    "--workers",
    cls=ExpertOption,
    group="How they look, and speed",
    type=click.IntRange(1, 256),
    help="Processes that draw; by default one a core, fewer for a small set. The files are the same.",
)
@click.option(
    "--resume",
    cls=ExpertOption,
    group="Large sets",
    is_flag=True,
    help="Begin a folder that can be gone on with, or go on: images that are there are not drawn again.",
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
    dpi: int | None,
    pen: str | None,
    workers: int | None,
    resume: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Write signatures of invented people.

    They are made from scratch by a model of hand movements: nobody's handwriting is in them, so they may
    be shown, shared and committed anywhere. A forgery is another invented person's attempt at the
    writer's signature.
    """
    from sigzoo import __version__
    from sigzoo.common.progress import bar
    from sigzoo.common.terminal import safe_text
    from sigzoo.errors import UsageError
    from sigzoo.synthesis import DatasetSpec, conditions
    from sigzoo.synthesis.export import check_free, png_bytes, sheet_of, write_file, write_folder, write_npz

    if plot is not None and plot.suffix.lower() != ".png":
        raise UsageError(f"--plot writes a PNG picture; {plot} does not end in .png.")
    if resume and (force or output.suffix.lower() == ".npz"):
        raise UsageError("--resume goes on with a folder of images; it goes with no .npz and no --force.")
    made_with = {"seed": seed, "rendering": rendering, "dpi": dpi, "pen": pen, "sigzoo_version": __version__}
    spec = DatasetSpec(writers, genuine, forgeries, seed, conditions(rendering, dpi=dpi, pen=pen))
    workers = workers or _fitting(len(spec))
    sheet = None if plot is None else png_bytes(sheet_of(spec))
    if plot is not None and sheet is not None and not force:
        check_free(plot, sheet)
    with bar(True, len(spec), "writing") as step:
        if output.suffix.lower() == ".npz":
            count = write_npz(spec, output, force=force, workers=workers, progress=step)
        else:
            again = made_with if resume else None
            count = write_folder(spec, output, force=force, resume=again, workers=workers, progress=step)
    if plot is not None and sheet is not None:
        write_file(plot, sheet, force=force)
    if as_json:
        print_json({"signatures": count, "output": str(output), "plot": str(plot) if plot else None})
        return
    sheet_too = f", sheet in {safe_text(plot)}" if plot else ""
    of = f"{counted(count, 'signature')} of {counted(writers, 'writer')}"
    echo(f"{of} in {safe_text(output)}{sheet_too}")


def _fitting(images: int) -> int:
    """Return how many processes pay: one takes as long to start as to draw some fifty images."""
    from sigzoo.common.cores import available_cores

    return max(1, min(available_cores(), images // 50))
