"""Two runs never write to one place at a time, however it is spelt; a lock dies with its owner."""

import os
import subprocess
import sys
from contextlib import ExitStack

import pytest

from sigzoo.errors import UsageError
from sigzoo.learning import InversionSettings, distill, invert, train
from sigzoo.learning.own_output import own_output

HOLDER = """
import sys
from pathlib import Path
from sigzoo.learning.own_output import own_output
with own_output(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGZOO_HOME", str(tmp_path / "home"))


def refused(path):
    with pytest.raises(UsageError, match="another run of yours writes there") as caught, own_output(path):
        pass
    assert str(path) in str(caught.value)


def test_a_place_is_one_however_it_is_spelt(tmp_path, monkeypatch):
    place = tmp_path / "runs" / "a"
    place.mkdir(parents=True)
    (tmp_path / "link").symlink_to(place, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    with own_output(place):
        for other in (place, place / "..", tmp_path / "link", place.relative_to(tmp_path)):
            if other.name == "..":
                other = other / "a"
            refused(other)
        with own_output(tmp_path / "runs" / "b"):
            refused(place)
    with own_output(place):
        pass


def test_another_process_is_kept_out_until_it_ends(tmp_path):
    place = tmp_path / "run"
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "held\n"
    refused(place)
    child.kill()
    child.communicate()
    with own_output(place):
        pass


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="needs a folder that may not be written"
)
def test_a_home_that_cannot_be_written_stops_no_run(tmp_path, monkeypatch):
    home = tmp_path / "closed"
    home.mkdir(mode=0o500)
    monkeypatch.setenv("SIGZOO_HOME", str(home / "in"))
    with own_output(tmp_path / "run"):
        pass


def test_a_home_that_is_a_file_stops_no_run(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SIGZOO_HOME", str(tmp_path / "file"))
    with own_output(tmp_path / "run"):
        pass


def test_train_and_distill_and_invert_leave_another_runs_place_alone(
    tmp_path, toy_settings, toy_distillation, teacher
):
    folder, file = tmp_path / "taken", tmp_path / "taken.npz"
    with ExitStack() as held:
        held.enter_context(own_output(folder))
        held.enter_context(own_output(file))
        for begin in (
            lambda: train(toy_settings(output=folder)),
            lambda: train(toy_settings(output=folder), resume=True),
            lambda: distill(toy_distillation(output=folder)),
            lambda: invert(InversionSettings(teacher="toy-teacher", output=file)),
        ):
            with pytest.raises(UsageError, match="another run of yours writes there"):
                begin()
    assert not folder.exists()
    assert not file.exists()
