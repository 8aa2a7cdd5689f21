"""A model: card, preprocessor and backbone in one; images in, features out."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sigzoo.common.parallel import ordered_map
from sigzoo.common.progress import ProgressLike, bar
from sigzoo.data.feature_files import check_shape
from sigzoo.errors import ImageError, SigzooError, SigzooWarning, UsageError
from sigzoo.imaging import ImageSource, ReadOptions, as_sources, read_and_apply, source_name
from sigzoo.interfaces import Backbone, GreyImage, Preprocessor, Runtime
from sigzoo.registry import Card
from sigzoo.zoo import default_zoo

OnError = Literal["raise", "skip"]


@dataclass(frozen=True)
class Embedded:
    """What became of one image of a stream."""

    index: int
    """Its place in the input, from 0."""
    source: str
    """The path, or ``image 3`` for what has none."""
    features: NDArray[np.float32] | None
    """float32, of the layer's shape; `None` where the image could not be used."""
    error: SigzooError | None = None
    """Why not."""


class SignatureModel:
    """A loaded model: the preprocessing that its weights were trained with, and the network.

    Attributes
    ----------
    name
        The registry's name.
    card
        The registry's row: licences, training data, results.
    preprocessor, backbone
        Its parts; the backbone is in evaluation mode.
    heads
        The heads that the card keeps, by name (``writer``, ``forgery``).
    """

    def __init__(
        self,
        name: str,
        card: Card,
        preprocessor: Preprocessor,
        backbone: Backbone,
        heads: dict[str, nn.Linear] | None = None,
        *,
        device: str = "auto",
        runtime: str | type[Runtime] = "torch",
    ) -> None:
        self.name, self.card = name, card
        self.preprocessor, self.backbone = preprocessor, backbone
        kind = default_zoo().component("runtime", runtime) if isinstance(runtime, str) else runtime
        self._runtime: Runtime = kind(backbone.eval(), device=device)
        self.heads = {key: head.eval().to(self._runtime.device) for key, head in (heads or {}).items()}

    def __repr__(self) -> str:
        return f"<SignatureModel {self.name}: {self.card.features.size} features on {self._runtime.device}>"

    def preprocess(self, image: ImageSource) -> GreyImage:
        """Preprocess one image: uint8 ``(h, w)``, ink bright on 0.

        Raises
        ------
        ImageError
            If the image cannot be read or holds no ink; names the file.
        """
        return read_and_apply(image, 0, self.preprocessor)

    def stages(self, image: ImageSource) -> dict[str, GreyImage]:
        """The named steps of the preprocessing in order, each uint8; the last is the result.

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
        batch_size: int = 32,
        progress: ProgressLike = False,
        on_error: OnError = "raise",
        check_images: bool = True,
        grey_range: tuple[float, float] | None = None,
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
            Images that go through the network at once.
        progress
            `True` for a progress bar on stderr, or a function that is told how many more are done.
        on_error
            What to do with an image that cannot be used: ``"raise"``, or ``"skip"``, which leaves
            its row out and lists the skipped in one `SigzooWarning`. `embed_stream` tells them apart.
        check_images
            Whether to warn (`SigzooWarning`) of what does not look like one signature on paper.
        grey_range
            The values of black and white of images deeper than 8 bits whose file does not say.

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
            If `batch_size` is below 1, no image is left, or an inner layer's features differ in
            shape because the images do.
        """
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
            ):
                step(1)
                if item.features is None:
                    skipped.append(str(item.error))
                else:
                    check_shape(item.source, item.features.shape, rows[0].shape if rows else None)
                    rows.append(item.features)
        if skipped:
            listed = "\n  ".join(skipped)
            warnings.warn(
                f"{len(skipped)} of {len(sources)} images skipped:\n  {listed}", SigzooWarning, stacklevel=2
            )
        if not rows:
            raise UsageError("There is no image to embed.")
        return np.stack(rows)

    def embed_stream(
        self,
        images: ImageSource | Iterable[ImageSource],
        *,
        layer: str | None = None,
        batch_size: int = 32,
        on_error: OnError = "raise",
        check_images: bool = True,
        grey_range: tuple[float, float] | None = None,
    ) -> Iterator[Embedded]:
        """Features of any number of images, in their order, in constant memory.

        Parameters
        ----------
        images, layer, batch_size, on_error, check_images, grey_range
            As for `embed`; `images` is read as it is needed. With ``on_error="skip"`` an image that
            cannot be used comes out with its error in place of features.

        Raises
        ------
        ImageError, UnknownNameError, UsageError
            As for `embed`.
        """
        layer = self.card.features.layer if layer is None else layer
        if not isinstance(layer, str):
            raise UsageError(f"A layer is named by a text, got {layer!r}.")
        self.backbone.check_layers([layer])
        if not isinstance(batch_size, int | np.integer) or isinstance(batch_size, bool) or batch_size < 1:
            raise UsageError(
                f"A batch is a whole number of images, at least 1; got batch_size={batch_size!r}."
            )
        if on_error not in ("raise", "skip"):
            raise UsageError(f"on_error is 'raise' or 'skip', got {on_error!r}.")
        options = ReadOptions(grey_range, check_images)
        return self._stream(as_sources(images), layer, int(batch_size), on_error, options)

    def _stream(
        self,
        images: Iterable[ImageSource],
        layer: str,
        batch_size: int,
        on_error: OnError,
        options: ReadOptions,
    ) -> Iterator[Embedded]:
        # Sizes differ only without a fixed one; then a wider window finds equal ones to batch.
        window = batch_size if self.preprocessor.output_size else 4 * batch_size
        prepare = partial(self._prepare, options)
        with closing(ordered_map(prepare, enumerate(images), ahead=window)) as prepared:
            while items := list(islice(prepared, window)):
                if on_error == "raise":
                    for item in items:
                        if item.error is not None:
                            raise item.error
                yield from self._run(items, layer, batch_size)

    def _prepare(self, options: ReadOptions, numbered: tuple[int, ImageSource]) -> _Prepared:
        index, source = numbered
        name = source_name(source, index)
        try:
            return _Prepared(index, name, read_and_apply(source, index, self._network_image, options))
        except SigzooError as error:
            return _Prepared(index, name, None, error)

    def _network_image(self, image: GreyImage) -> GreyImage:
        """Preprocess an image, and refuse one too small for a network of any size."""
        result = self.preprocessor(image)
        least = self.backbone.minimum_size
        if result.shape[0] < least[0] or result.shape[1] < least[1]:
            found, wanted = " x ".join(map(str, result.shape)), " x ".join(map(str, least))
            raise ImageError(
                f"too small: {found} pixels after preprocessing, {self.name} needs at least {wanted}."
            )
        return result

    def _run(self, items: list[_Prepared], layer: str, batch_size: int) -> Iterator[Embedded]:
        """Batch images of equal size, and give the results back in order."""
        sizes: dict[tuple[int, ...], list[_Prepared]] = {}
        for item in items:
            if item.image is not None:
                sizes.setdefault(item.image.shape, []).append(item)
        features: dict[int, NDArray[np.float32]] = {}
        for same in sizes.values():
            for start in range(0, len(same), batch_size):
                batch = same[start : start + batch_size]
                output = self._runtime.run(self._input([item.image for item in batch]), [layer])[layer]
                features.update(zip((item.index for item in batch), output, strict=True))
        for item in items:
            yield Embedded(item.index, item.source, features.get(item.index), item.error)

    def _input(self, images: Iterable[GreyImage | None]) -> NDArray[np.float32]:
        batch = np.stack([image for image in images if image is not None])[:, np.newaxis]
        scaled: NDArray[np.float32] = batch * np.float32(self.card.input_scale)
        return scaled

    def logits(
        self, images: ImageSource | Iterable[ImageSource], *, head: str = "writer", batch_size: int = 32
    ) -> NDArray[np.float32]:
        """A head's output, for models that keep one: float32 ``(N, outputs)``.

        Raises
        ------
        UsageError
            If the model keeps no such head.
        ImageError
            If an image cannot be used; names the file.
        """
        if head not in self.heads:
            kept = ", ".join(self.heads) or "none"
            raise UsageError(f"The model {self.name!r} has no {head!r} head (it keeps: {kept}).")
        features = self.embed(images, layer=self.backbone.layers[-1], batch_size=batch_size)
        with torch.inference_mode():
            output = self.heads[head](torch.from_numpy(features).to(self._runtime.device))
            logits: NDArray[np.float32] = output.cpu().numpy()
        return logits


@dataclass(frozen=True)
class _Prepared:
    """An image after preprocessing, or why it has none."""

    index: int
    source: str
    image: GreyImage | None
    error: SigzooError | None = None
