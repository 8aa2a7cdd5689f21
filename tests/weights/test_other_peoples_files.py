"""Weight files as other people's programs save them: each loads exactly, or the error names what it has."""

from __future__ import annotations

import io
import pickle
import pickletools
import re
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sigzoo.errors import WeightsError
from sigzoo.weights import fit_names, load_into, read_local_weights, read_weights

PROTOCOLS = range(6)
Arrays = list[NDArray[Any]]


def _layouts(arrays: Arrays) -> dict[str, Any]:
    """What people save after ``pickle.load(f, encoding=...)``."""
    entries = {"img_size": (170, 242), "input_size": (150, 220)}
    return {
        "dict": {"params": arrays} | entries,
        "dict of an older pickle, by encoding='bytes'": {b"params": arrays, b"img_size": (170, 242)},
        "OrderedDict": OrderedDict(entries, params=arrays),
        "dict with a tuple": {"params": tuple(arrays)},
        "list": arrays,
        "tuple": tuple(arrays),
        "dict with numpy numbers": {"params": arrays, "img_size": (np.int64(170), np.int64(242))},
    }


def _written_by(numpy_core: str, content: bytes) -> bytes:
    """The same pickle as another numpy writes it: its module has another name, frames are left out."""
    ours = next((n for n in ("numpy._core", "numpy.core") if n.encode() + b"." in content), numpy_core)
    parts, ends = [], [at for _, _, at in pickletools.genops(content)][1:] + [len(content)]
    for (op, argument, at), end in zip(pickletools.genops(content), ends, strict=True):
        piece = content[at:end]
        if op.name == "FRAME":
            continue
        if op.name == "GLOBAL":
            piece = piece.replace(ours.encode() + b".", numpy_core.encode() + b".")
        elif op.name == "SHORT_BINUNICODE" and str(argument).startswith(ours + "."):
            name = str(argument).replace(ours, numpy_core).encode()
            piece = b"\x8c" + bytes([len(name)]) + name
        parts.append(piece)
    return b"".join(parts)


class _Python2TextPickler(pickle._Pickler):
    """Writes strings as Python 2 does in its default protocol: quoted, with escapes."""

    dispatch = pickle._Pickler.dispatch.copy()

    def _save_string(self, value: Any) -> None:
        raw = value.encode("latin-1") if isinstance(value, str) else bytes(value)
        self.write(b"S" + repr(raw)[1:].encode("ascii") + b"\n")

    dispatch[bytes] = dispatch[str] = _save_string


def _by_python_2(value: Any) -> bytes:
    file = io.BytesIO()
    _Python2TextPickler(file, 0).dump(value)
    return file.getvalue()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_lasagne_files_saved_again_are_read_as_python_reads_them(
    protocol: int, small_arrays: list[NDArray[np.float32]], tmp_path: Path
) -> None:
    path = tmp_path / "again.pkl"
    tried = 0
    # Bytes that look like line ends, quotes, escapes and Latin-1 must survive the text protocols.
    awkward = np.frombuffer(b"\n\r\0\\'\"\x1a\xff" * 50, "<f4")
    for dtype, order in product(("<f4", ">f4", "<f8"), "CF"):
        arrays = [np.array(each, dtype, order=order) for each in (*small_arrays, np.nan_to_num(awkward))]
        for core, (title, value) in product(("numpy.core", "numpy._core"), _layouts(arrays).items()):
            content = _written_by(core, pickle.dumps(value, protocol))
            path.write_bytes(content)
            found = read_weights(path, "lasagne")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                reference = pickle.loads(content)
            if isinstance(reference, dict):
                reference = reference.get("params", reference.get(b"params"))
            assert list(found.tensors) == [f"params[{i}]" for i in range(len(arrays))], title
            for tensor, expected in zip(found.tensors.values(), reference, strict=True):
                np.testing.assert_array_equal(tensor.numpy(), expected.astype("f4"), err_msg=title)
            if "img_size" in str(content):
                assert found.metadata["img_size"] == "170x242", title
            tried += 1
    assert tried == 3 * 2 * 2 * 7


