"""What is exported computes the same without sigzoo, says what it takes, and is refused where it deviates."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import sigzoo
from sigzoo.errors import SigzooError, UnknownNameError, UsageError
from sigzoo.synthesis import Writer

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


@pytest.fixture(scope="module")
def model() -> sigzoo.SignatureModel:
    """The default model."""
    return sigzoo.load(device="cpu")


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    """Three signatures."""
    return [Writer(seed).genuine(0) for seed in (1, 2, 3)]


def as_the_metadata_say(model, images, metadata: dict[str, str]) -> np.ndarray:
    """Preprocess as a stranger would who has the file's metadata alone."""
    preprocessor = sigzoo.preprocessor(
        metadata["preprocessor"], **json.loads(metadata["preprocessor_options"])
    )
    batch = np.stack([preprocessor(image) for image in images])[:, None]
    return batch * np.float32(metadata["input_scale"])


def test_onnx_is_used_by_its_metadata(model, images, tmp_path) -> None:
    done = model.export(tmp_path / "m.onnx")
    written = onnx.load(tmp_path / "m.onnx")
    onnx.checker.check_model(written)
    metadata = {each.key: each.value for each in written.metadata_props}
    assert metadata == done.metadata
    assert metadata["weights_sha256"] == model.provenance()["weights_sha256"]
    assert (metadata["model"], metadata["layer"]) == ("synsig-tiny", "with_ink")
    assert metadata["commercial_use"] == "yes"
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    batch = as_the_metadata_say(model, images, metadata)
    for count in (1, 3):
        found = session.run(["with_ink"], {"image": batch[:count]})[0]
        assert np.abs(found - model.embed(images[:count])).max() < 1e-4
    assert str(tmp_path).encode() not in (tmp_path / "m.onnx").read_bytes()
    assert b".py" not in (tmp_path / "m.onnx").read_bytes(), "lines of code of whoever exported it"


def test_openvino_and_an_inner_layer(model, images, tmp_path) -> None:
    openvino = pytest.importorskip("openvino")
    done = model.export(tmp_path / "m.xml", layer="embedding")
    assert [each.name for each in done.files] == ["m.xml", "m.bin"]
    core = openvino.Core()
    network = core.read_model(tmp_path / "m.xml")
    assert network.get_rt_info(["sigzoo", "layer"]).astype(str) == "embedding"
    compiled = core.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled([as_the_metadata_say(model, images, done.metadata)])[0]
    assert np.abs(found - model.embed(images, layer="embedding")).max() < 1e-4


def test_a_program_of_torch(model, images, tmp_path) -> None:
    done = model.export(tmp_path / "m.pt2")
    extra = {"sigzoo.json": ""}
    program = torch.export.load(tmp_path / "m.pt2", extra_files=extra)
    assert json.loads(extra["sigzoo.json"]) == done.metadata
    batch = as_the_metadata_say(model, images, done.metadata)
    for count in (1, 3):
        with torch.no_grad():
            (found,) = program.module()(torch.from_numpy(batch[:count]))
        assert np.abs(found.numpy() - model.embed(images[:count])).max() < 1e-4


def test_local_descriptors_can_be_exported(model, images, tmp_path) -> None:
    done = model.export(tmp_path / "m.onnx", layer="with_local")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    batch = as_the_metadata_say(model, images, done.metadata)
    for count in (1, 3):
        found = session.run(["with_local"], {"image": batch[:count]})[0]
        assert np.abs(found - model.embed(images[:count], layer="with_local")).max() < 1e-4
    model.export(tmp_path / "m.pt2", layer="with_local")
    program = torch.export.load(tmp_path / "m.pt2").module()
    with torch.no_grad():
        (found,) = program(torch.from_numpy(batch))
    assert np.abs(found.numpy() - model.embed(images, layer="with_local")).max() < 1e-4


def test_what_is_wrong_is_told_before_anything_is_written(model, tmp_path) -> None:
    for path, options, error, message in (
        ("m.bin", {}, UsageError, "the ending says no format"),
        ("m.onnx", {"format": "tflite"}, UsageError, "no format 'tflite'"),
        ("m.onnx", {"format": "openvino"}, UsageError, r"ends in \.xml"),
        ("m.onnx", {"layer": "nowhere"}, UnknownNameError, "no layer named 'nowhere'"),
        ("gone/m.onnx", {}, UsageError, "does not exist"),
    ):
        with pytest.raises(error, match=message):
            model.export(tmp_path / path, **options)
    assert not list(tmp_path.iterdir())


def test_what_deviates_is_not_written(model, tmp_path, monkeypatch) -> None:
    import sigzoo.export as module

    monkeypatch.setattr(module, "TOLERANCE", 1e-12)
    with pytest.raises(SigzooError, match=r"from torch, more than 1e-12; it is not written"):
        model.export(tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_the_check_states_the_deviation() -> None:
    from sigzoo.golden import check

    report = check("synsig-tiny", precision="bfloat16")
    found = {each.case: each for each in report.checks}
    assert report.passed
    assert 0 < found["largest difference from torch in float32"].got < 0.1
    assert 0.999 < found["least cosine with torch in float32"].got < 1


def test_the_command_writes_over_nothing(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from sigzoo.cli.export import export

    (tmp_path / "m.onnx").write_text("mine")
    done = CliRunner().invoke(export, ["synsig-tiny", "-o", str(tmp_path / "m.onnx")])
    assert done.exit_code != 0
    assert (tmp_path / "m.onnx").read_text() == "mine"
