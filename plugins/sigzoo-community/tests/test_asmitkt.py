"""asmitkt-cnn: its network by hand, its preprocessing, and the published program beside it."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from sigzoo_community.asmitkt.backbone import AsmitktCnn
from sigzoo_community.asmitkt.preprocessing import AsmitktPreprocessor
from torch.nn import functional

import sigzoo
from sigzoo.golden import check
from sigzoo.interfaces import ImageError
from sigzoo.synthesis import Writer

GOLDEN = files("sigzoo_community") / "asmitkt" / "golden"


@pytest.fixture
def published_format(randomised, tmp_path):
    """A file of seeded weights, as `train_model.py` saves them: the network's state dict alone."""
    network = randomised(AsmitktCnn(), 5)
    path = tmp_path / "signature_cnn.pth"
    torch.save(network.state_dict(), path)
    return path


def features_by_hand(tensors, dark_on_white):
    """The network as its description has it, in float64."""
    state = {name: value.double() for name, value in tensors.items()}

    def normalised(x, name, shape):
        mean, variance, weight, bias = (
            state[f"{name}.{part}"].view(shape) for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (variance + 1e-5).sqrt() * weight + bias

    def leaky(x):
        return torch.where(x > 0, x, 0.1 * x)

    x = torch.from_numpy(dark_on_white.astype(np.float64))[None, None]
    for number in (1, 2, 3):
        x = functional.conv2d(x, state[f"conv{number}.weight"], state[f"conv{number}.bias"], padding=1)
        x = functional.max_pool2d(leaky(normalised(x, f"bn{number}", (1, -1, 1, 1))), 2, 2)
    x = x.mean(dim=(2, 3)) @ state["fc1.weight"].T + state["fc1.bias"]
    x = leaky(normalised(x, "bn_fc", (1, -1))) @ state["fc_embed.weight"].T + state["fc_embed.bias"]
    return (x / x.square().sum().sqrt())[0].numpy()


def test_a_file_of_the_published_format_gives_the_networks_features(published_format):
    model = sigzoo.load("asmitkt-cnn", weights=published_format, device="cpu")
    image = Writer(4).genuine(1)
    expected = features_by_hand(
        torch.load(published_format, weights_only=True), 255 - model.preprocess(image)
    )
    np.testing.assert_allclose(model.embed(image)[0], expected, atol=1e-6)
    assert abs(np.linalg.norm(expected) - 1) < 1e-9


def test_the_file_is_also_known_by_the_name_it_has_where_it_was_published(published_format):
    assert sigzoo.load("signature_cnn.pth", weights=published_format, device="cpu").name == "asmitkt-cnn"


def test_the_card_says_what_is_not_known_and_pins_the_file():
    card = sigzoo.info("asmitkt-cnn")
    assert card.trained_on.startswith("not stated")
    registry = yaml.safe_load((files("sigzoo_community") / "registry.yaml").read_text())
    weights = registry["artifacts"]["asmitkt-cnn-weights"]
    assert {"sha256", "git_blob", "size"} <= weights.keys()
    assert "/18e853ccd5ef6493aef5a25ca9abcc9e473d2161/" in weights["urls"][0]


@pytest.mark.parametrize("turned", [0, 1])
def test_where_the_signature_lies_on_white_paper_does_not_matter(turned):
    signature = np.rot90(np.where(Writer(2).genuine(0) < 128, np.uint8(0), np.uint8(255)), turned)
    preprocess = AsmitktPreprocessor()
    height, width = signature.shape
    page = np.full((3 * height + 2 * width, 3 * width + 2 * height), 255, np.uint8)
    page[height + width : 2 * height + width, width + height : 2 * width + height] = signature
    twice = np.roll(page, (12, -8), axis=(0, 1))  # even, as the program rounds halves to even
    np.testing.assert_array_equal(preprocess(page), preprocess(twice))


def test_a_strip_too_long_for_the_square_and_a_page_too_small_for_its_parts_are_refused():
    strip = np.full((3, 4000), 255, np.uint8)
    strip[:, 5:-5] = 0
    with pytest.raises(ImageError, match="leaves nothing"):
        AsmitktPreprocessor()(strip)
    with pytest.raises(ImageError, match="too small"):
        AsmitktPreprocessor()(np.zeros((2, 50), np.uint8))


def test_the_golden_features_are_the_published_programs(program):
    expected = np.load(str(GOLDEN / "features.npy"))
    for row, name in enumerate(("large", "small", "tall")):
        np.testing.assert_allclose(program(GOLDEN / f"{name}.png")[1], expected[row], atol=1e-6)


def test_images_and_features_are_those_of_the_published_program(program, checkout, specimens, tmp_path):
    model = sigzoo.load("asmitkt-cnn", weights=checkout / "signature_cnn.pth", device="cpu")
    images = [Writer(number).genuine(number) for number in range(12)]
    images += [each.image for each in specimens(72) if min(each.image.shape) >= 12]
    compared = 0
    for number, image in enumerate(images):
        path = tmp_path / f"{number}.png"
        Image.fromarray(image).save(path)
        try:
            ours = 255 - model.preprocess(image)
        except ImageError:
            prepared, _ = program(path)
            assert prepared.min() == 255, f"image {number} was refused, and holds ink"
            continue
        prepared, features = program(path)
        difference = np.abs(ours.astype(int) - prepared)
        # Of tiny images that are enlarged, a pixel on the half between two levels may go the other way.
        allowed = 1 if max(image.shape) < 32 else 0
        assert difference.max() <= allowed, f"image {number} of {image.shape}"
        assert np.count_nonzero(difference) < 8
        np.testing.assert_allclose(model.embed(image, check_images=False)[0], features, atol=1e-5)
        compared += 1
    assert compared > 60


def test_the_file_is_fetched_verified_and_passes_its_golden_cases(served, tmp_path, monkeypatch):
    monkeypatch.setenv("SIGZOO_HOME", str(tmp_path / "home"))
    registry = yaml.safe_load((files("sigzoo_community") / "registry.yaml").read_text())
    card = registry["models"]["asmitkt-cnn"] | {"aliases": [], "cite": []}
    card["weights"]["artifact"] = "served-weights"
    weights = registry["artifacts"]["asmitkt-cnn-weights"] | {"urls": [f"{served}/signature_cnn.pth"]}
    own = tmp_path / "registry.yaml"
    own.write_text(yaml.safe_dump({"models": {"served": card}, "artifacts": {"served-weights": weights}}))
    monkeypatch.setenv("SIGZOO_REGISTRY", str(own))
    report = check("served")
    assert report.passed
    assert report.published
    assert list((tmp_path / "home").rglob("signature_cnn.pth"))
