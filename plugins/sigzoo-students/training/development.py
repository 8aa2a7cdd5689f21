"""Development sets: features of the bundled models on them, computed once; who is compared with whom.

None of the sets trained the models' weights: crossmedia's validation split and the synthetic families from
`HELD_OUT` on chose checkpoints and weights of layers, SigComp2009 was measured on often, and bhsig-dev is for
choices such as these.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import sigzoo_students
import torch
from numpy.typing import NDArray
from sets import AsTwoLevels, MeasuredSet, across_media, synthetic
from sigzoo_students.families import FamiliesSpec, FamilySignatures
from sigzoo_students.preprocessing import SynsigPreprocessor
from sigzoo_students.synsig_presets import HELD_OUT

import sigzoo
from sigzoo.common.atomic import whole_file
from sigzoo.data.npz import open_npz
from sigzoo.data.npz_writer import ArrayWriter
from sigzoo.datasets import known_signatures, open_data
from sigzoo.evaluation.protocols import Signatures
from sigzoo.interfaces import Backbone, GreyImage
from sigzoo.weights import load_into, read_weights

__all__ = [
    "LAYERS",
    "LEARNING",
    "MODELS",
    "SETS",
    "TWO_LEVEL_SETS",
    "WITH_LOCAL",
    "Comparison",
    "FeatureSet",
    "comparisons",
    "read_features",
]

MODELS = ("synsig-tiny", "synsig-base")
LAYERS = ("embedding", "with_directions", "with_ink")
"""Those that are compared by their cosine."""
WITH_LOCAL = "with_local"
SETS = ("sigcomp2009", "bhsig-dev", "crossmedia val", "one sitting", "any conditions")
LEARNING = ("one sitting, to learn from", "any conditions, to learn from")
"""Other synthetic writers, for what is learnt, and as cohort."""

TWO_LEVELS = ", two levels"
"""Behind a set's name: the same signatures as scans of two levels, on which darkness means nothing."""
TWO_LEVEL_SETS = tuple(name + TWO_LEVELS for name in SETS if name != "bhsig-dev")
"""bhsig-dev is scanned so already."""

_KEPT = (*LAYERS, WITH_LOCAL)
_PREPROCESSING = ("preprocessing", "ink", "framing", "levels", "paper", "resampling", "shrinking")
_GENUINE = 8
"""Signatures of a synthetic writer: five references leave three to question."""
_FAMILIES = {
    "one sitting": FamiliesSpec(150, HELD_OUT + 20_000, _GENUINE, sittings=True),
    "any conditions": FamiliesSpec(150, HELD_OUT + 20_500, _GENUINE),
    "one sitting, to learn from": FamiliesSpec(200, HELD_OUT + 30_000, _GENUINE, sittings=True),
    "any conditions, to learn from": FamiliesSpec(200, HELD_OUT + 30_500, _GENUINE),
}
_RANDOM = 60
"""Random impostors of an identity that are compared, drawn at random: there are hundreds of thousands."""


@dataclass(frozen=True)
class FeatureSet:
    """A set's features, and what its signatures are."""

    name: str
    features: Mapping[tuple[str, str], NDArray[np.float32]]
    """(Model, layer) -> ``(N, D)``."""
    known: Signatures
    kept_as: Mapping[str, str]
    """Model -> name of what is kept of its features: the set, digests of its images and of the weights."""


@dataclass(frozen=True)
class Comparison:
    """References of one identity, and who is questioned, by kind: ``genuine``, ``skilled``, ..."""

    references: NDArray[np.int64]
    questioned: Mapping[str, NDArray[np.int64]]


def read_features(
    name: str, data: Path, work: Path, workers: int, weights: Mapping[str, Path] | None = None
) -> FeatureSet:
    """A set's features, kept in the folder `work`, as the images are.

    `weights` are the files of networks that have other names than the bundled ones: ``MODEL label`` -> file.
    """
    canvases = None
    features: dict[tuple[str, str], NDArray[np.float32]] = {}
    kept_as: dict[str, str] = {}
    images = work / f"{_stem(name)}-{_drawn_digest(name)[:12]}.npz"
    if not images.exists():
        _save_images(images, *_images(name, data, workers))
    with open_npz(images) as file:
        known = Signatures(**json.loads(bytes(file["known"].read())))
    for label, chosen in {**dict.fromkeys(MODELS), **(weights or {})}.items():
        model = sigzoo.load(label.split()[0], device="cpu")
        digest = str(model.provenance()["weights_sha256"])
        if chosen is not None:
            digest = sha256(chosen.read_bytes()).hexdigest()
            load_into(model.backbone, read_weights(chosen, "safetensors").tensors, source=str(chosen))
        path = work / f"{images.stem}-{digest[:12]}.npz"
        kept_as[label] = path.stem
        if not path.exists():
            canvases = _read_images(images) if canvases is None else canvases
            _save_features(path, model.backbone, canvases)
        with open_npz(path) as file:
            features |= {(label, layer): file[layer].read() for layer in _KEPT}
    return FeatureSet(name, features, known, kept_as)


