"""The bundled weights: small, complete, and good on writers never seen in training."""

from pathlib import Path

import numpy as np
import pytest
import sigzoo_students
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from sigzoo_students.backbones import StudentTiny
from sigzoo_students.preprocessing import SynsigPreprocessor

from sigzoo.evaluation.protocols import Signatures, distance_protocol
from sigzoo.synthesis import Writer, varied

WEIGHTS = Path(sigzoo_students.__file__).parent / "weights" / "synsig-tiny.safetensors"


@pytest.fixture(scope="module")
def model() -> StudentTiny:
    tensors = {key.removeprefix("backbone."): value for key, value in load_file(WEIGHTS).items()}
    model = StudentTiny()
    tensors = {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}
    model.load_state_dict(tensors, strict=True)
    return model.eval()


def embed(model: StudentTiny, images: list[np.ndarray]) -> np.ndarray:
    preprocess = SynsigPreprocessor()
    batch = torch.from_numpy(np.stack([preprocess(image) for image in images]))[:, None].float() / 255.0
    with torch.inference_mode():
        return model(batch).numpy()


def test_the_file_is_small_and_says_what_it_is():
    assert WEIGHTS.stat().st_size <= 1_500_000
    with safe_open(WEIGHTS, "pt") as file:
        facts = file.metadata()
        assert all(key.startswith("backbone.") for key in file.keys())  # noqa: SIM118
    assert facts["model"] == "synsig-tiny"
    assert facts["licence"] == "BSD-3-Clause"
    assert "synthetic" in facts["trained_on"]


def test_all_weights_are_finite(model):
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())


@pytest.mark.parametrize("rendering", [None, varied])
def test_it_tells_unseen_synthetic_writers_apart(model, rendering):
    options = {} if rendering is None else {"rendering": rendering}
    writers = [Writer((777, n), **options) for n in range(20)]
    images = [w.genuine(i) for w in writers for i in range(6)]
    who = [str(n) for n in range(20) for _ in range(6)]
    found = distance_protocol(embed(model, images), Signatures(who, who, [False] * len(who)), replicates=5)
    assert found["random"].eer < 3.0


def test_forgeries_are_less_like_the_writer_than_genuine_signatures(model):
    writers = [Writer((778, n)) for n in range(20)]
    margins = []
    for writer in writers:
        f = embed(model, [*(writer.genuine(i) for i in range(6)), *(writer.forgery(i) for i in range(3))])
        reference = f[:3].mean(axis=0)
        margins.append((f[3:6] @ reference).mean() - (f[6:] @ reference).mean())
    assert np.mean(np.array(margins) > 0) >= 0.8


def test_the_resolution_hardly_changes_the_features(model):
    from PIL import Image

    for n in range(5):
        image = Writer((779, n)).genuine(1)
        half = np.asarray(Image.fromarray(image).resize((image.shape[1] // 2, image.shape[0] // 2)))
        a, b = embed(model, [image, half])
        assert a @ b > 0.8
