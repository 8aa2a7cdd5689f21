"""`sigzoo convert`: a published file becomes safetensors that says what it is and loads as the same model."""

from __future__ import annotations

import gzip
import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import sigzoo
from sigzoo.weights import read_weights, save_weights

pytest.importorskip("sigzoo_signet")


@pytest.fixture(scope="module")
def published(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of SigNet's size and layout, as Python 2 wrote it."""
    path = tmp_path_factory.mktemp("published") / "signet.pkl"
    path.write_bytes(gzip.decompress((root / "tests/weights/lasagne/signet_sparse.pkl.gz").read_bytes()))
    return path


@pytest.fixture
def random_state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return sigzoo.backbone("signet").state_dict()


def test_the_converted_file_loads_as_the_same_model(
    run: Callable[..., Any], published: Path, draw: Callable[[int], NDArray[np.uint8]], tmp_path: Path
) -> None:
    output = tmp_path / "signet.safetensors"
    done = run("convert", published, "-m", "signet", "-o", output)
    assert done.status == 0, done.err
    assert "42 tensors of signet" in done.out
    assert "non-commercial" in done.out

    images = [draw(1), draw(2)]
    before, after = (sigzoo.load("signet", weights=path).embed(images) for path in (published, output))
    np.testing.assert_array_equal(after, before)
    assert before.std() > 0


def test_the_converted_file_says_what_it_is(run: Callable[..., Any], published: Path, tmp_path: Path) -> None:
    output = tmp_path / "signet.safetensors"
    done = run("convert", published, "-m", "signet", "-o", output, "--json")
    card = sigzoo.info("signet")
    digest = hashlib.sha256(published.read_bytes()).hexdigest()
    metadata = read_weights(output, "safetensors").metadata
    assert metadata == {
        "model": "signet",
        "source_file": "signet.pkl",
        "source_sha256": digest,
        "source_format": "lasagne",
        "licence_code": card.licence.code,
        "licence_weights": card.licence.weights,
        "commercial_use": "no",
        "trained_on": card.trained_on,
        "sigzoo_version": sigzoo.__version__,
    }
    assert json.loads(done.out) == {"output": str(output), "tensors": 42, "heads": [], **metadata}


def test_the_cards_member_of_an_archive_is_found_and_another_can_be_named(
    run: Callable[..., Any], published: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "signet_models.zip"
    with zipfile.ZipFile(archive, "w") as members:
        members.write(published, "signet.pkl")
        members.write(published, "other/mine.pkl")
    for options, member in (((), "signet.pkl"), (("--member", "other/mine.pkl"), "other/mine.pkl")):
        output = tmp_path / "out.safetensors"
        done = run("convert", archive, "-m", "signet", "-o", output, *options)
        assert done.status == 0, done.err
        assert read_weights(output, "safetensors").metadata["source_member"] == member


def test_converting_again_keeps_the_origin(
    run: Callable[..., Any], random_state: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    origin = {
        "model": "signet",
        "source_file": "signet.pkl",
        "source_sha256": "f" * 64,
        "source_format": "lasagne",
    }
    first = save_weights(tmp_path / "first.safetensors", random_state, {}, origin)
    assert run("convert", first, "-m", "signet", "-o", tmp_path / "second.safetensors").status == 0
    metadata = read_weights(tmp_path / "second.safetensors", "safetensors").metadata
    assert {key: metadata[key] for key in origin} == origin


def test_the_heads_that_a_card_promises_are_kept_and_required(
    run: Callable[..., Any], random_state: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    output = tmp_path / "out.safetensors"
    head = {"weight": torch.randn(531, 2048), "bias": torch.randn(531)}
    whole = save_weights(tmp_path / "whole.safetensors", random_state, {"writer": head})
    done = run("convert", whole, "-m", "signet.teacher", "-o", output)
    assert done.status == 0, done.err
    assert torch.equal(read_weights(output, "safetensors").heads["writer"]["weight"], head["weight"])

    small = {"weight": torch.randn(7, 2048), "bias": torch.randn(7)}
    for number, heads in enumerate(({}, {"writer": small})):
        path = save_weights(tmp_path / f"{number}.safetensors", random_state, heads)
        refused = run("convert", path, "-m", "signet.teacher", "-o", tmp_path / "no.safetensors")
        assert refused.status == 1
        assert "has no writer head of 531 outputs" in refused.err
    assert not (tmp_path / "no.safetensors").exists()


def test_a_head_that_does_not_fit_the_features_is_refused(
    run: Callable[..., Any], random_state: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    odd = save_weights(
        tmp_path / "odd.safetensors",
        random_state,
        {"writer": {"weight": torch.ones(3, 9), "bias": torch.ones(3)}},
    )
    refused = run("convert", odd, "-m", "signet", "-o", tmp_path / "out.safetensors")
    assert refused.status == 1
    assert "weight has shape (3, 9), expected (3, 2048)" in refused.err


def test_what_cannot_be_converted_is_refused_and_nothing_is_written(
    run: Callable[..., Any], published: Path, random_state: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    output = tmp_path / "out.safetensors"
    other = save_weights(tmp_path / "f.safetensors", random_state, {}, {"model": "signet-f-0.95"})
    page = tmp_path / "page.pkl"
    page.write_text("<!DOCTYPE html>")
    cases = [
        (
            (published, "-m", "signet.pytorch", "-o", output),
            1,
            "a Python 2 pickle, expected the format torch-tuple",
        ),
        ((other, "-m", "signet", "-o", output), 2, "holds the weights of 'signet-f-0.95', not of 'signet'"),
        ((page, "-m", "signet", "-o", output), 1, "an HTML page"),
        ((tmp_path / "none.pkl", "-m", "signet", "-o", output), 1, "there is no such file"),
        ((published, "-m", "signet", "-o", tmp_path / "out.pkl"), 2, "must end in .safetensors"),
        ((published, "-m", "signet", "-o", tmp_path / "no" / "out.safetensors"), 2, "does not exist"),
        ((published, "-m", "sginet", "-o", output), 2, "Did you mean"),
        ((published, "-o", output), 2, "Missing option '-m'"),
    ]
    for arguments, status, said in cases:
        done = run("convert", *arguments)
        assert (done.status, said in done.err) == (status, True), done.err
        assert len(done.err.splitlines()) <= 5
    assert not output.exists()
