"""`sigzoo train`: a backbone, a loss and data in; a model that loads by name out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sigzoo.cli.output import json_option, print_json
from sigzoo.learning.presets import PRESETS
from sigzoo.learning.settings import AUGMENTATIONS, CHOICES

if TYPE_CHECKING:
    from sigzoo.learning import EpochResult, TrainingResult, TrainingSettings

__all__ = ["train"]

_F = TypeVar("_F", bound=Callable[..., Any])

_OPTION_GROUPS = {
    "option": "backbone_options",
    "loss_option": "loss_options",
    "preprocessor_option": "preprocessor_options",
    "training_option": "training_options",
}


def _text(flag: str, help: str, **more: Any) -> Callable[[_F], _F]:
    return click.option(flag, metavar=more.pop("metavar", "NAME"), help=help, **more)


def _number(flag: str, kind: type[int] | type[float], help: str) -> Callable[[_F], _F]:
    return click.option(flag, type=kind, help=help)


def _choice(flag: str, help: str) -> Callable[[_F], _F]:
    return click.option(flag, type=click.Choice(CHOICES[flag.strip("-")]), help=help)


def _options(flag: str, help: str) -> Callable[[_F], _F]:
    return click.option(flag, multiple=True, metavar="KEY=VALUE", help=f"{help} May be repeated.")


_PARAMETERS: tuple[Callable[[Any], Any], ...] = (
    click.option("--preset", type=click.Choice(list(PRESETS)), help="A published recipe to start from."),
    _text("--backbone", "Network to train; `sigzoo plugins` lists them."),
    _options("--option", "How the backbone is built, such as feature_dim=64 or input_size=96,192."),
    _text("--loss", "What to minimise; `sigzoo plugins` lists them."),
    _options("--loss-option", "How the loss is built, such as margin=0.3."),
    _text("--preprocessor", "How images become input; `sigzoo plugins` lists them."),
    _options("--preprocessor-option", "How the preprocessor is built, in training and in the model."),
    _options("--training-option", "The same in training only; larger images are cropped at random."),
    _text(
        "--data",
        "An .npz, a folder of images, or synth:writers=500,genuine=16,forgeries=4,seed=0.",
        metavar="SOURCE",
    ),
    click.option("--preprocessed", is_flag=True, default=None, help="The data are preprocessed already."),
    click.option(
        "-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder of the results."
    ),
    click.option("--resume", is_flag=True, help="Go on with the run in the folder, after its last epoch."),
    _text("--name", "The model's name; by default the folder's."),
    _number("--epochs", int, "Passes over the data."),
    _number("--batch-size", int, "Signatures in a step, over all processes."),
    _number("--per-writer", int, "Signatures of a writer kept together in a batch, for losses over pairs."),
    _choice("--optimiser", "AdamW, or SGD with Nesterov momentum."),
    _number("--rate", float, "Highest learning rate."),
    _number("--momentum", float, "Of SGD."),
    _number("--weight-decay", float, "Of all parameters, or see --decay."),
    _choice("--decay", "Let the weight decay act on all parameters, or spare biases and normalisation."),
    _choice("--schedule", "How the learning rate falls."),
    _number("--drops", int, "With --schedule steps: divide by 10 after every EPOCHS // DROPS epochs."),
    _number("--warmup", float, "Epochs in which the learning rate rises."),
    _number("--clip-value", float, "Largest entry of a gradient."),
    _number("--clip-norm", float, "Largest norm of all gradients."),
    _choice("--precision", "float16 needs a GPU."),
    _text("--augment", f"all, none, or some of {','.join(AUGMENTATIONS)}.", metavar="STEPS"),
    _number("--strength", float, "Factor on the extent of all augmentation."),
    _number("--validation", float, "Share of each writer's signatures that is held out."),
    _choice("--select", "Which epoch is kept: the best by accuracy or EER of what is held out."),
    _number("--input-scale", float, "Factor from the uint8 image to the network's input."),
    _number("--seed", int, "Decides everything that is random."),
    _text("--device", "auto, cpu, cuda, cuda:1, ...", metavar="DEVICE"),
    _number("--workers", int, "Processes that write synthetic signatures."),
    _text("--weights-licence", "What may be done with the result.", metavar="TEXT"),
    _text("--code-licence", "Of the backbone's code; by default what its package states.", metavar="TEXT"),
    click.option(
        "--commercial-use",
        is_flag=True,
        default=None,
        help="The licence allows commercial use of the result.",
    ),
    _text("--trained-on", "What the card says about the data.", metavar="TEXT"),
    click.option("--plot", is_flag=True, default=None, help="Also draw curve.png (needs matplotlib)."),
    json_option,
)


def _add_parameters(command: _F) -> _F:
    for parameter in reversed(_PARAMETERS):
        command = parameter(command)
    return command


@click.command()
@_add_parameters
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
    values = {**recipe, **_values(given)}
    settings = _resumed(output, values) if resume else _fresh(output, values)
    first = os.environ.get("RANK", "0") == "0"

    def tell(epoch: EpochResult) -> None:
        click.echo(_line(epoch, settings.epochs), err=as_json)

    result = learning.train(settings, resume=resume, progress=first, on_epoch=tell)
    if first:
        _report(result, as_json)


def _values(given: dict[str, Any]) -> dict[str, Any]:
    """The settings that were named on the command line."""
    values = {key: value for key, value in given.items() if key not in _OPTION_GROUPS and value is not None}
    for flag, key in _OPTION_GROUPS.items():
        if given[flag]:
            values[key] = dict(_pair(each, flag) for each in given[flag])
    if "augment" in values:
        values["augment"] = _steps(values["augment"])
    return values


def _steps(text: str) -> tuple[str, ...]:
    if text in ("all", "none"):
        return AUGMENTATIONS if text == "all" else ()
    return tuple(filter(None, text.split(",")))


def _pair(text: str, flag: str) -> tuple[str, Any]:
    from sigzoo.errors import UsageError

    key, equals, value = text.partition("=")
    if not equals or not key.isidentifier():
        raise UsageError(f"--{flag.replace('_', '-')} takes KEY=VALUE, got {text!r}.")
    return key, _value(value)


def _value(text: str) -> Any:
    """Numbers, true, false, none, and lists of them with commas; anything else is text."""
    if "," in text:
        return [_value(part) for part in text.split(",") if part]
    known = {"true": True, "false": False, "none": None}
    if text.lower() in known:
        return known[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


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
    from sigzoo.learning.run_folder import read_settings

    return replace(read_settings(output, TrainingSettings), **values)


def _line(epoch: EpochResult, epochs: int) -> str:
    parts = [f"epoch {epoch.epoch}/{epochs}", f"loss {epoch.loss:.4f}"]
    for key, label in (("accuracy", "accuracy"), ("eer", "EER"), ("eer_skilled", "EER skilled")):
        value = getattr(epoch, key)
        if value is not None:
            parts.append(f"{label} {value:.2f} %")
    return "  ".join([*parts, f"{epoch.seconds:.1f} s"]) + ("  best" if epoch.best else "")


def _report(result: TrainingResult, as_json: bool) -> None:
    best = result.best
    if as_json:
        from dataclasses import asdict

        print_json(
            {
                "model": result.name,
                "weights": str(result.weights),
                "registry": str(result.registry),
                "log": str(result.log),
                "best": asdict(best),
            }
        )
        return
    click.echo(f"{result.name}: the weights of epoch {best.epoch} in {result.weights}")
    click.echo(f"Use it: sigzoo --registry {result.registry} embed IMAGES -m {result.name}")
