"""Every check of a runtime finds the fault it is there for; our own runtimes have none."""

import numpy as np
import pytest
import torch

from sigzoo.errors import UsageError
from sigzoo.interfaces import Runtime
from sigzoo.testing import RUNTIME, ConformanceFailure, check_runtime
from sigzoo.zoo import default_zoo


class Sound(Runtime):
    """A network in double precision, image by image."""

    def __init__(self, backbone, *, device="auto"):
        if device not in ("auto", "cpu"):
            raise UsageError("only on the CPU")
        self.device = "cpu"
        self.backbone = backbone.eval()

    def run(self, batch, layers):
        with torch.no_grad():
            found = self.backbone.forward_layers(torch.from_numpy(batch), layers)
        return {name: value.numpy().copy() for name, value in found.items()}


class Silent(Sound):
    def __init__(self, backbone, *, device="auto"):
        super().__init__(backbone, device=device)
        self.device = "gpu"


class Undecided(Sound):
    def __init__(self, backbone, *, device="auto"):
        super().__init__(backbone, device=device)
        self.device = device


class Rough(Sound):
    def run(self, batch, layers):
        return {name: np.round(value, 1) for name, value in super().run(batch, layers).items()}


class FixedBatch(Sound):
    def run(self, batch, layers):
        if len(batch) not in (7, 4, 3, 6):
            raise RuntimeError("compiled for another batch")
        return super().run(batch, layers)


class FeaturesAlone(Sound):
    def run(self, batch, layers):
        return super().run(batch, ("features",))


class OneBuffer(Sound):
    held = np.zeros((64, 5), np.float32)

    def run(self, batch, layers):
        found = super().run(batch, layers)
        if "features" in found:
            self.held[: len(batch)] = found["features"]
            found["features"] = self.held[: len(batch)]
        return found


class InPlace(Sound):
    def run(self, batch, layers):
        found = super().run(batch, layers)
        batch *= 0
        return found


class Training(Sound):
    def run(self, batch, layers):
        self.backbone.train()
        return super().run(batch, layers)


class AnyDevice(Sound):
    def __init__(self, backbone, *, device="auto"):
        super().__init__(backbone)


class RawError(Sound):
    def __init__(self, backbone, *, device="auto"):
        if device not in ("auto", "cpu"):
            raise RuntimeError("bad device")
        super().__init__(backbone)


def test_our_own_runtimes_and_a_sound_one_conform() -> None:
    check_runtime(Sound)
    assert "torch" in default_zoo().list_components("runtime")
    for name in default_zoo().list_components("runtime"):
        if name == "torch":  # the others: tests/runtimes
            check_runtime(default_zoo().component("runtime", name))


@pytest.mark.parametrize(
    ("runtime", "check"),
    [
        (Silent, "cpu"),
        (Undecided, "auto"),
        (Rough, "same_as_torch"),
        (FixedBatch, "batch_sizes"),
        (FeaturesAlone, "layers"),
        (OneBuffer, "own_results"),
        (InPlace, "own_results"),
        (Training, "evaluation"),
        (AnyDevice, "unknown_device"),
        (RawError, "unknown_device"),
    ],
)
def test_a_fault_is_found_by_its_check(runtime: type, check: str) -> None:
    with pytest.raises(ConformanceFailure, match=f"  {check}: "):
        check_runtime(runtime)


def test_every_check_has_a_fault() -> None:
    assert set(RUNTIME.checks) == {
        "cpu", "auto", "same_as_torch", "batch_sizes", "layers", "own_results", "evaluation",
        "unknown_device",
    }  # fmt: skip


def test_a_tolerance_lets_a_less_exact_runtime_pass() -> None:
    check_runtime(Rough, tolerance=0.5)
