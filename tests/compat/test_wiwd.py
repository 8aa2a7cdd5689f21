"""`sigzoo.compat.wiwd`: scripts written for sigver_wiwd run, with what that program computes."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import sigzoo
from sigzoo.compat import wiwd
from sigzoo.errors import ImageError, UnknownNameError, UsageError, WeightsError

pytest.importorskip("sigzoo_signet")
pytest.importorskip("sigzoo_spp")

OLD_SCRIPT = """
import numpy as np
from PIL import Image
from sigzoo.compat.wiwd import CNNModel, preprocess_signature, signet

canvas_size = (952, 1360)
images = [np.asarray(Image.open(f"s{number}.png")).astype(np.float32) for number in range(4)]
processed = np.array([preprocess_signature(image, canvas_size) for image in images])
model = CNNModel(signet, "signet.pkl")
one = model.get_feature_vector(processed[0])
many = model.get_feature_vector_multiple(processed, layer="fc1")
np.savez("out.npz", processed=processed, one=one, many=many)
"""
"""What the example of the published program does, and its batch variant, after changed imports."""


def unpacked(root: Path, name: str, folder: Path) -> Path:
    """A weight file that Python 2's cPickle wrote."""
    path = folder / f"{name}.pkl"
    path.write_bytes(gzip.decompress((root / f"tests/weights/lasagne/{name}_sparse.pkl.gz").read_bytes()))
    return path


def test_an_old_script_runs_after_its_imports_have_changed(root: Path, signatures: list[Path]) -> None:
    folder = signatures[0].parent
    unpacked(root, "signet", folder)
    done = subprocess.run(
        [sys.executable, "-c", OLD_SCRIPT], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    model = sigzoo.load("signet", weights=folder / "signet.pkl")
    with np.load(folder / "out.npz") as out:
        assert out["one"].shape == (1, 2048)
        for image, path in zip(out["processed"], signatures, strict=True):
            np.testing.assert_array_equal(image, model.preprocess(path))
        # A model runs with batch normalisation folded: the last bits of numbers of some hundreds differ.
        expected = model.embed(signatures, layer="fc1")
        np.testing.assert_allclose(out["many"], expected, rtol=0, atol=3e-6 * expected.max())
        expected = model.embed(signatures[0])
        np.testing.assert_allclose(out["one"], expected, rtol=0, atol=3e-6 * expected.max())


@pytest.mark.parametrize("net", ["signet", "signet_spp_300dpi", "signet_spp_600dpi"])
def test_every_layer_is_what_the_published_program_computes(
    root: Path, shared_data: Path, tmp_path: Path, net: str
) -> None:
    spp = "spp" in net
    model = wiwd.CNNModel(getattr(wiwd, net), unpacked(root, "signet_spp" if spp else "signet", tmp_path))
    image = np.load(shared_data / "golden" / ("processed_spp_py3.npy" if spp else "processed_py3.npy"))
    with np.load(root / "tests/weights/lasagne/features.npz") as published:
        layers = {name.split("/")[1] for name in published.files if name.startswith(f"{net}/")}
        assert len(layers) >= 9
        for layer in layers:
            found = model.get_feature_vector(image, layer)
            values = published[f"{net}/{layer}/value"]
            assert found.shape == tuple(published[f"{net}/{layer}/shape"])
            np.testing.assert_allclose(
                found.ravel()[published[f"{net}/{layer}/index"]], values, atol=1e-4 * np.abs(values).max()
            )


def test_a_signature_is_preprocessed_as_published(shared_data: Path) -> None:
    golden = shared_data / "golden"
    with Image.open(golden / "some_signature.png") as page:
        image = np.asarray(page.convert("L"))
    result = wiwd.preprocess_signature(image, (952, 1360))
    np.testing.assert_array_equal(result, np.load(golden / "processed_py3.npy"))
    spp = 255 - wiwd.remove_background(image)
    np.testing.assert_array_equal(spp, np.load(golden / "processed_spp_py3.npy"))


@pytest.mark.parametrize("canvas", [(952, 1360), (840, 1360), (300, 900)])
def test_the_steps_one_by_one_give_the_whole(draw: object, canvas: tuple[int, int]) -> None:
    image: NDArray[np.uint8] = draw(3)  # type: ignore[operator]
    before = image.copy()
    centred = wiwd.normalize_image(image, canvas)
    assert centred.shape == canvas
    resized = wiwd.resize_image(255 - centred, (170, 242))
    cropped = wiwd.crop_center(resized, (150, 220))
    np.testing.assert_array_equal(cropped, wiwd.preprocess_signature(image, canvas))
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("shape", [(200, 300), (300, 200), (171, 243), (90, 700)])
@pytest.mark.parametrize("method", ["nearest", "bilinear", "bicubic"])
def test_images_are_resized_without_stretching(shape: tuple[int, int], method: str) -> None:
    image = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    image[0, :2] = 0, 255
    ratio = min(shape[0] / 100, shape[1] / 150)
    whole = Image.fromarray(image).resize(
        (round(shape[1] / ratio), round(shape[0] / ratio)), Image.Resampling[method.upper()]
    )
    top, left = round((whole.height - 100) / 2), round((whole.width - 150) / 2)
    expected = np.asarray(whole)[top : top + 100, left : left + 150]
    np.testing.assert_array_equal(wiwd.resize_image(image, (100, 150), method), expected)


def test_what_cannot_be_is_said(root: Path, tmp_path: Path, draw: object) -> None:
    image: NDArray[np.uint8] = draw(1)  # type: ignore[operator]
    with pytest.raises(UsageError, match=r"170, 242"):
        wiwd.preprocess_signature(image, (952, 1360), img_size=(100, 100))
    with pytest.raises(ImageError, match="no ink"):
        wiwd.preprocess_signature(np.full((50, 80), 255), (952, 1360))
    with pytest.raises(UsageError, match="model_factory"):
        wiwd.CNNModel("signet", tmp_path / "signet.pkl")  # type: ignore[arg-type]
    with pytest.raises(WeightsError, match="absent"):
        wiwd.CNNModel(wiwd.signet, tmp_path / "absent.pkl")
    with pytest.raises(UsageError, match="bilinear"):
        wiwd.resize_image(image, (10, 10), "cubist")
    model = wiwd.CNNModel(wiwd.signet, unpacked(root, "signet", tmp_path))
    assert (model.img_size, model.input_size) == ((170, 242), (150, 220))
    with pytest.raises(UsageError, match="two dimensions"):
        model.get_feature_vector(image[np.newaxis])
    with pytest.raises(UsageError, match="three dimensions"):
        model.get_feature_vector_multiple(image)
    with pytest.raises(UnknownNameError, match="fc3"):
        model.get_feature_vector(image, "fc3")
