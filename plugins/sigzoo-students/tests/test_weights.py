"""The bundled weights: small, complete, and good on writers never seen in training."""

from pathlib import Path

import numpy as np
import pytest
import sigzoo_students
import torch
from safetensors import safe_open

import sigzoo
from sigzoo.errors import ImageError
from sigzoo.evaluation.protocols import Signatures, distance_protocol
from sigzoo.model import SignatureModel
from sigzoo.synthesis import Writer, varied

WEIGHTS = Path(sigzoo_students.__file__).parent / "weights"
LARGEST = {"synsig-base": 12_000_000, "synsig-tiny": 1_500_000}
"""Bytes."""


@pytest.fixture(scope="module", params=LARGEST)
def model(request) -> SignatureModel:
    return sigzoo.load(request.param, device="cpu")


def embed(model: SignatureModel, images: list[np.ndarray]) -> np.ndarray:
    return model.embed(images)


@pytest.mark.parametrize(("name", "largest"), LARGEST.items())
def test_the_file_is_small_and_says_what_it_is(name, largest):
    path = WEIGHTS / f"{name}.safetensors"
    assert path.stat().st_size <= largest
    with safe_open(path, "pt") as file:
        facts = file.metadata()
    assert facts["model"] == name
    assert facts["licence"] == "BSD-3-Clause"
    assert "synthetic" in facts["trained_on"]


def test_all_weights_are_finite(model):
    assert all(torch.isfinite(value).all() for value in model.backbone.state_dict().values())


def test_the_base_models_head_knows_the_writers_that_it_was_trained_on():
    """Writer n of the head is family n of the corpus; these signatures were not trained on."""
    model = sigzoo.load("synsig-base", device="cpu")
    images, labels = [], []
    for number in range(0, 3000, 250):
        for index in (100, 101):
            images.append(Writer((2026, number)).genuine(index))
            labels.append(number)
    assert (model.logits(images).argmax(axis=1) == labels).mean() >= 0.8


@pytest.mark.parametrize("rendering", [None, varied])
def test_it_tells_unseen_synthetic_writers_apart(model, rendering):
    options = {} if rendering is None else {"rendering": rendering}
    writers = [Writer((777, n), **options) for n in range(20)]
    features, who = [], []
    for number, writer in enumerate(writers):
        for index in range(6):
            try:
                features.append(embed(model, [writer.genuine(index)])[0])
            except ImageError:  # a faint pencil on a tiny image
                continue
            who.append(str(number))
    assert len(who) >= 117
    found = distance_protocol(np.stack(features), Signatures(who, who, [False] * len(who)), replicates=5)
    assert found["random"].eer < 3.0


def test_forgeries_are_less_like_the_writer_than_genuine_signatures(model):
    writers = [Writer((778, n)) for n in range(20)]
    margins = []
    for writer in writers:
        f = embed(model, [*(writer.genuine(i) for i in range(6)), *(writer.forgery(i) for i in range(3))])
        reference = f[:3].mean(axis=0)
        margins.append((f[3:6] @ reference).mean() - (f[6:] @ reference).mean())
    assert np.mean(np.array(margins) > 0) >= 0.8


def test_the_resolution_hardly_changes_the_learnt_features(model):
    from PIL import Image

    for n in range(5):
        image = Writer((779, n)).genuine(1)
        half = np.asarray(Image.fromarray(image).resize((image.shape[1] // 2, image.shape[0] // 2)))
        a, b = model.embed([image, half], layer="embedding")
        assert a @ b > 0.8
