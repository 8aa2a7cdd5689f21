"""Development sets: features of the bundled models on them, computed once; who is compared with whom.

None of the sets trained the models' weights: crossmedia's validation split and the synthetic families from
`HELD_OUT` on chose checkpoints and weights of layers, SigComp2009 was measured on often, and bhsig-dev is for
choices such as these.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sets import MeasuredSet, across_media, synthetic
from sigzoo_students.families import FamiliesSpec, FamilySignatures
from sigzoo_students.preprocessing import SynsigPreprocessor
from sigzoo_students.synsig_presets import HELD_OUT

import sigzoo
from sigzoo.common.atomic import whole_file
from sigzoo.data.npz import open_npz
from sigzoo.data.npz_writer import ArrayWriter
from sigzoo.datasets import known_signatures, open_data
from sigzoo.evaluation.protocols import Signatures

__all__ = ["LAYERS", "LEARNING", "MODELS", "SETS", "Comparison", "FeatureSet", "comparisons", "read_features"]

MODELS = ("synsig-tiny", "synsig-base")
LAYERS = ("embedding", "with_directions", "with_ink")
SETS = ("sigcomp2009", "bhsig-dev", "crossmedia val", "one sitting", "any conditions")
LEARNING = ("one sitting, to learn from", "any conditions, to learn from")
"""Other synthetic writers, for what is learnt, and as cohort."""

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


@dataclass(frozen=True)
class Comparison:
    """References of one identity, and who is questioned, by kind: ``genuine``, ``skilled``, ..."""

    references: NDArray[np.int64]
    questioned: Mapping[str, NDArray[np.int64]]


def read_features(name: str, data: Path, work: Path, workers: int) -> FeatureSet:
    """A set's features, kept in the folder `work`."""
    path = work / f"{name.replace(' ', '-')}-{_digest(name)[:12]}.npz"
    if not path.exists():
        _save(path, *_images(name, data, workers))
    with open_npz(path) as file:
        known = json.loads(bytes(file["known"].read()))
        features = {(model, layer): file[f"{model} {layer}"].read() for model in MODELS for layer in LAYERS}
    return FeatureSet(name, features, Signatures(**known))


def _images(name: str, data: Path, workers: int) -> MeasuredSet:
    if name in _FAMILIES:
        return synthetic(_FAMILIES[name], workers)
    if name == "crossmedia val":
        return across_media(data / "crossmedia")
    (opened, _), preprocess = open_data(str(data / name)), SynsigPreprocessor(statistics=True)
    images = [preprocess(image) for image in opened.read_many(range(len(opened)))]
    return np.stack(images), known_signatures(opened)


def _digest(name: str) -> str:
    """What features depend on: the models' weights, and the programs that draw synthetic writers."""
    weights = [sigzoo.load(model, device="cpu").provenance()["weights_sha256"] for model in MODELS]
    drawn = FamilySignatures(_FAMILIES[name]).digest() if name in _FAMILIES else ""
    return sha256(" ".join([*map(str, weights), drawn]).encode()).hexdigest()


def _save(path: Path, images: NDArray[np.uint8], known: Signatures) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path, suffix=".npz") as file, ArrayWriter(file) as archive:
        plain = {key: None if value is None else list(value) for key, value in vars(known).items()}
        archive.add("known", np.frombuffer(json.dumps(plain).encode(), np.uint8))
        for model in MODELS:
            backbone = sigzoo.load(model, device="cpu").backbone.eval()
            with torch.inference_mode():
                parts = [
                    backbone.forward_layers(part.float() / 255.0, LAYERS)
                    for part in torch.from_numpy(images)[:, None].split(64)
                ]
            for layer in LAYERS:
                archive.add(f"{model} {layer}", torch.cat([part[layer] for part in parts]).numpy())


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
