"""Options of commands that compute features, gathered in one object: which model, and how images are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sigzoo.cli.help_pages import NETWORK, ExpertOption
from sigzoo.cli.image_options import image_options, options_for
from sigzoo.cli.output import model_option, weights_option
from sigzoo.interfaces.runtimes import PRECISIONS

if TYPE_CHECKING:
    from sigzoo.imaging.npz_images import ImageInputs
    from sigzoo.jobs.embedding import EmbedSettings
    from sigzoo.model import SignatureModel

__all__ = ["EmbeddingOptions", "device_option", "embedding_options", "runtime_options"]

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True)
class EmbeddingOptions:
    """What the options say, each by its name on the command line."""

    model: str | None
    weights: str | None
    layer: str | None
    batch_size: int | None
    device: str
    runtime: str
    precision: str
    workers: int | None
    image_check: bool
    grey_range: tuple[float, float] | None
    canvas: tuple[int, int] | str | None

    def load(self, inputs: ImageInputs) -> SignatureModel:
        """Load the model, with the preprocessing that the images had or are to have.

        Raises
        ------
        UsageError
            If a canvas is wanted for images that are preprocessed already.
        """
        from sigzoo import load

        preprocessor_options = options_for(inputs, self.canvas)
        return load(
            self.model,
            device=self.device,
            runtime=self.runtime,
            precision=self.precision,
            weights=self.weights,
            preprocessor_options=preprocessor_options,
        )

    def check_model(self) -> None:
        """Refuse a model that is not there, before anything is loaded.

        Raises
        ------
        UnknownNameError
            If none has that name.
        """
        from sigzoo.zoo import default_zoo

        if self.model is not None:
            default_zoo().info(self.model)

    def settings(self, inputs: ImageInputs, on_error: str) -> tuple[EmbedSettings, SignatureModel]:
        """All of it as what a job is told, and the model, loaded.

        Raises
        ------
        UsageError
            If a canvas is wanted for images that are preprocessed already, or they are for another model.
        """
        from sigzoo.jobs.embedding import EmbedSettings

        model = self.load(inputs)
        settings = EmbedSettings(
            model=self.model,
            weights=self.weights,
            device=self.device,
            runtime=self.runtime,
            precision=self.precision,
            preprocessor_options=options_for(inputs, self.canvas),
            on_error=on_error,  # type: ignore[arg-type]
            **self.embedding(inputs, model),
        )
        return settings, model

    def embedding(self, inputs: ImageInputs, model: SignatureModel) -> dict[str, Any]:
        """Arguments of `SignatureModel.embed`, `embed_stream` and `verify` for some images.

        Raises
        ------
        UsageError
            If the images are preprocessed for another model.
        """
        return {
            "layer": self.layer,
            "batch_size": self.batch_size,
            "check_images": self.image_check,
            "grey_range": self.grey_range,
            "preprocessed": inputs.preprocessed_for(model.name),
            "workers": self.workers,
        }


def runtime_options(command: _F) -> _F:
    """Add ``--runtime`` and ``--precision``: what runs the network, and how."""
    runtime = click.option(
        "--runtime",
        cls=ExpertOption,
        group=NETWORK,
        metavar="NAME",
        default="torch",
        show_default=True,
        help="What runs the network; `sigzoo plugins` shows all.",
    )
    precision = click.option(
        "--precision",
        cls=ExpertOption,
        group=NETWORK,
        type=click.Choice(PRECISIONS),
        default="float32",
        show_default=True,
        help="What the network computes in.",
    )
    return runtime(precision(command))


def device_option(group: str = "More options", *, default: str = "auto") -> Callable[[_F], _F]:
    """Make ``--device``, under a heading for experts."""
    return click.option(
        "--device",
        cls=ExpertOption,
        group=group,
        default=default,
        show_default=True,
        help="auto, cpu, cuda, cuda:1, ...",
    )


def embedding_options(command: _F) -> _F:
    """Add the options; the command gets them as `options`, an `EmbeddingOptions`."""
    names = [each.name for each in fields(EmbeddingOptions)]

    @wraps(command)
    def call(**given: Any) -> Any:
        gathered = EmbeddingOptions(**{name: given.pop(name) for name in names})
        return command(options=gathered, **given)

    options = (
        model_option,
        weights_option,
        click.option(
            "--layer", metavar="NAME", help="Layer to take features from; the card's own by default."
        ),
        click.option(
            "--batch-size",
            cls=ExpertOption,
            group=NETWORK,
            type=click.IntRange(min=1),
            help="Images that go through the network together; by default 32, on a GPU as many as fit.",
        ),
        device_option(NETWORK),
        runtime_options,
        click.option(
            "--workers",
            cls=ExpertOption,
            group=NETWORK,
            type=click.IntRange(min=0),
            help="Cores to use, all by default; with 0 or 1 no process is started.",
        ),
        image_options,
    )
    for option in reversed(options):
        call = option(call)
    return call  # type: ignore[return-value]  # click calls it by names
