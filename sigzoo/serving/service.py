"""What the service does with the images of a request: features, answers of verification, candidates."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from sigzoo.common.progress import ProgressLike
from sigzoo.errors import SigzooError, UsageError
from sigzoo.imaging import EncodedImage, ImageSource
from sigzoo.model import SignatureModel
from sigzoo.search import FeatureIndex, matches_data
from sigzoo.serving.admission import Admission
from sigzoo.serving.batching import Batcher, Features
from sigzoo.serving.limits import ServingLimits
from sigzoo.serving.metrics import Metrics
from sigzoo.verification.calibration import Calibration, Impostor
from sigzoo.verification.gallery import Gallery
from sigzoo.verification.ranking import ranking_data
from sigzoo.verification.verification import fitting_calibration, overall_status, verify_images

__all__ = ["Service"]

_COMPARING = 32
"""Threads that wait for features and compare them; what they compute is short."""


class Service:
    """A model, ready to answer requests. `close` it, or use it as a context.

    Parameters
    ----------
    model
        Whose features.
    limits
        What is taken on.
    layer
        The layer of answers where a request names none; by default `/embed` takes the card's, and the
        others the calibration's.
    calibration
        One in place of the model's.
    gallery, index
        Those among whom `find` looks: writers who are ranked, or an index of images, of which the nearest are
        listed. Without either there is nobody to find.
    check_images, grey_range, workers
        As for `SignatureModel.embed`.
    """

    def __init__(
        self,
        model: SignatureModel,
        limits: ServingLimits | None = None,
        *,
        layer: str | None = None,
        calibration: Calibration | None = None,
        gallery: Gallery | None = None,
        index: FeatureIndex | None = None,
        check_images: bool = True,
        grey_range: tuple[float, float] | None = None,
        workers: int | None = None,
    ) -> None:
        self.limits = limits or ServingLimits()
        self.model, self.layer = model, layer
        self.gallery, self.index = gallery, index
        self.admission = Admission(self.limits)
        self.metrics = Metrics(self.admission)
        self._check, self._grey_range = check_images, grey_range
        self._calibration = calibration
        self._batcher = Batcher(
            model,
            self.limits,
            grey_range=grey_range,
            workers=workers,
            observe=self.metrics.batches.observe,
        )
        self._batched = _BatchedModel(model, self._batcher)
        self._threads = ThreadPoolExecutor(_COMPARING, thread_name_prefix="sigzoo-compare")

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Finish what was taken, and end."""
        self._threads.shutdown()
        self._batcher.close()

    async def embed(
        self, images: Sequence[EncodedImage], *, layer: str | None, on_error: Literal["raise", "skip"]
    ) -> dict[str, Any]:
        """Features of images, with what there is to say of each.

        Parameters
        ----------
        images
            Files as they came, not decoded yet.
        layer
            The card's by default.
        on_error
            What to do with an image that cannot be used.

        Returns
        -------
        dict
            As `POST /embed` answers.

        Raises
        ------
        ImageError
            If one cannot be used; with ``skip`` if none can.
        UnknownNameError
            If there is no such layer.
        """
        layer = layer or self.layer or self.model.card.features.layer
        found = await self._features(images, layer)
        errors = [each.error for each in found if each.error is not None]
        if errors and (on_error == "raise" or len(errors) == len(found)):
            raise errors[0]
        return {
            "model": self.model.name,
            "layer": layer,
            "images": [_embedded(image, each) for image, each in zip(images, found, strict=True)],
        }

    async def verify(
        self,
        references: Sequence[EncodedImage],
        questioned: Sequence[EncodedImage],
        *,
        layer: str | None,
        threshold: float | None,
        far: float | None,
        against: Impostor | None,
    ) -> dict[str, Any]:
        """Whether questioned signatures are by the writer of the references; as `sigzoo verify --json`.

        Parameters
        ----------
        references, questioned
            Files as they came, not decoded yet.
        layer, threshold, far, against
            As for `SignatureModel.verify`.

        Returns
        -------
        dict
            As `POST /verify` answers.

        Raises
        ------
        ImageError, UnknownNameError, UsageError
            As `SignatureModel.verify`.
        """
        work = partial(
            verify_images,
            self._batched,
            references,
            questioned,
            layer=layer or self.layer,
            threshold=threshold,
            far=far,
            against=against,
            calibration=self._calibration,
            check_images=self._check,
            grey_range=self._grey_range,
        )
        with self.admission.hold_images(len(references) + len(questioned)):
            answers = await asyncio.get_running_loop().run_in_executor(self._threads, work)
        self.metrics.images.labels("embedded").inc(len(references) + len(questioned))
        return {"status": overall_status(answers), "answers": [each.to_dict() for each in answers]}

    async def find(self, questioned: Sequence[EncodedImage], *, most: int) -> dict[str, Any]:
        """Whose signatures these go with, as `sigzoo find --json` says it; with an index the nearest images.

        Parameters
        ----------
        questioned
            Files as they came, not decoded yet.
        most
            How many are named for each.

        Returns
        -------
        dict
            As `POST /find` answers.

        Raises
        ------
        ImageError
            If an image cannot be used.
        UsageError
            If the service was started without a gallery or an index.
        """
        gallery, index = self.gallery, self.index
        look: Callable[[Sequence[str], Sequence[NDArray[np.float32]], int], dict[str, Any]]
        if index is not None:
            layer, look = str(index.facts.provenance["layer"]), partial(_nearest, index)
        elif gallery is not None:
            layer, look = gallery.layer, partial(_ranked, gallery)
        else:
            raise UsageError("The service was started without --among or --index: there is nobody to find.")
        found = await self._features(questioned, layer)
        rows = [_values(each).reshape(-1) for each in found]
        work = partial(look, [each.name for each in questioned], rows, most)
        answer = await asyncio.get_running_loop().run_in_executor(self._threads, work)
        return {"model": self.model.name, "layer": layer, **answer}

    def describe(self) -> dict[str, Any]:
        """What is served: the model's card, what features depend on, and the limits."""
        card = self.model.card
        _, compared, doubts = fitting_calibration(self._batched, self._calibration, self.layer)
        return {
            "summary": card.summary,
            "licence": msgspec.to_builtins(card.licence),
            "features": self._batched.provenance(self.layer),
            "size": self.model.feature_dim if self.layer in (None, card.features.layer) else None,
            "verification": {"layer": compared["layer"], "calibrated": not doubts, "doubts": doubts},
            "gallery": None if self.gallery is None else len(self.gallery.groups),
            "index": None if self.index is None else len(self.index),
            "device": self.model.device,
            "limits": msgspec.to_builtins(self.limits),
        }

    async def _features(self, images: Sequence[EncodedImage], layer: str) -> list[Features]:
        """Features of a request's images; all are waited for, also where one cannot be used."""
        with self.admission.hold_images(len(images)):
            futures = [self._batcher.submit(image, layer, check=self._check) for image in images]
            found = await asyncio.gather(*map(asyncio.wrap_future, futures))
        for each in found:
            self.metrics.images.labels("embedded" if each.error is None else "refused").inc()
        return found


