"""What the commands that train share: options, what they mean, and what is told of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sigzoo.cli.output import json_option, print_json
from sigzoo.learning.training.settings import AUGMENTATIONS, CHOICES

if TYPE_CHECKING:
    from sigzoo.learning import EpochResult, TrainingResult

__all__ = [
    "BACKBONE_OPTIONS",
    "LOSS_OPTIONS",
    "RUN",
    "TRAINING_OPTIONS",
    "add_parameters",
    "flag",
    "number",
    "options",
    "report",
    "said",
    "tell",
    "text",
]

_F = TypeVar("_F", bound=Callable[..., Any])
_Parameter = Callable[[Any], Any]

_OPTION_GROUPS = {
    "option": "backbone_options",
    "loss_option": "loss_options",
    "preprocessor_option": "preprocessor_options",
    "training_option": "training_options",
}


def text(name: str, help: str, *, metavar: str = "NAME") -> _Parameter:
    """An option that takes a text."""
    return click.option(name, metavar=metavar, help=help)


def number(name: str, kind: type[int] | type[float], help: str) -> _Parameter:
    """An option that takes a number."""
    return click.option(name, type=kind, help=help)


def flag(name: str, help: str) -> _Parameter:
    """An option that is said or not; not saying it leaves a setting as it is."""
    return click.option(name, is_flag=True, default=None, help=help)


def options(name: str, help: str) -> _Parameter:
    """An option that takes KEY=VALUE, any number of times."""
    return click.option(name, multiple=True, metavar="KEY=VALUE", help=f"{help} May be repeated.")


def _choice(name: str, help: str) -> _Parameter:
    return click.option(name, type=click.Choice(CHOICES[name.strip("-")]), help=help)


BACKBONE_OPTIONS = options(
    "--option", "How the backbone is built, such as feature_dim=64 or input_size=96,192."
)
LOSS_OPTIONS = options("--loss-option", "How the loss is built, such as margin=0.3 or temperature=2.")
TRAINING_OPTIONS = options(
    "--training-option",
    "How the preprocessor is built in training only; larger images are cropped at random.",
)

RUN: tuple[_Parameter, ...] = (
    click.option(
        "-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder of the results."
    ),
    click.option("--resume", is_flag=True, help="Go on with the run in the folder, after its last epoch."),
    text("--name", "The model's name; by default the folder's."),
    number("--epochs", int, "Passes over the data."),
    number("--batch-size", int, "Signatures in a step, over all processes."),
    number("--per-writer", int, "Signatures of a writer kept together in a batch, for losses over pairs."),
    _choice("--optimiser", "AdamW, or SGD with Nesterov momentum."),
    number("--rate", float, "Highest learning rate."),
    number("--momentum", float, "Of SGD."),
    number("--weight-decay", float, "Of all parameters, or see --decay."),
    _choice("--decay", "Let the weight decay act on all parameters, or spare biases and normalisation."),
    _choice("--schedule", "How the learning rate falls."),
    number("--drops", int, "With --schedule steps: divide by 10 after every EPOCHS // DROPS epochs."),
    number("--warmup", float, "Epochs in which the learning rate rises."),
    number("--clip-value", float, "Largest entry of a gradient."),
    number("--clip-norm", float, "Largest norm of all gradients."),
    _choice("--precision", "float16 needs a GPU."),
    text("--augment", f"all, none, or some of {','.join(AUGMENTATIONS)}.", metavar="STEPS"),
    number("--strength", float, "Factor on the extent of all augmentation."),
    number("--validation", float, "Share of each writer's signatures that is held out."),
    _choice("--select", "Which epoch is kept: the best by accuracy or EER of what is held out."),
    number("--seed", int, "Decides everything that is random."),
    text("--device", "auto, cpu, cuda, cuda:1, ...", metavar="DEVICE"),
    number("--workers", int, "Processes that write synthetic signatures."),
    text("--weights-licence", "What may be done with the result.", metavar="TEXT"),
    text("--code-licence", "Of the backbone's code; by default what its package states.", metavar="TEXT"),
    flag("--commercial-use", "The licence allows commercial use of the result."),
    text("--trained-on", "What the card says about the data.", metavar="TEXT"),
    flag("--plot", "Also draw curve.png (needs matplotlib)."),
    json_option,
)
"""Options of every run, whatever it learns from."""


def add_parameters(parameters: Iterable[_Parameter]) -> Callable[[_F], _F]:
    """Add options to a command, in their order."""

    def add(command: _F) -> _F:
        for parameter in reversed(list(parameters)):
            command = parameter(command)
        return command

    return add


def said(given: dict[str, Any]) -> dict[str, Any]:
    """The settings that were named on the command line.

    Raises
    ------
    UsageError
        If an option is not KEY=VALUE.
    """
    values = {key: value for key, value in given.items() if key not in _OPTION_GROUPS and value is not None}
    for name, key in _OPTION_GROUPS.items():
        if given.get(name):
            values[key] = dict(_pair(each, name) for each in given[name])
    if "augment" in values:
        values["augment"] = _steps(values["augment"])
    return values


def _steps(text: str) -> tuple[str, ...]:
    if text in ("all", "none"):
        return AUGMENTATIONS if text == "all" else ()
    return tuple(filter(None, text.split(",")))


def _pair(text: str, name: str) -> tuple[str, Any]:
    from sigzoo.errors import UsageError

    key, equals, value = text.partition("=")
    if not equals or not key.isidentifier():
        raise UsageError(f"--{name.replace('_', '-')} takes KEY=VALUE, got {text!r}.")
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


_FIGURES = (
    ("accuracy", "accuracy"),
    ("agreement", "agreement"),
    ("accuracy_new", "accuracy new"),
    ("eer", "EER"),
    ("eer_skilled", "EER skilled"),
    ("eer_new", "EER new"),
)


def tell(
    epochs: int | None, *, on_stderr: bool, figures: Iterable[tuple[str, str]] = _FIGURES
) -> Callable[[EpochResult], None]:
    """A function that tells each epoch in a line: its number, of how many if that is known, and figures."""
    of = "" if epochs is None else f"/{epochs}"
    figures = tuple(figures)

    def line(epoch: EpochResult) -> None:
        parts = [f"epoch {epoch.epoch}{of}", f"loss {epoch.loss:.4f}"]
        for key, label in figures:
            value = getattr(epoch, key)
            if value is not None:
                parts.append(f"{label} {value:.2f} %")
        told = "  ".join([*parts, f"{epoch.seconds:.1f} s"]) + ("  best" if epoch.best else "")
        click.echo(told, err=on_stderr)

    return line


def report(result: TrainingResult, *, as_json: bool) -> None:
    """Tell what came of a run, and how to use it."""
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
    click.echo(f"Use it: sigzoo --registry {quote(str(result.registry))} embed IMAGES -m {result.name}")
