"""What a file is, told from its first bytes; and files that are not what the card expects."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sigzoo.errors import UnknownNameError, WeightsError
from sigzoo.weights import detect_format, read_weights, save_weights


def _torch_file(zipped: bool) -> bytes:
    file = io.BytesIO()
    state = {"w": torch.ones(2)}
    torch.save((state, {}, {}), file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def _npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, x=np.ones(3))
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "format", "said"),
    [
        (lambda: _torch_file(True), "torch-tuple", "a torch file (zip format)"),
        (lambda: _torch_file(False), "torch-tuple", "a torch file (the format before 2020)"),
        (_npz, None, "a zip archive of arrays (npz)"),
        (lambda: b"\x80\x02}q\x01.", "lasagne", "a Python 2 pickle"),
        (lambda: b"\x80\x04\x95", "lasagne", "a Python 3 pickle (protocol 4)"),
        (lambda: b"\xef\xbb\xbf\n<!DOCTYPE HTML>", None, "an HTML page"),
        (lambda: b"<html lang=en>", None, "an HTML page"),
        (lambda: b"version https://git-lfs.github.com/spec/v1\n", None, "a Git LFS pointer"),
        (lambda: b"\x1f\x8b\x08\x00", None, "a gzip file"),
        (lambda: b"\x89HDF\r\n", None, "an HDF5 file"),
        (lambda: b"\x93NUMPY\x01\x00", None, "a single numpy array"),
        (lambda: b"\x80", None, "an unknown kind"),
        (lambda: b"", None, "an empty file"),
    ],
)
def test_a_file_is_told_from_its_first_bytes(
    content: Callable[[], bytes], format: str | None, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content())
    kind = detect_format(path)
    assert kind.format == format
    assert said in kind.description
    for other in {"safetensors", "torch-tuple", "lasagne"} - {format}:
        with pytest.raises(WeightsError, match=f"file: this is .*expected the format {other}") as refusal:
            read_weights(path, other)
        assert said in str(refusal.value)


@pytest.fixture
def archive(
    python2_pickle: Callable[..., bytes], small_arrays: list[NDArray[np.float32]], tmp_path: Path
) -> Path:
    """A zip archive of one weight file of each kind."""
    path = tmp_path / "models.zip"
    ours = save_weights(tmp_path / "w.safetensors", {"w": torch.ones(2)})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as members:
        members.writestr("models/", b"")
        members.writestr("models/signet.pkl", python2_pickle(small_arrays))
        members.writestr("models/signet.pth", _torch_file(True))
        members.writestr("models/signet.safetensors", ours.read_bytes())
    return path


def test_members_of_an_archive_are_read_in_memory(archive: Path) -> None:
    before = sorted(archive.parent.iterdir())
    for suffix, format in ((".pkl", "lasagne"), (".pth", "torch-tuple"), (".safetensors", "safetensors")):
        member = f"models/signet{suffix}"
        assert detect_format(archive, member=member).format == format
        found = read_weights(archive, format, member=member)
        assert (found.path, found.member, found.format) == (archive, member, format)
        assert found.tensors
    assert sorted(archive.parent.iterdir()) == before


def test_a_member_of_another_format_is_named_with_its_archive(archive: Path) -> None:
    with pytest.raises(WeightsError, match=r"models\.zip \(models/signet\.pth\): this is a torch file"):
        read_weights(archive, "lasagne", member="models/signet.pth")


def test_an_archive_without_a_member_named_says_so(archive: Path) -> None:
    with pytest.raises(WeightsError, match=r"models\.zip: this is a zip archive.*Name the member"):
        read_weights(archive, "lasagne")
    with pytest.raises(WeightsError, match=r"no member 'other\.pkl'; it holds 'models/signet\.pkl', "):
        read_weights(archive, "lasagne", member="other.pkl")


def test_an_unknown_format_is_wrong_usage(archive: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"no weight format named 'pickle'"):
        read_weights(archive, "pickle")
    with pytest.raises(UnknownNameError, match=r"named 'lasagna'\. Did you mean lasagne\?"):
        read_weights(archive, "lasagna")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for path, said in ((tmp_path, "is a folder"), (tmp_path / "none", "there is no such file")):
        with pytest.raises(WeightsError, match=said):
            read_weights(path, "lasagne")
        with pytest.raises(WeightsError, match=said):
            detect_format(path)


def test_a_file_of_5_gb_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "w.pkl"
    with path.open("wb") as file:
        file.write(b"\x80\x02")
        file.truncate(5 << 30)
    with pytest.raises(WeightsError, match="5368709120 bytes, more than any weight file has"):
        read_weights(path, "lasagne")