def _stem(name: str) -> str:
    return name.replace(",", "").replace(" ", "-")


def _images(name: str, data: Path, workers: int) -> MeasuredSet:
    of, two_level = name.removesuffix(TWO_LEVELS), name.endswith(TWO_LEVELS)
    preprocess: Callable[[GreyImage], GreyImage] = SynsigPreprocessor(statistics=True)
    if two_level:
        preprocess = AsTwoLevels(preprocess)
    if of in _FAMILIES:
        return synthetic(_FAMILIES[of], workers, preprocess)
    if of == "crossmedia val":
        return across_media(data / "crossmedia", preprocess)
    opened, _ = open_data(str(data / of))
    images = [preprocess(image) for image in opened.read_many(range(len(opened)))]
    return np.stack(images), known_signatures(opened)


def _drawn_digest(name: str) -> str:
    """What images depend on: the programs that preprocess, and those that draw synthetic writers."""
    of = name.removesuffix(TWO_LEVELS)
    drawn = FamilySignatures(_FAMILIES[of]).digest() if of in _FAMILIES else ""
    folder = Path(sigzoo_students.__file__).parent
    programs = b"".join((folder / f"{each}.py").read_bytes() for each in _PREPROCESSING)
    return sha256(programs + drawn.encode()).hexdigest()


def _save_images(path: Path, images: NDArray[np.uint8], known: Signatures) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path, suffix=".npz") as file, ArrayWriter(file) as archive:
        plain = {key: None if value is None else list(value) for key, value in vars(known).items()}
        archive.add("known", np.frombuffer(json.dumps(plain).encode(), np.uint8))
        archive.add("images", images)


def _read_images(path: Path) -> NDArray[np.uint8]:
    with open_npz(path) as file:
        return file["images"].read()


def _save_features(path: Path, backbone: Backbone, images: NDArray[np.uint8]) -> None:
    backbone = backbone.eval()
    with torch.inference_mode():
        parts = [
            backbone.forward_layers(part.float() / 255.0, _KEPT)
            for part in torch.from_numpy(images)[:, None].split(64)
        ]
    with whole_file(path, suffix=".npz") as file, ArrayWriter(file) as archive:
        for layer in _KEPT:
            archive.add(layer, torch.cat([part[layer] for part in parts]).numpy())


def comparisons(known: Signatures, references: int, seed: int) -> list[Comparison]:
    """Draw references of every identity that has more, as the distance protocol does, and impostors."""
    return list(_comparisons(known, references, np.random.default_rng(seed)))


def _comparisons(known: Signatures, references: int, rng: np.random.Generator) -> Iterator[Comparison]:
    identity, writer = np.asarray(known.identity), np.asarray(known.writer)
    forged = np.asarray(known.forged, bool)
    text = None if known.text is None else np.asarray(known.text)
    medium = None if known.medium is None else np.asarray(known.medium)
    for name in np.unique(identity):
        own = np.flatnonzero((identity == name) & ~forged)
        if len(own) <= references:
            continue
        order = rng.permutation(own)
        others = ~forged & (writer != writer[own[0]])
        if medium is not None:
            others &= np.isin(medium, medium[order[references:]])
        same = np.zeros_like(others) if text is None else text == text[own[0]]
        random = rng.permutation(np.flatnonzero(others & ~same))[:_RANDOM]
        skilled, same_text = (np.flatnonzero(each) for each in (forged & (identity == name), others & same))
        kinds = {"genuine": order[references:], "skilled": skilled, "same text": same_text, "random": random}
        yield Comparison(order[:references], {kind: each for kind, each in kinds.items() if len(each)})
