"""What the parts of a model must be to each other: sizes, layers, scales, weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from sigzoo.artifacts import locate
from sigzoo.fitting import check_sizes
from sigzoo.loading import build_backbone, build_preprocessor
from sigzoo.registry import Card
from sigzoo.testing import images
from sigzoo.testing.suites import Suite, expect
from sigzoo.verification.calibration import read_calibration
from sigzoo.zoo import default_zoo

__all__ = ["MODEL", "ModelCase", "check_model"]


@dataclass(frozen=True)
class ModelCase:
    """A model of the registry under test; nothing is fetched from the network."""

    name: str

    @property
    def card(self) -> Card:
        """Its card."""
        return default_zoo().info(self.name)


MODEL: Suite[ModelCase] = Suite()


def check_model(name: str, *, skip: tuple[str, ...] = ()) -> None:
    """Check that the parts of a registered model fit each other; its plugin must be installed.

    Parameters
    ----------
    name
        A model of the registry.
    skip
        Names of checks to leave out: those of ``sigzoo.testing.MODEL.checks``.

    Raises
    ------
    ConformanceFailure
        If they do not; a line for each check that failed.
    """
    MODEL.run(ModelCase(name), f"The model {name}", skip)


@MODEL.check
def parts_fit(case: ModelCase) -> None:
    """What the preprocessor gives is what the backbone takes, and the features are as large as stated."""
    card = case.card
    zoo = default_zoo()
    preprocessor, backbone = build_preprocessor(card, zoo), build_backbone(card, zoo).eval()
    check_sizes(
        backbone,
        preprocessor,
        backbone_name=card.backbone.name,
        preprocessor_name=card.preprocessor.name,
    )
    image = preprocessor(images.signature(1))
    x = torch.from_numpy(image[np.newaxis, np.newaxis] * np.float32(card.input_scale))
    with torch.no_grad():
        features = backbone.forward_layers(x, (card.features.layer,))[card.features.layer]
    expect(
        features[0].numel() == card.features.size,
        f"{card.features.layer} gives {features[0].numel()} numbers, the card says {card.features.size}",
    )


@MODEL.check
def weights_load(case: ModelCase) -> None:
    """Weights that are at hand go into the network, and the features of two writers differ."""
    card = case.card
    if card.weights is None or locate(default_zoo().artifact_spec(card.weights.artifact)) is None:
        return
    model = default_zoo().load(case.name, device="cpu")
    features = model.embed([images.signature(1), images.signature(2)])
    expect(np.isfinite(features).all(), "the features of a signature are not all finite")
    expect(not np.array_equal(features[0], features[1]), "two signatures have the same features")


@MODEL.check
def calibration_is_for_these_weights(case: ModelCase) -> None:
    """A calibration that is at hand can be read, and is for the weights, the preprocessing and the layers."""
    card = case.card
    if card.verification is None or locate(default_zoo().artifact_spec(card.verification.artifact)) is None:
        return
    model = default_zoo().load(case.name, device="cpu")
    expect(model.calibration_file is not None, "the calibration is not with the loaded model")
    calibration = read_calibration(model.calibration_file or "")
    differing = calibration.differences(model.provenance())
    expect(not differing, f"the calibration is of other {' and '.join(differing)}")
    surplus = [layer for layer in calibration.layers if layer not in model.backbone.layers]
    expect(not surplus, f"the calibration is for layers that there are not: {', '.join(surplus)}")
    expect(
        card.features.layer in calibration.layers,
        f"the calibration is not for {card.features.layer}, the layer that `embed` gives",
    )
