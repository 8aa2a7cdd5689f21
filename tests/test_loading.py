"""From a name and a weight file to features; a file that does not fit is refused by the tensor's name."""

from __future__ import annotations

import gzip
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import sigzoo
from sigzoo.errors import OfflineError, RegistryError, UnknownNameError, UsageError, WeightsError
from sigzoo.weights import save_weights
from sigzoo.zoo import default_zoo


def random_state(backbone: torch.nn.Module, seed: int = 0) -> dict[str, Tensor]:
    """A state dict of plausible random weights and batch-norm statistics."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, tensor in backbone.state_dict().items():
        if name.endswith("running_var"):
            state[name] = torch.rand(tensor.shape, generator=generator) + 0.5
        elif name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(7)
        elif name.endswith("weight") and tensor.ndim > 1:
            state[name] = torch.randn(tensor.shape, generator=generator) / tensor[0].numel() ** 0.5
        else:
            state[name] = torch.randn(tensor.shape, generator=generator) * 0.1 + (name.endswith("bn.weight"))
    return state


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """Random weights for SigNet."""
    return random_state(sigzoo.backbone("signet"))


@pytest.fixture(scope="module")
def head() -> dict[str, Tensor]:
    """A random 531-way writer head."""
    generator = torch.Generator().manual_seed(1)
    return {
        "weight": torch.randn(531, 2048, generator=generator) * 0.02,
        "bias": torch.randn(531, generator=generator),
    }


@pytest.fixture(scope="module")
def lasagne(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weight file that Python 2.7's cPickle wrote."""
    packed = root / "tests" / "weights" / "lasagne" / "signet_sparse.pkl.gz"
    path = tmp_path_factory.mktemp("lasagne") / "signet.pkl"
    with gzip.open(packed) as source, path.open("wb") as target:
        shutil.copyfileobj(source, target)
    return path


@pytest.mark.parametrize("zipped", [True, False], ids=["zip format", "legacy format"])
def test_a_pytorch_file_loads_by_name(
    state: dict[str, Tensor], tmp_path: Path, signatures: list[Path], zipped: bool
) -> None:
    path = tmp_path / "mine.pth"
    torch.save((state, {}, {}), path, _use_new_zipfile_serialization=zipped)
    model = sigzoo.load("signet.pytorch", weights=path)
    features = model.embed(signatures)
    assert (features.shape, features.dtype) == ((4, 2048), np.float32)
    plain = sigzoo.backbone("signet").eval()
    plain.load_state_dict(state)
    images = [sigzoo.preprocessor("sigver", canvas=(952, 1360))(sigzoo_read(path)) for path in signatures]
    with torch.no_grad():
        expected = plain(torch.from_numpy(np.stack(images)[:, None].astype(np.float32) / 255))
    np.testing.assert_allclose(features, expected.numpy(), rtol=1e-4, atol=1e-5)


def sigzoo_read(path: Path) -> np.ndarray:
    """The image as it is."""
    from PIL import Image

    return np.asarray(Image.open(path))


def test_a_lasagne_pickle_loads_by_name_alone_and_in_its_archive(
    lasagne: Path, tmp_path: Path, signatures: list[Path]
) -> None:
    alone = sigzoo.load("signet", weights=lasagne).embed(signatures)
    assert alone.shape == (4, 2048)
    archive = tmp_path / "signet_models.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(lasagne, "signet.pkl")
        file.writestr("signetf_lambda0.95.pkl", b"not asked for")
    np.testing.assert_array_equal(sigzoo.load("signet", weights=archive).embed(signatures), alone)


def test_the_published_programs_features_come_out(lasagne: Path, shared_data: Path, root: Path) -> None:
    """Lasagne on Theano computed them from the same file, see tests/weights/lasagne/README.txt."""
    model = sigzoo.load("signet", weights=lasagne)
    golden = shared_data / "golden"
    image = model.preprocess(golden / "some_signature.png")
    np.testing.assert_array_equal(image, np.load(golden / "processed_py3.npy", allow_pickle=False))
    with np.load(root / "tests/weights/lasagne/features.npz", allow_pickle=False) as data:
        index, value = data["signet/fc2/index"], data["signet/fc2/value"]
    features = model.embed(golden / "some_signature.png").ravel()[index]
    np.testing.assert_allclose(features, value, rtol=1e-5, atol=1e-5 * np.abs(value).max())


