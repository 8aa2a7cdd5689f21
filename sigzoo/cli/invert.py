"""`sigzoo invert`: a teacher with a writer head in; images that it knows as its writers' out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sigzoo.cli.output import json_option, print_json
from sigzoo.cli.training_options import add_parameters
from sigzoo.learning.inversion.invert_settings import PRECISIONS, InversionSettings

if TYPE_CHECKING:
    from sigzoo.learning import InversionResult
    from sigzoo.learning.inversion import BatchResult

__all__ = ["invert"]

_F = TypeVar("_F", bound=Callable[..., Any])


_DEFAULTS = {each.name: each.default for each in fields(InversionSettings)}


def _number(flag: str, help: str, *names: str) -> Callable[[_F], _F]:
    """An option that is a number, of its setting's kind; its help tells the setting's default."""
    default = _DEFAULTS[names[0] if names else flag.strip("-").replace("-", "_")]
    return click.option(flag, *names, type=type(default), help=f"{help} Default: {default}.")


def _file(flag: str, help: str) -> Callable[[_F], _F]:
    return click.option(flag, type=click.Path(dir_okay=False, path_type=Path), help=help)


_PARAMETERS: tuple[Callable[[Any], Any], ...] = (
    click.option("--teacher", metavar="NAME", help="A model whose card keeps a writer head."),
    _file("--teacher-weights", "A local weight file in place of the teacher's published one."),
    click.option("--writers", metavar="ALL|N|A-B", help="All, the first N, or outputs A to B of the head."),
    _number("--per-writer", "Images of each writer."),
    click.option(
        "-o",
        "--output",
        type=click.Path(dir_okay=False, path_type=Path),
        required=True,
        help="The .npz file of the result.",
    ),
    click.option("--resume", is_flag=True, help="Go on with the unfinished inversion beside the file."),
    _number("--first-label", "Label of the head's output 0; 350 for SigNet's as published."),
    click.option("--size", metavar="H,W", help="Of the images, for a teacher of any input size."),
    click.option("--compete", metavar="NAME", help="A student: prefer images on which it disagrees."),
    _file("--student-weights", "A local weight file in place of the student's published one."),
    _number("--batch-size", "Images made together, whose statistics are compared."),
    _number("--iterations", "Steps for each batch."),
    _number("--half-resolution", "Share of the steps at half the resolution, before the others."),
    _number("--rate", "Highest learning rate, on the scale 0 to 1."),
    _number("--cross-entropy-weight", "Of the teacher's cross-entropy.", "cross_entropy"),
    _number("--tv-l1-weight", "Of the total variation, absolute differences.", "tv_l1"),
    _number("--tv-l2-weight", "Of the total variation, Euclidean norm.", "tv_l2"),
    _number("--l2-weight", "Of the image's Euclidean norm.", "l2"),
    _number("--statistics-weight", "Of the distance from running statistics.", "statistics"),
    _number("--first-statistics", "Factor on the first layer's part in that distance."),
    _number("--compete-weight", "Of 1 - JS(teacher, student), with --compete.", "competition"),
    _number("--temperature", "Of the softmax outputs that compete."),
    _number("--jitter", "Most pixels by which images are rolled before a step."),
    click.option("--flip", is_flag=True, default=None, help="Mirror batches at random."),
    _number("--noise", "Deviation of the noise that images begin with."),
    _number("--seed", "Decides everything that is random."),
    click.option("--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:1, ..."),
    click.option("--precision", type=click.Choice(PRECISIONS), help="What the networks compute in."),
    click.option("--uint8", is_flag=True, default=None, help="Store x as uint8, 0 to 255."),
    _file("--plot", "Also draw a contact sheet (PNG)."),
    json_option,
)


@click.command()
@add_parameters(_PARAMETERS)
def invert(output: Path, resume: bool, as_json: bool, **given: Any) -> None:
    """Make images that a teacher takes for its writers', from its weights alone (DeepInversion).

    The file has the layout of the published inverted data: x float32 (N, 1, h, w) from 0 to 1, y
    the writers, yforg 0. What is not said has a default. A run that was stopped goes on with
    `sigzoo invert --resume -o FILE`.

    \b
    sigzoo invert --teacher signet.teacher --writers ALL --per-writer 24 --first-label 350 -o data.npz
    sigzoo --registry runs/mine/registry.yaml invert --teacher mine --writers 10 -o few.npz --plot few.png
    """
    from sigzoo import learning

    values = {key: value for key, value in given.items() if value is not None}
    if "size" in values:
        values["size"] = _size(values["size"])
    settings = _resumed(output, values) if resume else _fresh(output, values)

    def tell(batch: BatchResult, count: int) -> None:
        click.echo(_line(batch, count), err=as_json)

    result = learning.invert(settings, resume=resume, progress=True, on_batch=tell)
    _report(result, as_json)


def _size(text: str) -> tuple[int, int]:
    from sigzoo.errors import UsageError

    height, _, width = text.replace("x", ",").partition(",")
    if not (height.strip().isdecimal() and width.strip().isdecimal()):
        raise UsageError(f"--size takes height and width in pixels, such as 150,220; got {text!r}.")
    return int(height), int(width)


def _fresh(output: Path, values: dict[str, Any]) -> InversionSettings:
    from sigzoo.errors import UsageError

    if "teacher" not in values:
        raise UsageError("Say also --teacher NAME: a model whose card keeps a writer head; `sigzoo list`.")
    return InversionSettings(**values, output=output)


def _resumed(output: Path, values: dict[str, Any]) -> InversionSettings:
    """The settings of the unfinished inversion; what was named again must be the same."""
    from dataclasses import replace

    from sigzoo.learning.inversion.parts import read_inversion_settings

    return replace(read_inversion_settings(output), **values)


def _line(batch: BatchResult, count: int) -> str:
    parts = [
        f"batch {batch.batch + 1}/{count}",
        f"cross-entropy {batch.cross_entropy:.4f}",
        f"statistics {batch.statistics:.4f}",
        f"{batch.as_wanted} of {batch.images} as wanted",
    ]
    if batch.student_differs is not None:
        parts.append(f"student differs on {batch.student_differs}")
    return "  ".join([*parts, f"{batch.seconds:.1f} s"])


def _report(result: InversionResult, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "data": str(result.data),
                "log": str(result.log),
                "description": str(result.description),
                "sheet": None if result.sheet is None else str(result.sheet),
                "images": result.images,
                "writers": result.writers,
                "agreement": result.agreement,
                "disagreement": result.disagreement,
                "seconds": result.seconds,
            }
        )
        return
    click.echo(f"{result.images} images of {result.writers} writers in {result.data}")
    click.echo(f"The teacher gives {result.agreement:.1f} % of them to the wanted writer.")
    if result.disagreement is not None:
        click.echo(f"The student gives {result.disagreement:.1f} % to another writer than the teacher.")
