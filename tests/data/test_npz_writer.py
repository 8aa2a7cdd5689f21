"""What the writer of arrays writes is what numpy reads, and the same arrays give the same bytes."""

from __future__ import annotations

import io
import time
from typing import Any

import numpy as np
import pytest

from sigzoo.data.npz import open_npz
from sigzoo.data.npz_writer import ArrayWriter

ARRAYS: dict[str, Any] = {
    "x": np.arange(24, dtype=np.uint8).reshape(2, 1, 3, 4),
    "y": np.array([350, 351]),
    "features": np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3),
    "turned": np.arange(6.0).reshape(2, 3).T,
    "files": np.array(["ä.png", "b.png"]),
    "big-endian": np.arange(3, dtype=">f8"),
    "half": np.float16([1, 2]),
    "truth": np.array([True, False]),
    "one": np.float64(3.5),
    "none": np.zeros((0, 5), np.int32),
    "text": "a word",
}


def _written(compressed: bool) -> bytes:
    file = io.BytesIO()
    with ArrayWriter(file, compressed=compressed) as archive:
        for name, array in ARRAYS.items():
            archive.add(name, array)
        with archive.open("blocks", "<f4", (4, 2)) as member:
            for row in np.arange(8, dtype="<f4").reshape(4, 2):
                member.write(row.data)
    return file.getvalue()


@pytest.mark.parametrize("compressed", [False, True])
def test_numpy_reads_what_was_written(compressed: bool, tmp_path: Any) -> None:
    content = _written(compressed)
    (tmp_path / "a.npz").write_bytes(content)
    with np.load(io.BytesIO(content), allow_pickle=False) as found, open_npz(tmp_path / "a.npz") as ours:
        assert set(found.files) == {*ARRAYS, "blocks"} == set(ours.names)
        for name, array in ARRAYS.items():
            assert found[name].dtype == np.asarray(array).dtype
            np.testing.assert_array_equal(found[name], array)
            np.testing.assert_array_equal(ours[name].read(), array)
        np.testing.assert_array_equal(found["blocks"], np.arange(8).reshape(4, 2))
        assert ours["x"].stored is not compressed


def test_the_same_arrays_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    first = _written(True)
    monkeypatch.setattr(time, "localtime", lambda *_: time.struct_time((2031, 2, 3, 4, 5, 6, 0, 0, 0)))
    assert _written(True) == first


def test_objects_are_not_written() -> None:
    with ArrayWriter(io.BytesIO()) as archive, pytest.raises((ValueError, TypeError)):
        archive.add("x", np.array([object()]))
