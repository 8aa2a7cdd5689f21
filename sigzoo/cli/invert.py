"""`sigzoo invert`: a teacher with a writer head in; images that it knows as its writers' out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from sigzoo.cli.help_pages import HelpfulCommand
from sigzoo.cli.output import echo, json_option, print_json
from sigzoo.cli.training_options import (
    add_parameters,
    explicit_options,
    output_option,
    require_options,
    setting_options,
)
from sigzoo.settings.inversion_settings import InversionSettings

if TYPE_CHECKING:
    from sigzoo.learning import InversionResult
    from sigzoo.learning.inversion import BatchResult

__all__ = ["invert"]

_BASIC = ("teacher", "writers", "per_writer", "first_label", "seed", "device", "plot")
_PARAMETERS = (
    output_option(InversionSettings),
    click.option("--resume", is_flag=True, help="Go on with the unfinished inversion beside the file."),
    *setting_options(InversionSettings, basic=_BASIC, rest="How the images are made"),
    json_option,
)


@click.command(
    cls=HelpfulCommand,
    examples=[
        "sigzoo invert --teacher signet.teacher --writers 10 --per-writer 4 \\\n"
        "    --first-label 350 -o inverted.npz --plot inverted.png",
    ],
)
@add_parameters(_PARAMETERS)
def invert(output: Path, resume: bool, as_json: bool, **given: Any) -> None:
    """Make images that a network takes for its writers' signatures.

    They are made from its weights alone (DeepInversion). The file has the layout of the published
    inverted data: x float32 (N, 1, h, w) from 0 to 1, y the writers, yforg 0. What is not given has a
    default. A run that was stopped goes on with `sigzoo invert --resume -o FILE`.
    """
    from sigzoo import learning

    values = explicit_options(InversionSettings, given)
    settings = _resumed(output, values) if resume else _fresh(output, values)

    def print_batch(batch: BatchResult, count: int) -> None:
        echo(_line(batch, count), err=as_json)

    result = learning.invert(settings, resume=resume, progress=True, on_batch=print_batch)
    _report(result, as_json)


def _fresh(output: Path, values: dict[str, Any]) -> InversionSettings:
    require_options(InversionSettings, values, "a model whose card keeps a writer head: `sigzoo list`.")
    return InversionSettings(**values, output=output)


def _resumed(output: Path, values: dict[str, Any]) -> InversionSettings:
    """The settings of the unfinished inversion; what was named again must be the same."""
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
    echo(f"{result.images} images of {result.writers} writers in {result.data}")
    echo(f"The teacher gives {result.agreement:.1f} % of them to the wanted writer.")
    if result.disagreement is not None:
        echo(f"The student gives {result.disagreement:.1f} % to another writer than the teacher.")
