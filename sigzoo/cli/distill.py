"""`sigzoo distill`: a teacher, a student and data in; a model that loads by name out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from msgspec.structs import replace

from sigzoo.cli.help_pages import HelpfulCommand
from sigzoo.cli.output import json_option
from sigzoo.cli.training_options import (
    MEASURED_AND_KEPT,
    OPTIMISATION,
    add_parameters,
    epoch_printer,
    explicit_options,
    output_option,
    preset_option,
    report,
    require_options,
    setting_options,
)
from sigzoo.settings.distillation_settings import DistillationSettings

__all__ = ["distill"]

_BASIC = (
    *("teacher", "backbone", "data", "continual", "epochs", "batch_size", "learning_rate"),
    *("name", "device", "plot"),
)
_GROUPS = {
    "What is taught": ("teacher_weights", "labels", "first_label", "copy_head", "loss", "loss_options"),
    "How the student is built": ("backbone_options", "training_options", "losses", "samplers"),
    "Data": (
        "preprocessed",
        "continual_preprocessed",
        "more_data",
        "validation_data",
        "augment",
        "augment_strength",
        "per_writer",
        "cache",
        "workers",
        "start",
        "start_except",
    ),
    "Optimisation": OPTIMISATION,
    "What is measured and kept": MEASURED_AND_KEPT,
}
_OF_THE_TEACHER = ("preprocessor", "preprocessor_options", "input_scale")

_PARAMETERS = (
    preset_option,
    output_option(DistillationSettings),
    click.option("--resume", is_flag=True, help="Go on with the run in the folder, after its last epoch."),
    *setting_options(DistillationSettings, basic=_BASIC, groups=_GROUPS, without=_OF_THE_TEACHER),
    json_option,
)


@click.command(
    cls=HelpfulCommand,
    examples=[
        "sigzoo distill --teacher signet.teacher --student student-tiny \\\n"
        "    --data inverted-signet -o runs/student",
        "sigzoo --registry runs/student embed signatures -m student -o student.npz",
    ],
)
@add_parameters(_PARAMETERS)
def distill(output: Path, preset: str | None, resume: bool, as_json: bool, **given: Any) -> None:
    """Teach a small network what a large one knows, from images.

    The student sees what the teacher sees and learns to say what it says; no label is looked at.
    Preprocessing and input size are the teacher's. With --continual it learns new writers beside.
    The result is a model, as `sigzoo train` leaves one; --resume and torchrun work as there.
    """
    import os

    from sigzoo import learning

    recipe = learning.preset(preset, "distill") if preset else {}
    values = {**recipe, **explicit_options(DistillationSettings, given)}
    settings = _resumed(output, values) if resume else _fresh(output, values)
    first = os.environ.get("RANK", "0") == "0"
    on_epoch = epoch_printer(settings.epochs, on_stderr=as_json)
    result = learning.distill(settings, resume=resume, progress=first, on_epoch=on_epoch)
    if first:
        report(result, as_json=as_json)


def _fresh(output: Path, values: dict[str, Any]) -> DistillationSettings:
    require_options(DistillationSettings, values, "`sigzoo list` and `sigzoo plugins` list names.")
    return DistillationSettings(**values, output=output)


def _resumed(output: Path, values: dict[str, Any]) -> DistillationSettings:
    """The settings of the run in the folder; what was named again must be the same."""
    from sigzoo.learning.training.run_folder import read_settings

    return replace(read_settings(output, DistillationSettings), **values)
