"""An inversion that is stopped, however it was, goes on as if nothing had been, and only as itself."""

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from msgspec import structs

from sigzoo import load
from sigzoo.errors import DataError, SigzooError, UsageError
from sigzoo.learning import invert
from sigzoo.learning.inversion.assembly import assemble
from sigzoo.learning.inversion.batch_plan import make_plan
from sigzoo.learning.inversion.inversion_results import BatchResult
from sigzoo.learning.inversion.parts import Parts, parts_folder
from sigzoo.weights import read_weights, save_weights

CHILD = """
import json, pathlib, sys
import torch
torch.set_num_threads(1)
from sigzoo.learning import InversionSettings, invert
values = json.loads(pathlib.Path(sys.argv[1]).read_text())
invert(InversionSettings.from_json(values, "here"), resume=sys.argv[2] == "resume")
"""


@pytest.fixture
def many(small):
    """Eight batches, of two images each."""

    def made(output, **otherwise):
        return small(output=output, per_writer=4, batch_size=2, compete="pupil", **otherwise)

    return made


def start(settings, tmp_path, how):
    (tmp_path / "child.json").write_text(json.dumps(settings.to_json()))
    return subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path / "child.json"), how])


def kill_soon(child, folder, finished):
    """Kill at a moment that nobody chose, once more batches than `finished` are there; count them."""
    deadline = time.monotonic() + 300
    while len(list(folder.glob("batch-*.npz"))) <= finished:
        assert child.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    time.sleep(random.uniform(0.0, 0.05))
    child.send_signal(signal.SIGKILL)
    child.wait()
    return len(list(folder.glob("batch-*.npz")))


def without_time(result):
    return [replace(each, seconds=0.0) for each in result.batches]


def test_a_run_killed_twice_ends_as_the_uninterrupted_one(many, tmp_path):
    whole = invert(many(tmp_path / "whole.npz"))
    settings = many(tmp_path / "killed.npz")
    folder = parts_folder(settings.output)
    first = kill_soon(start(settings, tmp_path, "new"), folder, 0)
    second = kill_soon(start(settings, tmp_path, "resume"), folder, first)
    assert first < second < 8
    assert not settings.output.exists()
    steps = []
    resumed = invert(settings, resume=True, progress=steps.append)
    assert sum(steps) == (8 - second) * settings.iterations
    assert settings.output.read_bytes() == (tmp_path / "whole.npz").read_bytes()
    assert without_time(resumed) == without_time(whole)
    assert not folder.exists()


@pytest.fixture
def stopped(small):
    """The settings of a run that stopped after its first batch of two."""

    def made(**otherwise):
        settings = small(iterations=5, **otherwise)

        def stop(batch, count):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            invert(settings, on_batch=stop)
        return settings

    return made


def full(handle):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_keeps_the_batches_that_are_finished(small, tmp_path, monkeypatch):
    whole = invert(small(iterations=5, output=tmp_path / "whole.npz"))
    settings = small(iterations=5)
    folder = parts_folder(settings.output)
    with monkeypatch.context() as disk, pytest.raises(SigzooError, match=r"No space left.*--resume"):
        invert(settings, on_batch=lambda batch, count: disk.setattr(os, "fsync", full))
    assert [path.name for path in sorted(folder.iterdir())] == ["batch-000000.npz", "settings.json"]
    assert without_time(invert(settings, resume=True)) == without_time(whole)


def test_a_run_that_could_not_even_begin_is_no_hindrance(small, monkeypatch):
    settings = small(iterations=5)
    load("master")  # verifies the weights, which leaves a stamp in the cache
    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        with pytest.raises(SigzooError, match="No space left"):
            invert(settings)
    folder = parts_folder(settings.output)
    assert not list(folder.iterdir())
    (folder / ".settings.json.0123.part").write_bytes(b"{")
    assert invert(settings).images == 12
    assert not folder.exists()


def test_no_space_for_the_file_loses_nothing(small, tmp_path, monkeypatch):
    whole = invert(small(iterations=5, output=tmp_path / "whole.npz"))
    settings = small(iterations=5)

    def last(batch, count):
        if batch.batch == count - 1:
            disk.setattr(os, "fsync", full)

    with monkeypatch.context() as disk, pytest.raises(SigzooError, match=r"All images are kept in .*parts"):
        invert(settings, on_batch=last)
    assert not list(tmp_path.glob(".*"))
    assert not settings.output.exists()
    assert without_time(invert(settings, resume=True)) == without_time(whole)
    assert settings.output.read_bytes() == whole.data.read_bytes()


def test_a_run_killed_after_the_last_rename_is_tidied_up(small, tmp_path):
    settings = small(iterations=5)
    kept = tmp_path / "kept"

    def copy(batch, count):
        shutil.copytree(parts_folder(settings.output), kept / str(batch.batch))

    invert(settings, on_batch=copy)
    before = settings.output.read_bytes()
    (kept / "1").rename(parts_folder(settings.output))
    with pytest.raises(UsageError, match="unfinished inversion: --resume"):
        invert(settings)
    invert(settings, resume=True)
    assert settings.output.read_bytes() == before
    assert not parts_folder(settings.output).exists()


