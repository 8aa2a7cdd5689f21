"""A model embeds one image or many, in order, in batches, in constant memory; faults name the image."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

import sigzoo
from sigzoo.errors import ImageError, SigzooWarning, UnknownNameError, UsageError, WeightsError
from sigzoo.interfaces import Backbone, GreyImage, Preprocessor, Size, check_grey, warn
from sigzoo.model import SignatureModel
from sigzoo.registry import Card, ComponentSpec
from sigzoo.verification.scores import make_score

CARD = msgspec.convert(
    {
        "summary": "a toy",
        "distribution": "none",
        "backbone": {"name": "toy"},
        "preprocessor": {"name": "toy"},
        "input_scale": 0.5,
        "features": {"layer": "mean", "size": 2},
        "licence": {"code": "MIT", "weights": "MIT", "commercial_use": True},
        "trained_on": "nothing",
        "weights": {"artifact": "none", "format": "safetensors"},
    },
    Card,
)


class Inverted(Preprocessor):
    """Inverts; refuses blank pages. Of one size where told, else of the image's own."""

    def __init__(self, size: Size | None = None) -> None:
        self.output_size = size

    def stages(self, image: GreyImage) -> dict[str, GreyImage]:
        check_grey(image)
        if image.min() == 255:
            raise ImageError("no ink.")
        picture = Image.fromarray(255 - image)
        if self.output_size:
            picture = picture.resize(self.output_size[::-1])
        return {"original": image, "inverted": np.asarray(picture)}


