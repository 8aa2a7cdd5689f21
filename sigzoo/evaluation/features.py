"""Features of a data set's signatures: several layers in one pass, and none computed twice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sigzoo import __version__
from sigzoo.common.code_digest import code_digest
from sigzoo.common.digests import file_sha256
from sigzoo.common.parallel import ordered_map
from sigzoo.common.progress import ProgressLike, bar
from sigzoo.errors import DataError, ImageError, UsageError
from sigzoo.evaluation.baseline import STATISTICS, image_statistics
from sigzoo.evaluation.feature_cache import FeatureCache
from sigzoo.imaging import read_and_apply
from sigzoo.interfaces import GreyImage
from sigzoo.interfaces.data_sources import SignatureSet
from sigzoo.verification.copies import PICTURE_SIZE, ink_picture

if TYPE_CHECKING:
    from sigzoo.model import SignatureModel

__all__ = [
    "baseline_features",
    "chosen_layers",
    "default_layers",
    "feature_layers",
    "image_digests",
    "ink_pictures",
    "layer_features",
    "repeated",
    "usable",
]

Rows = NDArray[np.float32]

_BATCH = 32
_BASELINE_VERSION = 1
_INK_VERSION = 1
_KEPT_TOGETHER = 1024
"""Images whose features make one file: what a killed run has to compute again."""


def feature_layers(model: SignatureModel) -> list[str]:
    """Layers that give one vector an image, in the order of computation."""
    size = model.preprocessor.output_size or tuple(max(side, 64) for side in model.backbone.minimum_size)
    found = model.run_layers(np.zeros((1, *size), np.uint8), model.backbone.layers)
    return [name for name in model.backbone.layers if found[name].ndim == 2]


def default_layers(model: SignatureModel) -> list[str]:
    """The card's layer; where it holds what a scanner decides, first those vectors that do not."""
    own, scanner = model.card.features.layer, model.backbone.scanner_layers
    if own not in scanner:
        return [own]
    return [*(name for name in feature_layers(model) if name not in scanner), own]


def chosen_layers(model: SignatureModel, layers: str | Sequence[str]) -> list[str]:
    """Layers by their names: ``all`` vectors, the ``default`` ones, or those that are listed.

    Raises
    ------
    UnknownNameError
        If there is no such layer.
    """
    if layers == "all":
        return feature_layers(model)
    if layers == "default":
        return default_layers(model)
    chosen = [layers] if isinstance(layers, str) else list(layers)
    model.backbone.check_layers(chosen)
    return chosen


def layer_features(
    model: SignatureModel,
    opened: SignatureSet,
    indices: NDArray[np.int64],
    layers: Sequence[str],
    *,
    cache: FeatureCache | None,
    digests: Sequence[bytes] | None = None,
    progress: ProgressLike = False,
) -> dict[str, Rows]:
    """Features of some signatures of a set, at several layers.

    Parameters
    ----------
    model
        What computes them.
    opened, indices
        The set, and which of it in this order.
    layers
        Some of the backbone's; maps are laid out as vectors.
    cache
        Where features are kept; `None` for nowhere.
    digests
        Their `image_digests`, where these are known.
    progress
        As for `SignatureModel.embed`.

    Returns
    -------
    dict
        Layer -> float32 ``(N, D)``.

    Raises
    ------
    ImageError, DataError
        If an image cannot be read or preprocessed; names it.
    UnknownNameError
        If there is no such layer.
    """
    model.backbone.check_layers(layers)
    prepare: Callable[[GreyImage], GreyImage] = _as_it_is if opened.preprocessed else model.preprocessor
    provenance = {**model.provenance(), "runtime": model.runtime}
    programs = code_digest(type(model.backbone), type(model.preprocessor))

    def run(images: list[GreyImage], wanted: Sequence[str]) -> dict[str, Rows]:
        found = model.run_layers(np.stack(images), wanted)
        return {layer: found[layer].reshape(len(images), -1) for layer in wanted}

    places = {
        layer: _place(
            cache,
            f"{model.name}.{layer}",
            {**provenance, "layer": layer, "programs": programs, "preprocessed": opened.preprocessed},
        )
        for layer in layers
    }
    work = _Work(opened, indices.tolist(), _known_digests(opened, indices, digests), cache, places)
    found = work.rows(prepare, run, progress, f"embedding by {model.name}")
    for layer, rows in found.items():
        bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        if len(bad):
            raise DataError(
                f"{opened.name(int(indices[bad[0]]))}: {model.name} {layer} gives features that are not"
                f" finite (NaN or infinite), of {len(bad)} of {len(rows)} signatures."
            )
    return found


