"""`sigzoo dataset`: look at a data set before measuring on it, and pack it into one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sigzoo.cli.help_pages import ExpertOption, HelpfulGroup
from sigzoo.cli.image_options import check_free, force_option
from sigzoo.cli.output import echo, json_option, print_fields, print_json, print_table, whole_file
from sigzoo.cli.training_options import KeyValue, Sides

if TYPE_CHECKING:
    from sigzoo.datasets import Found
    from sigzoo.evaluation.inspection import Inspection
    from sigzoo.interfaces import Preprocessor
    from sigzoo.interfaces.data_sources import SignatureSet

_LISTED = 8
"""Files of a kind that are named; `--json` names all."""
_SHEET_ROWS, _SHEET_EACH = 16, 4


@click.group(
    cls=HelpfulGroup,
    examples=[
        "sigzoo dataset inspect signatures",
    ],
)
def dataset() -> None:
    """Inspect a set of signatures, or pack it into one npz file."""


@dataset.command(
    "inspect",
    examples=[
        "sigzoo dataset inspect signatures",
        "sigzoo dataset inspect signatures --contact-sheet writers.png",
    ],
)
@click.argument("place", metavar="PATH")
@click.option(
    "--contact-sheet",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw signatures of some writers (.png): a row each, genuine ones left of the line, forged right.",
)
@force_option
@json_option
def inspect_command(place: str, contact_sheet: Path | None, force: bool, as_json: bool) -> None:
    """Say what a data set holds, and what is wrong with it.

    Whose signatures, what is missing or there twice, and what gives forgeries away. PATH is a folder of
    a published layout (CEDAR, MCYT, GPDS, ...), any folder of signatures, an npz file, or NAME:PATH for
    the data source NAME of `sigzoo plugins`.

    Trivial cues are numbers that know nothing of handwriting, such as the grey of the paper. Where one
    alone tells forged from genuine, so may a model, without any merit of its own.
    """
    from sigzoo.common.progress import bar
    from sigzoo.datasets import open_data
    from sigzoo.errors import UsageError
    from sigzoo.evaluation.inspection import inspect_signatures

    if contact_sheet is not None:
        if contact_sheet.suffix.lower() != ".png":
            raise UsageError(f"--contact-sheet draws a PNG; {contact_sheet} does not end in .png.")
        check_free(contact_sheet, force)
    opened, found = open_data(place)
    try:
        with bar(True, len(opened), "inspecting") as step:
            seen = inspect_signatures(opened, step)
        if contact_sheet is not None:
            _draw_sheet(opened, contact_sheet)
    finally:
        opened.close()
    if as_json:
        print_json(_as_json(found, opened, seen))
    else:
        _print(found, opened, seen)
        if contact_sheet is not None:
            echo(f"sheet in {contact_sheet}")


def _as_json(found: Found, opened: SignatureSet, seen: Inspection) -> dict[str, object]:
    known = found.completeness
    return {
        "place": found.place,
        "source": found.source,
        "canvas": opened.canvas,
        "completeness": None if known is None else known.to_json(),
        **seen.to_json(),
    }


def _print(found: Found, opened: SignatureSet, seen: Inspection) -> None:
    canvas = "" if opened.canvas is None else f"{opened.canvas[0]} x {opened.canvas[1]}"
    simple = f", {seen.simple} of them simple" if seen.simple else ""
    dpi = ", ".join(f"{value} ({count})" for value, count in list(seen.resolutions.items())[:5])
    fields = (
        ("read as", found.source),
        ("writers", f"{seen.writers}"),
        ("genuine", f"{seen.genuine}; each writer {seen.genuine_per_writer}"),
        ("forged", f"{seen.forged}{simple}; each writer {seen.forged_per_writer}" if seen.forged else "none"),
        ("height", f"{seen.heights}"),
        ("width", f"{seen.widths}"),
        ("grey levels", f"{seen.grey_levels}; {seen.two_level} images have two at most"),
        ("dots per inch", dpi),
        ("canvas", canvas),
    )
    print_fields(found.place, [(label, value) for label, value in fields if value])
    if seen.cues:
        echo()
        echo("What trivial cues tell of forgeries (50 % and 0.5 are chance):")
        rows = [
            [c.cue, f"{c.eer:.1f}", f"{c.auc:.3f}", "" if c.auc_within is None else f"{c.auc_within:.3f}"]
            for c in seen.cues
        ]
        heads = ("cue", "EER %", "AUC", "AUC in a writer")
        print_table(heads, rows, right=heads[1:])
    lines = [] if found.completeness is None else list(found.completeness.lines(_LISTED))
    lines += _named("unreadable", [f"{name}: {why}" for name, why in seen.unreadable])
    lines += _named("no ink", list(seen.blank))
    kinds = {True: "the same file", False: "the same pixels"}
    lines += _named("twice", [f"{kinds[d.byte_identical]}: {', '.join(d.names)}" for d in seen.duplicates])
    lines += _named("the same ink", [", ".join(each.names) for each in seen.copies])
    for title, listed in (("Files", lines), ("Note", seen.warnings())):
        if listed:
            echo()
            echo(f"{title}:")
            for line in listed:
                echo(f"  {line}")


def _named(label: str, names: list[str]) -> list[str]:
    more = [f"{label}: {len(names) - _LISTED:,} more (--json names all)"] * (len(names) > _LISTED)
    return [f"{label}: {name}" for name in names[:_LISTED]] + more


def _draw_sheet(opened: SignatureSet, path: Path) -> None:
    """Some writers, spread over all, a row each."""
    import numpy as np
    from PIL import Image

    from sigzoo.errors import DataError, ImageError
    from sigzoo.imaging.contact_sheet import contact_sheet

    def images(indices: list[int]) -> list[Any]:
        found: list[Any] = []
        for index in indices[:_SHEET_EACH]:
            try:
                found.append(opened.read(index))
            except (ImageError, DataError):  # told among the unreadable ones
                found.append(None)
        return found + [None] * (_SHEET_EACH - len(found))

    own: dict[int | str, tuple[list[int], list[int]]] = {}
    for index, writer in enumerate(opened.writers):
        own.setdefault(writer, ([], []))[bool(opened.forged[index])].append(index)
    writers = list(own)
    chosen = np.unique(np.linspace(0, len(writers) - 1, min(_SHEET_ROWS, len(writers))).round().astype(int))
    rows = [[*images(own[writers[at]][0]), *images(own[writers[at]][1])] for at in chosen]
    with whole_file(path) as beside:
        Image.fromarray(contact_sheet(rows, line_before=_SHEET_EACH)).save(beside)


@dataset.command(
    examples=[
        "sigzoo dataset pack signatures -o data.npz",
        "sigzoo dataset pack signatures -o small.npz --preprocessor sigver",
    ],
)
@click.argument("place", metavar="PATH")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file, ending in .npz.",
)
@click.option(
    "--preprocessor",
    metavar="NAME",
    help="Preprocess the images; without it they stay as they are, in the middle of a white canvas.",
)
@click.option(
    "--preprocessor-option",
    "options",
    cls=ExpertOption,
    group="Packing",
    type=KeyValue(),
    multiple=True,
    help="An option of the preprocessor. May be repeated.",
)
@click.option(
    "--canvas",
    cls=ExpertOption,
    group="Packing",
    type=Sides(),
    metavar="H,W",
    help="Height and width of the canvas; the data set's own by default, else what holds the largest image.",
)
@click.option(
    "--workers",
    cls=ExpertOption,
    group="Packing",
    type=click.IntRange(1, 256),
    default=1,
    help="Processes for images that are drawn.",
)
@click.option(
    "--resume",
    cls=ExpertOption,
    group="Large sets",
    is_flag=True,
    help="Keep prepared images in FILE.npz.partial until the file is whole, and go on after those there.",
)
@force_option
@json_option
def pack(
    place: str,
    output: Path,
    preprocessor: str | None,
    options: tuple[tuple[str, Any], ...],
    canvas: tuple[int, int] | None,
    workers: int,
    resume: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Write the signatures of a data set into one npz file.

    It has the layout of the published programs and holds x (uint8, N x 1 x H x W), y (writers from 0),
    yforg (0 genuine, 1 skilled, 2 simple forgery), user_mapping and filenames. PATH is what `sigzoo
    dataset inspect` takes.
    """
    import json

    from sigzoo import __version__
    from sigzoo.common.progress import bar
    from sigzoo.datasets import open_data
    from sigzoo.datasets.pack import pack as write
    from sigzoo.errors import UsageError

    if output.suffix.lower() != ".npz":
        raise UsageError(f"{output}: a packed data set ends in .npz.")
    if options and preprocessor is None:
        raise UsageError("--preprocessor-option without --preprocessor: of which one?")
    check_free(output, force)
    opened, found = open_data(place)
    try:
        chosen = dict(options)
        prepare = None if preprocessor is None else _built(preprocessor, chosen, canvas or opened.canvas)
        about = {} if preprocessor is None else {"preprocessor": preprocessor}
        if preprocessor is not None:
            about["preprocessor_options"] = json.dumps(chosen, sort_keys=True)
        kept = {"preprocessor": preprocessor, "preprocessor_options": chosen, "sigzoo_version": __version__}
        with bar(True, len(opened), "packing") as step:
            done = write(
                opened,
                output,
                prepare=prepare,
                canvas=canvas,
                about=about,
                resume=kept if resume else None,
                workers=workers,
                progress=step,
            )
    finally:
        opened.close()
    if as_json:
        sizes = {"signatures": done.signatures, "writers": done.writers, "size": done.size}
        print_json(
            {"output": str(output), "source": found.source, **sizes, "left_out": done.left_out, **about}
        )
        return
    how = "as they are" if preprocessor is None else f"preprocessed by {preprocessor}"
    echo(
        f"{done.signatures} signatures of {done.writers} writers, {done.size[0]} x {done.size[1]}, {how}"
        f" -> {output}"
    )


def _built(name: str, options: dict[str, Any], canvas: tuple[int, int] | None) -> Preprocessor:
    """A preprocessor with the data set's canvas, where it has one; `options` then says so."""
    import inspect

    from sigzoo.registry.cards import with_tuples
    from sigzoo.zoo import default_zoo

    zoo = default_zoo()
    takes_canvas = "canvas" in inspect.signature(zoo.component("preprocessor", name)).parameters
    if canvas is not None and takes_canvas:
        options.setdefault("canvas", list(canvas))
    return zoo.preprocessor(name, **with_tuples(options))
