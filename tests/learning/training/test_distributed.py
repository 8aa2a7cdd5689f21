"""Two processes that share every batch do what one does, and agree to the last bit, run after run."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from msgspec.structs import replace

from sigzoo.errors import SigzooError
from sigzoo.learning import distill, train
from sigzoo.learning.training.distributed import Group

WORKER = """
import hashlib, json, os, pathlib, sys
import numpy as np
import torch
from sigzoo.learning.training.distributed import session
from sigzoo.errors import SigzooError
from sigzoo.learning import DistillationSettings, TrainingSettings, distill, train
from sigzoo.learning.training.run import Run
torch.set_num_threads(1)
for number in range(15):
    with session("cpu") as group:
        told = group.broadcast(np.array([number + 0.5, 7.0]) if group.is_rank_zero else None)
        assert told.tolist() == [number + 0.5, 7.0]
        group.wait()
place = pathlib.Path(sys.argv[1])
runs = []
remember = Run.__init__
def record(self, *args):
    remember(self, *args)
    runs.append(self)
Run.__init__ = record
try:
    train(TrainingSettings.from_json(json.loads((place / "missing.json").read_text()), "missing"))
except SigzooError as error:
    (place / f"missing-{os.environ['RANK']}.txt").write_text(str(error))
for name, values in json.loads((place / "runs.json").read_text()).items():
    if "teacher" in values:
        result = distill(DistillationSettings.from_json(values, name))
    else:
        result = train(TrainingSettings.from_json(values, name))
    parameters = [each.detach().numpy().tobytes() for each in runs[-1]._trainer.network.parameters()]
    digest = hashlib.sha256(b"".join(parameters)).hexdigest()
    said = {"digest": digest, "losses": [each.loss for each in result.epochs]}
    (place / f"{name}-{os.environ['RANK']}.json").write_text(json.dumps(said))
"""


@pytest.fixture
def two(tmp_path, toy_settings):
    """Train some settings in two processes; what each of them says."""
    missed = toy_settings()

    def trained(**runs):
        (tmp_path / "worker.py").write_text(WORKER)
        missing = replace(missed, data="missing.npz", output=tmp_path / "missing")
        (tmp_path / "missing.json").write_text(json.dumps(missing.to_json()))
        (tmp_path / "runs.json").write_text(json.dumps({name: each.to_json() for name, each in runs.items()}))
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        child = subprocess.Popen(
            [*command, str(tmp_path / "worker.py"), str(tmp_path)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            said = child.communicate(timeout=600)[1]
        except subprocess.TimeoutExpired:
            child.terminate()  # torchrun ends its processes
            pytest.fail(f"the processes wait for each other\n{child.communicate()[1]}")
        assert child.returncode == 0, said
        return {
            name: [json.loads((tmp_path / f"{name}-{rank}.json").read_text()) for rank in (0, 1)]
            for name in runs
        }

    return trained


def test_two_processes_agree_fail_together_and_do_what_one_does(two, toy_settings, tmp_path, log_rows):
    alone = toy_settings(augment=("affine", "ink"), epochs=3, name="alone", output=tmp_path / "alone")
    shared = toy_settings(augment=("affine", "ink"), epochs=3, output=tmp_path / "shared")
    normalised = toy_settings(
        backbone="student-tiny",
        backbone_options={"input_size": [16, 16], "widths": [2, 2, 2], "feature_dim": 4, "squeeze": 2},
        preprocessor="synsig",
        preprocessor_options={"canvas": [16, 16]},
        data=str(tmp_path / "square.npz"),
        loss="am-softmax",
        epochs=1,
        output=tmp_path / "normalised",
    )
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "square.npz",
        x=rng.integers(0, 256, (32, 1, 16, 16), dtype=np.uint8),
        y=np.arange(32) % 2,
    )
    one = train(alone)
    said = two(shared=shared, normalised=normalised)
    assert "missing.npz does not exist" in (tmp_path / "missing-0.txt").read_text()
    assert "its message says why" in (tmp_path / "missing-1.txt").read_text()
    for first, second in said.values():
        assert first["digest"] == second["digest"]
        assert first["losses"] == second["losses"]
    assert said["shared"][0]["losses"] == pytest.approx([each.loss for each in one.epochs], rel=1e-5)
    ours, theirs = (
        torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)["network"]
        for name in ("shared", "alone")
    )
    assert all(torch.allclose(ours[key], theirs[key], atol=1e-4) for key in theirs)
    assert len(log_rows(tmp_path / "shared" / "log.csv")) == 3


def test_two_processes_are_taught_as_one_is(two, teacher, toy_distillation, tmp_path, npz):
    """From a file that each reads for itself, and with new writers, whose images the first one shares."""
    new = np.load(npz(writers=3, genuine=6))
    np.savez(tmp_path / "new.npz", x=255 - new["x"], y=new["y"])
    said = {"plain": {}, "beside": {"continual": str(tmp_path / "new.npz"), "batch_size": 16}}
    alone = {
        name: distill(toy_distillation(output=tmp_path / "one" / name, **each)) for name, each in said.items()
    }
    shared = two(
        **{name: toy_distillation(output=tmp_path / "two" / name, **each) for name, each in said.items()}
    )
    for name, (first, second) in shared.items():
        assert first == second
        assert first["losses"] == pytest.approx([each.loss for each in alone[name].epochs], rel=1e-5)


def test_one_process_agrees_with_itself():
    network = torch.nn.Linear(2, 2)
    group = Group(0, 1, torch.device("cpu"))
    group.require_agreement(network)
    assert group.mean(torch.tensor(2.5)) == 2.5


def test_processes_that_have_drifted_apart_are_found(monkeypatch):
    """The other process's parameters are made up; only the comparison is under test."""
    monkeypatch.setattr(torch.distributed, "broadcast", lambda tensor, source: tensor.add_(1e-6))
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda tensor: tensor)
    with pytest.raises(SigzooError, match="drifted apart"):
        Group(1, 2, torch.device("cpu")).require_agreement(torch.nn.Linear(2, 2))
