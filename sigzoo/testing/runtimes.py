"""What every runtime must do: the numbers of PyTorch, any batch, the layers that are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sigzoo.errors import UsageError
from sigzoo.interfaces import Backbone, Runtime
from sigzoo.testing.suites import Suite, expect, expect_error

__all__ = ["RUNTIME", "RuntimeCase", "check_runtime"]

TOLERANCE = 1e-4
"""Largest difference from PyTorch that passes, relative to the largest number of a layer."""

_LAYERS = ("conv", "features")


@dataclass(frozen=True)
class RuntimeCase:
    """A runtime under test, and how close it must come to PyTorch in float32 on the CPU."""

    runtime: Callable[..., Runtime]
    tolerance: float = TOLERANCE


RUNTIME: Suite[RuntimeCase] = Suite()


def check_runtime(
    runtime: Callable[..., Runtime], *, tolerance: float = TOLERANCE, skip: tuple[str, ...] = ()
) -> None:
    """Check that a runtime does what `sigzoo.interfaces.Runtime` promises, on the CPU.

    Parameters
    ----------
    runtime
        The class: it is built with a backbone and a device.
    tolerance
        Largest difference from PyTorch that passes, relative to the largest number of a layer.
    skip
        Names of checks to leave out: those of ``sigzoo.testing.RUNTIME.checks``.

    Raises
    ------
    ConformanceFailure
        If it does not; a line for each check that failed.
    """
    name = getattr(runtime, "__name__", str(runtime))
    RUNTIME.run(RuntimeCase(runtime, tolerance), f"The runtime {name}", skip)


class _Toy(Backbone):
    """A convolution with batch statistics, and a dense layer with dropout: (N, 1, 8, 12) to (N, 5)."""

    layers = _LAYERS
    feature_dim = 5
    input_size = (8, 12)

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(1, 3, 3, stride=2, padding=1), nn.BatchNorm2d(3), nn.ReLU())
        self.features = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(3 * 4 * 6, 5))

    def forward_layers(self, x: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        self.check_layers(names)
        self.check_input(x)
        found = {"conv": self.conv(x)}
        if "features" in names:
            found["features"] = self.features(found["conv"])
        return {name: found[name] for name in names}


def _toy() -> Backbone:
    """The same network at every call, with statistics that are not those of a new one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        made = _Toy()
        made(torch.rand(16, 1, 8, 12))
    return made.eval()


def _batch(size: int, seed: int = 1) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random((size, 1, 8, 12), dtype=np.float32)


def _build(case: RuntimeCase) -> Runtime:
    built = case.runtime(_toy(), device="cpu")
    expect(isinstance(built, Runtime), f"is a {type(built).__name__}, no sigzoo.interfaces.Runtime")
    return built


def _expect_close(case: RuntimeCase, found: NDArray[np.float32], wanted: NDArray[np.float32]) -> None:
    expect(found.shape == wanted.shape, f"gives {found.shape} where PyTorch gives {wanted.shape}")
    expect(found.dtype == np.float32, f"gives {found.dtype}, expected float32")
    away = float(np.abs(found - wanted).max() / max(np.abs(wanted).max(), 1e-12))
    expect(away <= case.tolerance, f"is {away:.1e} from PyTorch, more than {case.tolerance:.0e}")


@RUNTIME.check
def cpu(case: RuntimeCase) -> None:
    """It runs on the CPU and says so."""
    device = _build(case).device
    expect(isinstance(device, str) and device.startswith("cpu"), f"`device` is {device!r} for device='cpu'")


@RUNTIME.check
def auto(case: RuntimeCase) -> None:
    """It chooses a device where none is named."""
    device = case.runtime(_toy()).device
    expect(isinstance(device, str) and device not in ("", "auto"), f"`device` is {device!r}")


@RUNTIME.check
def same_as_torch(case: RuntimeCase) -> None:
    """Features are those of PyTorch within the tolerance, with statistics and dropout as in evaluation."""
    batch = _batch(7)
    with torch.no_grad():
        wanted = _toy()(torch.from_numpy(batch)).numpy()
    _expect_close(case, _build(case).run(batch, ("features",))["features"], wanted)


@RUNTIME.check
def batch_sizes(case: RuntimeCase) -> None:
    """A batch of any size gives what its images give alone, whatever was run before."""
    built = _build(case)
    batch = _batch(9)
    whole = built.run(batch, ("features",))["features"]
    for size in (1, 2, 5, 9, 3):
        part = built.run(batch[:size], ("features",))["features"]
        _expect_close(case, part, whole[:size])


@RUNTIME.check
def layers(case: RuntimeCase) -> None:
    """It gives the layers that are asked for, and no others, in any order."""
    built = _build(case)
    batch = _batch(4)
    with torch.no_grad():
        wanted = _toy().forward_layers(torch.from_numpy(batch), _LAYERS)
    for names in (("conv",), ("features",), _LAYERS, _LAYERS[::-1]):
        found = built.run(batch, names)
        expect(set(found) == set(names), f"asked for {names}, it gives {tuple(found)}")
        for name in names:
            expect(isinstance(found[name], np.ndarray), f"{name} is a {type(found[name]).__name__}, no array")
            _expect_close(case, found[name], wanted[name].numpy())


@RUNTIME.check
def own_results(case: RuntimeCase) -> None:
    """The batch is left as it is, and a later run changes no earlier result."""
    built = _build(case)
    batch = _batch(3)
    kept = batch.copy()
    first = built.run(batch, ("features",))["features"]
    copied = first.copy()
    built.run(_batch(3, seed=2), ("features",))
    expect(np.array_equal(batch, kept), "changes the batch that it is given")
    expect(np.array_equal(first, copied), "a later run overwrites an earlier result")


@RUNTIME.check
def evaluation(case: RuntimeCase) -> None:
    """The backbone stays in evaluation mode, and its statistics stay as they are."""
    backbone = _toy()
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    built = case.runtime(backbone, device="cpu")
    built.run(_batch(6), ("features",))
    expect(not backbone.training, "leaves the backbone in training mode")
    after = {name: value.cpu() for name, value in backbone.state_dict().items()}
    changed = [name for name in before if not torch.equal(before[name], after.get(name, before[name]))]
    expect(not changed, f"changes {', '.join(changed)} of the backbone")


@RUNTIME.check
def unknown_device(case: RuntimeCase) -> None:
    """A device that is not there is refused in the user's words."""
    for device in ("no-such-device", "cuda:99", ""):
        expect_error(UsageError, partial(case.runtime, _toy(), device=device), f"device {device!r}")
