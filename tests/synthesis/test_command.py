"""The command ``sigzoo synth``: its files, its repetitions, its refusals."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from sigzoo.cli.synth import synth
from sigzoo.errors import DataError, UsageError
from sigzoo.synthesis import Writer, varied
from sigzoo.synthesis.export import png_bytes


def run(*args: object) -> str:
    result = CliRunner().invoke(synth, [str(a) for a in args], catch_exceptions=False, standalone_mode=True)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def varied_scan(index: int) -> float:
    """Resolution that the rendering drew for a genuine signature of the first writer, seed 4."""
    drawn = []

    def noted(rng: np.random.Generator):
        pen, scan = varied(rng)
        drawn.append(scan.dpi)
        return pen, scan

    Writer((4, 1), rendering=noted).genuine(index)
    return drawn[0]


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (150, 7)])
def test_a_png_holds_the_pixels_and_the_resolution(shape, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    (tmp_path / "image.png").write_bytes(png_bytes(pixels, 600))
    with Image.open(tmp_path / "image.png") as image:
        image.verify()
    with Image.open(tmp_path / "image.png") as image:
        np.testing.assert_array_equal(np.asarray(image), pixels)
        assert image.info["dpi"] == pytest.approx((600, 600), abs=0.1)


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


def test_nothing_is_written_where_a_later_file_is_in_the_way(tmp_path):
    for taken in ("w002_g01.png", "sheet.png"):
        folder = tmp_path / taken.replace(".", "_")
        folder.mkdir()
        (folder / taken).write_bytes(b"mine")
        with pytest.raises(DataError, match=taken):
            run("--writers", 2, "--genuine", 1, "-o", folder, "--plot", folder / "sheet.png")
        assert [p.name for p in folder.iterdir()] == [taken]


def test_the_same_command_completes_a_folder(tmp_path):
    args = ("--writers", 2, "--genuine", 2, "-o", tmp_path)
    run(*args)
    whole = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    (tmp_path / "w001_g02.png").unlink()
    run(*args)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == whole


def test_any_number_of_workers_writes_the_same_files(tmp_path):
    for workers in (1, 2):
        order = ("--writers", 3, "--genuine", 2, "--forgeries", 1, "--rendering", "scanner")
        run(*order, "--workers", workers, "-o", tmp_path / f"{workers}")
        run(*order, "--workers", workers, "-o", tmp_path / f"{workers}.npz")
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / n).iterdir()} for n in "12")
    assert one == two
    assert (tmp_path / "1.npz").read_bytes() == (tmp_path / "2.npz").read_bytes()


def test_an_interrupt_leaves_whole_files_and_no_process(tmp_path):
    order = ["--writers", "900", "--genuine", "20", "--dpi", "600", "--workers", "2", "-o", str(tmp_path)]
    process = subprocess.Popen(
        [sys.executable, "-m", "sigzoo", "synth", *order],
        stderr=subprocess.PIPE,
        text=True,
        # Tests that a shell runs in the background inherit that interrupts are ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with process:
        while process.poll() is None and not list(tmp_path.glob("w*.png")):
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        said = process.communicate()[1]
    assert process.returncode == 130, said
    assert said.strip() == "sigzoo: interrupted."
    names = [path.name for path in tmp_path.iterdir()]
    assert names
    for name in names:
        assert name.endswith(".png")
        assert not name.startswith(".")
        with Image.open(tmp_path / name) as image:
            image.load()


def test_resolution_is_chosen_and_written_into_the_files(tmp_path):
    for dpi in (300, 600):
        run("--writers", 1, "--genuine", 1, "--dpi", dpi, "-o", tmp_path / f"{dpi}")
    small, large = (Image.open(tmp_path / dpi / "w001_g01.png") for dpi in ("300", "600"))
    with small, large:
        assert large.info["dpi"] == pytest.approx((600, 600), abs=0.1)
        assert large.width == pytest.approx(2 * small.width, abs=1)
    run("--writers", 1, "--genuine", 3, "--rendering", "varied", "-o", tmp_path / "varied")
    for index in (1, 2, 3):
        scan = varied_scan(index)
        with Image.open(tmp_path / "varied" / f"w001_g0{index}.png") as image:
            assert image.info["dpi"][0] == pytest.approx(scan, abs=0.1)


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
