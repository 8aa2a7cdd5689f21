"""`sigzoo train`: a backbone, a loss and data in; a model that loads by name out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from msgspec.structs import replace

from sigzoo.cli.help_pages import HelpfulCommand
from sigzoo.cli.output import echo, json_option
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
from sigzoo.settings.training_settings import TrainingSettings

__all__ = ["train"]

_BASIC = (
    *("backbone", "loss", "preprocessor", "data", "epochs", "batch_size", "learning_rate"),
    *("name", "device", "plot"),
)
_GROUPS = {
    "How the parts are built": (
        *("backbone_options", "loss_options", "preprocessor_options", "training_options", "input_scale"),
        *("losses", "samplers", "start", "start_except"),
    ),
    "Data": (
        "preprocessed",
        "more_data",
        "validation_data",
        "augment",
        "augment_strength",
        "per_writer",
        "cache",
        "workers",
    ),
    "Optimisation": OPTIMISATION,
    "What is measured and kept": MEASURED_AND_KEPT,
}

_PARAMETERS = (
    preset_option,
    output_option(TrainingSettings),
    click.option("--resume", is_flag=True, help="Go on with the run in the folder, after its last epoch."),
    *setting_options(TrainingSettings, basic=_BASIC, groups=_GROUPS),
    json_option,
)


@click.command(
    cls=HelpfulCommand,
    examples=[
        "sigzoo train --backbone student-tiny --loss am-softmax --preprocessor synsig \\\n"
        "    --data synth:writers=12,genuine=6 --epochs 2 -o runs/mine",
        "sigzoo --registry runs/mine embed signatures -m mine -o mine.npz",
    ],
)
@add_parameters(_PARAMETERS)
def train(output: Path, preset: str | None, resume: bool, as_json: bool, **given: Any) -> None:
    """Train a network; the result is a model that loads by name.

    Any backbone goes with any loss, those of plugins included. What is not given has a default, or
    comes from --preset. A run that was stopped goes on with `sigzoo train --resume -o FOLDER`. On
    several GPUs it is started by torchrun, as `-m sigzoo train`.
    """
    import os

    from sigzoo import learning

    values = {**(learning.preset(preset) if preset else {}), **explicit_options(TrainingSettings, given)}
    settings = _resumed(output, values) if resume else _fresh(output, values)
    first = os.environ.get("RANK", "0") == "0"
    on_epoch = epoch_printer(settings.epochs, on_stderr=as_json)
    result = learning.train(
        settings,
        resume=resume,
        progress=first,
        on_epoch=on_epoch,
        on_data=lambda found: echo(str(found), err=True),
    )
    if first:
        report(result, as_json=as_json)


def _fresh(output: Path, values: dict[str, Any]) -> TrainingSettings:
    require_options(TrainingSettings, values, "`sigzoo plugins` lists names.")
    return TrainingSettings(**values, output=output)


def _resumed(output: Path, values: dict[str, Any]) -> TrainingSettings:
    """The settings of the run in the folder; what was named again must be the same."""
    from sigzoo.learning.training.run_folder import read_settings

    return replace(read_settings(output, TrainingSettings), **values)
