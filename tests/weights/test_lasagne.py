"""Lasagne's Python 2 pickles: what cPickle wrote is read exactly, and nothing else is."""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sigzoo.errors import WeightsError
from sigzoo.weights import read_weights

SIGNET_SHAPES = [(96, 1, 11, 11), (256, 96, 5, 5), (384, 256, 3, 3), (384, 384, 3, 3), (256, 384, 3, 3)]
SPP_SHAPES = [(32, 1, 11, 11), (64, 32, 5, 5), (128, 64, 3, 3), (128, 128, 3, 3), (128, 128, 3, 3)]

Write = Callable[..., bytes]


def _raw_strings(content: bytes) -> list[bytes]:
    """The file's binary strings, by Python's own disassembler."""
    found = [(op.name, arg) for op, arg, _ in pickletools.genops(content)]
    raw = [arg.encode("latin-1") for name, arg in found if name in ("BINSTRING", "SHORT_BINSTRING")]
    return [string for string in raw if len(string) > 30]


@pytest.mark.parametrize(
    ("network", "convolutions", "dense"),
    [
        ("signet", SIGNET_SHAPES, [(3840, 2048), (2048, 2048)]),
        ("signet_spp", SPP_SHAPES, [(2688, 2048), (2048, 2048)]),
    ],
)
def test_the_arrays_of_a_real_file_are_its_strings(
    network: str,
    convolutions: list[tuple[int, ...]],
    dense: list[tuple[int, ...]],
    lasagne_bytes: Callable[[str], bytes],
    tmp_path: Path,
) -> None:
    path = tmp_path / "weights.pkl"
    path.write_bytes(lasagne_bytes(network))

    found = read_weights(path, "lasagne")

    assert list(found.tensors) == [f"params[{index}]" for index in range(35)]
    weights = [tuple(tensor.shape) for tensor in list(found.tensors.values())[::5]]
    assert weights == convolutions + dense
    assert [tensor.numpy().tobytes() for tensor in found.tensors.values()] == _raw_strings(path.read_bytes())
    assert found.metadata == {"input_size": "150x220", "img_size": "170x242"}
    assert (found.format, found.path, found.heads) == ("lasagne", path, {})


@pytest.mark.parametrize("network", ["signet", "signet_spp"])
def test_the_writer_of_these_tests_writes_what_python_2_wrote(
    network: str, lasagne_bytes: Callable[[str], bytes], python2_pickle: Write, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pkl"
    path.write_bytes(lasagne_bytes(network))
    params = [tensor.numpy() for tensor in read_weights(path, "lasagne").tensors.values()]
    assert python2_pickle(params) == path.read_bytes()


def test_arrays_stored_by_columns_keep_their_values(
    python2_pickle: Write, small_arrays: list[NDArray[np.float32]], tmp_path: Path
) -> None:
    path = tmp_path / "weights.pkl"
    by_columns = np.asfortranarray(small_arrays[2])
    path.write_bytes(python2_pickle([by_columns]))
    found = read_weights(path, "lasagne").tensors["params[0]"]
    np.testing.assert_array_equal(found.numpy(), small_arrays[2])


@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
def test_every_width_of_floating_point_becomes_float32(
    dtype: str, python2_pickle: Write, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pkl"
    values = np.linspace(-1, 1, 12, dtype=dtype).reshape(3, 4)
    path.write_bytes(python2_pickle([values]))
    found = read_weights(path, "lasagne").tensors["params[0]"]
    assert str(found.dtype) == "torch.float32"
    np.testing.assert_array_equal(found.numpy(), values.astype(np.float32))


def test_a_big_endian_array_is_turned_round(
    python2_pickle: Write, small_arrays: list[NDArray[np.float32]], tmp_path: Path
) -> None:
    path = tmp_path / "weights.pkl"
    swapped = small_arrays[3].astype(">f4").tobytes()
    content = python2_pickle([small_arrays[3]]).replace(small_arrays[3].tobytes(), swapped)
    path.write_bytes(content.replace(b"U\x01<", b"U\x01>"))
    found = read_weights(path, "lasagne").tensors["params[0]"]
    np.testing.assert_array_equal(found.numpy(), small_arrays[3])


def test_tensors_are_copies_that_may_be_written_to(
    python2_pickle: Write, small_arrays: list[NDArray[np.float32]], tmp_path: Path
) -> None:
    path = tmp_path / "weights.pkl"
    path.write_bytes(python2_pickle(small_arrays))
    for tensor in read_weights(path, "lasagne").tensors.values():
        tensor.zero_()
    again: dict[str, Any] = read_weights(path, "lasagne").tensors
    np.testing.assert_array_equal(again["params[1]"].numpy(), small_arrays[1])


def test_integers_are_refused_by_their_dtype(python2_pickle: Write, tmp_path: Path) -> None:
    path = tmp_path / "weights.pkl"
    path.write_bytes(python2_pickle([np.arange(40, dtype="<i4")]))
    with pytest.raises(WeightsError, match=r"weights\.pkl.*dtype 'i4'; weights are f4 or f8"):
        read_weights(path, "lasagne")


def test_a_file_without_params_says_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "weights.pkl"
    path.write_bytes(b"\x80\x02}q\x01U\x07weightsq\x02K\x07s.")
    with pytest.raises(WeightsError, match=r"found a dict with the keys \['weights'\]"):
        read_weights(path, "lasagne")


def test_other_entries_of_the_file_become_texts(tmp_path: Path) -> None:
    entries = (
        b"U\x05notesU\x03abcU\x05epochK\x07U\x04rateG?\xe0\x00\x00\x00\x00\x00\x00U\x04none]U\x06params]"
    )
    path = tmp_path / "weights.pkl"
    path.write_bytes(b"\x80\x02}(" + entries + b"u.")
    metadata = read_weights(path, "lasagne").metadata
    assert metadata == {"notes": "abc", "epoch": "7", "rate": "0.5", "none": "a list of 0"}