def test_python_2_text_pickles_are_read(small_arrays: list[NDArray[np.float32]], tmp_path: Path) -> None:
    path = tmp_path / "text.pkl"
    awkward = np.frombuffer(b"\n\r\0\\'\"\x1a\x7f" * 50, "<f4")
    for title, value in _layouts([*small_arrays, awkward]).items():
        if "numpy" not in title:
            path.write_bytes(_by_python_2(value))
            assert path.read_bytes().isascii()
            found = list(read_weights(path, "lasagne").tensors.values())
            for tensor, expected in zip(found, [*small_arrays, awkward], strict=True):
                np.testing.assert_array_equal(tensor.numpy(), expected, err_msg=title)


def _network() -> nn.Module:
    torch.manual_seed(1)
    block = nn.Sequential(OrderedDict(conv=nn.Conv2d(1, 4, 3, bias=False), bn=nn.BatchNorm2d(4)))
    network = nn.Sequential(OrderedDict(conv1=block, fc1=nn.Linear(4, 6, bias=False)))
    for buffer in network.buffers():
        buffer.add_(2)
    return network


WRAPPINGS: dict[str, Callable[[str], str]] = {
    "nothing": lambda name: name,
    "DataParallel": lambda name: f"module.{name}",
    "torch.compile": lambda name: f"_orig_mod.{name}",
    "DataParallel of torch.compile": lambda name: f"module._orig_mod.{name}",
    "torch.compile of DataParallel": lambda name: f"_orig_mod.module.{name}",
    "a lightning module": lambda name: f"model.{name}",
    "a network with heads": lambda name: f"backbone.{name}",
    "a lightning module of one": lambda name: f"model.backbone.{name}",
    "all of them": lambda name: f"module._orig_mod.model.backbone.{name}",
    "a part compiled": lambda name: re.sub(r"^conv1\.", "conv1._orig_mod.", name),
    "a part in parallel": lambda name: re.sub(r"^fc1\.", "fc1.module.", name),
}

LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "a state dict": dict,
    "an OrderedDict": OrderedDict,
    "parameters": lambda state: {
        k: nn.Parameter(v, requires_grad=v.is_floating_point()) for k, v in state.items()
    },
    "a checkpoint": lambda state: {"epoch": 9, "state_dict": state, "best": torch.tensor(0.5), "lr": 1e-3},
    "a model in a dict": lambda state: {"model": state},
    "a training script's": lambda state: {
        "model_state_dict": state,
        "optimizer": {
            "state": {0: {"step": torch.tensor(3.0)}},
            "param_groups": [{"params": [0], "betas": (0.9, 0.999)}],
        },
        "args": {"name": "signet", "size": torch.Size([150, 220])},
    },
    "a dict in a dict": lambda state: {"model": {"state_dict": state}},
    "a tuple of three": lambda state: (state, None, None),
    "a list of three": lambda state: [state, {}, OrderedDict()],
}


def _torch_matrix() -> Iterator[tuple[bool, int, str]]:
    for protocol, layout in product((2, 3, 4, 5), LAYOUTS):
        yield True, protocol, layout
        yield False, protocol, layout


