"""Files and folders that appear whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from sigzoo.common import atomic
from sigzoo.errors import DataError, SigzooError


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _write_half(place: Path, failure: BaseException | None = None) -> None:
    with atomic.whole_file(place) as file:
        file.write(b"half")
        if failure is not None:
            raise failure


def test_a_file_is_seen_by_its_name_only_when_whole(tmp_path):
    place = tmp_path / "result.bin"
    place.write_bytes(b"before")
    with atomic.whole_file(place) as file:
        file.write(b"after")
        assert place.read_bytes() == b"before"
        (hidden,) = [name for name in _names(tmp_path) if name != "result.bin"]
        assert hidden.startswith(".")
        assert atomic.is_leftover(tmp_path / hidden)
    assert (place.read_bytes(), _names(tmp_path)) == (b"after", ["result.bin"])


@pytest.mark.parametrize(
    "failure", [RuntimeError("no"), KeyboardInterrupt(), DataError("bad row"), SystemExit(3)]
)
def test_an_error_in_the_block_is_passed_on_and_leaves_what_was_there(tmp_path, failure):
    place = tmp_path / "result.bin"
    place.write_bytes(b"before")
    with pytest.raises(type(failure)) as caught:
        _write_half(place, failure)
    assert caught.value is failure
    assert (place.read_bytes(), _names(tmp_path)) == (b"before", ["result.bin"])


@pytest.mark.parametrize("where", ["write", "fsync", "rename"])
def test_a_full_disk_is_our_error_with_name_and_reason(tmp_path, monkeypatch, where):
    place = tmp_path / "result.bin"
    place.write_bytes(b"before")

    problem = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def full(*_: object) -> None:
        raise problem

    with monkeypatch.context() as patch:
        if where == "fsync":
            patch.setattr(os, "fsync", full)
        if where == "rename":
            patch.setattr(Path, "replace", full)
        with pytest.raises(SigzooError) as caught:
            _write_half(place, problem if where == "write" else None)
    assert str(caught.value) == f"{place}: cannot be written: No space left on device."
    assert (place.read_bytes(), _names(tmp_path)) == (b"before", ["result.bin"])


def test_a_kill_leaves_the_old_file_and_a_leftover_that_is_known_and_removed(tmp_path):
    place = tmp_path / "result.bin"
    place.write_bytes(b"before")
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom sigzoo.common.atomic import whole_file\n"
        "with whole_file(Path(sys.argv[1])) as file:\n"
        "    file.write(b'half'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, place], check=False)
    assert done.returncode == -signal.SIGKILL
    assert place.read_bytes() == b"before"
    (left,) = [path for path in tmp_path.iterdir() if path != place]
    assert left.read_bytes() == b"half"
    assert left.name.startswith(".")
    assert atomic.is_leftover(left)
    atomic.write_bytes(place, b"after")  # a leftover stands in nobody's way
    atomic.remove_leftovers(tmp_path, "other")
    assert left.exists()
    atomic.remove_leftovers(tmp_path, place.name)
    assert (_names(tmp_path), place.read_bytes()) == (["result.bin"], b"after")


@pytest.mark.parametrize("name", [".profile", ".result.bin", "x.part", ".x.0123.part", ".x.0123abcg.part"])
def test_files_of_other_people_are_no_leftovers(tmp_path, name):
    (tmp_path / name).write_bytes(b"mine")
    assert not atomic.is_leftover(tmp_path / name)
    atomic.remove_leftovers(tmp_path)
    assert (tmp_path / name).read_bytes() == b"mine"


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize("mask", [0o000, 0o002, 0o022, 0o027, 0o077])
def test_the_mode_is_what_the_umask_leaves_and_the_umask_is_not_touched(tmp_path, mask):
    # In a process of its own: a umask belongs to the whole process.
    code = (
        f"import os, sys\nfrom pathlib import Path\nos.umask({mask})\n"
        "def never(mask): raise AssertionError('umask was set')\n"
        "os.umask = never\n"
        "from sigzoo.common import atomic\n"
        "here = Path(sys.argv[1])\n"
        "atomic.write_bytes(here / 'file', b'x')\natomic.write_json(here / 'json', {})\n"
        "with atomic.whole_folder(here / 'folder') as folder: pass\n"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"file": 0o666 & ~mask, "json": 0o666 & ~mask, "folder": 0o777 & ~mask}


@pytest.mark.skipif(os.name != "posix", reason="links and devices are POSIX's")
def test_a_link_is_replaced_and_never_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    place = tmp_path / "result.bin"
    place.symlink_to(victim)
    atomic.write_bytes(place, b"new")
    assert victim.read_bytes() == b"precious"
    assert (place.is_symlink(), place.read_bytes()) == (False, b"new")


@pytest.mark.skipif(os.name != "posix", reason="links and devices are POSIX's")
def test_a_link_planted_where_the_file_is_written_first_is_not_followed(tmp_path, monkeypatch):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    monkeypatch.setattr(atomic.secrets, "token_hex", lambda _: "01234567")
    (tmp_path / ".result.bin.01234567.part").symlink_to(victim)
    with pytest.raises(SigzooError, match=r"result\.bin: cannot be written"):
        atomic.write_bytes(tmp_path / "result.bin", b"new")
    assert victim.read_bytes() == b"precious"
    assert (tmp_path / ".result.bin.01234567.part").is_symlink()


@pytest.mark.skipif(os.name != "posix", reason="links and devices are POSIX's")
def test_what_is_no_file_is_refused_before_the_block_and_stays(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "null").symlink_to("/dev/null")
    for name in ("pipe", "folder", "null"):
        with (
            pytest.raises(SigzooError, match=f"{name}: cannot be written"),
            atomic.whole_file(tmp_path / name),
        ):
            pytest.fail("the block was entered")
    assert _names(tmp_path) == ["folder", "null", "pipe"]


@pytest.mark.parametrize("name", ["nul\0byte", "n" * 300, "no/folder/here"])
def test_an_impossible_name_is_our_error(tmp_path, name):
    with pytest.raises(SigzooError, match="cannot be written"):
        atomic.write_bytes(tmp_path / name, b"x")
    assert _names(tmp_path) == []


@pytest.mark.parametrize("name", ["n" * 255, "\N{WRITING HAND}" * 63, "a b$'\"", os.fsdecode(b"caf\xe9")])
def test_any_possible_name_can_be_written(tmp_path, name):
    with atomic.whole_file(tmp_path / name, suffix=".png") as file:
        file.write(b"x")
        assert Path(file.name).suffix == ".png"
    assert _names(tmp_path) == [name]


def test_a_room_makes_its_own_error(tmp_path):
    failure = partial(atomic.write_error, kind=DataError, advice="Choose another place.")
    with pytest.raises(DataError) as caught:
        atomic.write_bytes(tmp_path / "no" / "x", b"", failure=failure)
    assert str(caught.value) == (
        f"{tmp_path / 'no' / 'x'}: cannot be written: No such file or directory. Choose another place."
    )


def test_an_error_about_another_file_names_that_file(tmp_path):
    with pytest.raises(SigzooError, match=r"elsewhere\.bin"), atomic.whole_file(tmp_path / "x"):
        (tmp_path / "elsewhere.bin").read_bytes()


def test_json_holds_names_of_any_bytes(tmp_path):
    value = {"file": os.fsdecode(b"caf\xe9.png"), "b": "\N{WRITING HAND}", "a": [1, 2.5, None]}
    atomic.write_json(tmp_path / "x.json", value)
    assert json.loads((tmp_path / "x.json").read_text(encoding="utf-8")) == value
    atomic.write_json(tmp_path / "y.json", {"b": "\N{WRITING HAND}", "a": 1}, sort_keys=True)
    text = (tmp_path / "y.json").read_text(encoding="utf-8")
    assert text == '{\n  "a": 1,\n  "b": "\N{WRITING HAND}"\n}\n'


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    with atomic.whole_folder(tmp_path / "new") as folder:
        (folder / "x").write_text("x")
        assert not (tmp_path / "new").exists()
    assert (tmp_path / "new" / "x").read_text() == "x"
    block = atomic.whole_folder(tmp_path / "other")
    with pytest.raises(SigzooError, match="other: cannot be written"), block as folder:
        (folder / "no" / "x").write_text("x")
    assert _names(tmp_path) == ["new"]


def test_a_folder_never_takes_the_place_of_another(tmp_path):
    for name in ("full", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "full" / "x").write_text("x")
    (tmp_path / "file").write_text("x")
    for name in ("full", "empty", "file"):
        block = atomic.whole_folder(tmp_path / name)
        with pytest.raises(SigzooError, match=f"{name}: cannot be written: File exists"), block:
            pass
    assert _names(tmp_path) == ["empty", "file", "full"]
    assert (tmp_path / "full" / "x").read_text() == "x"


def test_sixteen_writers_at_once_leave_one_whole_file(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    place, contents = tmp_path / "x", [bytes([65 + n]) * 100_000 for n in range(16)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda content: atomic.write_bytes(place, content, durable=False), contents))
    assert place.read_bytes() in contents
    assert _names(tmp_path) == ["x"]
