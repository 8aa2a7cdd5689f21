"""`sigzoo.compat.sigver`: scripts written for sigver run, with what that program computes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from skimage.filters import threshold_otsu
from torch import Tensor

import sigzoo
from sigzoo.compat import sigver
from sigzoo.errors import UsageError, WeightsError

pytest.importorskip("sigzoo_signet")

Draw = Callable[[int], NDArray[np.uint8]]

OLD_SCRIPT = """
import numpy as np, torch
from PIL import Image
from sigzoo.compat.sigver import SigNet, load_weights, preprocess_signature

processed = preprocess_signature(np.asarray(Image.open("s0.png")), (952, 1360))
pixels = torch.from_numpy(processed).view(1, 1, 150, 220).float().div(255)
state_dict, _, _ = load_weights("signet.pth")
base_model = SigNet().eval()
base_model.load_state_dict(state_dict)
with torch.no_grad():
    np.savez("out.npz", features=base_model(pixels).numpy())
"""
"""What the example of the published program does, after changed imports."""


def test_an_old_script_runs_after_its_imports_have_changed(signatures: list[Path]) -> None:
    folder = signatures[0].parent
    torch.manual_seed(0)
    state = sigver.SigNet().state_dict()
    torch.save((state, {}, {}), folder / "signet.pth")
    done = subprocess.run(
        [sys.executable, "-c", OLD_SCRIPT], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with np.load(folder / "out.npz") as out:
        expected = sigzoo.load("signet.pytorch", weights=folder / "signet.pth").embed(signatures[0])
        np.testing.assert_allclose(out["features"], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "size"), [("signet", 2048), ("signet_thin", 1024), ("signet_smaller", 2048)]
)
def test_networks_have_the_names_and_sizes_of_the_published_files(name: str, size: int) -> None:
    network = sigver.available_models[name]().eval()
    assert {"conv_layers.conv1.conv.weight", "fc_layers.fc1.bn.running_mean"} <= set(network.state_dict())
    with torch.no_grad():
        assert network(torch.zeros(1, 1, 150, 220)).shape == (1, size)


def test_files_are_read_and_never_run(tmp_path: Path) -> None:
    head = {"weight": torch.ones(3, 2048), "bias": torch.zeros(3)}
    torch.save((sigver.SigNet().state_dict(), head, None), tmp_path / "a.pth")
    _, classification, forgery = sigver.load_weights(tmp_path / "a.pth")
    assert torch.equal(classification["weight"], head["weight"])
    assert forgery == {}
    torch.save(SystemExit, tmp_path / "b.pth")
    with pytest.raises(WeightsError, match=r"b\.pth"):
        sigver.load_weights(tmp_path / "b.pth")


def test_a_signature_is_preprocessed_as_published(shared_data: Path) -> None:
    golden = shared_data / "golden"
    with Image.open(golden / "some_signature.png") as page:
        image = np.asarray(page.convert("L"))
    result = sigver.preprocess_signature(image, (952, 1360))
    np.testing.assert_array_equal(result, np.load(golden / "processed_sigver.npy"))


def test_without_a_crop_the_image_has_the_size_of_training(draw: Draw) -> None:
    whole = sigver.preprocess_signature(draw(2), (952, 1360), input_size=None)
    assert whole.shape == (170, 242)
    cropped = sigver.preprocess_signature(draw(2), (952, 1360))
    np.testing.assert_array_equal(sigver.crop_center(whole, (150, 220)), cropped)


def test_the_background_is_removed_as_scikit_image_finds_it(draw: Draw) -> None:
    rng = np.random.default_rng(5)
    images = [draw(number) for number in range(6)]
    images += [
        rng.integers(low, high, (40, 60)).astype(np.uint8) for low, high in ((0, 256), (90, 110), (3, 5))
    ]
    images += [np.where(rng.random((30, 30)) < 0.1, 7, 250).astype(np.uint8), np.full((9, 9), 200, np.uint8)]
    for image in images:
        expected = image.copy()
        expected[expected > threshold_otsu(image)] = 255
        before = image.copy()
        np.testing.assert_array_equal(sigver.remove_background(image), expected)
        np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("input_size", [None, (150, 220)])
def test_features_are_extracted_in_batches(input_size: tuple[int, int] | None) -> None:
    x = np.random.default_rng(2).integers(0, 256, (7, 1, 170, 242)).astype(np.uint8)
    sizes: list[int] = []

    def process(batch: tuple[Tensor, ...]) -> Tensor:
        sizes.append(len(batch[0]))
        return batch[0].float().flatten(1)[:, :50]

    found = sigver.extract_features(x, process, 3, input_size)
    assert sizes == [3, 3, 1]
    expected = x if input_size is None else x[:, :, 10:160, 11:231] / np.float32(255)
    np.testing.assert_allclose(found, expected.reshape(7, -1)[:, :50], rtol=1e-6)
    with pytest.raises(UsageError, match="batch_size=0"):
        sigver.extract_features(x, process, 0)
