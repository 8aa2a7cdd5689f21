"""The torch runtime runs a backbone as it is, leaves it as it was, and survives a fork."""

from __future__ import annotations

import copy
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import sigzoo
from sigzoo.errors import UsageError, WeightsError
from sigzoo.synthesis import Writer


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    """Three signatures."""
    return [Writer(seed).genuine(0) for seed in (1, 2, 3)]


@pytest.fixture
def model() -> sigzoo.SignatureModel:
    """The default model."""
    return sigzoo.load(device="cpu")


def test_training_mode_changes_neither_features_nor_statistics(model, images) -> None:
    expected = model.embed(images)
    model.backbone.train()
    modes = [each.training for each in model.backbone.modules()]
    assert np.array_equal(model.embed(images), expected)
    assert [each.training for each in model.backbone.modules()] == modes
    model.backbone.eval()
    assert np.array_equal(model.embed(images), expected)


def test_a_part_left_in_training_mode_is_found(model, images) -> None:
    expected = model.embed(images)
    inner = [each for each in model.backbone.modules() if not list(each.children())][-1]
    inner.train()
    assert np.array_equal(model.embed(images), expected)
    assert inner.training is True


@pytest.fixture
def default_float64() -> Iterator[None]:
    """Torch makes float64 tensors where nobody says otherwise."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("name", ["synsig-tiny", "synsig-base"])
def test_the_default_dtype_of_torch_decides_nothing(name, images, request) -> None:
    expected = sigzoo.load(name, device="cpu").embed(images)
    request.getfixturevalue("default_float64")
    found = sigzoo.load(name, device="cpu").embed(images)
    assert found.dtype == np.float32
    assert np.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(("dtype", "cosine"), [(torch.bfloat16, 0.99), (torch.float64, 0.999999)])
def test_another_precision_by_hand_is_run_as_it_is(model, images, dtype, cosine) -> None:
    expected = model.embed(images)
    model.backbone.to(dtype)
    found = model.embed(images)
    assert found.dtype == np.float32
    same = (found * expected).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(expected, axis=1)
    assert (same > cosine).all()
    assert np.allclose(model.to("cpu").embed(images), expected, atol=0.1)


def test_parts_of_two_precisions_are_told(model, images) -> None:
    next(iter(model.backbone.children())).half()
    with pytest.raises(UsageError, match=r"cannot be run as it is now, torch.float16 on cpu.*model.to"):
        model.embed(images)


def test_a_model_is_moved_and_saved(model, images, tmp_path: Path) -> None:
    expected = model.embed(images)
    assert model.to(torch.device("cpu")) is model
    assert (model.device, model.feature_dim) == ("cpu", expected.shape[1])
    path = model.save(tmp_path / "copy.safetensors")
    assert np.array_equal(sigzoo.load(model.name, weights=path, device="cpu").embed(images), expected)
    assert sigzoo.load(device=torch.device("cpu")).device == "cpu"
    for wrong in (3, None, b"cpu"):
        with pytest.raises(UsageError, match="A device is named by"):
            model.to(wrong)
    with pytest.raises(UsageError, match="cannot be used"):
        model.to("nonsense")
    with pytest.raises(UsageError, match=r"must end in \.safetensors"):
        model.save(tmp_path / "copy.pth")
    base = sigzoo.load("synsig-base", device="cpu")
    again = sigzoo.load("synsig-base", weights=base.save(tmp_path / "base.safetensors"), device="cpu")
    assert np.array_equal(again.logits(images), base.logits(images))


def test_features_that_are_not_finite_are_an_error(model, images) -> None:
    with torch.no_grad():
        next(iter(model.backbone.parameters())).fill_(float("nan"))
    with pytest.raises(WeightsError, match=r"image 0: synsig-tiny gives features that are not finite"):
        model.embed(images)
    stream = list(model.embed_stream(images, on_error="skip"))
    assert [each.features is None and "not finite" in str(each.error) for each in stream] == [True] * 3


FORK = """\
import multiprocessing, sys
import sigzoo