def test_the_teacher_keeps_its_head(
    state: dict[str, Tensor], head: dict[str, Tensor], tmp_path: Path, signatures: list[Path]
) -> None:
    path = tmp_path / "teacher.pth"
    torch.save((state, head, None), path)
    model = sigzoo.load("signet.teacher", weights=path)
    features = torch.from_numpy(model.embed(signatures))
    expected = features @ head["weight"].T + head["bias"]
    np.testing.assert_allclose(model.logits(signatures), expected.numpy(), rtol=1e-4, atol=1e-4)
    with pytest.raises(UsageError, match="no 'writer' head"):
        sigzoo.load("signet.pytorch", weights=path).logits(signatures)


def test_a_teacher_without_a_head_is_refused(state: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "teacher.pth"
    torch.save((state, {}, {}), path)
    with pytest.raises(WeightsError, match="holds no writer head"):
        sigzoo.load("signet.teacher", weights=path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda state: state.pop("fc_layers.fc2.fc.weight"), "fc_layers.fc2.fc.weight"),
        (lambda state: state.update({"surplus.weight": torch.zeros(2)}), "surplus.weight"),
        (
            lambda state: state.update({"conv_layers.conv3.conv.weight": torch.zeros(128, 256, 3, 3)}),
            r"conv_layers\.conv3\.conv\.weight.*128.*384|conv_layers\.conv3\.conv\.weight.*384.*128",
        ),
        (
            lambda state: state.update({"fc_layers.fc1.bn.bias": torch.full((2048,), torch.nan)}),
            r"fc_layers\.fc1\.bn\.bias.*finite|finite.*fc_layers\.fc1\.bn\.bias",
        ),
    ],
    ids=["missing", "surplus", "misshapen", "not finite"],
)
def test_a_file_that_does_not_fit_is_refused_by_name(
    state: dict[str, Tensor], tmp_path: Path, change: object, reason: str
) -> None:
    broken = dict(state)
    change(broken)  # type: ignore[operator]
    path = tmp_path / "broken.pth"
    torch.save((broken, {}, {}), path)
    with pytest.raises(WeightsError, match=reason) as caught:
        sigzoo.load("signet.pytorch", weights=path)
    assert str(path) in str(caught.value)


def test_a_file_of_another_format_is_refused(lasagne: Path, tmp_path: Path, state: dict[str, Tensor]) -> None:
    with pytest.raises(WeightsError, match="torch-tuple"):
        sigzoo.load("signet.pytorch", weights=lasagne)
    path = tmp_path / "mine.pth"
    torch.save((state, {}, {}), path)
    with pytest.raises(WeightsError, match="lasagne"):
        sigzoo.load("signet", weights=path)
    with pytest.raises(WeightsError, match=r"absent\.pth"):
        sigzoo.load("signet", weights=tmp_path / "absent.pth")


def test_safetensors_load_as_the_model_that_they_name(
    state: dict[str, Tensor], tmp_path: Path, signatures: list[Path]
) -> None:
    torch.save((state, {}, {}), tmp_path / "mine.pth")
    save_weights(tmp_path / "mine.safetensors", state, {}, {"model": "signet.pytorch"})
    first = sigzoo.load("signet.pytorch", weights=tmp_path / "mine.pth").embed(signatures)
    second = sigzoo.load("signet.pytorch", weights=tmp_path / "mine.safetensors").embed(signatures)
    np.testing.assert_array_equal(first, second)
    with pytest.raises(WeightsError, match=r"holds the weights of 'signet\.pytorch', not of 'signet'"):
        sigzoo.load("signet", weights=tmp_path / "mine.safetensors")


def test_the_default_is_bundled_and_needs_no_network(
    monkeypatch: pytest.MonkeyPatch, signatures: list[Path]
) -> None:
    monkeypatch.setenv("SIGZOO_OFFLINE", "1")
    model = sigzoo.load()
    assert model.name == "synsig-tiny"
    assert model.embed(signatures).shape == (4, model.card.features.size)
    with pytest.raises(OfflineError, match=r"signet_models\.zip"):
        sigzoo.load("signet")


