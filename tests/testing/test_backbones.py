"""Every check of a backbone passes a sound one, and finds the fault it is there for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sigzoo.interfaces import Backbone
from sigzoo.testing import BACKBONE, BackboneCase, ConformanceFailure, check_backbone


class Sound(Backbone):
    """A convolution, a mean over the image, a matrix."""

    layers: Any = ("map", "features")
    input_size: Any = (24, 40)
    feature_dim: Any = 6

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 5, stride=2)
        self.norm = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, 6)

    def forward_layers(self, x: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        self.check_layers(names)
        self.check_input(x)
        found = torch.relu(self.norm(self.conv(x)))
        outputs = {"map": found, "features": self.head(found)}
        return {name: outputs[name] for name in names}

    def head(self, found: Tensor) -> Tensor:
        result: Tensor = self.fc(found.mean((2, 3)))
        return result


class AnySize(Sound):
    input_size = None
    minimum_size = (9, 9)


class LayersInAList(Sound):
    layers = ["map", "features"]  # noqa: RUF012


class LayerTwice(Sound):
    layers = ("map", "map", "features")


class NoFeatures(Sound):
    feature_dim = 0


class SizeOfOneNumber(Sound):
    input_size = 24


class OtherDimension(Sound):
    feature_dim = 7


class DoublePrecision(Sound):
    def head(self, found: Tensor) -> Tensor:
        return super().head(found).double()


class NotFinite(Sound):
    def head(self, found: Tensor) -> Tensor:
        return super().head(found) / 0


class GivesAllLayers(Sound):
    def forward_layers(self, x: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        self.check_layers(names)
        return super().forward_layers(x, self.layers)


class ForwardIsAnother(Sound):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + 1


class SumsOverTheBatchInALayer(Sound):
    def forward_layers(self, x: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        found = super().forward_layers(x, names)
        return {name: each.sum(0) if name == "map" else each for name, each in found.items()}


class TakesAnyLayer(Sound):
    def check_layers(self, names: Sequence[str]) -> None:
        return None


class TakesAnyImage(Sound):
    def check_input(self, x: Tensor) -> None:
        return None


class TakesTooSmallImages(AnySize):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 5, stride=2, padding=2)

    def check_input(self, x: Tensor) -> None:
        Sound.check_input(
            self, x.expand(-1, -1, 50, 50) if x.shape[2] == 1 else torch.zeros(1, x.shape[1], 50, 50)
        )


class DropoutForEver(Sound):
    def head(self, found: Tensor) -> Tensor:
        return nn.functional.dropout(super().head(found), 0.5, training=True)


class WritesIntoItsInput(Sound):
    def forward_layers(self, x: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        if not x.requires_grad:
            x.mul_(0.5)
        return super().forward_layers(x, names)


class LearnsWhileEvaluated(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("passes", torch.zeros(()))

    def head(self, found: Tensor) -> Tensor:
        self.passes += 1
        return super().head(found)


class NormalisesOverTheBatch(Sound):
    def head(self, found: Tensor) -> Tensor:
        features = super().head(found)
        return features - features.mean(0) + found.mean((0, 2, 3))[:6]


class CountsItsImages(Sound):
    def head(self, found: Tensor) -> Tensor:
        features = super().head(found)
        return features + torch.arange(len(features))[:, None].to(features.dtype)


class IgnoresTheImage(Sound):
    def head(self, found: Tensor) -> Tensor:
        return super().head(found * 0)


class Detached(Sound):
    def head(self, found: Tensor) -> Tensor:
        return super().head(found.detach())


class UnusedParameter(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.spare = nn.Linear(2, 2)


class FrozenByZero(Sound):
    def head(self, found: Tensor) -> Tensor:
        return super().head(found) + (self.extra(found.mean((2, 3))) * 0)

    def __init__(self) -> None:
        super().__init__()
        self.extra = nn.Linear(8, 6)


class HiddenState(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.centre = torch.randn(6)

    def head(self, found: Tensor) -> Tensor:
        return super().head(found) - self.centre.to(found.dtype)


class ExtraState(Sound):
    def get_extra_state(self) -> dict[str, int]:
        return {"version": 1}

    def set_extra_state(self, state: dict[str, int]) -> None:
        return None


class TranslatesItsOwnWeights(Sound):
    def adapt_weights(self, tensors: Any, format: str) -> Any:
        return {f"net.{key}": value for key, value in tensors.items()}


class CastsToFloat(Sound):
    def head(self, found: Tensor) -> Tensor:
        return super().head(found).float()


class CannotTakeHalf(Sound):
    def head(self, found: Tensor) -> Tensor:
        return (
            super().head(found)
            + torch.linalg.inv(found[:, 0, :6, :6] + torch.eye(6).to(found)).mean((1, 2))[:, None]
        )


class Overflows(Sound):
    """Two large numbers cancel in float32, and not in bfloat16."""

    def head(self, found: Tensor) -> Tensor:
        features = super().head(found)
        return (features + 1000) - 1000


class BranchesOnTheImage(Sound):
    def head(self, found: Tensor) -> Tensor:
        return super().head(found) if float(found.sum()) > 0 else found[:, :6, 0, 0]


BROKEN = [
    ("declarations", LayersInAList, "must be a tuple of names"),
    ("declarations", LayerTwice, "twice"),
    ("declarations", NoFeatures, "feature_dim"),
    ("declarations", SizeOfOneNumber, "input_size"),
    ("shapes", OtherDimension, r"give shape \(1, 6\), expected \(1, 7\)"),
    ("shapes", DoublePrecision, "float64"),
    ("shapes", NotFinite, "not all finite"),
    ("layers", GivesAllLayers, "asked for 'map' alone"),
    ("layers", ForwardIsAnother, "not what forward gives"),
    ("layers", SumsOverTheBatchInALayer, "layer 'map': shape"),
    ("refusals", TakesAnyLayer, "expected UnknownNameError, got KeyError"),
    ("refusals", TakesAnyImage, "three channels: expected ImageError"),
    ("refusals", TakesTooSmallImages, r"images of \(8, 8\): expected ImageError, but nothing was raised"),
    ("determinism", DropoutForEver, "two passes in evaluation mode differ"),
    ("determinism", WritesIntoItsInput, "two passes in evaluation mode differ|writes into its input"),
    ("determinism", LearnsWhileEvaluated, "changes passes"),
    ("batch_independence", NormalisesOverTheBatch, "between a batch and single images"),
    ("batch_independence", CountsItsImages, "between a batch and single images"),
    ("gradient_flow", IgnoresTheImage, "no gradient reaches it"),
    ("gradient_flow", Detached, "no gradient reaches it"),
    ("gradient_flow", UnusedParameter, "no gradient reaches spare.weight, spare.bias"),
    ("gradient_flow", FrozenByZero, "0 all over at extra.weight"),
    ("state_dict", HiddenState, "no buffer or parameter"),
    ("state_dict", ExtraState, "not a tensor.*_extra_state"),
    ("state_dict", TranslatesItsOwnWeights, "WeightsError"),
    ("half_precision", CastsToFloat, "sets a dtype by itself"),
    ("half_precision", CannotTakeHalf, "RuntimeError"),
    ("half_precision", Overflows, "cosine"),
    ("export", BranchesOnTheImage, "data-dependent|DataDependent"),
]


def case(kind: type[Backbone], **options: Any) -> BackboneCase:
    torch.manual_seed(4)
    return BackboneCase(kind(), kind, **options)


@pytest.mark.parametrize("kind", [Sound, AnySize])
def test_a_sound_backbone_passes_every_check(kind: type[Backbone]) -> None:
    torch.manual_seed(4)
    backbone = kind()
    weights = {key: value.clone() for key, value in backbone.state_dict().items()}
    check_backbone(backbone, build=kind)
    check_backbone(backbone)
    assert all(torch.equal(value, weights[key]) for key, value in backbone.state_dict().items())
    assert not backbone.training
    assert all(parameter.grad is None for parameter in backbone.parameters())


@pytest.mark.parametrize(("check", "kind", "words"), BROKEN, ids=[each[1].__name__ for each in BROKEN])
def test_a_check_finds_its_fault(check: str, kind: type[Backbone], words: str) -> None:
    with pytest.raises(ConformanceFailure, match=f"^{check}: .*(?s:{words})"):
        BACKBONE.checks[check](case(kind))


def test_weights_above_the_limit_are_found() -> None:
    with pytest.raises(ConformanceFailure, match=r"size: its weights take 0 MB, more than 0\.0001 MB"):
        BACKBONE.checks["size"](case(Sound, limit_mb=0.0001))


def test_every_check_has_a_fault_to_find() -> None:
    assert {each[0] for each in BROKEN} | {"size"} == set(BACKBONE.checks)


def test_all_faults_are_told_in_one_failure() -> None:
    with pytest.raises(ConformanceFailure) as failure:
        check_backbone(UnusedParameter(), limit_mb=0.0001)
    message = str(failure.value)
    assert message.startswith("UnusedParameter does not conform:")
    assert "gradient_flow: no gradient reaches spare" in message
    assert "size: its weights" in message


def test_a_check_can_be_left_out_by_its_name_alone() -> None:
    check_backbone(UnusedParameter(), skip=("gradient_flow",))
    with pytest.raises(ValueError, match="no checks named.*gradients"):
        check_backbone(Sound(), skip=("gradients",))


class DrawsABuffer(Sound):
    """A random buffer that no weight file would hold."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("centre", torch.randn(6), persistent=False)

    def head(self, found: Tensor) -> Tensor:
        return super().head(found) - self.centre


class ShufflesByABuffer(Sound):
    """A random order that no weight file would hold."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("order", torch.randperm(8), persistent=False)

    def head(self, found: Tensor) -> Tensor:
        return super().head(found[:, self.order])


class CountsInABuffer(Sound):
    """A table that every network of the class has."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.arange(6.0), persistent=False)

    def head(self, found: Tensor) -> Tensor:
        return super().head(found) - self.table


@pytest.mark.parametrize("kind", [DrawsABuffer, ShufflesByABuffer])
@pytest.mark.parametrize("rebuilt", [True, False])
def test_a_buffer_that_no_weight_file_holds_is_found(kind: type[Backbone], rebuilt: bool) -> None:
    torch.manual_seed(4)
    subject = BackboneCase(kind(), kind if rebuilt else None)
    words = "some state is in no buffer" if rebuilt else "no weight file holds: (centre|order);.*`build`"
    with pytest.raises(ConformanceFailure, match=f"^state_dict: .*{words}"):
        BACKBONE.checks["state_dict"](subject)


def test_a_buffer_that_every_new_network_has_is_sound_where_that_can_be_seen() -> None:
    torch.manual_seed(4)
    BACKBONE.checks["state_dict"](BackboneCase(CountsInABuffer(), CountsInABuffer))
