"""What a training run is told, and of that, how it learns: the part that a recipe may state."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

from msgspec import Meta

from sigzoo.settings.declaration import Count, NotNegative, Positive, Whole, described
from sigzoo.settings.run_settings import RunSettings, require

__all__ = ["AUGMENTATIONS", "NOT_STATED", "Augmentation", "LearningSettings", "TrainingSettings"]

Augmentation = Literal["affine", "elastic", "width", "ink", "binarise", "noise", "residue"]
AUGMENTATIONS: tuple[Augmentation, ...] = get_args(Augmentation)
"""Names of the steps, in the order in which they are applied."""

NOT_STATED = "not stated"


class LearningSettings(RunSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a network learns, whatever it is and whatever it learns from."""

    epochs: Annotated[Count, described("Passes over the data.")] = 20
    batch_size: Annotated[
        int, Meta(ge=2), described("Signatures in a step, over all processes together.")
    ] = 64
    per_writer: Annotated[
        Count,
        described(
            "Signatures of a writer kept together in a batch, as losses over pairs need; with 1 all are"
            " drawn independently."
        ),
    ] = 1
    optimiser: Annotated[Literal["adamw", "sgd"], described("AdamW, or SGD with Nesterov momentum.")] = (
        "adamw"
    )
    learning_rate: Annotated[Positive, described("Highest learning rate.")] = 1e-3
    momentum: Annotated[float, Meta(gt=0, lt=1), described("Of SGD.")] = 0.9
    weight_decay: Annotated[NotNegative, described("Of all parameters, or see --weight-decay-on.")] = 1e-4
    weight_decay_on: Annotated[
        Literal["all", "weights", "network"],
        described(
            "What the weight decay acts on: all parameters; weights, those with two axes or more, which"
            " spares biases and normalisation; or of these those of the network and its heads, not the"
            " losses' own."
        ),
    ] = "all"
    schedule: Annotated[
        Literal["cosine", "steps", "constant", "one-cycle"], described("How the learning rate falls.")
    ] = "cosine"
    lr_steps: Annotated[
        Count,
        described("With --schedule steps: divide the rate by 10 after every EPOCHS // LR_STEPS epochs."),
    ] = 3
    cycles: Annotated[
        tuple[Count, ...],
        described(
            "With --schedule one-cycle: epochs of each cycle, in which the rate rises from nearly 0 and"
            " falls back to it; by default one cycle.",
            metavar="N,N,...",
        ),
    ] = ()
    averaged_epochs: Annotated[
        Whole,
        described("The last epochs, at a constant rate, whose weights after every step are averaged."),
    ] = 0
    averaged_rate: Annotated[Positive, described("The learning rate of these.")] = 7e-4
    warmup: Annotated[NotNegative, described("Epochs in which the learning rate rises from 0.")] = 0.0
    clip_value: Annotated[Positive | None, described("Largest absolute value of an entry of a gradient.")] = (
        None
    )
    clip_norm: Annotated[Positive | None, described("Largest Euclidean norm of all gradients together.")] = (
        None
    )
    precision: Annotated[
        Literal["float32", "bfloat16", "float16"],
        described("What the networks compute in; float16 needs a GPU."),
    ] = "float32"
    augment: Annotated[
        tuple[Augmentation, ...],
        described(f"all, none, or some of {','.join(AUGMENTATIONS)}.", metavar="STEPS"),
    ] = AUGMENTATIONS
    augment_strength: Annotated[NotNegative, described("Factor on the extent of every augmentation.")] = 1.0
    validation: Annotated[
        float,
        Meta(ge=0, le=0.5),
        described(
            "Share of each writer's signatures that is held out; 0 only where other writers are measured."
        ),
    ] = 0.1
    select_by: Annotated[
        Literal["auto", "accuracy", "eer", "verification"],
        described(
            "Which epoch is kept: the best by accuracy or EER of what is held out, or by verification of"
            " writers not trained on; auto: by accuracy where there is a writer head, else by EER, and by"
            " verification where there are such writers."
        ),
    ] = "auto"
    seed: Annotated[Whole, described("Decides everything that is random.")] = 0


