"""The command ``sigzoo synth``: its files, its repetitions, its refusals."""

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from sigzoo.cli.synth import synth
from sigzoo.errors import DataError, UsageError


def run(*args: object) -> str:
    result = CliRunner().invoke(synth, [str(a) for a in args], catch_exceptions=False, standalone_mode=True)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_a_folder_of_named_images(tmp_path):
    output = run("--writers", 2, "--genuine", 2, "--forgeries", 1, "-o", tmp_path / "s")
    names = sorted(path.name for path in (tmp_path / "s").iterdir())
    assert names == [
        "w001_f01.png", "w001_g01.png", "w001_g02.png", "w002_f01.png", "w002_g01.png", "w002_g02.png",
    ]  # fmt: skip
    assert "6 signatures of 2 writers" in output
    with Image.open(tmp_path / "s" / "w001_g01.png") as image:
        assert image.mode == "L"
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_an_npz_in_the_layout_of_sigver(tmp_path):
    run("--writers", 2, "--genuine", 2, "--forgeries", 1, "--seed", 4, "-o", tmp_path / "s.npz")
    with np.load(tmp_path / "s.npz", allow_pickle=False) as data:
        assert data["x"].dtype == np.uint8
        assert data["x"].shape[:2] == (6, 1)
        assert data["y"].tolist() == [1, 1, 1, 2, 2, 2]
        assert data["yforg"].tolist() == [0, 0, 1, 0, 0, 1]
        assert data["filenames"][2] == "w001_f01.png"
        assert len(data["user_mapping"]) == 2
        corners = data["x"][:, 0, [0, 0, -1, -1], [0, -1, 0, -1]]
        assert corners.min() > 230


def test_the_same_command_again_succeeds_and_changes_nothing(tmp_path):
    for target in ("s", "s.npz"):
        args = ("--writers", 1, "--genuine", 2, "-o", tmp_path / target, "--plot", tmp_path / "sheet.png")
        run(*args)
        before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.rglob("*") if p.is_file()}
        run(*args)
        after = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.rglob("*") if p.is_file()}
        assert before == after


def test_other_content_is_kept_unless_forced(tmp_path):
    victim = tmp_path / "s" / "w001_g01.png"
    victim.parent.mkdir()
    victim.write_bytes(b"mine")
    with pytest.raises(DataError, match=r"w001_g01\.png.*--force"):
        run("--writers", 1, "--genuine", 1, "-o", victim.parent)
    assert victim.read_bytes() == b"mine"
    run("--writers", 1, "--genuine", 1, "-o", victim.parent, "--force")
    assert victim.read_bytes()[:4] == b"\x89PNG"
    assert [p.name for p in victim.parent.iterdir()] == ["w001_g01.png"]


def test_a_file_where_the_folder_should_be_is_an_error(tmp_path):
    (tmp_path / "taken").write_text("x")
    with pytest.raises(DataError, match="taken"):
        run("--writers", 1, "--genuine", 1, "-o", tmp_path / "taken")


def test_a_plot_must_be_a_png(tmp_path):
    with pytest.raises(UsageError, match=r"\.png"):
        run("-o", tmp_path / "s", "--plot", tmp_path / "sheet.jpg")


@pytest.mark.parametrize("args", [["--writers", "0"], ["--genuine", "-1"], ["--seed", "x"], []])
def test_numbers_out_of_range_and_a_missing_output_are_usage_errors(args, tmp_path):
    full = [*args, "-o", str(tmp_path / "s")] if args else args
    assert CliRunner().invoke(synth, full).exit_code == 2


def test_the_sheet_shows_every_writer(tmp_path):
    run("--writers", 3, "--genuine", 2, "-o", tmp_path / "s", "--plot", tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as image:
        sheet = np.asarray(image)
    for band in np.array_split(sheet, 3):
        assert (band < 128).sum() > 50
