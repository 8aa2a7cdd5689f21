"""The kinds of plugins that can be written: their templates, and what differs between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from sigzoo import plugins

__all__ = ["KINDS", "SKELETONS", "PluginKind", "Skeleton", "kind_of"]

PluginKind = Literal[
    "backbone",
    "preprocessor",
    "loss",
    "models",
    "runtime",
    "weight-format",
    "data-source",
    "sampler",
    "preset",
    "protocol",
    "command",
]

KINDS: tuple[PluginKind, ...] = get_args(PluginKind)


@dataclass(frozen=True)
class Skeleton:
    """What makes up a new plugin of one kind.

    Attributes
    ----------
    layers
        Folders of templates; a later one's file goes before an earlier one's.
    description
        For ``pyproject.toml``.
    requirements
        What it imports, beside sigzoo.
    module
        Module of the component, where there is one.
    target
        Name in it that is registered; ``{}`` stands for the first part of a class's name.
    usage
        How it is used, for the README; ``{}`` stands for the component's name.
    """

    layers: tuple[str, ...]
    description: str
    requirements: tuple[str, ...] = ()
    module: str = ""
    target: str = ""
    usage: str = ""


_NUMPY, _PILLOW, _TORCH = "numpy>=1.26", "pillow>=10.3", "torch>=2.6"

SKELETONS: dict[PluginKind, Skeleton] = {
    "backbone": Skeleton(
        ("common", "preprocessing", "model", "backbone"),
        "A backbone with its preprocessing and a model, for sigzoo",
        (_NUMPY, _PILLOW, _TORCH),
    ),
    "preprocessor": Skeleton(
        ("common", "component", "preprocessing", "preprocessor"),
        "A preprocessing, for sigzoo",
        (_NUMPY, _PILLOW),
        "preprocessing",
        "{}Preprocessor",
        'Name it in the card of a model (`preprocessor: {0}`), or build it: `sigzoo.preprocessor("{0}")`.',
    ),
    "loss": Skeleton(
        ("common", "component", "loss"),
        "A loss, for sigzoo",
        (_TORCH,),
        "loss",
        "{}Loss",
        'Train with it by its name: `sigzoo train --loss {0} ...`, or `sigzoo.loss("{0}", smoothing=0.1)`;'
        " `needs` says which quantities of a training batch it reads.",
    ),
    "models": Skeleton(("common", "model", "models"), "Models, for sigzoo"),
    "runtime": Skeleton(
        ("common", "component", "runtime"),
        "A runtime, for sigzoo",
        (_NUMPY, _TORCH),
        "runtime",
        "{}Runtime",
        'Any model runs in it: `sigzoo.load("NAME", runtime="{0}")`.',
    ),
    "weight-format": Skeleton(
        ("common", "component", "weight-format"),
        "A weight format, for sigzoo",
        (_NUMPY,),
        "weight_format",
        "{}Format",
        "Name it in the card of a model: `weights: {{artifact: ..., format: {0}}}`.",
    ),
    "data-source": Skeleton(
        ("common", "component", "data-source"),
        "A data source, for sigzoo",
        (_NUMPY, _PILLOW),
        "data_source",
        "{}Source",
        "Train from it: `sigzoo train --data FOLDER ...`, or `--data {0}:FOLDER` where others take it too.",
    ),
    "sampler": Skeleton(
        ("common", "component", "sampler"),
        "A sampler, for sigzoo",
        (_NUMPY,),
        "sampler",
        "{}Sampler",
        'Name it in the settings of a training: `samplers=[{{"sampler": "{0}"}}]`.',
    ),
    "preset": Skeleton(
        ("common", "component", "preset"),
        "Settings of a training, for sigzoo",
        (),
        "preset",
        "PRESET",
        "Start from it: `sigzoo train --preset {0} ...`.",
    ),
    "protocol": Skeleton(
        ("common", "component", "protocol"),
        "An evaluation protocol, for sigzoo",
        (_NUMPY,),
        "protocol",
        "{}Protocol",
        'Measure with it: `sigzoo.Zoo().build("protocol", "{0}").measure(features, signatures)`.',
    ),
    "command": Skeleton(
        ("common", "component", "command"),
        "A command of sigzoo",
        ("click>=8.1",),
        "command",
        "command",
        "Run it: `sigzoo {0}`.",
    ),
}


def kind_of(kind: PluginKind) -> plugins.Kind | None:
    """The kind of component that a new plugin registers; `None` for models, which are files."""
    return plugins.KINDS.get(kind.replace("-", "_"))
