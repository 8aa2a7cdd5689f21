"""A job that is killed goes on: every image exactly once, nothing half, and only the same job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import sigzoo
from tests.jobs.killing import finish, kill_often


def rows(folder: Path) -> tuple[list[str], np.ndarray]:
    """Paths and features of all shards, in the order of the shards; each file must be whole."""
    tables = [pq.read_table(path) for path in sorted(folder.glob("*.parquet"))]
    names = [name for table in tables for name in table["path"].to_pylist()]
    features = [row for table in tables for row in table["features"].to_numpy()]
    return names, np.stack(features) if features else np.empty((0, 0))


@pytest.mark.slow
def test_every_image_is_there_once_after_25_kills(tmp_path: Path, scans: list[Path]) -> None:
    expected = sigzoo.load().embed(scans, workers=1)  # equal but for what batches of another size round
    work = ["embed", *map(str, scans), "--shard-size", "2", "--workers", "1", "--batch-size", "2", "--resume"]
    seen = set()

    def look(folder: Path) -> None:
        names, features = rows(folder)
        seen.add(len(names))
        order = [scans.index(Path(name)) for name in names]
        assert len(set(order)) == len(order)
        if order:
            assert np.allclose(features, expected[order], atol=1e-5)

    def command(folder: Path) -> list[str]:
        return [*work, "-o", f"{folder}/"]

    places = kill_often(
        command, tmp_path, lambda folder: folder / "_job.json", moments=25, seed=24, after=look
    )
    assert len(seen) > 3, "the moments fell at the same place"
    for folder in places:
        finish(command(folder))
        names, features = rows(folder)
        assert names == list(map(str, scans))
        assert np.allclose(features, expected, atol=1e-5)
        left = {path.name for path in folder.iterdir() if path.suffix != ".parquet"}
        assert left == {".lock", "_job.json", "_done.json"}


def test_the_second_of_two_runs_at_once_is_refused(run: Any, tmp_path: Path, scans: list[Path]) -> None:
    from sigzoo.jobs.places import LocalPlace

    with LocalPlace(tmp_path / "out").held():
        done = run("embed", *scans, "-o", f"{tmp_path}/out/", "--resume")
    assert done.status == 2
    assert "another process is at work in this folder" in done.err


def begun(run: Any, folder: Path, scans: list[Path], *more: object) -> None:
    """A job of 23 images in shards of 5, of which two shards are gone."""
    done = run("embed", *scans, "-o", f"{folder}/", "--shard-size", 5, *more)
    assert done.status == 0, done.err
    for path in sorted(folder.glob("*.parquet"))[1:3]:
        path.unlink()


def test_what_is_there_is_not_done_again(run: Any, tmp_path: Path, scans: list[Path]) -> None:
    begun(run, tmp_path / "out", scans)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.parquet")}
    done = run("embed", *scans, "-o", f"{tmp_path}/out/", "--resume", "--json")
    assert done.status == 0, done.err
    told = json.loads(done.out)
    assert (told["shards"], told["there"], told["images"]) == (5, 3, 23)
    assert all(path.stat().st_mtime_ns == at for path, at in before.items())
    assert rows(tmp_path / "out")[0] == list(map(str, scans))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["-m", "synsig-base"], "model was synsig-tiny and is synsig-base"),
        (["--layer", "LAYER"], "layer was with_ink"),
        (["--grey-range", "0", "255"], "grey range was null and is [0.0, 255.0]"),
        (["--precision", "bfloat16"], "precision was float32 and is bfloat16"),
        (["--shard-size", "4"], "shard size was 5 and is 4"),
        (["--weights", "OWN"], "weights sha256 was"),
    ],
)
def test_another_job_is_refused(
    run: Any, tmp_path: Path, scans: list[Path], change: list[str], said: str
) -> None:
    begun(run, tmp_path / "out", scans)
    model = sigzoo.load()
    change = [model.backbone.layers[0] if each == "LAYER" else each for each in change]
    if "OWN" in change:
        change[change.index("OWN")] = str(model.save(tmp_path / "own.safetensors"))
    done = run("embed", *scans, "-o", f"{tmp_path}/out/", "--resume", *change)
    assert done.status == 2
    assert said in done.err
    assert len(list((tmp_path / "out").glob("*.parquet"))) == 3


@pytest.mark.parametrize("change", ["fewer", "other order", "another"])
def test_another_manifest_is_refused(run: Any, tmp_path: Path, scans: list[Path], change: str) -> None:
    begun(run, tmp_path / "out", scans)
    changed = {"fewer": scans[:-1], "other order": scans[::-1], "another": [*scans[:-1], scans[0].parent]}
    done = run("embed", *changed[change], "-o", f"{tmp_path}/out/", "--resume")
    if change == "another":  # the folder adds the one that is missing: the same images
        assert done.status == 0, done.err
        return
    assert done.status == 2
    assert "manifest sha256 was" in done.err


@pytest.mark.parametrize("lines", [slice(0, 20), slice(None, None, -1)])
def test_other_paths_on_standard_input_are_refused(
    run: Any, tmp_path: Path, scans: list[Path], monkeypatch: pytest.MonkeyPatch, lines: slice
) -> None:
    import io

    def given(paths: list[Path]) -> None:
        content = io.TextIOWrapper(io.BytesIO("".join(f"{path}\n" for path in paths).encode()))
        monkeypatch.setattr("sys.stdin", content)

    arguments = ("embed", "-", "-o", f"{tmp_path}/out/", "--shard-size", 5)
    given(scans)
    assert run(*arguments).status == 0
    given(scans)
    assert run(*arguments, "--resume").status == 0
    given(scans[lines])
    done = run(*arguments, "--resume")
    assert done.status == 2
    assert "Give the former manifest" in done.err


def test_a_folder_with_other_things_is_refused(run: Any, tmp_path: Path, scans: list[Path]) -> None:
    for more in ([], ["--resume"]):
        done = run("embed", *scans, "-o", f"{scans[0].parent}/", *more)
        assert done.status == 2
        assert "holds other things already" in done.err
    begun(run, tmp_path / "out", scans)
    done = run("embed", *scans, "-o", f"{tmp_path}/out/")
    assert done.status == 2
    assert "--resume goes on with it" in done.err
    (tmp_path / "out" / "_job.json").write_text("[")
    done = run("embed", *scans, "-o", f"{tmp_path}/out/", "--resume")
    assert done.status == 1
    assert "_job.json does not say what job this is" in done.err


def test_a_shard_of_nothing_but_unusable_images_is_done(run: Any, tmp_path: Path, scans: list[Path]) -> None:
    bad = [tmp_path / f"bad{number}.png" for number in range(5)]
    for path in bad:
        path.write_bytes(b"none")
    images = [*scans[:5], *bad, *scans[5:8], bad[0]]
    manifest = tmp_path / "m.csv"
    manifest.write_text("path\n" + "".join(f"{path}\n" for path in images))
    arguments = ("embed", "--manifest", manifest, "-o", f"{tmp_path}/out/", "--on-error", "skip")
    done = run(*arguments, "--shard-size", 5, "--json")
    assert done.status == 0, done.err
    assert (json.loads(done.out)["embedded"], json.loads(done.out)["skipped"]) == (8, 6)
    again = run(*arguments, "--resume", "--json")
    assert again.status == 0, again.err
    told = json.loads(again.out)
    assert (told["there"], told["shards"], told["embedded"], told["skipped"]) == (3, 3, 8, 6)
    assert rows(tmp_path / "out")[0] == list(map(str, [*scans[:5], *scans[5:8]]))


def test_a_job_that_stopped_at_an_image_goes_on_when_that_is_mended(
    run: Any, tmp_path: Path, scans: list[Path]
) -> None:
    import shutil

    images = [tmp_path / f"i{number}.png" for number in range(8)]
    for path, scan in zip(images, scans, strict=False):
        shutil.copy(scan, path)
    images[6].write_bytes(b"")
    arguments = ("embed", *images, "-o", f"{tmp_path}/out/", "--shard-size", 2, "--batch-size", 2)
    stopped = run(*arguments)
    assert stopped.status == 1
    assert "i6.png" in stopped.err
    assert not (tmp_path / "out" / "_done.json").exists()
    shutil.copy(scans[6], images[6])
    done = run(*arguments, "--resume", "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out)["there"] == 3
    assert rows(tmp_path / "out")[0] == list(map(str, images))
