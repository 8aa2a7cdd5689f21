"""`sigzoo preprocess`: the steps that lead to what a network sees, drawn and written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import sigzoo
from sigzoo.weights import save_weights

Run = Callable[..., Any]


def test_the_steps_are_drawn_a_column_an_image(run: Run, tmp_path: Path, signatures: list[Path]) -> None:
    one, several = tmp_path / "one.png", tmp_path / "several.png"
    assert run("preprocess", signatures[0], "-m", "signet", "--plot", one).status == 0
    done = run("preprocess", *signatures, "-m", "signet", "--plot", several)
    assert "original, centred, resized, cropped" in done.out
    with Image.open(one) as single, Image.open(several) as grid:
        assert grid.width > 3 * single.width
        assert grid.height == single.height


@pytest.mark.parametrize(
    ("model", "preprocessor", "options"),
    [("signet", "signet-2017", {}), ("signet.pytorch", "sigver", {}), ("signet-spp-300dpi", "spp-2018", {})],
)
def test_results_are_written_without_any_weights(
    run: Run, tmp_path: Path, signatures: list[Path], model: str, preprocessor: str, options: dict[str, Any]
) -> None:
    folder = tmp_path / "out"
    done = run("preprocess", *signatures, "-m", model, "-o", folder, "--json")
    assert done.status == 0, done.err
    report = json.loads(done.out)
    assert [Path(path).name for path in report["written"]] == ["s0.png", "s1.png", "s2.png", "s3.png"]
    preprocess = sigzoo.preprocessor(preprocessor, **options)
    for source, written in zip(signatures, report["written"], strict=True):
        expected = preprocess(np.asarray(Image.open(source)))
        np.testing.assert_array_equal(np.asarray(Image.open(written)), expected)


def test_it_must_be_told_what_to_write(run: Run, signatures: list[Path]) -> None:
    done = run("preprocess", signatures[0], "-m", "signet")
    assert done.status == 2
    assert "--plot FILE" in done.err


def test_a_blank_page_is_named(run: Run, tmp_path: Path) -> None:
    blank = tmp_path / "blank.png"
    Image.new("L", (90, 60), 255).save(blank)
    done = run("preprocess", blank, "-m", "signet", "-o", tmp_path / "out")
    assert done.status == 1
    assert str(blank) in done.err
    assert "no ink" in done.err


def test_a_canvas_travels_with_the_preprocessed_images_into_the_features(
    run: Run, tmp_path: Path, signatures: list[Path]
) -> None:
    npz, features, direct = tmp_path / "p.npz", tmp_path / "f.npz", tmp_path / "d.npz"
    torch.manual_seed(0)
    weights = save_weights(tmp_path / "w.safetensors", sigzoo.backbone("signet").state_dict(), {}, {})
    common = ["-m", "signet.pytorch", "--weights", weights]
    assert (
        run("preprocess", *signatures, "-m", "signet.pytorch", "--canvas", "730,1042", "-o", npz).status == 0
    )
    assert run("embed", npz, *common, "-o", features).status == 0
    assert run("embed", *signatures, *common, "--canvas", "730,1042", "-o", direct).status == 0
    with np.load(features) as through, np.load(direct) as expected:
        assert json.loads(str(through["preprocessor_options"]))["canvas"] == [730, 1042]
        assert str(through["preprocessor_options"]) == str(expected["preprocessor_options"])
        np.testing.assert_array_equal(through["features"], expected["features"])
    again = run("embed", npz, *common, "--canvas", "952,1360", "-o", tmp_path / "n.npz")
    assert again.status == 2
    assert "preprocessed already" in again.err
    mixed = run("embed", npz, signatures[0], *common, "-o", tmp_path / "n.npz")
    assert "cannot go together" in mixed.err


@pytest.mark.parametrize("text", ["[", "[1]", '"x"', "{" * 3000, " " * 9000, '{"canvas": [1e999, 2]}'])
def test_options_that_are_none_are_refused(
    run: Run, tmp_path: Path, signatures: list[Path], text: str
) -> None:
    npz = tmp_path / "p.npz"
    assert run("preprocess", signatures[0], "-m", "synsig-tiny", "-o", npz).status == 0
    with np.load(npz) as found:
        arrays = {**found, "preprocessor_options": np.array(text)}
    np.savez(npz, **arrays)
    done = run("embed", npz, "-m", "synsig-tiny", "-o", tmp_path / "f.npz")
    assert done.status in (1, 2)
    assert "unexpected" not in done.err
    assert not (tmp_path / "f.npz").exists()


@pytest.mark.parametrize("command", ["compare", "verify", "find"])
def test_no_command_puts_preprocessed_images_on_another_canvas(
    run: Run, tmp_path: Path, signatures: list[Path], command: str
) -> None:
    small, usual = tmp_path / "small.npz", tmp_path / "usual.npz"
    first = ["preprocess", *signatures[:2], "-m", "signet.pytorch"]
    assert run(*first, "--canvas", "730,1042", "-o", small).status == 0
    assert run(*first, "-o", usual).status == 0
    more = {"verify": ["-r", small], "find": ["--among", tmp_path]}.get(command, [])
    done = run(command, small, *more, "-m", "signet.pytorch", "--canvas", "952,1360")
    assert done.status == 2
    assert "preprocessed already" in done.err
    if command == "verify":
        other = run("verify", small, "-r", usual, "-m", "signet.pytorch")
        assert other.status == 2
        assert "other options" in other.err