def test_another_run_does_not_go_on_with_it(stopped, small):
    settings = stopped()
    with pytest.raises(UsageError, match="other settings: iterations, seed"):
        invert(structs.replace(settings, iterations=6, seed=1), resume=True)
    with pytest.raises(UsageError, match="unfinished inversion: --resume, or choose another file"):
        invert(settings)
    assert (
        invert(structs.replace(settings, plot=settings.output.with_suffix(".png")), resume=True).images == 12
    )


def test_other_weights_do_not_go_on_with_it(stopped, registries, tmp_path):
    settings = stopped()
    pupil = registries[1].parent / "model.safetensors"
    weights = read_weights(pupil, "safetensors")
    save_weights(tmp_path / "other.safetensors", weights.tensors, weights.heads, {"model": "master"})
    with pytest.raises(UsageError, match="the teacher had other weights when this inversion began"):
        invert(structs.replace(settings, teacher_weights=tmp_path / "other.safetensors"), resume=True)


def test_a_damaged_batch_is_named_and_made_again_once_removed(stopped, small, tmp_path):
    settings = stopped()
    part = parts_folder(settings.output) / "batch-000000.npz"
    good = part.read_bytes()
    for damaged in (good[:1000], good[: len(good) // 2], b"", bytes(len(good))):
        part.write_bytes(damaged)
        with pytest.raises(DataError, match=r"batch-000000.npz.*Remove it and go on with --resume"):
            invert(settings, resume=True)
    np.savez(part, x=np.zeros((6, 1, 24, 32), np.float32), y=np.zeros(6, np.int64), measures=np.zeros(9))
    with pytest.raises(DataError, match="is not batch 0 of this inversion"):
        invert(settings, resume=True)
    part.write_bytes(good)
    with np.load(part) as file:
        content = dict(file)
    odd = content["measures"].copy()
    for hostile in (
        {"x": content["x"].astype(np.float64)},
        {"x": (255 * content["x"]).astype(np.uint8)},
        {"x": np.array([{"runs": "code"}], object)},
        {"y": content["y"].astype(object)},
        {"y": content["y"].astype(str)},
        {"measures": odd.astype(str)},
        {"measures": np.where(np.arange(len(odd)) == 1, np.nan, odd)},
        {"measures": np.where(np.arange(len(odd)) == len(odd) - 2, np.inf, odd)},
    ):
        np.savez(part, **{**content, **hostile})
        with pytest.raises(DataError, match=r"batch-000000.npz.*Remove it and go on with --resume"):
            invert(settings, resume=True)
    part.unlink()
    whole = invert(small(iterations=5, output=tmp_path / "whole.npz"))
    assert without_time(invert(settings, resume=True)) == without_time(whole)


def test_there_must_be_a_run_to_go_on_with(small):
    settings = small(iterations=5)
    with pytest.raises(UsageError, match=r"there is no inversion to go on with: there is no .*settings.json"):
        invert(settings, resume=True)
    invert(settings)
    with pytest.raises(UsageError, match="it is finished already"):
        invert(settings, resume=True)
    with pytest.raises(UsageError, match="data.npz is there already. Choose another file"):
        invert(settings)


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[]", '{"settings": {"teacher": "master", "learning_rate": "fast"}, "networks": {}}', "\xff"],
)
def test_damaged_settings_are_told_as_such(content, stopped):
    settings = stopped()
    path = parts_folder(settings.output) / "settings.json"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(DataError, match=r"settings.json: does not hold the settings of an inversion"):
        invert(settings, resume=True)


def test_the_file_is_written_in_constant_memory(small):
    """Forty megabytes of images, of which a few are in memory at a time."""
    settings = small(per_writer=40, batch_size=16)
    plan, shape = make_plan(settings, 4), (1, 256, 256)
    parts = Parts.open(settings, {}, resume=False)
    rng = np.random.default_rng(0)
    for number, labels in enumerate(plan.batches):
        images = np.zeros((len(labels), *shape), np.float32)
        images[:, 0, 0, :9] = rng.random((len(labels), 9))
        parts.keep(BatchResult(number, len(labels), *[0.0] * 5, None, 0, None, 0.0), images, labels)
    tracemalloc.start()
    try:
        assemble(parts, plan, shape)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert settings.output.stat().st_size > 40e6
    assert peak < 15e6
    with np.load(settings.output) as file:
        assert file["x"].shape == (160, *shape)
        rng = np.random.default_rng(0)
        assert np.array_equal(file["x"][:, 0, 0, :9], rng.random((160, 9)).astype(np.float32))
        assert np.array_equal(file["y"], np.concatenate(plan.batches))