def baseline_features(
    opened: SignatureSet,
    indices: NDArray[np.int64],
    *,
    cache: FeatureCache | None,
    digests: Sequence[bytes] | None = None,
    progress: ProgressLike = False,
) -> dict[str, NDArray[np.float64]]:
    """The trivial baselines' numbers, by name of the baseline: float64 ``(N, D)``, not yet scaled.

    Raises
    ------
    ImageError, DataError
        If an image cannot be read, or holds no ink; names it.
    """
    place = _place(cache, "baseline", {"version": _BASELINE_VERSION, "sigzoo_version": __version__})
    known = _known_digests(opened, indices, digests)
    work = _Work(opened, indices.tolist(), known, cache, {"baseline": place})

    def run(images: list[GreyImage], wanted: Sequence[str]) -> dict[str, Rows]:
        return {each: np.stack(images).reshape(len(images), -1).view(np.float32) for each in wanted}

    # Statistics travel as bytes, as images do, so that they are computed in the threads that read.
    found = work.rows(_statistics, run, progress, "looking at images")["baseline"]
    return {label: found[:, columns].astype(np.float64) for label, columns in STATISTICS.items()}


def ink_pictures(
    opened: SignatureSet,
    indices: NDArray[np.int64],
    *,
    cache: FeatureCache | None,
    digests: Sequence[bytes] | None = None,
    progress: ProgressLike = False,
) -> NDArray[np.uint8]:
    """Small pictures of the ink, by which copies are found (see `sigzoo.verification.copies`).

    Returns
    -------
    array
        uint8 ``(N, 48, 96)``; zeros where there is no ink.

    Raises
    ------
    ImageError, DataError
        If an image cannot be read; names it.
    """
    place = _place(cache, "ink-pictures", {"version": _INK_VERSION})
    known = _known_digests(opened, indices, digests)
    work = _Work(opened, indices.tolist(), known, cache, {"ink": place})

    def run(images: list[GreyImage], wanted: Sequence[str]) -> dict[str, Rows]:
        # Features are kept as float32: the pictures travel as their bytes.
        return {each: np.stack(images).reshape(len(images), -1).view(np.float32) for each in wanted}

    rows = work.rows(ink_picture, run, progress, "looking for copies")["ink"]
    return rows.view(np.uint8).reshape(-1, *PICTURE_SIZE)


def _place(cache: FeatureCache | None, name: str, made_with: Mapping[str, Any]) -> Path:
    return Path() if cache is None else cache.place(name, made_with)


def _statistics(image: GreyImage) -> GreyImage:
    return image_statistics(image).astype(np.float32).view(np.uint8)[np.newaxis]


def _as_it_is(image: GreyImage) -> GreyImage:
    return image


@dataclass(frozen=True)
class _Work:
    """Rows of some signatures: what is kept is read, the rest is computed and kept."""

    opened: SignatureSet
    indices: list[int]
    digests: Sequence[bytes]
    """Of each image."""
    cache: FeatureCache | None
    places: Mapping[str, Path]
    """Layer -> its folder in the cache."""

    def rows(
        self,
        prepare: Callable[[GreyImage], GreyImage],
        run: Callable[[list[GreyImage], Sequence[str]], dict[str, Rows]],
        progress: ProgressLike,
        what: str,
    ) -> dict[str, Rows]:
        """Layer -> rows of all signatures; `run` is given prepared images of one size, and layers."""
        kept: dict[str, dict[bytes, Rows]] = {layer: {} for layer in self.places}
        if self.cache is not None:
            kept = {layer: self.cache.read(place, self.digests) for layer, place in self.places.items()}
        wanted = {
            digest: index
            for index, digest in zip(self.indices, self.digests, strict=True)
            if any(digest not in rows for rows in kept.values())
        }
        lacking = [layer for layer, rows in kept.items() if any(digest not in rows for digest in wanted)]
        with bar(progress if wanted else False, len(wanted), what) as step:
            images = ordered_map(partial(_prepared, self.opened, prepare), wanted.values(), ahead=2 * _BATCH)
            computed = _batches(zip(wanted, images, strict=True), lambda each: run(each, lacking), step)
            for part in iter(lambda: list(islice(computed, _KEPT_TOGETHER)), []):
                for layer in lacking:
                    self._keep(layer, {digest: found[layer] for digest, found in part}, kept[layer])
        return {layer: _stacked([rows[each] for each in self.digests], layer) for layer, rows in kept.items()}

    def _keep(self, layer: str, rows: dict[bytes, Rows], kept: dict[bytes, Rows]) -> None:
        kept.update(rows)
        if self.cache is not None:
            self.cache.write(self.places[layer], list(rows), _stacked(list(rows.values()), layer))


