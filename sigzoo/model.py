"""A model: card, preprocessor and backbone in one; images in, features out."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from sigzoo.common.cores import available_cores
from sigzoo.common.limits import LISTED
from sigzoo.common.progress import ProgressLike, bar
from sigzoo.data.feature_files import check_shape
from sigzoo.embedding import Embedded, EmbeddingStream
from sigzoo.errors import SigzooWarning, UsageError, WeightsError
from sigzoo.imaging import ImageSource, ReadOptions, as_sources, read_and_apply
from sigzoo.imaging.sources import is_image
from sigzoo.interfaces import GreyImage, Preprocessor
from sigzoo.interfaces.runtimes import PRECISIONS, NetworkFacts, Runtime
from sigzoo.network import ModelNetwork, calibration_batches
from sigzoo.registry import Card
from sigzoo.verification.scores import Score, make_score

if TYPE_CHECKING:
    import torch
    from torch import nn

    from sigzoo.export import Exported
    from sigzoo.interfaces import Backbone
    from sigzoo.verification import Calibration, Impostor, Verification

__all__ = ["Embedded", "OnError", "SignatureModel"]

OnError = Literal["raise", "skip"]


class SignatureModel:
    """A loaded model: the preprocessing that its weights were trained with, and the network.

    Attributes
    ----------
    name
        The registry's name.
    card
        The registry's row: licences, training data, results.
    preprocessor
        What is done to an image first.
    precision
        What the network computes in.
    weights_file
        The file that the weights were read from; `None` for a model that was put together by hand.
    calibration_file
        What makes likelihood ratios of its scores (`verify`); `None` without one.
    """

    def __init__(
        self,
        name: str,
        card: Card,
        preprocessor: Preprocessor,
        backbone: Backbone | ModelNetwork,
        heads: dict[str, nn.Linear] | None = None,
        *,
        device: str | torch.device = "auto",
        runtime: type[Runtime] | None = None,
        precision: str = "float32",
        weights_file: Path | None = None,
        calibration_file: Path | None = None,
    ) -> None:
        self.name, self.card = name, card
        self.preprocessor, self.precision = preprocessor, precision
        self.weights_file, self.calibration_file = weights_file, calibration_file
        self._kind = _torch_runtime() if runtime is None else runtime
        self._network = (
            backbone
            if isinstance(backbone, ModelNetwork)
            else ModelNetwork(
                lambda: (backbone, dict(heads or {})),
                identity=lambda: None,
                calibration=partial(calibration_batches, preprocessor),
                input_scale=card.input_scale,
                layer=card.features.layer,
            )
        )
        _check_precision(self._kind, precision)
        self._runtime = self._place(device)

    @property
    def backbone(self) -> Backbone:
        """The network, loaded now if nothing has needed it yet, in float32 and evaluation mode.

        What is changed in it by hand is what `embed` computes with, in every runtime of the core.
        """
        return self._network.backbone()

    @property
    def heads(self) -> dict[str, nn.Linear]:
        """The heads that the card keeps, by name (``writer``, ``forgery``), where the network is."""
        return {name: head.to(self.device) for name, head in self._network.heads().items()}

    @property
    def _facts(self) -> NetworkFacts:
        """Layers and sizes of the network, which need not be loaded for it."""
        # A kept graph knows them without torch; a network that is loaded may have been changed by hand.
        if self._runtime.facts is None or self._network.loaded:
            return NetworkFacts.of(self.backbone)
        return self._runtime.facts

    @property
    def score(self) -> Score:
        """How its features are scored against references: as the card says, or by the default score.

        Raises
        ------
        UnknownNameError, UsageError
            If the card names a score or an option that there is not.
        """
        spec = self.card.score
        return make_score() if spec is None else make_score(spec.name, **spec.options)

    @property
    def feature_dim(self) -> int:
        """Size of the features that `embed` gives by default."""
        return self.card.features.size

    @property
    def device(self) -> str:
        """Where the network runs: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ..."""
        return self._runtime.device

    @property
    def runtime(self) -> str:
        """What runs the network: a class, such as ``"sigzoo.runtimes.torch:TorchRuntime"``."""
        return f"{self._kind.__module__}:{self._kind.__qualname__}"

    def provenance(self, layer: str | None = None) -> dict[str, Any]:
        """What features depend on, beside the image, as plain data: `sigzoo embed` keeps it with them.

        Parameters
        ----------
        layer
            The layer that they are taken from; the card's by default.

        Returns
        -------
        dict
            ``model``, ``layer``, ``weights_sha256`` (of the weight file, or of the member of an archive that
            was unpacked; empty without a file), ``preprocessor``, ``preprocessor_options``, ``input_scale``,
            ``backbone``, ``precision``, ``sigzoo_version``.

        Raises
        ------
        WeightsError
            If the weight file has gone, or cannot be read any more.
        """
        from sigzoo import __version__

        digest = ""
        if self.weights_file is not None:
            try:
                with self.weights_file.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                raise WeightsError(
                    f"{self.weights_file}: the weights of {self.name!r} were read from here, and the file"
                    f" can no longer be read ({error.strerror or error}). Load the model again."
                ) from error
        card = self.card
        return {
            "model": self.name,
            "layer": card.features.layer if layer is None else layer,
            "weights_sha256": digest,
            "preprocessor": card.preprocessor.name,
            "preprocessor_options": dict(card.preprocessor.options),
            "input_scale": card.input_scale,
            "backbone": card.backbone.name,
            "precision": self.precision,
            "sigzoo_version": __version__,
        }

    def to(self, device: str | torch.device) -> SignatureModel:
        """Move the model to a device, in float32 and evaluation mode; returns the model.

        Parameters
        ----------
        device
            ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ... or a `torch.device`.

        Returns
        -------
        SignatureModel
            This model.

        Raises
        ------
        UsageError
            If there is no such device, or `device` is something else.
        """
        if not _names_a_device(device):
            raise UsageError(f"A device is named by a string or a torch.device, got {device!r}.")
        self._runtime = self._place(device)
        return self

    def _place(self, device: str | torch.device) -> Runtime:
        """Bring network and heads to a device, ready to run.

        In float32, whatever torch's default is just now: that is what the weights were trained in.
        """
        if self._network.loaded:
            self._network.backbone().float().eval()
            for head in self._network.heads().values():
                head.float().eval()
        return self._kind.open(self._network, device=str(device), precision=self.precision)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the weights, heads included, as safetensors; ``sigzoo.load(name, weights=path)`` reads them.

        Parameters
        ----------
        path
            The file to write, its name ending in ``.safetensors``.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        UsageError
            If the name does not end in ``.safetensors``.
        SigzooError
            If the file cannot be written; nothing of it stays, and what was there before is whole.
        """
        from sigzoo.weights import save_weights

        if Path(path).suffix != ".safetensors":
            raise UsageError(f"{os.fspath(path)}: the name of a weight file must end in .safetensors.")
        heads = {name: dict(head.state_dict()) for name, head in self.heads.items()}
        licence = self.card.licence
        identity = {"model": self.name, "licence_code": licence.code, "licence_weights": licence.weights}
        return save_weights(path, self.backbone.state_dict(), heads, identity)

    def export(
        self, path: str | os.PathLike[str], *, format: str | None = None, layer: str | None = None
    ) -> Exported:
        """Write the network for use without sigzoo; see `sigzoo.export.export_model`.

        Parameters
        ----------
        path
            The file: ``.onnx``, ``.xml`` (OpenVINO; its weights go into a ``.bin`` beside) or ``.pt2``
            (`torch.export`).
        format
            ``"onnx"``, ``"openvino"`` or ``"torch-export"``; by default what the file's ending says.
        layer
            The layer that it gives; the card's by default.

        Returns
        -------
        Exported
            The files, the format, and how far what they compute is from the network in torch.

        Raises
        ------
        UsageError
            If the format is not known, does not go with the ending, or its packages are not installed.
        UnknownNameError
            If there is no such layer.
        SigzooError
            If the network cannot be written in the format, or what was written computes something else.
        """
        from sigzoo.export import export_model

        return export_model(self, path, format=format, layer=layer)

    def __repr__(self) -> str:
        return f"<SignatureModel {self.name}: {self.feature_dim} features on {self.device}>"

    def preprocess(self, image: ImageSource) -> GreyImage:
        """Preprocess one image: uint8 ``(h, w)``, ink bright on 0.

        Parameters
        ----------
        image
            An image, as for `embed`.

        Returns
        -------
        array
            uint8 ``(h, w)`` of the size that the network takes, or of the image's own where it takes
            any.

        Raises
        ------
        ImageError
            If the image cannot be read or holds no ink; names the file.
        """
        return read_and_apply(image, 0, self.preprocessor)

    def stages(self, image: ImageSource) -> dict[str, GreyImage]:
        """The named steps of the preprocessing in order, each uint8; the last is the result.

        Parameters
        ----------
        image
            An image, as for `embed`.

        Returns
        -------
        dict
            Name of a step -> uint8 ``(h, w)``, whose size may differ from step to step.

        Raises
        ------
        ImageError
            If the image cannot be read or holds no ink; names the file.
        """
        return read_and_apply(image, 0, self.preprocessor.stages)

    def embed(
        self,
        images: ImageSource | Iterable[ImageSource],
        *,
        layer: str | None = None,
        batch_size: int | None = None,
        progress: ProgressLike = False,
        on_error: OnError = "raise",
        check_images: bool = True,
        grey_range: tuple[float, float] | None = None,
        preprocessed: bool = False,
        workers: int | None = None,
    ) -> NDArray[np.float32]:
        """Features of one image or many.

        Parameters
        ----------
        images
            An image, or an iterable of images: paths, bytes, open files, PIL images, arrays or tensors
            (`sigzoo.imaging.read_image` says which).
        layer
            One of ``model.backbone.layers``; the card's layer by default.
        batch_size
            Images that go through the network at once, fewer where they are large; by default 32, on a GPU as
            many as its memory holds.
        progress
            `True` for a progress bar on stderr, or a function that is told how many more are done.
        on_error
            What to do with an image that cannot be used: ``"raise"``, or ``"skip"``, which leaves
            its row out and names the first of the skipped in one `SigzooWarning`. `embed_stream` names
            all.
        check_images
            Whether to warn (`SigzooWarning`) of what does not look like one signature on paper.
        grey_range
            The values of black and white of images deeper than 8 bits whose file does not say.
        preprocessed
            Whether the images are what the preprocessor gives (ink bright on 0), to be used as they are.
        workers
            Cores to use; all that this process may run on by default. Where there are many images, each
            prepares them in a process of its own; with 0 or 1 there is none. Features are the same.

        Returns
        -------
        array
            float32 ``(N, D)``, a row an image (``(N, ...)`` for an inner layer; ``(1, D)`` for a
            single image).

        Raises
        ------
        ImageError
            If an image cannot be used, with ``on_error="raise"``; names the file.
        UnknownNameError
            If there is no such layer.
        UsageError
            If `batch_size` is below 1 or `workers` below 0, no image is left, or an inner layer's
            features differ in shape because the images do.
        WeightsError
            If features are not finite: the weights are damaged, or do not suit the precision.
        """
        # All at once, to be counted: what does not fit into memory is for `embed_stream`.
        sources = list(as_sources(images))
        rows: list[NDArray[np.float32]] = []
        skipped: list[str] = []
        with bar(progress, len(sources), "embedding") as step:
            for item in self.embed_stream(
                sources,
                layer=layer,
                batch_size=batch_size,
                on_error=on_error,
                check_images=check_images,
                grey_range=grey_range,
                preprocessed=preprocessed,
                workers=workers,
            ):
                step(1)
                if item.features is None:
                    skipped.append(str(item.error))
                else:
                    check_shape(item.source, item.features.shape, rows[0].shape if rows else None)
                    rows.append(item.features)
        if skipped:
            more = [f"and {len(skipped) - LISTED:,} more"] * (len(skipped) > LISTED)
            lines = "\n  ".join([*skipped[:LISTED], *more])
            warnings.warn(
                f"{len(skipped)} of {len(sources)} images skipped:\n  {lines}", SigzooWarning, stacklevel=2
            )
        if not rows:
            raise UsageError("There is no image to embed.")
        return np.stack(rows)

    def embed_stream(
        self,
        images: ImageSource | Iterable[ImageSource],
        *,
        layer: str | None = None,
        batch_size: int | None = None,
        on_error: OnError = "raise",
        check_images: bool = True,
        grey_range: tuple[float, float] | None = None,
        preprocessed: bool = False,
        workers: int | None = None,
    ) -> Iterator[Embedded]:
        """Features of any number of images, in their order, in constant memory.

        Parameters
        ----------
        images, layer, batch_size, on_error, check_images, grey_range, preprocessed, workers
            As for `embed`; `images` is read as it is needed. With ``on_error="skip"`` an image that
            cannot be used comes out with its error in place of features.

        Yields
        ------
        Embedded
            The image with its number, and its features (float32 ``(D,)``, or the inner layer's shape) or
            error.

        Raises
        ------
        ImageError, UnknownNameError, UsageError
            As for `embed`.
        """
        if on_error not in ("raise", "skip"):
            raise UsageError(f"on_error is 'raise' or 'skip', got {on_error!r}.")
        stream = self.embedding_stream(
            layer=layer,
            batch_size=batch_size,
            options=ReadOptions(grey_range, check_images and not preprocessed, preprocessed),
            workers=workers,
        )
        return stream.run(as_sources(images), skip=on_error == "skip")

    def embedding_stream(
        self,
        *,
        layer: str | None = None,
        batch_size: int | None = None,
        options: ReadOptions | None = None,
        workers: int | None = None,
    ) -> EmbeddingStream:
        """The steps from images to a layer's features, for who runs them elsewhere than `embed_stream` does.

        Parameters
        ----------
        layer, batch_size, workers
            As for `embed`.
        options
            How images are read.

        Returns
        -------
        EmbeddingStream
            What is run on images, once or many times.

        Raises
        ------
        UnknownNameError, UsageError
            As for `embed`.
        """
        layer = self.card.features.layer if layer is None else layer
        if not isinstance(layer, str):
            raise UsageError(f"A layer name must be a string, got {layer!r}.")
        self._facts.check_layers([layer])
        if batch_size is not None and (not _is_whole(batch_size) or batch_size < 1):
            raise UsageError(
                f"A batch is a whole number of images, at least 1; got batch_size={batch_size!r}."
            )
        if workers is not None and (not _is_whole(workers) or workers < 0):
            raise UsageError(f"workers is a whole number of cores, at least 0, or None; got {workers!r}.")
        return EmbeddingStream(
            self.name,
            self.preprocessor,
            self._runtime,
            layer,
            input_scale=self.card.input_scale,
            minimum_size=self._facts.minimum_size,
            # `islice` takes no number beyond the machine's.
            batch_size=None if batch_size is None else min(int(batch_size), 1 << 20),
            options=options or ReadOptions(),
            workers=available_cores() if workers is None else max(1, int(workers)),
        )

    def run_layers(self, images: NDArray[np.uint8], layers: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Several layers' features of preprocessed images of one size, in one pass.

        Parameters
        ----------
        images
            uint8 ``(N, h, w)``, as `preprocess` gives them.
        layers
            Some of ``model.backbone.layers``.

        Returns
        -------
        dict
            Layer -> float32 ``(N, ...)``.

        Raises
        ------
        UnknownNameError
            If there is no such layer.
        ImageError
            If the network does not take images of that size.
        """
        self._facts.check_layers(layers)
        batch: NDArray[np.float32] = images[:, np.newaxis] * np.float32(self.card.input_scale)
        return self._runtime.run(batch, list(layers))

    @overload
    def verify(
        self, references: ImageSource | Iterable[ImageSource], questioned: ImageSource, **options: Any
    ) -> Verification: ...

    @overload
    def verify(
        self,
        references: ImageSource | Iterable[ImageSource],
        questioned: Iterable[ImageSource],
        **options: Any,
    ) -> list[Verification]: ...

    def verify(  # type: ignore[misc]  # the overloads tell one from several, and pass on the options
        self,
        references: ImageSource | Iterable[ImageSource],
        questioned: ImageSource | Iterable[ImageSource],
        *,
        layer: str | None = None,
        threshold: float | None = None,
        far: float | None = None,
        against: Impostor | None = None,
        score: Score | None = None,
        calibration: Calibration | str | os.PathLike[str] | None = None,
        batch_size: int | None = None,
        progress: ProgressLike = False,
        check_images: bool = True,
        grey_range: tuple[float, float] | None = None,
        preprocessed: bool = False,
        workers: int | None = None,
    ) -> Verification | list[Verification]:
        """Say whether questioned signatures are by the writer of the references, and how sure that is.

        Parameters
        ----------
        references
            Genuine signatures of one writer; one will do, more are better (``reference_help`` in the answer
            says how much).
        questioned
            A signature in question, or several.
        layer
            One of ``model.backbone.layers``; the calibration's by default, and without one the card's.
        threshold
            The score from which on a signature is accepted, in place of the calibration's.
        far
            The share of impostors that may be accepted, from 0 to 1: chooses the threshold. Without it the
            threshold is where the likelihood ratio is 1, and a ratio below 2 either way is inconclusive.
        against
            Which impostors are meant: ``"skilled"`` (forgers who imitate) or ``"random"`` (other writers with
            signatures of their own); the skilled ones by default, if the calibration knows them.
        score
            The calibration's by default, and without one the model's (`score`).
        calibration
            A calibration of your own, or its file, in place of the model's.
        batch_size, progress, check_images, grey_range, preprocessed, workers
            As for `embed`; what `check_images` finds is told in the answer.

        Returns
        -------
        Verification or list
            An answer for one questioned image, a list for several: score, likelihood ratios, threshold with
            its origin, decision, what it cannot say. Without a calibration that fits (this layer, these
            weights, this preprocessing) there is the score alone, and the answer says so.

        Raises
        ------
        ImageError
            If an image cannot be used; names the file.
        UnknownNameError
            If there is no such layer.
        UsageError
            If there is no reference or no questioned signature, an image is there twice, options do not go
            together, or `far` is given without calibration.
        DataError
            If the calibration cannot be read.
        """
        from sigzoo.verification.verification import verify_images

        one = is_image(questioned)
        answers = verify_images(
            self,
            references,
            questioned,
            layer=layer,
            threshold=threshold,
            far=far,
            against=against,
            score=score,
            calibration=self.calibration_file if calibration is None else calibration,
            batch_size=batch_size,
            progress=progress,
            check_images=check_images,
            grey_range=grey_range,
            preprocessed=preprocessed,
            workers=workers,
        )
        return answers[0] if one else answers

    def logits(
        self,
        images: ImageSource | Iterable[ImageSource],
        *,
        head: str = "writer",
        batch_size: int | None = None,
    ) -> NDArray[np.float32]:
        """A head's output, for models that keep one: float32 ``(N, outputs)``.

        Parameters
        ----------
        images, batch_size
            As for `embed`.
        head
            ``"writer"`` (an output a writer of the training) or ``"forgery"`` (one output, above 0 for a
            forgery).

        Returns
        -------
        array
            float32 ``(N, outputs)``, before softmax or sigmoid.

        Raises
        ------
        UsageError
            If the model keeps no such head.
        ImageError
            If an image cannot be used; names the file.
        """
        import torch

        heads = self.heads
        if head not in heads:
            kept = ", ".join(heads) or "none"
            raise UsageError(f"The model {self.name!r} has no {head!r} head (it keeps: {kept}).")
        # Heads are trained on the last layer, whichever one the card names for features.
        features = self.embed(images, layer=self.backbone.layers[-1], batch_size=batch_size)
        with torch.inference_mode():
            output = heads[head](torch.from_numpy(features).to(self.device))
            logits: NDArray[np.float32] = output.float().cpu().numpy()
        return logits


def _torch_runtime() -> type[Runtime]:
    from sigzoo.runtimes.torch import TorchRuntime

    return TorchRuntime


def _names_a_device(device: object) -> bool:
    """Whether something is a text or a `torch.device`; imports no torch, as there is none without it."""
    kind = type(device)
    return isinstance(device, str) or (kind.__module__, kind.__name__) == ("torch", "device")


def _check_precision(runtime: type[Runtime], precision: str) -> None:
    """Refuse a precision that there is not, or that a runtime has not."""
    if precision not in PRECISIONS:
        raise UsageError(f"There is no precision {precision!r}: there are {', '.join(PRECISIONS)}.")
    if precision not in runtime.precisions:
        raise UsageError(
            f"{runtime.__name__} does not compute in {precision}, only in {', '.join(runtime.precisions)}."
        )


def _is_whole(number: object) -> bool:
    """Whether something is a whole number, of Python or numpy."""
    return isinstance(number, int | np.integer) and not isinstance(number, bool)
