"""Batch sizes by a device's memory, with a device that is made up: no GPU is needed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import sigzoo
from sigzoo.errors import UsageError
from sigzoo.interfaces import Backbone
from sigzoo.runtimes.torch import TorchRuntime
from sigzoo.runtimes.torch_memory import MOST, BatchSizes
from sigzoo.synthesis import Writer


class Device:
    """Memory of which each image takes so many bytes a pixel, and each run so many for itself."""

    def __init__(self, free: int, a_pixel: float, for_itself: int = 0) -> None:
        self.bytes_free, self.a_pixel, self.for_itself = free, a_pixel, for_itself
        self.pixels: list[int] = []

    def run(self, images: np.ndarray) -> None:
        assert images.dtype == np.uint8
        self.pixels.append(images.size)

    def free(self) -> int:
        return self.bytes_free

    def taken(self, work) -> int:
        work()
        return int(self.pixels[-1] * self.a_pixel) + self.for_itself


@pytest.mark.parametrize(
    ("free", "a_pixel", "expected"),
    [(1 << 40, 100, MOST), (200_000_000, 100, 16), (20_000_000, 100, 2), (1, 100, 1)],
)
def test_as_many_as_fit_in_a_share_of_what_is_free(free, a_pixel, expected) -> None:
    device = Device(free, a_pixel)
    sizes = BatchSizes(device, device.run)
    found = sizes.most((150, 220))
    assert found == expected
    assert found == 1 or found * 150 * 220 * a_pixel <= free / 2
    runs = len(device.pixels)
    assert sizes.most((150, 220)) == found
    assert len(device.pixels) == runs, "measured again"


def test_a_few_are_not_tried_where_they_cannot_fit() -> None:
    device = Device(3 * 10**8, 100)
    assert BatchSizes(device, device.run).most((1000, 2000)) == 1
    assert set(device.pixels) == {2_000_000}


def test_the_runtime_asks_the_memory_on_a_gpu_alone() -> None:
    runtime = TorchRuntime(sigzoo.backbone("signet"), device="cpu")
    assert runtime.batch_size((150, 220)) == 32
    assert runtime.batch_size((150, 220), 1000) == (1 << 22) // (150 * 220)
    device = Device(10**9, 100)
    runtime._batch_sizes = BatchSizes(device, device.run)
    assert runtime.batch_size((150, 220)) == 64
    assert runtime.batch_size((150, 220), 1000) == 64
    assert runtime.batch_size((150, 220), 5) == 5


def test_the_stream_computes_batches_of_the_runtimes_size(monkeypatch) -> None:
    model = sigzoo.load(device="cpu")
    expected = model.embed([Writer(1).genuine(number) for number in range(5)])
    sizes: list[int] = []
    submit = TorchRuntime.submit

    def noting(self, images, layers, *, scale):
        sizes.append(len(images))
        return submit(self, images, layers, scale=scale)

    monkeypatch.setattr(TorchRuntime, "submit", noting)
    monkeypatch.setattr(TorchRuntime, "batch_size", lambda self, size, wanted=None: wanted or 2)
    found = model.embed([Writer(1).genuine(number) for number in range(5)])
    assert sorted(sizes) == [1, 2, 2]
    assert np.abs(found - expected).max() < 1e-5


class TooLarge(Backbone):
    """Never enough memory."""

    layers = ("out",)
    feature_dim = 1
    input_size = (8, 12)

    def forward_layers(self, x, names):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3 GiB. See documentation ...")


def test_too_little_memory_is_told_in_the_users_words() -> None:
    runtime = TorchRuntime(TooLarge(), device="cpu")
    with pytest.raises(UsageError, match=r"not enough memory for 6 images of 8 x 12.*Try batch_size=3"):
        runtime.run(np.zeros((6, 1, 8, 12), np.float32), ("out",))
