"""What every weight format must do: read back what was written, refuse the rest, run nothing, stay small."""

from __future__ import annotations

import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from sigzoo.errors import WeightsError
from sigzoo.interfaces.weight_formats import WeightArrays, WeightFormat
from sigzoo.testing.suites import Suite, expect

__all__ = ["WEIGHT_FORMAT", "WeightFormatCase", "Writer", "check_weight_format"]

Writer = Callable[[Path, WeightArrays], object]
"""Writes arrays to a file of the format, as the programs do whose files it reads."""

_SECONDS = 10.0
_MEMORY = 64 << 20
_MUTATIONS = 60


@dataclass(frozen=True)
class WeightFormatCase:
    """A weight format and, where there is one, what writes its files."""

    format: WeightFormat
    write: Writer | None = None


WEIGHT_FORMAT: Suite[WeightFormatCase] = Suite()


def check_weight_format(
    format: WeightFormat, write: Writer | None = None, *, skip: tuple[str, ...] = ()
) -> None:
    """Check that a weight format does what `sigzoo.interfaces.WeightFormat` promises.

    Parameters
    ----------
    format
        The format.
    write
        Writes a file of it; without one, the checks of what is read back and of damage see nothing.
    skip
        Names of checks to leave out: those of ``sigzoo.testing.WEIGHT_FORMAT.checks``.

    Raises
    ------
    ConformanceFailure
        If it does not; a line for each check that failed.
    """
    WEIGHT_FORMAT.run(WeightFormatCase(format, write), type(format).__name__, skip)


def _arrays() -> WeightArrays:
    rng = np.random.default_rng(1)
    shapes = {"conv.weight": (4, 1, 3, 3), "conv.bias": (4,), "fc.weight": (6, 36)}
    return WeightArrays({name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()})


def _written(case: WeightFormatCase, folder: Path) -> Path | None:
    if case.write is None:
        return None
    case.write(folder / "written", _arrays())
    expect((folder / "written").is_file(), "`write` made no file under the path that it was given")
    return folder / "written"


def _read(format: WeightFormat, path: Path, what: str, member: str | None = None) -> WeightArrays | None:
    """Read under the limits; `None` where the file is refused as it should be."""
    began = time.process_time()
    tracemalloc.start()
    try:
        found: WeightArrays | None = format.read(path, member)
    except WeightsError as error:
        message = str(error)
        expect(str(path) in message, f"{what}: the message does not name the file: {message[:200]}")
        expect(len(message) < len(str(path)) + 1000, f"{what}: the message has {len(message)} letters")
        found = None
    except Exception as error:
        name = type(error).__name__
        expect(False, f"{what}: expected WeightsError, got {name}: {str(error)[:200]}")
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    spent = time.process_time() - began
    expect(spent < _SECONDS, f"{what}: took {spent:.1f} s of processor time")
    allowed = _MEMORY + 20 * path.stat().st_size
    expect(peak < allowed, f"{what}: took {peak >> 20} MiB for a file of {path.stat().st_size} bytes")
    return found


@WEIGHT_FORMAT.check
def description(case: WeightFormatCase) -> None:
    """It says what its files are called."""
    found = getattr(case.format, "description", None)
    expect(isinstance(found, str) and 0 < len(found) < 100, f"`description` is {str(found)[:80]!r}")
    expect(isinstance(case.format.holds_state_dict, bool), "`holds_state_dict` must be True or False")


@WEIGHT_FORMAT.check
def round_trip(case: WeightFormatCase) -> None:
    """What was written is recognised and read back: same number of arrays, same values."""
    with TemporaryDirectory() as folder:
        path = _written(case, Path(folder))
        if path is None:
            return
        expect(case.format.recognises(path) is True, "does not recognise what was written")
        found = _read(case.format, path, "what was written")
        if found is None:
            expect(False, "refuses what was written")
            return
        expected = _arrays().tensors
        expect(len(found.tensors) == len(expected), f"gives {len(found.tensors)} of {len(expected)} arrays")
        if case.format.holds_state_dict:
            expect(set(found.tensors) == set(expected), f"gives the names {sorted(found.tensors)[:4]}")
        for value, (name, wanted) in zip(found.tensors.values(), expected.items(), strict=True):
            wanted = expected[name] if case.format.holds_state_dict else wanted
            array = np.asarray(found.tensors[name] if case.format.holds_state_dict else value)
            expect(array.shape == wanted.shape, f"{name} has shape {array.shape}, expected {wanted.shape}")
            expect(bool(np.allclose(array, wanted, atol=1e-3)), f"{name} has other values")