def _batches(
    images: Iterator[tuple[bytes, GreyImage]],
    run: Callable[[list[GreyImage]], dict[str, Rows]],
    step: Callable[[int], object],
) -> Iterator[tuple[bytes, dict[str, Rows]]]:
    """Features of images as they come, those of equal size together."""
    for window in iter(lambda: list(islice(images, _BATCH)), []):
        sizes: dict[tuple[int, ...], list[tuple[bytes, GreyImage]]] = {}
        for digest, image in window:
            sizes.setdefault(image.shape, []).append((digest, image))
        for same in sizes.values():
            found = run([image for _, image in same])
            for place, (digest, _) in enumerate(same):
                yield digest, {layer: rows[place] for layer, rows in found.items()}
        step(len(window))


def image_digests(opened: SignatureSet, indices: NDArray[np.int64]) -> list[bytes]:
    """The SHA-256 of each signature's file; of its pixels where it has no file of its own.

    Raises
    ------
    ImageError, DataError
        If one cannot be read; names it.
    """
    return list(ordered_map(partial(_digest, opened), indices.tolist(), ahead=_BATCH))


def _known_digests(
    opened: SignatureSet, indices: NDArray[np.int64], digests: Sequence[bytes] | None
) -> Sequence[bytes]:
    return image_digests(opened, indices) if digests is None else digests


def _digest(opened: SignatureSet, index: int) -> bytes:
    """SHA-256 of an image's file; of its pixels where it has none of its own."""
    file = opened.file_of(index)
    found = hashlib.sha256()
    if file is None:
        image = opened.read(index)
        found.update(f"{image.shape} {image.dtype}".encode())
        found.update(np.ascontiguousarray(image).data)
        return found.digest()
    return bytes.fromhex(file_sha256(file, DataError))


def usable(
    opened: SignatureSet, indices: NDArray[np.int64], preparers: Sequence[Callable[[GreyImage], GreyImage]]
) -> NDArray[np.int64]:
    """Those signatures on which every preprocessing finds ink, of a set that may hold blank images."""
    if not opened.skip_blank:
        return indices

    def good(index: int) -> bool:
        image = opened.read(index)
        try:
            for prepare in preparers:
                prepare(image)
        except ImageError:
            return False
        return True

    return indices[list(ordered_map(good, indices.tolist(), ahead=_BATCH))]


def repeated(digests: Sequence[bytes]) -> list[int]:
    """Places of those images that are, byte for byte, one before them."""
    seen: set[bytes] = set()
    found = []
    for place, digest in enumerate(digests):
        if digest in seen:
            found.append(place)
        seen.add(digest)
    return found


def _prepared(opened: SignatureSet, prepare: Callable[[GreyImage], GreyImage], index: int) -> GreyImage:
    file = opened.file_of(index)
    if file is not None:
        return read_and_apply(file, index, prepare)
    try:
        return prepare(opened.read(index))
    except ImageError as error:
        name = opened.name(index)
        raise ImageError(str(error) if str(error).startswith(name) else f"{name}: {error}") from error


def _stacked(rows: list[Rows], layer: str) -> Rows:
    sizes = {len(row) for row in rows}
    if len(sizes) > 1:
        raise UsageError(f"The features of {layer} differ in size with the image: no protocol compares them.")
    return np.stack(rows)
