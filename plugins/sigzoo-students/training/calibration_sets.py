"""Signatures that the bundled models are calibrated on and tried on, and their features, kept on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sigzoo import SignatureModel
from sigzoo.common import atomic
from sigzoo.data import open_npz
from sigzoo.datasets import known_signatures, open_data
from sigzoo.errors import ImageError
from sigzoo.evaluation.datasets import crossmedia, sigcomp2009
from sigzoo.imaging import read_image
from sigzoo.interfaces import GreyImage
from sigzoo.interfaces.protocols import Signatures
from sigzoo.verification.copies import COPY, ink_print

__all__ = ["BASIS", "TRIED", "NamedSet", "features_of"]

Read = Callable[[Path], tuple[list[Callable[[], GreyImage]], Signatures]]
"""From the folder of data to images, read when they are needed, and what they are."""

_FIRST = 2_000_000
"""Families from here on were neither learnt from (up to 13,000) nor held out to choose weights
(1,000,000 to 1,000,400)."""
_FAMILIES = 100
_GENUINE = 14
"""Ten references leave four to question."""


@dataclass(frozen=True)
class NamedSet:
    """A set of signatures."""

    name: str
    note: str
    """Where it is from, and what else it was used for."""
    read: Read
    scanned: bool = True
    """Whether it is of scans, among which there may be copies of one signature."""


def _opened(place: str) -> tuple[list[Callable[[], GreyImage]], Signatures]:
    opened, _ = open_data(place)
    return [partial(opened.read, index) for index in range(len(opened))], known_signatures(opened)


def _families(first: int, sittings: str) -> Read:
    place = f"synsig-families:families={_FAMILIES},first={first},genuine={_GENUINE},sittings={sittings}"
    return lambda _: _opened(place)


def _files(files: tuple[Path, ...], known: Signatures) -> tuple[list[Callable[[], GreyImage]], Signatures]:
    return [partial(read_image, file) for file in files], known


def _sigcomp2009(data: Path) -> tuple[list[Callable[[], GreyImage]], Signatures]:
    found = sigcomp2009(data / "sigcomp2009")
    return _files(found.files, found.known)


def _crossmedia(data: Path) -> tuple[list[Callable[[], GreyImage]], Signatures]:
    found = crossmedia(data / "crossmedia", ["val"])
    return _files(found.files, found.known)


BASIS = (
    NamedSet(
        "bhsig-dev",
        "30 writers of BHSig260 (Hindi), scans of two levels at 300 dpi, with skilled forgeries; neither"
        " trained nor selected the weights; was used to choose the score",
        lambda data: _opened(str(data / "bhsig-dev")),
    ),
    NamedSet(
        "synthetic, one sitting",
        f"{_FAMILIES} families of sigzoo.synthesis, each hand with one pen, forgers who imitate; of the"
        " generator that trained the weights, but no family that trained or selected them",
        _families(_FIRST, "yes"),
        scanned=False,
    ),
)
"""What calibrations are made on: signatures of one writer are made alike (pen, paper, scanner)."""

TRIED = (
    NamedSet(
        "SigComp2009",
        "12 writers, one forger (NISDCC preview); development: it was looked at while the generator was made",
        _sigcomp2009,
    ),
    NamedSet(
        "synthetic, any conditions",
        f"{_FAMILIES} other families, every image with a pen and a scanner of its own",
        _families(_FIRST + 200, "no"),
        scanned=False,
    ),
    NamedSet(
        "crossmedia val",
        "15 writers of names across paper, tablet and phone; it selected weights, so it calibrates nothing",
        _crossmedia,
    ),
)
"""What calibrations are only tried on; `cedar` comes in addition, where it is there."""

CEDAR = NamedSet(
    "CEDAR",
    "55 writers, 24 genuine signatures and 24 skilled forgeries each; the test set: it chose nothing",
    lambda folder: _opened(str(folder)),
)


def features_of(
    named: NamedSet, data: Path, model: SignatureModel, layers: list[str], cache: Path
) -> tuple[Mapping[str, NDArray[np.float32]], Signatures]:
    """Features of a set by layer, float32 ``(N, D)``, from the cache where they are there.

    Of images that are copies of one signature (see `sigzoo.verification.copies`) the first is taken. Features
    are kept by the name of the set and the digest of the model's weights: remove the folder when the data
    change.
    """
    weights = model.provenance()["weights_sha256"]
    file = cache / f"{named.name.replace(', ', '-').replace(' ', '-')}.{model.name}.{weights[:16]}.npz"
    if not file.exists():
        canvases, known = _canvases(named, data, model.preprocessor)
        arrays = {f"layer {name}": each for name, each in _embedded(canvases, model, layers).items()}
        labels = {key: value for key, value in _columns(known).items() if value is not None}
        cache.mkdir(parents=True, exist_ok=True)
        with atomic.whole_file(file) as out:
            np.savez(out, **arrays, **labels)
    with open_npz(file) as stored:
        found = {name: stored[f"layer {name}"].read() for name in layers}
        read = {key: stored[key].read().tolist() if key in stored else None for key in _columns()}
    return found, Signatures(**read)


def _canvases(
    named: NamedSet, data: Path, preprocess: Callable[[GreyImage], GreyImage]
) -> tuple[NDArray[np.uint8], Signatures]:
    """The preprocessed images of a set: of copies the first; no drawn ones whose pen left no ink."""
    images, known = named.read(data)
    kept, found = [], []
    prints: list[NDArray[np.float32]] = []
    for index, read in enumerate(images):
        image = read()
        try:
            canvas = preprocess(image)
        except ImageError:
            if named.scanned:
                raise
            continue
        if named.scanned:
            mine = ink_print(image)
            if prints and (np.stack(prints) @ mine > COPY).any():
                continue
            prints.append(mine)
        kept.append(index)
        found.append(canvas)
    columns = {key: None if each is None else each[kept].tolist() for key, each in _columns(known).items()}
    return np.stack(found), Signatures(**columns)  # type: ignore[arg-type]


def _columns(known: Signatures | None = None) -> dict[str, NDArray[np.generic] | None]:
    keys = ("identity", "writer", "forged", "text", "medium")
    values = {key: getattr(known, key, None) for key in keys}
    return {key: None if value is None else np.array(value) for key, value in values.items()}


def _embedded(
    canvases: NDArray[np.uint8], model: SignatureModel, layers: list[str]
) -> dict[str, NDArray[np.float32]]:
    """Features of all layers at once, float32 ``(N, D)`` each."""
    parts: dict[str, list[NDArray[np.float32]]] = {layer: [] for layer in layers}
    with torch.inference_mode():
        for part in torch.from_numpy(canvases)[:, None].split(64):
            found = model.backbone.forward_layers(part.float() * model.card.input_scale, layers)
            for layer, each in found.items():
                parts[layer].append(each.flatten(1).numpy())
    return {layer: np.concatenate(each) for layer, each in parts.items()}