model = sigzoo.load(device="cpu")
{before}
def child(queue):
    queue.put(model.embed({path!r}).shape)

context = multiprocessing.get_context("fork")
queue = context.Queue()
process = context.Process(target=child, args=(queue,))
process.start()
print(queue.get(timeout=240))
process.join()
"""


@pytest.mark.parametrize("before", ["", "model.embed({path!r})"])
@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_forked_child_embeds(before: str, images, tmp_path: Path) -> None:
    """Whether the parent has only loaded the model or has used it; this hung for ever."""
    path = str(tmp_path / "ink.png")
    Image.fromarray(images[0]).save(path)
    code = FORK.format(path=path, before=before.format(path=path))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=600
    )
    assert done.stdout == "(1, 584)\n", done.stderr


def test_a_thread_computes_on_one_core_and_others_as_before(model) -> None:
    """How many threads each computes with: in the block, after it, in the caller's and in a new thread."""
    before, found = torch.get_num_threads(), []
    torch.set_num_threads(3)

    def compute() -> None:
        with model._runtime.on_one_core():
            model._runtime.run(np.zeros((2, 1, 99, 192), np.float32), ["embedding"])
            found.append(torch.get_num_threads())
            other = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
            other.start()
            other.join()
        found.append(torch.get_num_threads())

    try:
        thread = threading.Thread(target=compute)
        thread.start()
        thread.join()
        assert [*found, torch.get_num_threads()] == [1, 3, 3, 3]
    finally:
        torch.set_num_threads(before)


def test_calls_at_a_time_keep_evaluation_mode_until_the_last_has_ended(model) -> None:
    """The first ends while the second computes, and must not bring training mode back under it."""
    model.backbone.train()
    batch = np.random.default_rng(1).random((8, 1, 99, 192), dtype=np.float32)
    expected = model._runtime.run(batch, ["embedding"])["embedding"]
    seen: dict[str, np.ndarray] = {}
    inside = {name: threading.Event() for name in ("first", "second")}
    release = {name: threading.Event() for name in inside}

    def wait(module, inputs) -> None:
        name = threading.current_thread().name
        inside[name].set()
        release[name].wait(60)

    def compute() -> None:
        name = threading.current_thread().name
        seen[name] = model._runtime.run(batch, ["embedding"])["embedding"]

    handle = next(model.backbone.children()).register_forward_pre_hook(wait)
    threads = {name: threading.Thread(target=compute, name=name) for name in inside}
    for name, thread in threads.items():
        thread.start()
        assert inside[name].wait(60)
    for name, thread in threads.items():
        release[name].set()
        thread.join()
    handle.remove()
    # With a hook the backbone itself is run, without one a folded copy: equal but for rounding.
    assert all(np.allclose(each, expected, atol=1e-5) for each in seen.values())
    assert len(seen) == 2
    assert model.backbone.training


def alike(found: np.ndarray, wanted: np.ndarray) -> float:
    """Least cosine similarity of rows."""
    found, wanted = found.astype(np.float64), wanted.astype(np.float64)
    return float(
        ((found * wanted).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(wanted, axis=1)).min()
    )


def run_itself(model, images) -> np.ndarray:
    """Features of the backbone itself in float64, nothing folded."""
    batch = np.stack([model.preprocess(image) for image in images])[:, None] * np.float32(
        model.card.input_scale
    )
    with torch.no_grad():
        found = copy.deepcopy(model.backbone).double()(torch.from_numpy(batch).double())
    return found.numpy()


@pytest.mark.parametrize("name", ["synsig-tiny", "synsig-base"])
def test_features_are_those_of_the_backbone_itself(name, images) -> None:
    model = sigzoo.load(name, device="cpu")
    assert np.abs(model.embed(images) - run_itself(model, images)).max() < 1e-5