class Moments(Backbone):
    """Mean and maximum of the image; remembers how large its batches were."""

    layers = ("image", "mean")
    feature_dim = 2
    input_size = None

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[tuple[int, ...]] = []

    def forward_layers(self, x: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        self.check_layers(names)
        self.check_input(x)
        self.batches.append(tuple(x.shape))
        known = {"image": x, "mean": torch.stack([x.mean((1, 2, 3)), x.amax((1, 2, 3))], dim=1)}
        return {name: known[name] for name in names}


def expected(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The same features, written out."""
    ink = (255.0 - image) * 0.5
    return np.array([ink.mean(), ink.max()])


@pytest.fixture
def model() -> SignatureModel:
    """A model for images of any size."""
    return SignatureModel("toy", CARD, Inverted(), Moments(), device="cpu")


@pytest.fixture
def pages() -> list[NDArray[np.uint8]]:
    """Seventeen images of three sizes, mixed."""
    rng = np.random.default_rng(0)
    sizes = [(8, 12), (9, 9), (5, 20)]
    return [rng.integers(0, 200, sizes[number % 3], np.uint8) for number in range(17)]


def test_features_come_in_the_order_of_the_images(
    model: SignatureModel, pages: list[NDArray[np.uint8]]
) -> None:
    for batch_size in (1, 2, 5, 100):
        features = model.embed(pages, batch_size=batch_size)
        assert features.dtype == np.float32
        np.testing.assert_allclose(features, [expected(page) for page in pages], rtol=1e-6)


def test_a_single_image_gives_one_row(
    model: SignatureModel, pages: list[NDArray[np.uint8]], tmp_path: Path
) -> None:
    path = tmp_path / "page.png"
    Image.fromarray(pages[0]).save(path)
    for source in (pages[0], Image.fromarray(pages[0]), path, str(path)):
        np.testing.assert_allclose(model.embed(source), [expected(pages[0])], rtol=1e-6)


def test_images_of_equal_size_are_batched(model: SignatureModel, pages: list[NDArray[np.uint8]]) -> None:
    assert isinstance(model.backbone, Moments)
    model.embed(pages, batch_size=32)
    assert sorted(shape[0] for shape in model.backbone.batches) == [5, 6, 6]


def test_a_batch_is_never_larger_than_asked(pages: list[NDArray[np.uint8]]) -> None:
    backbone = Moments()
    model = SignatureModel("toy", CARD, Inverted((6, 6)), backbone, device="cpu")
    model.embed(pages, batch_size=4)
    # Cores compute a batch each, side by side: which ends up noted first is chance.
    assert sorted(shape[0] for shape in backbone.batches) == [1, 4, 4, 4, 4]


def test_an_inner_layer_can_be_asked_for(model: SignatureModel, pages: list[NDArray[np.uint8]]) -> None:
    image = model.embed(pages[0], layer="image")
    np.testing.assert_allclose(image[0, 0], (255.0 - pages[0]) * 0.5, rtol=1e-6)
    with pytest.raises(UnknownNameError, match="no layer named 'man'. Did you mean mean"):
        model.embed(pages[0], layer="man")


def test_a_fault_names_the_image(
    model: SignatureModel, pages: list[NDArray[np.uint8]], tmp_path: Path
) -> None:
    blank = tmp_path / "blank.png"
    Image.new("L", (20, 20), 255).save(blank)
    for bad, name in (
        (blank, str(blank)),
        (tmp_path / "absent.png", "absent.png"),
        (np.full((4, 4), 255, np.uint8), "image 1"),
        (np.zeros((4, 4)), "image 1"),
    ):
        with pytest.raises(ImageError) as caught:
            model.embed([pages[0], bad])
        assert name in str(caught.value)
        assert str(caught.value).count(name) == 1


def test_skipping_leaves_rows_out_and_says_which(
    model: SignatureModel, pages: list[NDArray[np.uint8]]
) -> None:
    blank = np.full((4, 4), 255, np.uint8)
    with pytest.warns(SigzooWarning, match=r"2 of 4 images skipped:\n  image 1: no ink.\n  image 3: no ink."):
        features = model.embed([pages[0], blank, pages[1], blank], on_error="skip")
    np.testing.assert_allclose(features, [expected(pages[0]), expected(pages[1])], rtol=1e-6)
    stream = list(model.embed_stream([pages[0], blank], on_error="skip"))
    assert [(item.index, item.source, item.error is None) for item in stream] == [
        (0, "image 0", True),
        (1, "image 1", False),
    ]


def test_an_image_too_small_for_the_network_is_named_and_can_be_skipped(
    model: SignatureModel, pages: list[NDArray[np.uint8]]
) -> None:
    model.backbone.minimum_size = (8, 9)
    with pytest.raises(
        ImageError, match="image 2: too small: 5 x 20 pixels after preprocessing, toy needs.* 8 x 9"
    ):
        model.embed(pages[:3])
    with pytest.warns(SigzooWarning, match="1 of 3 images skipped"):
        assert len(model.embed(pages[:3], on_error="skip")) == 2


def test_features_of_different_shapes_are_refused_by_name(
    model: SignatureModel, pages: list[NDArray[np.uint8]]
) -> None:
    with pytest.raises(
        UsageError, match=r"image 1: its features have shape \(1, 9, 9\).*first image \(1, 8, 12\)"
    ):
        model.embed(pages[:3], layer="image")
    assert len(list(model.embed_stream(pages[:3], layer="image"))) == 3


class Wary(Inverted):
    """Warns of every image."""

    def stages(self, image: GreyImage) -> dict[str, GreyImage]:
        warn("larger than the canvas.")
        return super().stages(image)


def test_a_warning_names_its_image(pages: list[NDArray[np.uint8]]) -> None:
    model = SignatureModel("toy", CARD, Wary(), Moments(), device="cpu")
    with pytest.warns(SigzooWarning) as caught:
        model.embed(pages[:3])
    assert sorted(str(each.message) for each in caught) == [
        f"image {number}: larger than the canvas." for number in range(3)
    ]
    with pytest.warns(SigzooWarning, match="^larger than the canvas"):
        Wary()(pages[0])


def test_what_is_no_image_is_an_error(model: SignatureModel, pages: list[NDArray[np.uint8]]) -> None:
    with pytest.raises(UsageError, match="one or many; got NoneType"):
        model.embed(None)  # type: ignore[arg-type]
    with pytest.raises(ImageError, match="image 1: expected a path"):
        model.embed([pages[0], 3])  # type: ignore[list-item]
    with pytest.raises(UsageError, match="A layer name must be a string"):
        model.embed(pages[0], layer=3)  # type: ignore[arg-type]


def test_nothing_to_embed_is_an_error(model: SignatureModel) -> None:
    with pytest.raises(UsageError, match="no image to embed"):
        model.embed([])
    with pytest.raises(UsageError, match="batch_size=0"):
        model.embed([], batch_size=0)
    with pytest.raises(UsageError, match="'raise' or 'skip'"):
        model.embed([], on_error="ignore")  # type: ignore[arg-type]


def test_a_stream_reads_its_input_only_as_it_is_used(
    model: SignatureModel, pages: list[NDArray[np.uint8]]
) -> None:
    read = 0

    def endless() -> Iterator[NDArray[np.uint8]]:
        nonlocal read
        while True:
            read += 1
            yield pages[0]

    stream = model.embed_stream(endless(), batch_size=2)
    for _ in range(10):
        next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert read < 64  # windows of 8 images under way on each core


def test_a_stream_takes_constant_memory(model: SignatureModel) -> None:
    def peak(images: int) -> int:
        tracemalloc.start()
        page = np.zeros((100, 100), np.uint8)
        for _ in model.embed_stream((page.copy() for _ in range(images)), batch_size=8):
            pass
        _, top = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return top

    peak(64)
    assert peak(3000) < peak(300) + 2_000_000  # the images alone take 30 MB; how many are under way varies


def test_progress_counts_every_image(model: SignatureModel, pages: list[NDArray[np.uint8]]) -> None:
    steps: list[int] = []
    model.embed(pages, progress=steps.append)
    assert sum(steps) == len(pages)


def test_stages_and_preprocess_agree(model: SignatureModel, pages: list[NDArray[np.uint8]]) -> None:
    stages = model.stages(pages[0])
    assert list(stages) == ["original", "inverted"]
    np.testing.assert_array_equal(stages["inverted"], model.preprocess(pages[0]))


def test_logits_need_a_head(model: SignatureModel, pages: list[NDArray[np.uint8]]) -> None:
    with pytest.raises(UsageError, match=r"no 'writer' head \(it keeps: none\)"):
        model.logits(pages[0])
    head = nn.Linear(2, 3)
    kept = SignatureModel("toy", CARD, Inverted(), Moments(), {"writer": head}, device="cpu")
    weight, bias = head.weight.detach().numpy(), head.bias.detach().numpy()
    logits = [weight @ expected(page) + bias for page in pages]
    np.testing.assert_allclose(kept.logits(pages), logits, rtol=1e-4, atol=1e-4)


def test_an_unknown_device_or_runtime_is_an_error() -> None:
    with pytest.raises(UsageError, match="'nonsense' cannot be used"):
        SignatureModel("toy", CARD, Inverted(), Moments(), device="nonsense")
    with pytest.raises(UnknownNameError, match="no runtime named 'touch'. Did you mean torch"):
        sigzoo.load(runtime="touch")


def test_weights_that_have_gone_since_are_named(tmp_path: Path) -> None:
    model = sigzoo.load("synsig-tiny")
    model = sigzoo.load("synsig-tiny", weights=model.save(tmp_path / "mine.safetensors"))
    assert len(model.provenance()["weights_sha256"]) == 64
    (tmp_path / "mine.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"mine\.safetensors.*can no longer be read"):
        model.provenance()


def test_features_are_scored_as_the_card_says(model: SignatureModel) -> None:
    assert model.score == make_score()
    spec = ComponentSpec(name="mean-max", options={"weight": 0.3, "part_weights": [[1, 2.0]]})
    model.card = msgspec.structs.replace(CARD, score=spec)
    assert model.score == make_score("mean-max", weight=0.3, part_weights=((1, 2.0),))
    model.card = msgspec.structs.replace(CARD, score=ComponentSpec(name="median"))
    with pytest.raises(UnknownNameError, match="median"):
        _ = model.score