class TrainingSettings(LearningSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
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
    needs_loss: ClassVar[bool] = True
    """Whether a loss must be named."""
    label: ClassVar[str] = "training run"
    not_affecting_result: ClassVar[frozenset[str]] = frozenset(
        {"output", "device", "workers", "plot", "cache"}
    )

    backbone: Annotated[str, described("Network to train; `sigzoo plugins` lists them.", metavar="NAME")]
    backbone_options: Annotated[
        Mapping[str, Any],
        described(
            "How the backbone is built, such as feature_dim=64 or input_size=96,192.", option="--option"
        ),
    ] = {}
    loss: Annotated[str, described("What to minimise; `sigzoo plugins` lists them.", metavar="NAME")]
    loss_options: Annotated[
        Mapping[str, Any],
        described("How the loss is built, such as margin=0.3 or temperature=2.", option="--loss-option"),
    ] = {}
    preprocessor: Annotated[
        str, described("How images become input; `sigzoo plugins` lists them.", metavar="NAME")
    ]
    preprocessor_options: Annotated[
        Mapping[str, Any],
        described(
            "How the preprocessor is built, in training and in the model.", option="--preprocessor-option"
        ),
    ] = {}
    training_options: Annotated[
        Mapping[str, Any],
        described(
            "How the preprocessor is built in training only; larger images are cropped at random.",
            option="--training-option",
        ),
    ] = {}
    data: Annotated[
        str,
        described(
            "An .npz, a folder of images, synth:writers=500,genuine=16,forgeries=4,seed=0, or NAME:... for"
            " another data source.",
            metavar="SOURCE",
        ),
    ]
    more_data: Annotated[
        tuple[str, ...],
        described(
            "Further data to train on; the label `part` numbers them, --data being 0.", metavar="SOURCE"
        ),
    ] = ()
    validation_data: Annotated[
        tuple[str, ...],
        described(
            "Data of other writers, on which verification is measured after every epoch.", metavar="SOURCE"
        ),
    ] = ()
    losses: Annotated[
        tuple[Mapping[str, Any], ...],
        described(
            "A further loss, added to --loss or in its place where that is empty: `loss`, `options`,"
            " `weight`, `layer` and `label` in place of the features and the writers, `batches` (patterns"
            " of the kinds of batches that it is for), `per_kind` (parameters of its own for each kind).",
            metavar="JSON",
        ),
    ] = ()
    samplers: Annotated[
        tuple[Mapping[str, Any], ...],
        described(
            "What draws batches: `sampler` and `options`; an epoch holds the batches of all, in turn at"
            " random. By default all signatures, shuffled, with --per-writer.",
            metavar="JSON",
        ),
    ] = ()
    preprocessed: Annotated[bool, described("The data are preprocessed already: bright ink on 0.")] = False
    input_scale: Annotated[
        Positive | None,
        described(
            "Factor from the uint8 image to the network's input; by default what the preprocessor says,"
            " else 1/255."
        ),
    ] = None
    output: Annotated[Path, described("Folder of the results; made where it is missing.", metavar="FOLDER")]
    name: Annotated[str | None, described("The model's name; by default the folder's.", metavar="NAME")] = (
        None
    )
    start: Annotated[
        str | None,
        described(
            "Weights of the network to go on from; other batches and augmentation are then drawn.",
            metavar="FILE",
        ),
    ] = None
    start_except: Annotated[
        tuple[str, ...],
        described("Beginning of the names of tensors that are not taken from --start.", metavar="PREFIX"),
    ] = ()
    cache: Annotated[
        str | None, described("Folder that keeps preprocessed data between runs.", metavar="FOLDER")
    ] = None
    store_precision: Annotated[Literal["float32", "float16"], described("Of the weights that are kept.")] = (
        "float32"
    )
    export_outputs: Annotated[
        Whole,
        described(
            "Outputs of a writer head that is made of a loss's own classes and kept with the weights: the"
            " first classes of genuine signatures; 0 for none."
        ),
    ] = 0
    device: Annotated[str, described("auto, cpu, cuda, cuda:1, ...", metavar="DEVICE")] = "auto"
    workers: Annotated[Count, described("Processes that write synthetic signatures.")] = 1
    plot: Annotated[bool, described("Also draw curve.png (needs matplotlib).")] = False
    weights_licence: Annotated[str, described("What may be done with the result.", metavar="TEXT")] = (
        NOT_STATED
    )
    code_licence: Annotated[
        str, described("Of the backbone's code; by default what its package states.", metavar="TEXT")
    ] = NOT_STATED
    commercial_use: Annotated[bool, described("The licence allows commercial use of the result.")] = False
    trained_on: Annotated[
        str | None,
        described("What the card says about the data; synthetic data describe themselves.", metavar="TEXT"),
    ] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.validation > 0 or bool(self.validation_data),
            "validation",
            "above 0 and at most 0.5, or 0 with validation_data",
            self.validation,
        )
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
            whole == self.epochs, "epochs", f"the sum of cycles and averaged_epochs, {whole}", self.epochs
        )
        named = bool(self.loss or self.losses)
        require(named or not self.needs_loss, "loss", "the name of a loss", self.loss)
        require(self.per_writer <= self.batch_size, "per_writer", "at most batch_size", self.per_writer)

    def cycle_lengths(self) -> tuple[int, ...]:
        """Epochs of each cycle of the learning rate, without those that are averaged."""
        return self.cycles or (self.epochs - self.averaged_epochs,)

    def for_publication(self) -> dict[str, Any]:
        """What decided the numbers, without the folders of the machine it was done on."""
        return {
            **{key: value for key, value in self.to_json().items() if key not in self.not_affecting_result},
            "data": Path(self.data).name,
            "more_data": [Path(each).name for each in self.more_data],
            "validation_data": [Path(each).name for each in self.validation_data],
            "start": None if self.start is None else Path(self.start).name,
        }

    def summary(self) -> str:
        """What the card says of the model."""
        return f"{self.backbone} trained with {self.loss} by `sigzoo train`"
