"""Features as Parquet, .mat, .npz and .csv, with the columns of a manifest; read back by other libraries."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.io

import sigzoo


@pytest.fixture(scope="module")
def expected(scans: list[Path]) -> np.ndarray:
    """The features of all scans, from Python."""
    return sigzoo.load().embed(scans)


@pytest.fixture
def manifest(tmp_path: Path, scans: list[Path]) -> Path:
    """A CSV of the scans, one that is none among them, and two more columns."""
    (tmp_path / "none.png").write_bytes(b"no image")
    path = tmp_path / "manifest.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["writer", "path", "note"])
        for number, scan in enumerate([*scans[:5], tmp_path / "none.png", *scans[5:]]):
            rows.writerow([f"w{number}", scan, 'with "quotes", a comma\nand a line'])
    return path


def writers() -> list[str]:
    """Those of the manifest whose image can be used."""
    return [f"w{number}" for number in range(24) if number != 5]


def test_parquet_has_a_row_an_image_and_says_what_features_depend_on(
    run: Any, tmp_path: Path, manifest: Path, scans: list[Path], expected: np.ndarray
) -> None:
    output = tmp_path / "f.parquet"
    done = run("embed", "--manifest", manifest, "-o", output, "--on-error", "skip")
    assert done.status == 0, done.err
    table = pq.read_table(output)
    assert table.column_names == ["path", "writer", "note", "features"]
    assert table.schema.field("features").type == pa.list_(pa.float32(), expected.shape[1])
    assert np.array_equal(np.stack(table["features"].to_numpy()), expected)
    assert table["path"].to_pylist() == [str(path) for path in scans]
    assert table["writer"].to_pylist() == writers()
    assert set(table["note"].to_pylist()) == {'with "quotes", a comma\nand a line'}
    provenance = sigzoo.load().provenance()
    stored = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    for name in ("model", "layer", "weights_sha256", "sigzoo_version"):
        assert stored[f"sigzoo.{name}"] == provenance[name]
    assert json.loads(stored["sigzoo.preprocessor_options"]) == provenance["preprocessor_options"]


def test_npz_csv_and_mat_have_the_columns_too(
    run: Any, tmp_path: Path, manifest: Path, scans: list[Path], expected: np.ndarray
) -> None:
    for suffix in ("npz", "csv", "mat"):
        output = tmp_path / f"f.{suffix}"
        assert run("embed", "--manifest", manifest, "-o", output, "--on-error", "skip").status == 0
    with np.load(tmp_path / "f.npz") as data:
        assert np.array_equal(data["features"], expected)
        assert data["column_writer"].tolist() == writers()
    with (tmp_path / "f.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["writer"] for row in rows] == writers()
    assert [row["file"] for row in rows] == [str(path) for path in scans]
    assert np.float32(rows[3]["f7"]) == expected[3, 7]
    mat = scipy.io.loadmat(tmp_path / "f.mat", chars_as_strings=True)
    assert np.array_equal(mat["features"], expected)
    assert [cell[0][0] for cell in mat["files"]] == [str(path) for path in scans]
    assert [cell[0][0] for cell in mat["column_writer"]] == writers()
    assert mat["model"][0] == "synsig-tiny"


@pytest.mark.parametrize("output", ["f.npz", "shards/"])
def test_what_was_skipped_is_named_in_json_lines(
    run: Any, tmp_path: Path, manifest: Path, output: str
) -> None:
    done = run("embed", "--manifest", manifest, "-o", f"{tmp_path}/{output}", "--on-error", "skip")
    assert done.status == 0, done.err
    lists = list((tmp_path / "shards" / "_skipped").glob("*")) or [tmp_path / "f.npz.skipped.jsonl"]
    (line,) = lists[0].read_text().splitlines()
    told = json.loads(line)
    assert (told["index"], told["path"], told["kind"]) == (5, str(tmp_path / "none.png"), "ImageError")
    assert "not an image" in told["error"]


def test_a_run_without_skipped_images_takes_an_old_list_away(
    run: Any, tmp_path: Path, manifest: Path, scans: list[Path]
) -> None:
    output = tmp_path / "f.npz"
    assert run("embed", "--manifest", manifest, "-o", output, "--on-error", "skip").status == 0
    assert (tmp_path / "f.npz.skipped.jsonl").exists()
    assert run("embed", *scans[:3], "-o", output, "--force").status == 0
    assert not (tmp_path / "f.npz.skipped.jsonl").exists()


def test_columns_of_a_parquet_manifest_keep_their_types(run: Any, tmp_path: Path, scans: list[Path]) -> None:
    table = pa.table(
        {
            "image": [str(path) for path in scans],
            "seen": pa.array(range(23), pa.timestamp("ns")),
            "amounts": pa.array([[number, None] for number in range(23)], pa.list_(pa.int16())),
            "kind": pa.array(["a", None] * 11 + ["b"]).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "m.parquet")
    arguments = ("--manifest", tmp_path / "m.parquet", "--path-column", "image")
    done = run("embed", *arguments, "-o", f"{tmp_path}/out/", "--shard-size", 7)
    assert done.status == 0, done.err
    found = pq.read_table(tmp_path / "out")
    assert found.num_rows == 23
    for name in ("seen", "amounts"):
        assert found[name].combine_chunks().equals(table[name].combine_chunks()), name
    assert found["kind"].to_pylist() == table["kind"].to_pylist()


def test_a_folder_of_shards_reads_as_one_table(
    run: Any, tmp_path: Path, scans: list[Path], expected: np.ndarray
) -> None:
    done = run("embed", *scans, "-o", f"{tmp_path}/out/", "--shard-size", 10, "--json")
    assert done.status == 0, done.err
    told = json.loads(done.out)
    assert (told["shards"], told["images"], told["embedded"], told["skipped"]) == (3, 23, 23, 0)
    names = sorted(path.name[:13] for path in (tmp_path / "out").glob("*.parquet"))
    assert names == ["part-00000000", "part-00000001", "part-00000002"]
    table = pq.read_table(tmp_path / "out")
    assert np.array_equal(np.stack(table["features"].to_numpy()), expected)
    assert json.loads((tmp_path / "out" / "_done.json").read_text())["images"] == 23


def test_an_inner_layer_keeps_its_shape_in_the_metadata(run: Any, tmp_path: Path, scans: list[Path]) -> None:
    model = sigzoo.load()
    layer = model.backbone.layers[0]
    wanted = model.embed(scans[:1], layer=layer)
    done = run("embed", scans[0], "-o", tmp_path / "f.parquet", "--layer", layer)
    assert done.status == 0, done.err
    table = pq.read_table(tmp_path / "f.parquet")
    shape = json.loads(table.schema.metadata[b"sigzoo.feature_shape"])
    assert np.array_equal(np.stack(table["features"].to_numpy()).reshape(1, *shape), wanted)


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\0"])
def test_paths_come_from_standard_input(
    tmp_path: Path, scans: list[Path], expected: np.ndarray, ending: bytes
) -> None:
    import subprocess

    from tests.cli.terminal import PROGRAM

    lines = b"".join(bytes(path) + ending for path in scans)
    more = ["-0"] if ending == b"\0" else []
    command = [*PROGRAM, "embed", "-", *more, "-o", str(tmp_path / "f.npz")]
    done = subprocess.run(command, input=lines, capture_output=True)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "f.npz") as data:
        assert np.array_equal(data["features"], expected)


PUBLISHED = """
import os, sys
import numpy as np
import scipy.io