def _ranked(
    gallery: Gallery, names: Sequence[str], rows: Sequence[NDArray[np.float32]], most: int
) -> dict[str, Any]:
    """The writers of a gallery, ranked for each of some signatures."""
    named = [(name, gallery.rank(row)[0]) for name, row in zip(names, rows, strict=True)]
    return {"found": ranking_data(named, most)}


def _nearest(
    index: FeatureIndex, names: Sequence[str], rows: Sequence[NDArray[np.float32]], most: int
) -> dict[str, Any]:
    """The nearest images of an index for each of some signatures."""
    found = matches_data(names, index.search(np.stack(rows), most))
    about = {"metric": index.facts.metric, "compared": len(index), "recall": index.recall()}
    return {**about, "found": found}


class _BatchedModel:
    """A model whose images go through the service's batches: what `verify_images` wants of one."""

    def __init__(self, model: SignatureModel, batcher: Batcher) -> None:
        self.name, self.score = model.name, model.score
        self._model, self._batcher = model, batcher
        self._provenance: dict[str | None, dict[str, Any]] = {}

    def provenance(self, layer: str | None = None) -> dict[str, Any]:
        """What features depend on; the weights are hashed once."""
        if layer not in self._provenance:
            self._model.embedding_stream(layer=layer)  # a layer that there is not is an error
            self._provenance[layer] = self._model.provenance(layer)
        return self._provenance[layer]

    def embed(
        self,
        images: Iterable[ImageSource],
        *,
        layer: str | None = None,
        batch_size: int | None = None,
        progress: ProgressLike = False,
        check_images: bool = True,
        preprocessed: bool = False,
        workers: int | None = None,
    ) -> NDArray[np.float32]:
        """Features of images, in batches with those of other requests."""
        layer = layer or self._model.card.features.layer
        futures = [self._batcher.submit(image, layer, check=check_images) for image in images]
        return np.stack([_values(each.result()) for each in futures])


def _values(found: Features) -> NDArray[np.float32]:
    if found.values is None:
        raise found.error or SigzooError("An image has no features.")
    return found.values


def _embedded(image: EncodedImage, found: Features) -> dict[str, Any]:
    """An image's part of the answer of `/embed`."""
    if found.values is None:
        return {"name": image.name, "features": None, "error": str(found.error), "warnings": []}
    notes = list(found.notes)
    return {"name": image.name, "features": found.values.tolist(), "error": None, "warnings": notes}
