"""`sigzoo embed` and `sigzoo compare`: image files in, features and a distance table out."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.distance import cdist

import sigzoo

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def model() -> sigzoo.SignatureModel:
    """The bundled default."""
    return sigzoo.load()


def test_embed_writes_npz_without_pickle(
    run: Run, tmp_path: Path, signatures: list[Path], model: sigzoo.SignatureModel
) -> None:
    output = tmp_path / "features.npz"
    done = run("embed", *signatures, "-o", output)
    assert done.status == 0, done.err
    with np.load(output, allow_pickle=False) as data:
        assert data["features"].dtype == np.float32
        np.testing.assert_array_equal(data["features"], model.embed(signatures))
        assert data["files"].tolist() == [str(path) for path in signatures]
        assert (str(data["model"]), str(data["layer"])) == (model.name, model.card.features.layer)
    assert list(tmp_path.glob(".*")) == []


def test_embed_writes_csv(
    run: Run, tmp_path: Path, signatures: list[Path], model: sigzoo.SignatureModel
) -> None:
    output = tmp_path / "features.csv"
    assert run("embed", signatures[0].parent, "-o", output).status == 0
    with output.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0][:2] == ["file", "f0"]
    assert [row[0] for row in rows[1:]] == [str(path) for path in signatures]
    values = np.array([row[1:] for row in rows[1:]], dtype=np.float32)
    np.testing.assert_array_equal(values, model.embed(signatures))


def test_embed_takes_folders_wildcards_layer_and_batch_size(
    run: Run, tmp_path: Path, signatures: list[Path], model: sigzoo.SignatureModel
) -> None:
    output = tmp_path / "inner.npz"
    layer = model.backbone.layers[0]
    done = run("embed", f"{signatures[0].parent}/*.png", "--layer", layer, "--batch-size", 2, "-o", output)
    assert done.status == 0, done.err
    with np.load(output) as data:
        np.testing.assert_allclose(
            data["features"], model.embed(signatures, layer=layer), rtol=1e-4, atol=1e-4
        )


def test_skip_embeds_the_rest_and_lists_what_it_skipped(
    run: Run, tmp_path: Path, signatures: list[Path]
) -> None:
    signatures[1].write_bytes(signatures[1].read_bytes()[:60])
    Image.new("L", (50, 50), 255).save(signatures[2])
    output = tmp_path / "features.npz"
    done = run("embed", *signatures, tmp_path / "absent.png", "-o", output, "--on-error", "skip", "--json")
    assert done.status == 0
    summary = json.loads(done.out)
    assert summary["images"] == 2
    assert [each["file"] for each in summary["skipped"]] == [
        str(signatures[1]),
        str(signatures[2]),
        str(tmp_path / "absent.png"),
    ]
    assert done.err.count("skipped") == 3
    with np.load(output) as data:
        assert data["files"].tolist() == [str(signatures[0]), str(signatures[3])]


def test_without_skip_a_bad_image_stops_and_leaves_no_file(
    run: Run, tmp_path: Path, signatures: list[Path]
) -> None:
    signatures[1].write_bytes(b"")
    output = tmp_path / "features.npz"
    done = run("embed", *signatures, "-o", output)
    assert done.status == 1
    assert f"{signatures[1]}: the file is empty" in done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["signatures"]


def test_an_earlier_result_survives_a_failure(run: Run, tmp_path: Path, signatures: list[Path]) -> None:
    output = tmp_path / "features.npz"
    run("embed", *signatures, "-o", output)
    before = output.read_bytes()
    signatures[3].write_bytes(b"no image")
    assert run("embed", *signatures, "-o", output, "--force").status == 1
    assert output.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["-o", "features.txt"], ".npz, .csv"),
        (["-o", "no/such/folder/features.npz"], "does not exist"),
        (["-m", "synsig-tyni"], "Did you mean synsig-tiny"),
        (["--layer", "nonsense"], "no layer named 'nonsense'"),
        (["--batch-size", "0"], "not in the range"),
        (["--on-error", "ignore"], "ignore"),
        (["--device", "abacus"], "abacus"),
    ],
)
def test_wrong_usage_is_status_two(
    run: Run, signatures: list[Path], arguments: list[str], reason: str
) -> None:
    done = run("embed", *signatures, *arguments)
    assert done.status == 2
    assert reason in done.err
    assert "Traceback" not in done.err


def test_all_images_bad_is_a_failure_even_when_skipping(run: Run, tmp_path: Path) -> None:
    done = run("embed", tmp_path / "absent.png", "--on-error", "skip", "-o", tmp_path / "f.npz")
    assert done.status == 1
    assert "None of the 1 images" in done.err
    assert not (tmp_path / "f.npz").exists()


def test_compare_prints_the_euclidean_distances(
    run: Run, signatures: list[Path], model: sigzoo.SignatureModel
) -> None:
    result = json.loads(run("compare", *signatures, "--json").out)
    features = model.embed(signatures).astype(np.float64)
    np.testing.assert_allclose(result["distances"], cdist(features, features), atol=1e-5)
    table = run("compare", *signatures).out
    lines = table.splitlines()
    assert lines[1].split() == ["s0", "s1", "s2", "s3", "closest"]
    others = cdist(features, features) + np.diag([np.inf] * 4)
    for number, line in enumerate(lines[2:]):
        cells = line.split()
        assert (cells[0], cells[-1]) == (f"s{number}", f"s{others[number].argmin()}")
        np.testing.assert_allclose(
            [float(cell) for cell in cells[1:-1]], result["distances"][number], atol=6e-4
        )


def test_compare_draws_a_picture(run: Run, tmp_path: Path, signatures: list[Path]) -> None:
    for suffix in (".png", ".svg"):
        plot = tmp_path / f"compare{suffix}"
        assert run("compare", *signatures, "--plot", plot).status == 0
        assert plot.stat().st_size > 10_000
    with Image.open(tmp_path / "compare.png") as picture:
        assert min(picture.size) > 300
        assert len(set(picture.convert("L").tobytes())) > 50
    done = run("compare", *signatures, "--plot", tmp_path / "compare.doc")
    assert done.status == 2
    assert ".png, .pdf, .svg" in done.err


def test_compare_needs_two_images(run: Run, signatures: list[Path]) -> None:
    done = run("compare", signatures[0])
    assert done.status == 2
    assert "at least two images" in done.err


def test_images_of_one_name_in_two_folders_are_told_apart(
    run: Run, tmp_path: Path, signatures: list[Path]
) -> None:
    twin = tmp_path / "other" / "s0.png"
    twin.parent.mkdir()
    twin.write_bytes(signatures[0].read_bytes())
    out = run("compare", signatures[0], twin).out
    assert "signatures/s0" in out
    assert "other/s0" in out
