"""The bundled models against a forward pass in NumPy, written from the architecture, on the raw files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import sigzoo_students
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file
from scipy.ndimage import gaussian_filter

import sigzoo
from sigzoo.model import SignatureModel
from sigzoo.synthesis import Writer

WEIGHTS = Path(sigzoo_students.__file__).parent / "weights"
STEM_STRIDE = {"student-tiny": 4, "student-base": 2}
DESCRIBED = {"student-tiny": ["stage2"], "student-base": ["stage2", "stage3"]}
"""Stages whose channels' mean and deviation are features."""
TOLERANCE = 2e-5
"""Relative to a layer's largest value; the networks compute in single precision."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Bundled:
    """A model as it is loaded, its file as it is, images, and what the network sees of them."""

    model: SignatureModel
    file: dict[str, Array]
    scans: list[NDArray[np.uint8]]
    images: NDArray[np.uint8]

    def expected(self) -> list[dict[str, Array]]:
        """Every layer, for each image."""
        backbone = self.model.card.backbone
        options = (
            backbone.options.get("ink_weight"),
            backbone.options.get("directions_weight", 0.0),
            backbone.options.get("local_descriptors", 0),
        )
        return [forward_by_hand(self.file, image, backbone.name, *options) for image in self.images]


@pytest.fixture(scope="module", params=["synsig-tiny", "synsig-base"])
def bundled(request: pytest.FixtureRequest) -> Bundled:
    model = sigzoo.load(request.param, device="cpu")
    stored = load_file(WEIGHTS / f"{request.param}.safetensors")
    scans = [Writer(31, script="latin").genuine(1), Writer(32).forgery(2)]
    images = np.stack([model.preprocess(scan) for scan in scans])
    return Bundled(model, {key: value.astype(np.float64) for key, value in stored.items()}, scans, images)


def convolved(x: Array, weights: Array, stride: int) -> Array:
    """Cross-correlation of ``(C, h, w)``, with zeros around it that keep the size where the stride is 1."""
    side = weights.shape[2]
    border = side // 2
    x = np.pad(x, ((0, 0), (border, border), (border, border)))
    height, width = ((length - side) // stride + 1 for length in x.shape[1:])
    y = np.zeros((len(weights), height, width))
    for row in range(side):
        for column in range(side):
            rows = slice(row, row + stride * height, stride)
            columns = slice(column, column + stride * width, stride)
            y += np.einsum("oc,chw->ohw", weights[:, :, row, column], x[:, rows, columns], optimize=True)
    return y


def normalised(x: Array, file: dict[str, Array], name: str) -> Array:
    """Batch normalisation with the running statistics."""
    weight, bias, mean, variance = (
        file[f"{name}.{key}"].reshape(-1, *[1] * (x.ndim - 1))
        for key in ("weight", "bias", "running_mean", "running_var")
    )
    return weight * (x - mean) / np.sqrt(variance + 1e-5) + bias


def unit(x: Array, file: dict[str, Array], name: str, stride: int) -> Array:
    """Convolution, normalisation, the input where the shape stays, and ReLU."""
    y = normalised(convolved(x, file[f"{name}.conv.weight"], stride), file, f"{name}.bn")
    if y.shape == x.shape:
        y = y + x
    return np.maximum(y, 0.0)


def with_ink(features: Array, levels: Array, picture: Array, frequencies: Array, weight: float) -> Array:
    """Append random Fourier features: cosines c become (c + weight k) / (1 + weight), k near the kernel."""
    spread = []
    for places in np.indices(picture.shape)[::-1]:
        middle = np.average(places, weights=picture)
        spread.append(np.average((places - middle) ** 2, weights=picture) + 1)
    proportions = np.log(np.sqrt(spread[0] / spread[1]))
    phases = frequencies @ np.append(levels, proportions)
    code = np.concatenate([np.cos(phases), np.sin(phases)]) / np.sqrt(len(frequencies))
    both: Array = np.concatenate([features, np.sqrt(weight) * code]) / np.sqrt(1.0 + weight)
    return both


def shared(where: float, parts: int) -> list[tuple[int, float]]:
    """Which overlapping parts a place from 0 to 1 counts for, and how much."""
    middle = where * parts - 0.5
    near = int(np.floor(middle))
    return [(i, 1 - abs(middle - i)) for i in (near, near + 1) if 0 <= i < parts]


def middles(mass: Array) -> Array:
    """The share of the mass before the middle of each place."""
    share: Array = (np.cumsum(mass) - mass / 2) / mass.sum()
    return share


def sloping(picture: Array) -> tuple[Array, Array]:
    """How strong the slopes of a picture are that a Gaussian has smoothed, and from 0 to 1 which way."""
    across, down = (  # cut off at four pixels
        gaussian_filter(picture, 1.2, order=order, mode="constant", truncate=3.4)
        for order in ((0, 1), (1, 0))
    )
    return np.hypot(across, down), np.arctan2(down, across) % np.pi / np.pi


def with_local(features: Array, picture: Array, mean: Array, components: Array) -> Array:
    """Append the descriptors of cells of 8 x 8 pixels, as ``(components, rows, columns)``, at a quarter."""
    strength, way = sloping(picture)
    strength = np.sqrt(strength**2 + 1e-18)  # blank paper is a little steep, across
    rows, columns = (side // 8 for side in picture.shape)
    histograms = np.zeros((rows + 2, columns + 2, 8))  # with cells around that are of nothing
    for y, x in np.ndindex(picture.shape):
        near = int(8 * way[y, x])
        for number in (0, 1):
            share = 1 - abs(8 * way[y, x] - near - number)
            histograms[y // 8 + 1, x // 8 + 1, (near + number) % 8] += strength[y, x] * share / 64
    ink = np.zeros((rows, columns))
    code = np.zeros((components.shape[1], rows, columns))
    for row, column in np.ndindex(rows, columns):
        ink[row, column] = picture[8 * row : 8 * row + 8, 8 * column : 8 * column + 8].mean()
        beyond = np.sqrt(histograms[row : row + 3, column : column + 3].ravel()) - mean
        cell = components.T @ (beyond / np.linalg.norm(beyond))
        code[:, row, column] = cell / np.linalg.norm(cell)
    shares = np.sqrt(ink + 1e-6)
    code *= np.sqrt(shares / shares.sum())
    return np.concatenate([np.sqrt(0.75) * features, np.sqrt(0.25) * code.ravel()])


def with_directions(features: Array, picture: Array, mean: Array, weight: float, stride: int) -> Array:
    """Append the roots of both histograms of directions, pixel by pixel, less their means."""
    strength, way = (each[::stride, ::stride] for each in sloping(picture))  # not of every pixel
    columns, rows = middles(strength.sum(axis=0)), middles(strength.sum(axis=1))
    in_cells, in_bands = np.zeros((12, 2, 4)), np.zeros((12, 6))
    for y, x in np.argwhere(strength > 0):
        place = 12 * way[y, x]
        for number in (0, 1):
            bin_ = (int(place) + number) % 12
            counts = strength[y, x] * (1 - abs(place - int(place) - number))
            for i, near in shared(rows[y], 2):
                for j, beside in shared(columns[x], 4):
                    in_cells[bin_, i, j] += counts * near * beside
            for band, near in shared((y + 0.5) / len(rows), 6):
                in_bands[bin_, band] += counts * near
    parts = [features]
    for histogram, common in ((in_cells, mean[:96]), (in_bands, mean[96:])):
        code = np.sqrt(histogram / histogram.sum() + 1e-6).ravel() - common
        parts.append(np.sqrt(weight / 2) * code / np.linalg.norm(code))
    return np.concatenate(parts) / np.sqrt(1.0 + weight)


def forward_by_hand(
    file: dict[str, Array],
    image: NDArray[np.uint8],
    network: str,
    ink_weight: float | None,
    directions_weight: float,
    local_descriptors: int,
) -> dict[str, Array]:
    """Every layer of one image, in double precision."""
    file = {key.removeprefix("backbone."): value for key, value in file.items()}
    bright = image / 255.0
    picture = bright if ink_weight is None else bright[:-3]
    x = picture[np.newaxis]
    found = {"stem": unit(x, file, "stem", STEM_STRIDE[network])}
    x = found["stem"]
    for stage in sorted({key.split(".")[0] for key in file if key.startswith("stage")}):
        depth = len([key for key in file if key.startswith(stage) and key.endswith(".conv.weight")])
        for number in range(depth):
            x = unit(x, file, f"{stage}.{number}", 2 if number == 0 else 1)
        found[stage] = x
    found["squeeze"] = unit(x, file, "squeeze", 1)
    parts = [found["squeeze"].ravel()]
    for stage in DESCRIBED[network]:
        channels = found[stage].reshape(len(found[stage]), -1)
        parts += [channels.mean(axis=1), np.sqrt(channels.var(axis=1) + 1e-4)]
    learnt = normalised(file["fc.weight"] @ np.concatenate(parts), file, "bn")
    found["embedding"] = learnt / np.sqrt((learnt**2).sum())
    features = found["embedding"]
    if local_descriptors:
        found["with_local"] = with_local(features, picture, file["local.mean"], file["local.components"])
        assert file["local.components"].shape == (72, local_descriptors)
    if directions_weight:
        mean, stride = file["directions.mean"], STEM_STRIDE[network]
        features = with_directions(features, picture, mean, directions_weight, stride)
        found["with_directions"] = features
    if ink_weight:
        levels, frequencies = bright[-3:].mean(axis=1), file["ink.frequencies"]
        found["with_ink"] = with_ink(features, levels, picture, frequencies, ink_weight)
    return found


def difference(got: NDArray[np.float32], expected: list[Array]) -> float:
    """Largest difference, relative to the largest value."""
    wanted = np.stack(expected)
    assert got.shape == wanted.shape
    return float(np.abs(got - wanted).max() / np.abs(wanted).max())


def test_every_layer_is_that_of_a_forward_pass_in_double_precision(bundled: Bundled) -> None:
    backbone = bundled.model.backbone
    x = torch.from_numpy((bundled.images / 255.0).astype(np.float32)[:, np.newaxis])
    with torch.inference_mode():
        got = backbone.forward_layers(x, backbone.layers)
    expected = bundled.expected()
    assert list(expected[0]) == list(backbone.layers)
    for layer in backbone.layers:
        assert difference(got[layer].numpy(), [each[layer] for each in expected]) < TOLERANCE, layer


def test_features_of_the_card_are_the_last_layer_of_that_pass(bundled: Bundled) -> None:
    layers = bundled.expected()
    last = list(layers[0])[-1]
    assert bundled.model.card.features.layer == last
    got = bundled.model.embed(bundled.scans)
    assert difference(got, [each[last] for each in layers]) < TOLERANCE


def test_the_files_writer_head_is_linear_in_them(bundled: Bundled) -> None:
    heads = {key.split(".")[1] for key in bundled.file if key.startswith("head.")}
    assert set(bundled.model.heads) == heads
    for head in heads:
        weight, bias = (bundled.file[f"head.{head}.{key}"] for key in ("weight", "bias"))
        logits = [weight @ list(each.values())[-1] + bias for each in bundled.expected()]
        assert difference(bundled.model.logits(bundled.scans, head=head), logits) < TOLERANCE
