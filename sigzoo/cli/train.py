"""`sigzoo train`: a backbone, a loss and data in; a model that loads by name out."""

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
    options,
    report,
    said,
    tell,
    text,
)
from sigzoo.learning.training.presets import PRESETS

if TYPE_CHECKING:
    from sigzoo.learning import TrainingSettings

__all__ = ["train"]

_PARAMETERS = (
    click.option("--preset", type=click.Choice(list(PRESETS)), help="A published recipe to start from."),
    text("--backbone", "Network to train; `sigzoo plugins` lists them."),
    BACKBONE_OPTIONS,
    text("--loss", "What to minimise; `sigzoo plugins` lists them."),
    LOSS_OPTIONS,
    text("--preprocessor", "How images become input; `sigzoo plugins` lists them."),
    options("--preprocessor-option", "How the preprocessor is built, in training and in the model."),
    TRAINING_OPTIONS,
    text(
        "--data",
        "An .npz, a folder of images, or synth:writers=500,genuine=16,forgeries=4,seed=0.",
        metavar="SOURCE",
    ),
    flag("--preprocessed", "The data are preprocessed already."),
    number("--input-scale", float, "Factor from the uint8 image to the network's input."),
    *RUN,
)


@click.command()
@add_parameters(_PARAMETERS)
def train(output: Path, preset: str | None, resume: bool, as_json: bool, **given: Any) -> None:
    """Train a network and leave a model: weights and a registry fragment in one folder.

    Any backbone goes with any loss, those of plugins included. What is not said has a default, or
    comes from --preset. A run that was stopped goes on with `sigzoo train --resume -o FOLDER`. On
    several GPUs: `torchrun --nproc-per-node 4 -m sigzoo train ...`.

    \b
    sigzoo train --backbone student-tiny --loss am-softmax --preprocessor synsig \\
        --data synth:writers=500,genuine=16 --epochs 20 -o runs/mine
    sigzoo --registry runs/mine/registry.yaml embed signatures -m mine
    """
    import os

    from sigzoo import learning

    recipe = dict(PRESETS[preset]) if preset else {}
    values = {**recipe, **said(given)}
    settings = _resumed(output, values) if resume else _fresh(output, values)
    first = os.environ.get("RANK", "0") == "0"
    on_epoch = tell(settings.epochs, on_stderr=as_json)
    result = learning.train(settings, resume=resume, progress=first, on_epoch=on_epoch)
    if first:
        report(result, as_json=as_json)


def _fresh(output: Path, values: dict[str, Any]) -> TrainingSettings:
    from sigzoo.errors import UsageError
    from sigzoo.learning import TrainingSettings

    missing = [key for key in ("backbone", "loss", "preprocessor", "data") if key not in values]
    if missing:
        raise UsageError(
            f"Say also {', '.join(f'--{key}' for key in missing)}; `sigzoo plugins` lists names."
        )
    return TrainingSettings(**values, output=output)


def _resumed(output: Path, values: dict[str, Any]) -> TrainingSettings:
    """The settings of the run in the folder; what was named again must be the same."""
    from dataclasses import replace

    from sigzoo.learning import TrainingSettings
    from sigzoo.learning.training.run_folder import read_settings

    return replace(read_settings(output, TrainingSettings), **values)
