"""`sigzoo compare` and `preprocess`: tables for every width, pictures of any names, npz in and out."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sigzoo.cli.compare import _print
from sigzoo.imaging.figures import colour_top, fitted

Run = Callable[..., Any]


@pytest.mark.parametrize("count", [2, 7, 9, 12, 40])
@pytest.mark.parametrize("length", [3, 12, 70])
@pytest.mark.parametrize("largest", [1.5, 31.0])
def test_a_table_of_80_columns_keeps_names_and_the_closest(
    count: int, length: int, largest: float, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"{number:02d}" + "x" * length + f"{number:02d}" for number in range(count)]
    rng = np.random.default_rng(count)
    table = rng.uniform(1, largest, (count, count)).astype(np.float32)
    np.fill_diagonal(table, 0)
    _print(names, table, 80)
    lines = capsys.readouterr().out.splitlines()[-count:]
    for number, line in enumerate(lines):
        assert len(line) <= 80
        row = np.where(np.arange(count) == number, np.inf, table[number])
        head, *_, closest = line.split()
        assert head == str(number + 1)
        assert line.split()[1].startswith(f"{number:02d}")
        assert closest.startswith(f"{row.argmin():02d}")
        assert closest.endswith(f"{row.argmin():02d}")


def test_the_same_distance_has_the_same_colour_in_all_pictures_of_a_model() -> None:
    tops = {colour_top(np.array([[0, largest]], np.float32)) for largest in (0.1, 0.97, 1.2, 1.414, 1.5)}
    assert tops == {1.5}
    assert {colour_top(np.array([[0, largest]], np.float32)) for largest in (8, 20, 31, 49)} == {50.0}


def test_long_names_lose_their_middle() -> None:
    assert fitted("a" * 20 + "b" * 20, 9) == "aaaa…bbbb"
    assert fitted("short", 9) == "short"


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg", "jpg", "JPEG"])
def test_pictures_of_every_kind_and_of_any_names(
    suffix: str, run: Run, tmp_path: Path, signatures: list[Path]
) -> None:
    odd = [os.fsdecode(b"x\xe9.png"), r"a$\frac$b.png", "n" * 200 + ".png", "esc\x1b[31m\n.png"]
    for path, name in zip(signatures, odd, strict=True):
        path.rename(path.with_name(name))
    for command in ("compare", "preprocess"):
        plot = tmp_path / f"{command}.{suffix}"
        done = run(command, tmp_path / "signatures", "--plot", plot)
        assert done.status == 0, done.err
        assert plot.stat().st_size > 1000
        assert "\x1b" not in done.out
        again = run(command, tmp_path / "signatures", "--plot", plot)
        assert again.status == 2
        assert "--force replaces it" in again.err
        assert run(command, tmp_path / "signatures", "--plot", plot, "--force").status == 0


def test_what_a_picture_needs_is_checked_before_any_work(
    run: Run, tmp_path: Path, signatures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    signatures[0].write_bytes(b"no image")
    for command in ("compare", "preprocess"):
        assert "choose one of these suffixes" in run(command, *signatures, "--plot", tmp_path / "p.gif").err
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    for command in ("compare", "preprocess"):
        assert "Drawing needs matplotlib" in run(command, *signatures, "--plot", tmp_path / "p.png").err


def test_preprocessed_images_go_through_an_npz(run: Run, tmp_path: Path, signatures: list[Path]) -> None:
    stored, raw, again = tmp_path / "pre.npz", tmp_path / "raw.npz", tmp_path / "again.npz"
    assert run("preprocess", *signatures, "-o", stored).status == 0
    with np.load(stored, allow_pickle=False) as data:
        assert data["filenames"].tolist() == ["s0", "s1", "s2", "s3"]
    assert run("embed", *signatures, "-o", raw).status == 0
    assert run("embed", stored, "-o", again).status == 0
    with np.load(raw) as one, np.load(again) as two:
        np.testing.assert_array_equal(one["features"], two["features"])
    assert run("preprocess", signatures[0], "-o", stored).status == 2
    other = run("embed", stored, "-m", "synsig-base", "-o", tmp_path / "other.npz")
    assert "preprocessed for synsig-tiny, not for synsig-base" in other.err
    mixed = run("compare", stored, signatures[0])
    assert "cannot go together" in mixed.err
    assert "preprocessed already" in run("preprocess", stored, "-o", tmp_path / "x.npz").err


def test_raw_images_of_an_npz_are_what_image_files_are(
    run: Run, tmp_path: Path, signatures: list[Path]
) -> None:
    pages = np.stack([np.asarray(Image.open(path)) for path in signatures])[:, np.newaxis]
    for name, x in (("bytes", pages), ("floats", pages.astype(np.float32) / 255)):
        np.savez_compressed(tmp_path / f"{name}.npz", x=x, y=np.arange(4))
        done = run("compare", tmp_path / f"{name}.npz", "--json")
        files = json.loads(run("compare", *signatures, "--json").out)
        assert json.loads(done.out)["distances"] == files["distances"]
        assert json.loads(done.out)["images"][3].endswith(f"{name}.npz/3")


def test_what_is_no_signature_is_told_and_shown(run: Run, tmp_path: Path, signatures: list[Path]) -> None:
    inverted = tmp_path / "inverted.png"
    Image.fromarray(255 - np.asarray(Image.open(signatures[0]))).save(inverted)
    told = run("compare", inverted, signatures[1])
    assert "inverted.png: does not look like one signature on paper" in told.err
    assert run("compare", inverted, signatures[1], "--no-image-check").err == ""


def test_messages_about_odd_names_cannot_steer_the_terminal(run: Run, tmp_path: Path) -> None:
    name = tmp_path / os.fsdecode(b"a\x1b[2J\xe9.png")
    name.write_bytes(b"no image")
    for command in (("embed", name, "-o", tmp_path / "f.npz"), ("preprocess", name, "-o", tmp_path / "out")):
        done = run(*command)
        assert done.status == 1
        assert r"a\x1b[2J\xe9.png: not an image" in done.err
        assert "\x1b" not in done.err
