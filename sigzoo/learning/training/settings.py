"""What a training run is told: one frozen dataclass, checked, and kept as JSON beside its results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar

from sigzoo.errors import UnknownNameError
from sigzoo.learning.run_settings import KeptSettings, require

__all__ = ["AUGMENTATIONS", "CHOICES", "NOT_STATED", "TrainingSettings"]

AUGMENTATIONS = ("affine", "elastic", "width", "ink", "binarise", "noise", "residue")
"""Names of the steps, in the order in which they are applied."""

CHOICES: dict[str, tuple[str, ...]] = {
    "optimiser": ("adamw", "sgd"),
    "schedule": ("cosine", "steps", "constant"),
    "precision": ("float32", "bfloat16", "float16"),
    "decay": ("all", "weights"),
    "select": ("auto", "accuracy", "eer"),
}
"""Values that the settings of these names may take."""

NOT_STATED = "not stated"


@dataclass(frozen=True, kw_only=True)
class TrainingSettings(KeptSettings):
    """Everything that decides a training run.

    Raises
    ------
    UsageError
        If a value is out of range.
    UnknownNameError
        If a value is none of those it may take.
    """

    command: ClassVar[str] = "train"
    """What of `sigzoo` goes on with a run of these settings."""
    kept_for: ClassVar[tuple[str, str]] = ("a training run", "training run")
    elsewhere: ClassVar[frozenset[str]] = frozenset({"output", "device", "workers", "plot"})

    backbone: str
    """Name of the network, as `sigzoo plugins` lists them."""
    loss: str
    preprocessor: str
    data: str
    """A ``.npz`` file, a folder of images, or ``synth:writers=500,genuine=16,forgeries=4,seed=0``."""
    output: Path
    """Folder of the results; made where it is missing."""
    backbone_options: Mapping[str, Any] = field(default_factory=dict)
    loss_options: Mapping[str, Any] = field(default_factory=dict)
    preprocessor_options: Mapping[str, Any] = field(default_factory=dict)
    training_options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the preprocessor in training only: those that give images larger than the network
    takes, which are then cropped at random."""
    preprocessed: bool = False
    """Whether `data` holds preprocessed images (bright ink on 0) already."""
    input_scale: float | None = None
    """The network's input is the uint8 image times this; by default what the preprocessor says, else
    1/255."""
    name: str | None = None
    """The model's name in the registry fragment; by default the name of the folder."""
    epochs: int = 20
    batch_size: int = 64
    """Signatures in a step, over all processes together."""
    per_writer: int = 1
    """Signatures of one writer that come into a batch together, as losses over pairs need; 1 draws
    all signatures independently."""
    optimiser: str = "adamw"
    rate: float = 1e-3
    """The highest learning rate."""
    momentum: float = 0.9
    """Nesterov momentum of SGD."""
    weight_decay: float = 1e-4
    decay: str = "all"
    """What the weight decay acts on: ``all`` parameters, or ``weights``: those with two axes or more."""
    schedule: str = "cosine"
    drops: int = 3
    """For ``steps``: the rate is divided by 10 after every ``epochs // drops`` epochs."""
    warmup: float = 0.0
    """Epochs in which the rate rises from 0."""
    clip_value: float | None = None
    """Largest absolute value of an entry of a gradient."""
    clip_norm: float | None = None
    """Largest Euclidean norm of all gradients together."""
    precision: str = "float32"
    augment: tuple[str, ...] = AUGMENTATIONS
    strength: float = 1.0
    """Factor on the extent of every augmentation."""
    validation: float = 0.1
    """Share of each writer's signatures that is held out."""
    select: str = "auto"
    """What decides which epoch is kept: ``accuracy``, ``eer``, or ``auto``: the accuracy where there
    is a writer head, else the EER."""
    seed: int = 0
    device: str = "auto"
    workers: int = 1
    """Processes that write synthetic signatures."""
    plot: bool = False
    """Whether to draw ``curve.png``."""
    code_licence: str = NOT_STATED
    weights_licence: str = NOT_STATED
    commercial_use: bool = False
    trained_on: str | None = None
    """What the card says about the data; synthetic data describe themselves."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "output", Path(self.output))
        object.__setattr__(self, "augment", tuple(self.augment))
        for key, allowed in CHOICES.items():
            if getattr(self, key) not in allowed:
                raise UnknownNameError(key, str(getattr(self, key)), allowed)
        for step in self.augment:
            if step not in AUGMENTATIONS:
                raise UnknownNameError("augmentation", step, AUGMENTATIONS)
        require(self.batch_size >= 2, "batch_size", "at least 2", self.batch_size)
        for key in ("epochs", "per_writer", "drops", "workers"):
            require(getattr(self, key) >= 1, key, "at least 1", getattr(self, key))
        for key in ("clip_value", "clip_norm", "input_scale"):
            value = getattr(self, key)
            require(value is None or (isfinite(value) and value > 0), key, "above 0", value)
        for key in ("weight_decay", "warmup", "strength", "seed"):
            value = getattr(self, key)
            require(isfinite(value) and value >= 0, key, "at least 0", value)
        require(isfinite(self.rate) and self.rate > 0, "rate", "above 0", self.rate)
        require(0 < self.momentum < 1, "momentum", "between 0 and 1", self.momentum)
        require(0 < self.validation <= 0.5, "validation", "above 0 and at most 0.5", self.validation)
        require(self.per_writer <= self.batch_size, "per_writer", "at most batch_size", self.per_writer)

    def to_json(self) -> dict[str, Any]:
        """The settings as plain data."""
        return {**asdict(self), "output": str(self.output), "augment": list(self.augment)}

    def for_publication(self) -> dict[str, Any]:
        """What decided the numbers, without the folders of the machine it was done on."""
        return {
            **{key: value for key, value in self.to_json().items() if key not in self.elsewhere},
            "data": self.data if self.data.startswith("synth:") else Path(self.data).name,
        }

    def summary(self) -> str:
        """What the card says of the model."""
        return f"{self.backbone} trained with {self.loss} by `sigzoo train`"
