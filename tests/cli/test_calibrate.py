"""`sigzoo calibrate`: a calibration from a folder, that `verify` takes and tells of."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import chdir, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sigzoo
from sigzoo import cli
from sigzoo.evaluation.metrics import equal_error
from sigzoo.evaluation.protocols import DistanceProtocol
from sigzoo.interfaces.protocols import GENUINE, Signatures
from sigzoo.synthesis import DatasetSpec, conditions
from sigzoo.synthesis.export import write_folder
from sigzoo.verification import read_calibration
from sigzoo.verification.calibration import LEVELS

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six writers, five genuine signatures and three forgeries each."""
    place = tmp_path_factory.mktemp("own") / "set"
    write_folder(DatasetSpec(6, 5, 3, 1, conditions("office")), place)
    return place


@pytest.fixture(scope="module")
def made(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What the command said, and its file."""
    file = tmp_path_factory.mktemp("made") / "calibration.json"
    layers = ["--layers", "embedding,with_ink", "--references", "1,2,10", "--no-cache"]
    with chdir(folder.parent), redirect_stdout(io.StringIO()) as out:
        assert cli.run(["calibrate", "synsig-tiny", "--data", folder.name, *layers, "-o", str(file)]) == 0
    return out.getvalue(), file


def test_the_file_says_what_it_was_made_on(made: tuple[str, Path], folder: Path) -> None:
    said, file = made
    found = read_calibration(file)
    (basis,) = found.basis
    assert (basis.name, basis.writers, basis.genuine, basis.forged) == (folder.name, 6, 30, 18)
    assert list(found.layers) == ["embedding", "with_ink"]
    assert all(sorted(counts) == [1, 2] for counts in found.layers.values())  # nobody signed eleven times
    assert found.layer in found.layers
    assert found.model == "synsig-tiny"
    assert "6 writers are few" in said
    assert "flatter" in said
    assert "FRR: genuine signatures rejected; FAR: forgeries accepted" in said
    assert all(len(line) <= 80 for line in said.splitlines() if str(file) not in line)


def test_its_rates_are_those_of_the_protocol(made: tuple[str, Path], folder: Path) -> None:
    files = sorted(folder.glob("*.png"))
    writers = [file.name[:4] for file in files]
    forged = ["_f" in file.name for file in files]
    model = sigzoo.load("synsig-tiny", device="cpu")
    features = model.embed(files, layer="embedding")
    protocol = DistanceProtocol(references=2, draws=4, score=model.score)
    trials = protocol.trials(features, Signatures(writers, writers, forged))
    genuine = np.sort(np.concatenate([each.scores[each.of(GENUINE)] for each in trials]))
    skilled = np.sort(np.concatenate([each.scores[each.of("skilled")] for each in trials]))
    count = read_calibration(made[1]).layers["embedding"][2]
    # The calibration takes as many evenly spaced scores as there are signatures: one of them is 1/30 or 1/18.
    assert np.interp(0.5, LEVELS, count.genuine) == pytest.approx(np.median(genuine), abs=0.02)
    assert np.interp(0.5, LEVELS, count.impostor["skilled"]) == pytest.approx(np.median(skilled), abs=0.02)
    assert count.eer["skilled"] == pytest.approx(equal_error(genuine, skilled).eer, abs=1 / 18)


def test_verify_takes_it_and_tells_its_origin(run: Run, made: tuple[str, Path], folder: Path) -> None:
    own = sorted(folder.glob("w001_g*.png"))
    known = [part for file in own[:2] for part in ("-r", file)]
    done = run("verify", *known, own[3], "-m", "synsig-tiny", "--calibration", made[1], "--json")
    assert done.status in (0, 3, 4)
    (answer,) = json.loads(done.out)["answers"]
    assert answer["origin"]["basis"][0]["name"] == folder.name
    assert answer["threshold"]["value"] is not None
    assert answer["layer"] == read_calibration(made[1]).layer


def test_copies_and_repeated_files_count_once(run: Run, folder: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    again.mkdir()
    for file in folder.glob("*.png"):
        (again / file.name).write_bytes(file.read_bytes())
    first = again / "w001_g01.png"
    (again / "w001_g90.png").write_bytes(first.read_bytes())
    image = np.asarray(Image.open(first))
    Image.fromarray(np.pad(image, 7, constant_values=255)).save(again / "w001_g91.png")
    options = ("--layers", "embedding", "--references", "1", "--json")
    done = run("calibrate", "--data", again, *options, "-o", tmp_path / "c.json")
    assert json.loads(done.out)["basis"][0]["genuine"] == 30


def test_what_cannot_be_calibrated_is_told(run: Run, folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    alone = tmp_path / "alone"
    alone.mkdir()
    for number in (1, 2):
        name = f"w00{number}_g01.png"
        (alone / name).write_bytes((folder / name).read_bytes())
    done = run("calibrate", "--data", alone, "-o", file)
    assert done.status == 1
    assert "two genuine signatures" in done.err
    assert run("calibrate", "--data", folder, "--references", "x", "-o", file).status == 2
    assert run("calibrate", "--data", folder, "--data", folder, "-o", file).status == 2
    file.write_text("mine")
    assert run("calibrate", "--data", folder, "-o", file).status == 2
    assert file.read_text() == "mine"