@pytest.mark.parametrize(("zipped", "protocol", "layout"), list(_torch_matrix()))
def test_pytorch_files_load_exactly(zipped: bool, protocol: int, layout: str, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    state = _network().state_dict()
    for title, wrapped in WRAPPINGS.items():
        saved = LAYOUTS[layout]({wrapped(key): value for key, value in state.items()})
        torch.save(saved, path, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
        for format in ("torch", "torch-tuple"):
            found = read_weights(path, format)
            other = nn.Sequential(OrderedDict(_network().named_children()))
            for each in other.state_dict().values():
                each.zero_()
            load_into(
                other, fit_names(found.tensors, other.state_dict(), lambda names: names), source="w.pth"
            )
            for key, value in other.state_dict().items():
                assert torch.equal(value, state[key]), (title, key)
            assert found.heads == {}


def test_a_network_of_its_own_with_such_names_is_taken_as_it_stands() -> None:
    network = nn.Sequential(OrderedDict(module=nn.Linear(2, 2), model=nn.Linear(2, 2)))
    state = network.state_dict()
    assert fit_names(state, state, lambda names: names) == state
    inner = nn.Sequential(OrderedDict(model=nn.Sequential(OrderedDict(model=nn.Linear(2, 2))))).state_dict()
    assert fit_names(inner, inner, lambda names: names) == inner
    outer = {f"model.{key}": value for key, value in inner.items()}
    assert set(fit_names(outer, inner, lambda names: names)) == set(inner)


def test_backbone_and_heads_in_one_state_dict_are_told_apart(tmp_path: Path) -> None:
    state = {f"backbone.{key}": value for key, value in _network().state_dict().items()}
    head = {f"head.writer.{key}": value for key, value in nn.Linear(6, 3).state_dict().items()}
    torch.save(state | head, tmp_path / "w.pth")
    found = read_weights(tmp_path / "w.pth", "torch")
    assert list(found.tensors) == list(_network().state_dict())
    assert found.heads["writer"]["weight"].shape == (3, 6)


STATE = {"a.weight": torch.ones(2), "b.weight": torch.ones(3)}
UNCLEAR: dict[str, tuple[Any, str]] = {
    "two state dicts": ({"model": STATE, "ema": STATE}, "several state dicts: 'model', 'ema'"),
    "two in one": ({"nets": {"g": STATE, "d": STATE}}, "several state dicts: 'nets.g', 'nets.d'"),
    "a layer beside a state dict": ({"model": STATE, "centres": torch.ones(3, 3)}, "'model' is a dict"),
    "a number among tensors": (STATE | {"epoch": 3}, "'epoch' is a int, expected a tensor"),
    "no tensors": ({"epoch": 3, "loss": 0.5}, "found a dict with 2 entries: 'epoch', 'loss'"),
    "nothing": ({}, "found an empty dict"),
    "a tensor": (torch.ones(3), "found a tensor of shape"),
    "two of three": ((STATE, STATE), "found a tuple of 2"),
    "a list of tensors": ([torch.ones(2)] * 2, "found a list of 2"),
    "a text": ("weights", "found a str"),
    "a state dict of dicts": (
        {"a": {"b": {"c": {"d": {"e": torch.ones(1)}}}}},
        "found a dict with 1 entries: 'a'",
    ),
}


@pytest.mark.parametrize("title", list(UNCLEAR))
def test_where_it_is_not_clear_the_error_names_what_there_is(title: str, tmp_path: Path) -> None:
    value, said = UNCLEAR[title]
    for zipped in (True, False):
        torch.save(value, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
        for format in ("torch", "torch-tuple"):
            with pytest.raises(WeightsError, match=re.escape(said)) as refusal:
                read_weights(tmp_path / "w.pth", format)
            assert str(tmp_path / "w.pth") in str(refusal.value)


def test_missing_tensors_are_named_beside_those_that_are_there() -> None:
    network = _network()
    other = {f"encoder.{key}": value for key, value in network.state_dict().items()}
    with pytest.raises(WeightsError) as refusal:
        load_into(network, fit_names(other, network.state_dict(), lambda names: names), source="w.pth")
    assert re.search(
        r"needs tensors that are not there: conv1\.conv\.weight; .* and 2 more\."
        r" It has instead: encoder\.conv1\.conv\.weight; .* and 2 more\.",
        str(refusal.value),
    )


def test_a_mixture_of_wrapped_and_other_names_is_refused() -> None:
    state = _network().state_dict()
    for prefix in ("module.", "model.", "backbone."):
        mixed: dict[str, Tensor] = {f"{prefix}{key}": value for key, value in state.items()}
        mixed["classifier.weight"] = torch.ones(2)
        with pytest.raises(WeightsError, match=r"It has instead: .*"):
            load_into(_network(), fit_names(mixed, state, lambda names: names), source="w.pth")
    both = state | {f"module.{key}": value for key, value in state.items()}
    with pytest.raises(WeightsError, match=r"does not know: module\."):
        load_into(_network(), fit_names(both, state, lambda names: names), source="w.pth")


@pytest.fixture
def pickled(python2_pickle: Callable[..., bytes], small_arrays: list[NDArray[np.float32]]) -> bytes:
    """A Lasagne file."""
    return python2_pickle(small_arrays)


ARCHIVES: dict[str, list[tuple[str, bytes | None]]] = {
    "in a folder after what macOS leaves": [
        ("signet_models/.DS_Store", b"Bud1"),
        ("signet_models/signet.pkl", None),
        ("__MACOSX/signet_models/._signet.pkl", b"\x80\x02junk"),
    ],
    "after a version file": [("models/version.txt", b"1"), ("signet.pkl", None)],
    "after a folder called data": [("x/data/readme", b"1"), ("signet.pkl", None)],
    "after a byteorder": [
        ("x/byteorder", b"little"),
        ("x/.data/serialization_id", b"1"),
        ("m/signet.pkl", None),
    ],
    "under another name": [("README.md", b"weights"), ("weights_2017.pkl", None)],
    "deep in folders": [("a/", b""), ("a/b/", b""), ("a/b/signet.pkl", None)],
    "called data.pkl, deep": [("a/b/data.pkl", None)],
}


@pytest.mark.parametrize("title", list(ARCHIVES))
def test_zips_are_told_by_their_members_not_by_their_bytes(
    title: str, pickled: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "signet.zip"
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(path, "w", method) as archive:
            for name, content in ARCHIVES[title]:
                archive.writestr(name, pickled if content is None else content)
        found = read_local_weights(path, "lasagne", member="signet.pkl")
        assert len(found.tensors) == 4


def test_bytes_of_a_member_are_no_part_of_its_name(tmp_path: Path) -> None:
    for content in (b"/data.pkl", b"U\x06params/.", b"/version", b"/byteorder", b".npy"):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("signet.pkl", b"\x80\x02}q\x01(" + content + bytes(64))
        with pytest.raises(WeightsError, match=r"a\.zip \(signet\.pkl\): refused, nothing in it was run"):
            read_local_weights(tmp_path / "a.zip", "lasagne", member="signet.pkl")


def test_a_torch_archive_that_was_packed_anew_is_still_one(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "w.pth")
    with zipfile.ZipFile(tmp_path / "w.pth") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "w.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w/", b"")
        for name in sorted(members, reverse=True):
            archive.writestr(name, members[name])
    found = read_local_weights(tmp_path / "w.pth", "torch")
    assert all(torch.equal(found.tensors[key], STATE[key]) for key in STATE)


def test_formats_of_state_dicts_stand_for_each_other_and_lists_of_arrays_do_not(
    pickled: bytes, tmp_path: Path
) -> None:
    torch.save(STATE, tmp_path / "w.pth")
    for expected in ("safetensors", "torch", "torch-tuple"):
        assert list(read_local_weights(tmp_path / "w.pth", expected).tensors) == list(STATE)
    with pytest.raises(WeightsError, match="this is a torch file .*expected the format lasagne"):
        read_local_weights(tmp_path / "w.pth", "lasagne")
    (tmp_path / "w.pkl").write_bytes(pickled)
    with pytest.raises(WeightsError, match="this is a Python 2 pickle, expected the format torch"):
        read_local_weights(tmp_path / "w.pkl", "torch")


def test_several_weight_files_in_an_archive_are_named(pickled: bytes, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("a/one.pkl", "a/two.pkl"):
            archive.writestr(name, pickled)
    with pytest.raises(WeightsError, match=r"no member 'signet\.pkl'; it holds 'a/one\.pkl', 'a/two\.pkl'"):
        read_local_weights(tmp_path / "a.zip", "lasagne", member="signet.pkl")
    with pytest.raises(WeightsError, match=r"this is a zip archive, expected the format lasagne"):
        read_local_weights(tmp_path / "a.zip", "lasagne")


def test_a_message_is_short_however_many_members_there_are(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for index in range(20_000):
            archive.writestr(f"{index:05d}{'n' * 150}", b"")
    with pytest.raises(WeightsError) as refusal:
        read_weights(tmp_path / "a.zip", "lasagne", member="signet.pkl")
    assert "and 19992 more" in str(refusal.value)
    assert len(str(refusal.value)) < 1200
