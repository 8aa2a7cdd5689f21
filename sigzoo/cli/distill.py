"""`sigzoo distill`: a teacher, a student and data in; a model that loads by name out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sigzoo.cli.training_options import (
    BACKBONE_OPTIONS,
    LOSS_OPTIONS,
    RUN,
    TRAINING_OPTIONS,
    add_parameters,
    flag,
    number,
    report,
    said,
    tell,
    text,
)
from sigzoo.learning.distillation.distill_settings import LABELS

if TYPE_CHECKING:
    from sigzoo.learning import DistillationSettings

__all__ = ["distill"]

_PARAMETERS = (
    text("--teacher", "A model that keeps its writer head."),
    click.option(
        "--teacher-weights",
        type=click.Path(dir_okay=False, path_type=Path),
        help="A local weight file in place of the teacher's published one.",
    ),
    click.option("--student", "backbone", metavar="NAME", help="Network to teach; see `sigzoo plugins`."),
    BACKBONE_OPTIONS,
    text("--loss", "What to minimise; by default kd-kl, with --continual continual."),
    LOSS_OPTIONS,
    text(
        "--data",
        "An artifact such as inverted-signet, an .npz, a folder of images, or synth:writers=500,genuine=16.",
        metavar="SOURCE",
    ),
    flag("--preprocessed", "An .npz of uint8 images holds preprocessed ones."),
    click.option(
        "--labels",
        type=click.Choice(LABELS),
        help="Whether the data's writers are the teacher's; by default those of preprocessed data are.",
    ),
    number("--first-label", int, "The label of the head's output 0, such as 350."),
    flag("--copy-head", "Let the student's writer head begin as the teacher's."),
    text("--continual", "New data, of writers whom the teacher does not know.", metavar="SOURCE"),
    flag("--continual-preprocessed", "Like --preprocessed, of the new data."),
    TRAINING_OPTIONS,
    *RUN,
)


@click.command()
@add_parameters(_PARAMETERS)
def distill(output: Path, resume: bool, as_json: bool, **given: Any) -> None:
    """Teach a small network what a large one knows, from images alone.

    The student sees what the teacher sees and learns to say what it says; no label is looked at.
    Preprocessing and input size are the teacher's. With --continual it learns new writers beside.
    The result is a model, as `sigzoo train` leaves one; --resume and torchrun work as there.

    \b
    sigzoo distill --teacher signet.teacher --student student-tiny \\
        --data inverted-signet -o runs/student
    sigzoo --registry runs/student/registry.yaml embed signatures -m student
    """
    import os

    from sigzoo import learning

    values = said(given)
    settings = _resumed(output, values) if resume else _fresh(output, values)
    first = os.environ.get("RANK", "0") == "0"
    on_epoch = tell(settings.epochs, on_stderr=as_json)
    result = learning.distill(settings, resume=resume, progress=first, on_epoch=on_epoch)
    if first:
        report(result, as_json=as_json)


def _fresh(output: Path, values: dict[str, Any]) -> DistillationSettings:
    from sigzoo.errors import UsageError
    from sigzoo.learning import DistillationSettings

    names = {"teacher": "--teacher", "backbone": "--student", "data": "--data"}
    missing = [flag for key, flag in names.items() if key not in values]
    if missing:
        raise UsageError(f"Say also {', '.join(missing)}; `sigzoo list` and `sigzoo plugins` list names.")
    return DistillationSettings(**values, output=output)


def _resumed(output: Path, values: dict[str, Any]) -> DistillationSettings:
    """The settings of the run in the folder; what was named again must be the same."""
    from dataclasses import replace

    from sigzoo.learning import DistillationSettings
    from sigzoo.learning.training.run_folder import read_settings

    return replace(read_settings(output, DistillationSettings), **values)