@WEIGHT_FORMAT.check
def member_of_a_zip(case: WeightFormatCase) -> None:
    """A file inside a zip archive is recognised and read as the file itself is."""
    with TemporaryDirectory() as folder:
        path = _written(case, Path(folder))
        if path is None:
            return
        with zipfile.ZipFile(Path(folder) / "a.zip", "w") as archive:
            archive.write(path, "models/w.bin")
        packed = Path(folder) / "a.zip"
        expect(case.format.recognises(packed, "models/w.bin") is True, "does not recognise it")
        found = _read(case.format, packed, "a member of a zip", "models/w.bin")
        expect(found is not None and len(found.tensors) == len(_arrays().tensors), "does not read it")


@WEIGHT_FORMAT.check
def other_files(case: WeightFormatCase) -> None:
    """Files of no format are not recognised, and refused by `read` in one error of sigzoo's."""
    with TemporaryDirectory() as folder:
        for what, content in _OTHERS.items():
            path = Path(folder) / "other.bin"
            path.write_bytes(content)
            recognised = case.format.recognises(path)
            expect(recognised is False, f"takes {what} for its own")
            expect(_read(case.format, path, what) is None, f"reads {what}")


@WEIGHT_FORMAT.check
def missing_file(case: WeightFormatCase) -> None:
    """A file that is not there, and a folder, are refused in one error of sigzoo's."""
    with TemporaryDirectory() as folder:
        for path in (Path(folder) / "none", Path(folder)):
            for act in (case.format.recognises, case.format.read):
                try:
                    act(path)
                except WeightsError:
                    continue
                except Exception as error:
                    expect(False, f"expected WeightsError, got {type(error).__name__}: {error}")
                expect(act == case.format.recognises, "reads what is no file")


@WEIGHT_FORMAT.check
def damage(case: WeightFormatCase) -> None:
    """What was written, cut or changed anywhere, is read or refused: in little time and memory."""
    with TemporaryDirectory() as folder:
        path = _written(case, Path(folder))
        if path is None:
            return
        for what, content in _damaged(path.read_bytes()):
            path.write_bytes(content)
            case.format.recognises(path)
            _read(case.format, path, what)


@WEIGHT_FORMAT.check
def nothing_runs(case: WeightFormatCase) -> None:
    """A pickle that would leave a file behind is refused, and leaves none."""
    with TemporaryDirectory() as folder:
        canary = Path(folder) / "canary"
        path = Path(folder) / "hostile.bin"
        for protocol, start in ((0, b""), (2, b"\x80\x02"), (4, b"\x80\x04")):
            path.write_bytes(start + b"cos\nmkdir\n(V" + str(canary).encode("unicode_escape") + b"\ntR.")
            expect(_read(case.format, path, f"a hostile pickle of protocol {protocol}") is None, "reads it")
            expect(not canary.exists(), f"runs what a pickle of protocol {protocol} says")


def _damaged(content: bytes) -> Iterator[tuple[str, bytes]]:
    rng = np.random.default_rng(2)
    for at in sorted({0, 1, 8, len(content) // 2, len(content) - 1}):
        yield f"a file cut after {at} bytes", content[:at]
    yield "a file with more behind", content + bytes(64)
    for _ in range(_MUTATIONS):
        changed = bytearray(content)
        # Most of a file is numbers; its structure stands at the beginning and the end.
        places = [int(rng.integers(len(content))), int(rng.integers(min(400, len(content))))]
        for at in places[: int(rng.integers(1, 3))]:
            changed[at] = int(rng.choice([0, 1, 0x7F, 0x80, 0xFF, changed[at] ^ 1]))
        yield f"a file changed at byte {places[-1]}", bytes(changed)


_OTHERS: dict[str, Any] = {
    "an empty file": b"",
    "a byte": b"\x80",
    "an HTML page": b"<!doctype html><html>quota exceeded</html>",
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "a PNG image": b"\x89PNG\r\n\x1a\n" + bytes(64),
    "zeros": bytes(5000),
    "noise": np.random.default_rng(3).bytes(5000),
}