def test_an_unknown_model_gets_the_nearest_names() -> None:
    with pytest.raises(UnknownNameError, match=r"Did you mean signet\.pytorch"):
        sigzoo.load("signet.pytoch")


MIXED_UP = """\
models:
  mixed-up:
    summary: parts that do not belong together
    distribution: sigzoo-signet
    backbone: signet
    preprocessor: {preprocessor}
    input_scale: {scale}
    weights: {{artifact: mine, format: lasagne}}
    features: {{layer: fc2, size: 2048}}
    licence: {{code: MIT, weights: MIT, commercial_use: true}}
    trained_on: nothing
artifacts:
  mine: {{summary: none, urls: ["https://example.org/x"], unpinned: true, provenance: a test}}
"""


@pytest.mark.parametrize(
    ("preprocessor", "scale", "reason"),
    [
        ("signet-2017", 1 / 255, r"input_scale 0\.00392157 does not belong.*'signet-2017'"),
        ("sigver", 1.0, r"input_scale 1 does not belong.*'sigver'"),
        ("spp-2018", 1.0, r"takes images of \(150, 220\).*'spp-2018' gives any size"),
        ("{name: signet-2017, size: [170, 242]}", 1.0, r"\(150, 220\).*gives \(170, 242\)"),
        ("{name: signet-2017, canvas: [0, 5]}", 1.0, r"canvas.*whole numbers"),
    ],
)
def test_a_card_whose_parts_do_not_belong_together_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preprocessor: str, scale: float, reason: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(MIXED_UP.format(preprocessor=preprocessor, scale=scale))
    monkeypatch.setenv("SIGZOO_REGISTRY", str(path))
    with pytest.raises(RegistryError, match=reason) as caught:
        sigzoo.load("mixed-up")
    assert str(caught.value).startswith(f"{path}: models.mixed-up: ")


def test_a_card_that_states_another_feature_size_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.yaml"
    text = MIXED_UP.format(preprocessor="signet-2017", scale=1.0)
    path.write_text(text.replace("size: 2048", "size: 1024"))
    monkeypatch.setenv("SIGZOO_REGISTRY", str(path))
    with pytest.raises(RegistryError, match=r"mine\.yaml: models\.mixed-up: .*1024 features.*gives 2048"):
        sigzoo.load("mixed-up")


@pytest.mark.parametrize("name", ["signet-student-tiny", "signet-student-base", "signet-student-thin"])
def test_a_recipe_has_no_weights_to_load_but_takes_ones_own(
    name: str, tmp_path: Path, signatures: list[Path]
) -> None:
    with pytest.raises(WeightsError, match=r"nobody publishes its weights.*signet\.teacher.*weights=FILE"):
        sigzoo.load(name)
    card = default_zoo().info(name)
    options = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in card.backbone.options.items()
    }
    state = random_state(sigzoo.backbone(card.backbone.name, **options))
    head = {"weight": torch.zeros(531, card.features.size), "bias": torch.arange(531.0)}
    path = save_weights(tmp_path / "own.safetensors", state, {"writer": head}, {"model": name})
    model = sigzoo.load(name, weights=path)
    assert model.embed(signatures).shape == (4, card.features.size)
    np.testing.assert_allclose(model.logits(signatures), np.tile(np.arange(531.0), (4, 1)))


def test_fetch_gives_the_path_of_a_verified_file(tmp_path: Path) -> None:
    path = next(each for each in sigzoo.fetch("synsig-tiny") if each.suffix == ".safetensors")
    assert path.name == "synsig-tiny.safetensors"
    assert path.is_file()
    with pytest.raises(UnknownNameError, match="Did you mean synsig-tiny"):
        sigzoo.fetch("synsig-tny")


def test_a_lasagne_file_of_another_network_is_refused_by_file_and_tensor(lasagne: Path, root: Path) -> None:
    with pytest.raises(WeightsError, match=r"signet\.pkl: .*params\["):
        sigzoo.load("signet-spp-300dpi", weights=lasagne)
