"""`sigzoo verify` and `find`: exit statuses, text for 80 columns, JSON, pictures, features in a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sigzoo.synthesis import Writer

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each of four synthetic writers, with five signatures."""
    root = tmp_path_factory.mktemp("writers")
    for number in range(1, 5):
        (root / f"w{number}").mkdir()
        for index in range(5):
            Image.fromarray(Writer(number).genuine(index)).save(root / f"w{number}" / f"{index}.png")
    return root


def known(folder: Path, count: int = 3) -> list[object]:
    return [each for index in range(count) for each in ("-r", folder / "w1" / f"{index}.png")]


def test_exit_statuses_are_for_scripts(run: Run, folder: Path, tmp_path: Path) -> None:
    own, other = folder / "w1" / "3.png", folder / "w2" / "0.png"
    assert run("verify", *known(folder), own, "--threshold", "-5").status == 0
    assert run("verify", *known(folder), other).status == 3
    assert run("verify", *known(folder), own, other, "--threshold", "0").status == 3
    assert run("verify", *known(folder), folder / "w1" / "0.png").status == 2
    assert run("verify", *known(folder), tmp_path / "none.png").status in (1, 2)
    blank = tmp_path / "blank.png"
    Image.new("L", (200, 100), 255).save(blank)
    assert run("verify", *known(folder), blank).status == 1
    assert run("verify", own).status == 2
    weights = tmp_path / "same.safetensors"
    assert run("convert", "-m", "synsig-tiny", "-o", weights, _bundled()).status == 0
    undecided = run("verify", *known(folder), own, "--weights", weights)
    assert undecided.status == 4
    assert "no calibration" in undecided.out


def _bundled() -> Path:
    import sigzoo

    file = sigzoo.load("synsig-tiny").weights_file
    assert file is not None
    return file


def test_the_text_says_where_the_threshold_comes_from(run: Run, folder: Path) -> None:
    out = run("verify", *known(folder), folder / "w2" / "0.png").out
    for word in (
        "not genuine",
        "threshold",
        "likelihood ratio",
        "bhsig-dev",
        "equal error rate",
        "cannot say",
    ):
        assert word in out


def test_json_holds_all_of_it(run: Run, folder: Path) -> None:
    ran = run("verify", *known(folder), folder / "w2" / "0.png", folder / "w1" / "4.png", "--json")
    data = json.loads(ran.out)
    assert data["status"] == ran.status == 3
    first, second = data["answers"]
    assert first["decision"] == "not genuine"
    assert second["score"] > first["score"]
    assert first["threshold"]["value"] == second["threshold"]["value"]
    assert {each["name"] for each in first["origin"]["basis"]} >= {"bhsig-dev"}


@pytest.mark.parametrize("questioned", [1, 3])
@pytest.mark.parametrize("references", [1, 3])
def test_a_picture_shows_them_and_the_scores(
    run: Run, folder: Path, tmp_path: Path, questioned: int, references: int
) -> None:
    plot = tmp_path / "v.png"
    asked = [folder / f"w{number}" / "4.png" for number in range(1, questioned + 1)]
    ran = run("verify", *known(folder, references), *asked, "--plot", plot)
    assert ran.status in (0, 3, 4), ran.err
    picture = np.asarray(Image.open(plot).convert("RGB")).astype(int)
    # The colours of the scores of genuine signatures and of forgeries, in the lower part.
    lower = picture[-350:]
    blue = (lower[..., 2] - lower[..., 0] > 60).sum()
    orange = (lower[..., 0] - lower[..., 2] > 60).sum()
    assert min(blue, orange) > 200
    assert run("verify", *known(folder), asked[0], "--plot", plot).status == 2  # it is there already
    assert run("verify", *known(folder), asked[0], "--plot", tmp_path / "v.txt").status == 2


def test_find_ranks_the_writer_first(run: Run, folder: Path, tmp_path: Path) -> None:
    data = json.loads(run("find", folder / "w3" / "0.png", "--among", folder, "--json").out)
    (found,) = data["found"]
    assert found["compared"] == 4
    assert found["candidates"][0]["name"] == "w3"
    assert len(found["candidates"][0]["references"]) == 4  # without the questioned image itself
    assert found["candidates"][0]["log10_lr"] > found["candidates"][1]["log10_lr"]
    stored = tmp_path / "features.npz"
    assert run("embed", folder, "-o", stored, "--layer", data["layer"]).status == 0
    again = json.loads(run("find", folder / "w3" / "0.png", "--among", stored, "--json").out)
    assert [each["name"] for each in again["found"][0]["candidates"]] == [
        each["name"] for each in found["candidates"]
    ]
    np.testing.assert_allclose(
        [each["score"] for each in again["found"][0]["candidates"]],
        [each["score"] for each in found["candidates"]],
        atol=1e-5,
    )
    text = run("find", folder / "w3" / "0.png", "--among", folder, "-k", "2")
    assert "left out as the same image" in text.err
    assert len(text.out.splitlines()) == 4


def test_find_among_files_and_among_genuine_folders(run: Run, folder: Path, tmp_path: Path) -> None:
    data = json.loads(run("find", folder / "w1" / "0.png", "--among", folder / "w2", "--json").out)
    assert data["found"][0]["compared"] == 5
    for kind in ("genuine", "forgery"):
        for writer in (1, 2):
            place = tmp_path / str(writer) / kind
            place.mkdir(parents=True)
            shown = writer if kind == "genuine" else 3
            Image.fromarray(Writer(shown).genuine(7)).save(place / "a.png")
    data = json.loads(run("find", folder / "w3" / "0.png", "--among", tmp_path, "--json").out)
    for each in data["found"][0]["candidates"]:
        assert [Path(file).parent.name for file in each["references"]] == ["genuine"]


def test_features_of_something_else_are_refused(run: Run, folder: Path, tmp_path: Path) -> None:
    stored = tmp_path / "f.npz"
    assert run("embed", folder / "w1", "-o", stored, "--layer", "embedding").status == 0
    wrong = run("find", folder / "w2" / "0.png", "--among", stored, "-m", "synsig-base")
    assert wrong.status == 2
    assert "of another model and weights sha256" in wrong.err
    wrong = run("find", folder / "w2" / "0.png", "--among", stored, "--layer", "with_ink")
    assert "of another layer" in wrong.err
    np.savez(stored, features=np.zeros((2, 3), np.float32))
    wrong = run("find", folder / "w2" / "0.png", "--among", stored)
    assert wrong.status == 1
    assert "holds no features of `sigzoo embed`" in wrong.err
    empty = tmp_path / "empty"
    empty.mkdir()
    assert run("find", folder / "w2" / "0.png", "--among", empty).status == 2
    assert run("find", folder / "w2" / "0.png", "--among", tmp_path / "nowhere").status == 2
