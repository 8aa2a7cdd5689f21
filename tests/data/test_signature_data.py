"""Inverted data and data sets in an npz: read in place, in batches, without unpickling."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sigzoo.data import SignatureData, open_npz
from sigzoo.errors import DataError, UsageError

BOTH = pytest.mark.parametrize("save", [np.savez, np.savez_compressed], ids=["stored", "compressed"])

Save = Callable[..., None]

N = 23


def _images(dtype: str = "float32") -> NDArray[Any]:
    rng = np.random.default_rng(5)
    if dtype == "uint8":
        return rng.integers(0, 256, (N, 1, 6, 9), dtype=np.uint8)
    return rng.random((N, 1, 6, 9)).astype(dtype)


WRITERS = np.random.default_rng(6).integers(350, 881, N)


def _file(path: Path, save: Save, **changes: Any) -> Path:
    arrays = {"x": _images(), "y": WRITERS, "yforg": np.arange(N) % 3} | changes
    save(path, **{name: value for name, value in arrays.items() if value is not None})
    return path


@BOTH
def test_batches_in_order_are_the_file(save: Save, tmp_path: Path) -> None:
    with SignatureData(_file(tmp_path / "d.npz", save), label_range=(350, 880)) as data:
        batches = list(data.batches(5))
        assert [len(batch.y) for batch in batches] == [5, 5, 5, 5, 3]
        np.testing.assert_array_equal(np.concatenate([batch.x for batch in batches]), _images())
        np.testing.assert_array_equal(np.concatenate([batch.y for batch in batches]), WRITERS)
        marks = [batch.yforg for batch in batches if batch.yforg is not None]
        np.testing.assert_array_equal(np.concatenate(marks), np.arange(N) % 3)
        assert (len(data), data.shape, data.dtype) == (N, (N, 1, 6, 9), np.float32)
        assert [len(batch.y) for batch in data.batches(5, drop_last=True)] == [5] * 4


@BOTH
def test_a_shuffle_depends_on_the_seed_alone_and_keeps_images_and_labels_together(
    save: Save, tmp_path: Path
) -> None:
    order = np.random.default_rng(11).permutation(np.arange(N))
    with SignatureData(_file(tmp_path / "d.npz", save)) as data:
        for _ in range(2):
            batches = list(data.batches(4, shuffle_seed=11))
            np.testing.assert_array_equal(np.concatenate([batch.x for batch in batches]), _images()[order])
            np.testing.assert_array_equal(np.concatenate([batch.y for batch in batches]), WRITERS[order])
        other = np.concatenate([batch.y for batch in data.batches(4, shuffle_seed=12)])
    assert sorted(other) == sorted(WRITERS)
    assert other.tolist() != WRITERS[order].tolist()
    assert [each.name for each in tmp_path.iterdir()] == ["d.npz"]


@BOTH
def test_a_part_of_the_file_can_be_asked_for(save: Save, tmp_path: Path) -> None:
    wanted = np.array([20, 3, 3, 7])
    with SignatureData(_file(tmp_path / "d.npz", save)) as data:
        (batch,) = data.batches(8, indices=wanted)
        np.testing.assert_array_equal(batch.x, _images()[wanted])
        np.testing.assert_array_equal(batch.y, WRITERS[wanted])
        np.testing.assert_array_equal(data.images(np.array([22, 0])), _images()[[22, 0]])
        for outside in (-1, N):
            with pytest.raises(DataError, match=r"d\.npz: array 'x' has 23 entries"):
                data.images(np.array([outside]))


@BOTH
def test_two_iterations_do_not_disturb_each_other(save: Save, tmp_path: Path) -> None:
    with SignatureData(_file(tmp_path / "d.npz", save)) as data:
        pairs = list(zip(data.batches(4), data.batches(4), strict=True))
    assert all(np.array_equal(one.x, other.x) for one, other in pairs)
    np.testing.assert_array_equal(np.concatenate([one.x for one, _ in pairs]), _images())


def test_a_system_without_positioned_reads_reads_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "preadv", raising=False)
    with SignatureData(_file(tmp_path / "d.npz", np.savez)) as data:
        batches = list(data.batches(5))
    np.testing.assert_array_equal(np.concatenate([batch.x for batch in batches]), _images())


@pytest.mark.parametrize(
    ("images", "scale", "said"),
    [
        (_images("uint8"), (0.0, 255.0), "uint8 on the scale 0 to 255"),
        (_images("float32"), (0.0, 1.0), "float32 on the scale 0 to 1"),
        (_images("float64") * 1.2 - 0.1, (0.0, 1.0), "float64 on the scale 0 to 1"),
        (_images("float32") * 255, (0.0, 255.0), "float32 on the scale 0 to 255"),
    ],
    ids=["uint8", "unit", "overshooting", "float of 255"],
)
def test_the_scale_of_the_values_is_found_and_told(
    images: NDArray[Any], scale: tuple[float, float], said: str, tmp_path: Path
) -> None:
    with SignatureData(_file(tmp_path / "d.npz", np.savez, x=images)) as data:
        assert data.pixel_range == scale
        assert data.unit_scale == 1 / scale[1]
        assert said in data.describe()
        (batch,) = data.batches(N, dtype=np.float32)
        assert batch.x.dtype == np.float32
        np.testing.assert_array_equal(batch.x, images.astype(np.float32))


def test_labels_outside_the_range_are_refused_with_their_place(tmp_path: Path) -> None:
    path = _file(tmp_path / "d.npz", np.savez, y=np.r_[WRITERS[:-2], 881, 349])
    with pytest.raises(DataError, match=r"array 'y': label 881 at 21 \(and 1 more\).* from 350 to 880"):
        SignatureData(path, label_range=(350, 880))
    with SignatureData(path) as data:
        assert data.y[-2:].tolist() == [881, 349]


def test_whole_numbers_stored_as_floating_point_are_labels(tmp_path: Path) -> None:
    path = _file(tmp_path / "d.npz", np.savez, y=WRITERS.astype(np.float64), yforg=np.zeros(N))
    with SignatureData(path, label_range=(350, 880)) as data:
        assert data.y.dtype == np.int64
        assert data.y.tolist() == WRITERS.tolist()


def test_a_file_without_forgery_marks_has_none(tmp_path: Path) -> None:
    with SignatureData(_file(tmp_path / "d.npz", np.savez, yforg=None)) as data:
        assert data.yforg is None
        assert next(iter(data.batches(3))).yforg is None


def test_names_and_mapping_are_read_where_they_are_text_or_numbers(tmp_path: Path) -> None:
    names = [f"w{index:03d}.png" for index in range(N)]
    mapping = np.array([[350, 0], [351, 1]])
    path = _file(tmp_path / "d.npz", np.savez, filenames=names, user_mapping=mapping)
    with SignatureData(path) as data:
        assert data.filenames is not None
        assert data.filenames.tolist() == names
        np.testing.assert_array_equal(data.user_mapping, mapping)
    with SignatureData(_file(tmp_path / "e.npz", np.savez)) as data:
        assert (data.filenames, data.user_mapping) == (None, None)


def test_a_pickled_mapping_is_refused_by_name_and_the_rest_is_read(tmp_path: Path) -> None:
    path = _file(tmp_path / "d.npz", np.savez, user_mapping=np.array({350: 0}, dtype=object))
    with SignatureData(path) as data:
        assert len(list(data.batches(5))) == 5
        with pytest.raises(DataError, match=r"array 'user_mapping' holds Python objects"):
            _ = data.user_mapping


def test_a_batch_holds_at_least_one_signature(tmp_path: Path) -> None:
    with (
        SignatureData(_file(tmp_path / "d.npz", np.savez)) as data,
        pytest.raises(UsageError, match="at least 1"),
    ):
        data.batches(0)


def test_values_that_are_not_finite_are_refused_where_they_come(tmp_path: Path) -> None:
    spoilt = _images()
    spoilt[20, 0, 1, 1] = np.nan
    with SignatureData(_file(tmp_path / "d.npz", np.savez, x=spoilt)) as data:
        batches = data.batches(10)
        next(batches)
        next(batches)
        with pytest.raises(DataError, match="not finite"):
            next(batches)


@BOTH
def test_a_file_cut_after_opening_is_refused(save: Save, tmp_path: Path) -> None:
    path = _file(tmp_path / "d.npz", save, x=np.random.default_rng(0).random((N, 1, 60, 90)))
    with SignatureData(path) as data:
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size // 2)
        with pytest.raises(DataError, match="over the end of the file|ends early|is damaged"):
            list(data.batches(4))


@BOTH
def test_every_array_of_an_npz_is_read_as_numpy_reads_it(save: Save, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    arrays: dict[str, NDArray[Any]] = {
        "columns": np.asfortranarray(rng.random((3, 4, 2))),
        "scalar": np.float64(2.5),
        "flags": rng.random(7) > 0.5,
        "swapped": rng.random(5).astype(">f8"),
        "text": np.array(["Müller", "ñ"]),
        "bytes": np.array([b"ab", b"c"]),
        "empty": np.zeros((0, 3)),
        "half": rng.random(5).astype(np.float16),
        "wide": np.arange(3, dtype=np.uint64) + 2**63,
    }
    save(tmp_path / "a.npz", **arrays)
    with np.load(tmp_path / "a.npz") as expected, open_npz(tmp_path / "a.npz") as found:
        assert set(found.names) == set(arrays)
        for name in arrays:
            np.testing.assert_array_equal(found[name].read(), expected[name], err_msg=name)
            assert found[name].dtype == expected[name].dtype
        with pytest.raises(DataError, match="no array 'z'"):
            found["z"]


def test_a_stored_array_can_be_mapped_and_a_compressed_one_cannot(tmp_path: Path) -> None:
    with open_npz(_file(tmp_path / "d.npz", np.savez)) as found:
        np.testing.assert_array_equal(found["x"].memory_map(), _images())
    compressed = open_npz(_file(tmp_path / "e.npz", np.savez_compressed))
    with compressed, pytest.raises(DataError, match="compressed and cannot be mapped"):
        compressed["x"].memory_map()


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for path, said in ((tmp_path, "is a folder"), (tmp_path / "none.npz", "there is no such file")):
        with pytest.raises(DataError, match=said):
            SignatureData(path)


def test_rows_beyond_the_end_and_arrays_too_large_to_read_whole_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.npz"
    np.savez_compressed(path, x=np.zeros(270 << 20, np.uint8), y=np.zeros(3))
    with open_npz(path) as found:
        with pytest.raises(DataError, match="array 'x' takes 283115520 bytes; read it by rows"):
            found["x"].read()
        assert found["x"].rows(5, 9).tolist() == [0, 0, 0, 0]
        for start, stop in ((2, 4), (-1, 2), (2, 1)):
            with pytest.raises(DataError, match=f"array 'y' has 3 entries, not {start} to {stop}"):
                found["y"].rows(start, stop)


SHUFFLE = """
import resource, sys
from sigzoo.errors import DataError
from sigzoo.data.signature_npz import SignatureData

resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
with SignatureData(sys.argv[1]) as data:
    try:
        next(data.batches(4, shuffle_seed=1))
    except DataError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files")
def test_no_space_to_unpack_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    x = np.zeros((100, 1, 150, 220), np.float32)
    path = _file(tmp_path / "d.npz", np.savez_compressed, x=x, y=np.zeros(100), yforg=None)
    done = subprocess.run([sys.executable, "-c", SHUFFLE, path], capture_output=True, text=True, check=True)
    assert "array 'x' cannot be unpacked (File too large)" in done.stdout
    assert list(tmp_path.iterdir()) == [path]


ITERATE = """
import sys
from pathlib import Path
from sigzoo.data.signature_npz import SignatureData

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024

before = peak()
with SignatureData(sys.argv[1]) as data:
    seen = sum(len(batch.y) for seed in (None, 1) for batch in data.batches(32, shuffle_seed=seed))
print(seen, peak() - before, "torch" in sys.modules)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@BOTH
def test_a_file_of_130_mb_is_read_in_a_fraction_of_that(save: Save, tmp_path: Path) -> None:
    x = np.zeros((1000, 1, 150, 220), np.float32)
    x[:, :, ::7, ::5] = 0.5
    path = _file(tmp_path / "d.npz", save, x=x, y=np.zeros(1000, np.int64), yforg=None)
    done = subprocess.run(
        [sys.executable, "-c", ITERATE, str(path)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    seen, megabytes, with_torch = done.stdout.split()
    assert seen == "2000"
    assert int(megabytes) < 40
    assert with_torch == "False"