def by_place(model) -> None:
    with torch.no_grad():
        next(model.backbone.parameters()).mul_(0.5)


def by_data(model) -> None:
    next(model.backbone.parameters()).data.mul_(0.5)


def by_numpy(model) -> None:
    next(model.backbone.parameters()).detach().numpy()[...] *= 0.5


def by_another(model) -> None:
    name, old = next((name, each) for name, each in model.backbone.named_modules() if type(each) is nn.Conv2d)
    new = copy.deepcopy(old)
    nn.init.normal_(new.weight, std=0.01)
    parent, _, last = name.rpartition(".")
    setattr(model.backbone.get_submodule(parent), last, new)


def by_statistics(model) -> None:
    next(each for each in model.backbone.modules() if type(each) is nn.BatchNorm2d).running_mean.add_(0.5)


@pytest.mark.parametrize("change", [by_place, by_data, by_numpy, by_another, by_statistics])
def test_what_is_changed_by_hand_is_what_runs(change, model, images) -> None:
    before = model.embed(images)
    change(model)
    found = model.embed(images)
    assert np.abs(found - before).max() > 1e-3
    assert np.abs(found - run_itself(model, images)).max() < 1e-5


def test_hooks_of_the_backbone_are_called(model, images) -> None:
    expected, seen = model.embed(images), []
    norms = [each for each in model.backbone.modules() if isinstance(each, nn.BatchNorm2d)]
    handles = [each.register_forward_hook(lambda *_: seen.append(1)) for each in norms]
    assert np.allclose(model.embed(images), expected, atol=1e-5)
    assert len(seen) == len(norms)
    for handle in handles:
        handle.remove()
    assert np.array_equal(model.embed(images), expected)
    assert len(seen) == len(norms)


@pytest.mark.parametrize("name", ["synsig-tiny", "synsig-base"])
def test_bfloat16_on_request(name, images) -> None:
    expected = sigzoo.load(name, device="cpu").embed(images)
    model = sigzoo.load(name, device="cpu", precision="bfloat16")
    found = model.embed(images)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() > 0
    assert alike(found, expected) > 0.999
    assert all(each.dtype == torch.float32 for each in model.backbone.parameters())
    assert model.provenance()["precision"] == "bfloat16"


@pytest.mark.parametrize(
    ("precision", "message"),
    [
        ("float16", "float16 is computed on a GPU alone"),
        ("tf32", "tf32 is computed on a GPU alone"),
        ("int8", "TorchRuntime does not compute in int8"),
        ("half", "There is no precision 'half': there are float32"),
    ],
)
def test_a_precision_that_cannot_be_had_is_an_error(precision, message) -> None:
    with pytest.raises(UsageError, match=message):
        sigzoo.load(device="cpu", precision=precision)


@pytest.fixture
def careless_products() -> Iterator[None]:
    """Someone lets torch round the products of float32."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    yield
    torch.set_float32_matmul_precision(before)


def test_float32_is_float32_whatever_torch_was_told(model, images, careless_products) -> None:
    rounding = torch.backends.mkldnn.matmul.fp32_precision
    assert rounding == "bf16"
    assert np.abs(model.embed(images) - run_itself(model, images)).max() < 1e-5
    assert torch.backends.mkldnn.matmul.fp32_precision == rounding


def test_inner_layers_are_whole_arrays_in_any_order_of_memory(model, images) -> None:
    for layer in model.backbone.layers:
        found = model.embed(images, layer=layer)
        assert found.flags.c_contiguous
        assert np.isfinite(found).all()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_network_gives_the_same_features(model, images) -> None:
    compiled = sigzoo.load(runtime="torch-compiled", device="cpu")
    assert np.allclose(compiled.embed(images), model.embed(images), atol=1e-4)
    assert np.allclose(compiled.embed(images[:1]), model.embed(images[:1]), atol=1e-4)
