"""A run that is killed goes on as if nothing had been, and only as itself."""

import random
import signal
import subprocess
import sys
import time

import pytest
import torch

from sigzoo.errors import DataError, UsageError
from sigzoo.learning import train

EPOCHS = 30


@pytest.fixture
def long_settings(toy_settings):
    """A run with everything random in it: augmentation, dropout, momentum, a margin head."""

    def made(output):
        return toy_settings(
            output=output,
            name="run",
            loss="am-softmax",
            backbone_options={"dropout": 0.3},
            epochs=EPOCHS,
            batch_size=8,
            augment=("affine", "elastic", "noise"),
            select_by="eer",
        )

    return made


CHILD = """
import json, pathlib, sys
from sigzoo.learning import TrainingSettings, train
values = json.loads(pathlib.Path(sys.argv[1]).read_text())
import torch
torch.set_num_threads(1)
train(TrainingSettings.from_json(values, "here"), resume=sys.argv[2] == "resume")
"""


def start(settings, tmp_path, how):
    import json

    (tmp_path / "child.json").write_text(json.dumps(settings.to_json()))
    return subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path / "child.json"), how])


def kill_soon(child, folder, after):
    """Kill at a moment that nobody chose, once a checkpoint newer than `after` is there."""
    checkpoint, deadline = folder / "checkpoint.pt", time.monotonic() + 120
    while not (checkpoint.exists() and checkpoint.stat().st_mtime_ns > after):
        assert child.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    time.sleep(random.uniform(0.0, 0.15))
    child.send_signal(signal.SIGKILL)
    child.wait()
    return checkpoint.stat().st_mtime_ns


def test_a_run_killed_at_any_moment_ends_as_the_uninterrupted_one(long_settings, tmp_path, log_rows):
    whole = train(long_settings(tmp_path / "whole"))
    settings = long_settings(tmp_path / "killed")
    stamp = kill_soon(start(settings, tmp_path, "new"), settings.output, 0)
    assert len(torch.load(settings.output / "checkpoint.pt", weights_only=True)["history"]) < EPOCHS
    kill_soon(start(settings, tmp_path, "resume"), settings.output, stamp)
    resumed = train(settings, resume=True)
    assert log_rows(resumed.log) == log_rows(whole.log)
    assert len(log_rows(resumed.log)) == EPOCHS
    assert resumed.weights.read_bytes() == whole.weights.read_bytes()
    assert resumed.registry.read_bytes() == whole.registry.read_bytes()
    ours, theirs = (
        torch.load(each.log.parent / "checkpoint.pt", weights_only=True) for each in (resumed, whole)
    )
    assert all(torch.equal(ours["network"][key], theirs["network"][key]) for key in theirs["network"])


def test_a_run_killed_before_its_first_checkpoint_starts_over(toy_settings, log_rows, tmp_path):
    whole = train(toy_settings(output=tmp_path / "whole", name="run"))
    settings = toy_settings(name="run")

    class Killed(BaseException):
        pass

    def kill(done):
        raise Killed

    with pytest.raises(Killed):
        train(settings, progress=kill)
    assert not (settings.output / "checkpoint.pt").exists()
    assert log_rows(train(settings, resume=True).log) == log_rows(whole.log)


def test_a_finished_run_that_is_resumed_stays_as_it_is(toy_settings):
    result = train(toy_settings())
    before = {path: path.read_bytes() for path in result.log.parent.iterdir()}
    again = train(toy_settings(), resume=True)
    assert again == result
    assert {path: path.read_bytes() for path in result.log.parent.iterdir()} == before


def test_other_settings_are_another_run(toy_settings):
    train(toy_settings())
    with pytest.raises(UsageError, match="epochs, learning_rate"):
        train(toy_settings(learning_rate=0.03, epochs=9), resume=True)


def test_other_data_are_another_run(toy_settings, npz):
    train(toy_settings())
    npz(genuine=11)
    settings = toy_settings(data=str(npz(genuine=11)))
    with pytest.raises(DataError, match="other data"):
        train(settings, resume=True)


def test_there_must_be_a_run_to_go_on_with(toy_settings):
    with pytest.raises(UsageError, match="no run to go on with"):
        train(toy_settings(), resume=True)


@pytest.mark.parametrize("damage", [b"", b"not a checkpoint", "cut"], ids=["empty", "text", "cut"])
def test_a_damaged_checkpoint_is_named_and_kept(toy_settings, damage):
    train(toy_settings())
    path = toy_settings().output / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:-500] if damage == "cut" else damage)
    found = path.read_bytes()
    with pytest.raises(DataError, match=r"checkpoint\.pt.* begin anew") as refused:
        train(toy_settings(), resume=True)
    assert "weights_only" not in str(refused.value), (
        "torch's advice to read it unsafely must not reach a user"
    )
    assert path.read_bytes() == found


@pytest.mark.parametrize(
    "change",
    [
        lambda plain: plain["history"][0].update(best=False),
        lambda plain: plain["history"][0].update(epoch=5),
        lambda plain: plain["history"][0].update(loss="low"),
        lambda plain: plain.update(history=3),
        lambda plain: plain.update(optimiser=3),
        lambda plain: plain.update(optimiser={"state": {}}),
        lambda plain: plain["network"].popitem(),
        lambda plain: plain.update(network={"weight": "heavy"}),
    ],
)
def test_a_checkpoint_whose_parts_are_of_another_kind_is_refused(toy_settings, change):
    """What torch reads without complaint, and no run has written."""
    train(toy_settings())
    path = toy_settings().output / "checkpoint.pt"
    plain = torch.load(path, weights_only=True)
    change(plain)
    torch.save(plain, path)
    with pytest.raises(DataError, match=r"checkpoint\.pt"):
        train(toy_settings(), resume=True)


def test_a_checkpoint_that_would_run_something_is_refused(toy_settings, tmp_path):
    train(toy_settings())

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    torch.save({"format": 1, "network": Evil()}, toy_settings().output / "checkpoint.pt")
    with pytest.raises(DataError, match=r"checkpoint\.pt"):
        train(toy_settings(), resume=True)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("other", [{"format": 2}, {"format": 1}, ["a", "list"]], ids=str)
def test_a_file_of_torch_that_is_no_checkpoint_is_refused(toy_settings, other):
    train(toy_settings())
    torch.save(other, toy_settings().output / "checkpoint.pt")
    with pytest.raises(DataError, match=r"checkpoint\.pt"):
        train(toy_settings(), resume=True)


def test_a_run_whose_weights_were_removed_says_so(toy_settings):
    result = train(toy_settings())
    result.weights.unlink()
    with pytest.raises(DataError, match="removed"):
        train(toy_settings(), resume=True)