features = np.load(sys.argv[1])  # what its network gives: (1, D) each
for row, f in zip(features, sys.argv[3:]):
    save_filename = os.path.join(sys.argv[2], os.path.splitext(f)[0] + '.mat')
    scipy.io.savemat(save_filename, {'feature_vector': row[None]})
"""


def test_a_mat_an_image_is_what_the_published_program_writes(
    run: Any, tmp_path: Path, scans: list[Path], expected: np.ndarray
) -> None:
    """The last lines of process_folder.py of luizgh/sigver_wiwd, run on the same features."""
    import subprocess
    import sys

    (tmp_path / "theirs").mkdir()
    np.save(tmp_path / "f.npy", expected)
    names = [path.name for path in scans]
    command = [sys.executable, "-c", PUBLISHED, tmp_path / "f.npy", tmp_path / "theirs", *names]
    subprocess.run(command, check=True)
    arguments = ("embed", scans[0].parent, "-o", f"{tmp_path}/ours/", "--files", "mat", "--shard-size", 10)
    assert run(*arguments).status == 0
    found = sorted(path.name for path in (tmp_path / "ours").glob("*.mat"))
    assert found == sorted(path.name for path in (tmp_path / "theirs").iterdir())
    for name in found:
        ours, theirs = (scipy.io.loadmat(tmp_path / each / name) for each in ("ours", "theirs"))
        assert ours["feature_vector"].dtype == theirs["feature_vector"].dtype
        assert np.array_equal(ours["feature_vector"], theirs["feature_vector"])
    (tmp_path / "ours" / "s03.mat").unlink()
    (tmp_path / "ours" / "_shards" / sorted((tmp_path / "ours" / "_shards").iterdir())[0].name).unlink()
    done = run(*arguments, "--resume", "--json")
    assert json.loads(done.out)["there"] == 2
    assert sorted(path.name for path in (tmp_path / "ours").glob("*.mat")) == found


def test_two_images_of_one_name_have_no_mat_each(run: Any, tmp_path: Path, scans: list[Path]) -> None:
    import shutil

    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(scans[0], tmp_path / folder / "x.png")
    done = run("embed", tmp_path / "a", tmp_path / "b", "-o", f"{tmp_path}/out/", "--files", "mat")
    assert done.status == 2
    assert "cannot have a .mat of its own name" in done.err
