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
    "schedule": ("cosine", "steps", "constant", "one-cycle"),
    "precision": ("float32", "bfloat16", "float16"),
    "decay": ("all", "weights", "network"),
    "select": ("auto", "accuracy", "eer", "verification"),
    "store_precision": ("float32", "float16"),
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
    elsewhere: ClassVar[frozenset[str]] = frozenset({"output", "device", "workers", "plot", "cache"})

    backbone: str
    """Name of the network, as `sigzoo plugins` lists them."""
    loss: str
    preprocessor: str
    data: str
    """A ``.npz`` file, a folder of images, ``synth:writers=500,genuine=16,forgeries=4,seed=0``, or what
    another data source reads: ``NAME:...``."""
    output: Path
    """Folder of the results; made where it is missing."""
    backbone_options: Mapping[str, Any] = field(default_factory=dict)
    loss_options: Mapping[str, Any] = field(default_factory=dict)
    preprocessor_options: Mapping[str, Any] = field(default_factory=dict)
    training_options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the preprocessor in training only: those that give images larger than the network
    takes, which are then cropped at random."""
    more_data: tuple[str, ...] = ()
    """Further data to train on, joined to `data`; the label ``part`` numbers them, `data` being 0."""
    validation_data: tuple[str, ...] = ()
    """Data of other writers, on which verification is measured after every epoch."""
    losses: tuple[Mapping[str, Any], ...] = ()
    """Further losses, added to `loss`, or in its place where it is empty: each with ``loss``, ``options``,
    ``weight``, ``layer`` and ``label`` in place of the features and the writers, ``batches`` (patterns of
    the kinds of batches that it is for) and ``per_kind`` (parameters of its own for each kind)."""
    samplers: tuple[Mapping[str, Any], ...] = ()
    """What draws the batches: each with ``sampler`` and ``options``; an epoch holds the batches of all, in
    turn at random. By default all signatures, shuffled, with `per_writer`."""
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
    """What the weight decay acts on: ``all`` parameters, ``weights``: those with two axes or more, or
    ``network``: of these those of the network and its heads, not the losses' own."""
    schedule: str = "cosine"
    drops: int = 3
    """For ``steps``: the rate is divided by 10 after every ``epochs // drops`` epochs."""
    cycles: tuple[int, ...] = ()
    """For ``one-cycle``: epochs of each cycle, in which the rate rises from nearly 0 and falls back to it;
    by default one cycle."""
    averaged_epochs: int = 0
    """The last epochs, at a constant rate, whose weights after every step are averaged."""
    averaged_rate: float = 7e-4
    """The learning rate of these."""
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
    """Share of each writer's signatures that is held out; may be 0 where there are `validation_data`."""
    select: str = "auto"
    """What decides which epoch is kept: ``accuracy``, ``eer``, or ``auto``: the accuracy where there
    is a writer head, else the EER, or with `validation_data` ``verification``: the mean logarithm of
    the equal error rates on them."""
    start: str | None = None
    """Weights of the network to go on from; other batches and augmentation are then drawn."""
    start_except: tuple[str, ...] = ()
    """Beginnings of the names of tensors that are not taken from `start`."""
    cache: str | None = None
    """Folder that keeps preprocessed data between runs."""
    store_precision: str = "float32"
    """Of the weights that are kept."""
    export_outputs: int = 0
    """Outputs of a writer head that is made of a loss's own classes and kept with the weights: the first
    classes of genuine signatures; 0 for none."""
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
        for key in (
            *("augment", "more_data", "validation_data", "losses", "samplers", "cycles", "start_except"),
        ):
            object.__setattr__(self, key, tuple(getattr(self, key)))
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
        least = self.validation >= 0 if self.validation_data else self.validation > 0
        require(least and self.validation <= 0.5, "validation", "above 0 and at most 0.5", self.validation)
        for key in ("averaged_epochs", "export_outputs"):
            require(getattr(self, key) >= 0, key, "at least 0", getattr(self, key))
        rate = self.averaged_rate
        require(isfinite(rate) and rate > 0, "averaged_rate", "above 0", rate)
        require(all(each >= 1 for each in self.cycles), "cycles", "numbers of at least 1", self.cycles)
        require(
            self.averaged_epochs <= self.epochs, "averaged_epochs", "at most epochs", self.averaged_epochs
        )
        require(
            not self.cycles or self.schedule == "one-cycle",
            "cycles",
            "empty where the schedule is not one-cycle",
            self.cycles,
        )
        whole = sum(self.cycle_lengths()) + self.averaged_epochs
        require(
            whole == self.epochs,
            "epochs",
            f"the sum of cycles and averaged_epochs, {whole}",
            self.epochs,
        )
        require(bool(self.loss or self.losses), "loss", "the name of a loss", self.loss)
        require(self.per_writer <= self.batch_size, "per_writer", "at most batch_size", self.per_writer)

    def cycle_lengths(self) -> tuple[int, ...]:
        """Epochs of each cycle of the learning rate, without those that are averaged."""
        return self.cycles or (self.epochs - self.averaged_epochs,)

    def to_json(self) -> dict[str, Any]:
        """The settings as plain data."""
        values = asdict(self)
        values |= {key: list(value) for key, value in values.items() if isinstance(value, tuple)}
        return {**values, "output": str(self.output)}

    def for_publication(self) -> dict[str, Any]:
        """What decided the numbers, without the folders of the machine it was done on."""
        return {
            **{key: value for key, value in self.to_json().items() if key not in self.elsewhere},
            "data": Path(self.data).name,
            "more_data": [Path(each).name for each in self.more_data],
            "validation_data": [Path(each).name for each in self.validation_data],
            "start": None if self.start is None else Path(self.start).name,
        }

    def summary(self) -> str:
        """What the card says of the model."""
        return f"{self.backbone} trained with {self.loss} by `sigzoo train`"
