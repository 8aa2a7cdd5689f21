"""Checkpoints from strangers: what no run has written is refused by name, at once, in little memory."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from sigzoo.errors import DataError
from sigzoo.learning.training.checkpoints import Checkpoint, load_checkpoint, restore, save_checkpoint
from sigzoo.learning.training.results import EpochResult

OPTIMISERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "AdamW": lambda parameters: torch.optim.AdamW(parameters, lr=0.01),
    "SGD": lambda parameters: torch.optim.SGD(parameters, lr=0.01, momentum=0.9, nesterov=True),
    "plain SGD": lambda parameters: torch.optim.SGD(parameters, lr=0.01),
    "amsgrad": lambda parameters: torch.optim.AdamW(parameters, lr=0.01, amsgrad=True),
}
EPOCH = {"epoch": 1, "rate": 0.01, "loss": 1.5, "accuracy": None, "eer": 12.5, "eer_skilled": None}
EPOCH |= {"seconds": 1.0, "best": True}


class Parts:
    """A run's network, optimiser and scaler, after one step."""

    def __init__(self, kind: str = "AdamW", *, steps: int = 1) -> None:
        torch.manual_seed(3)
        self.network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
        decayed = [each for each in self.network.parameters() if each.ndim > 1]
        light = [each for each in self.network.parameters() if each.ndim < 2]
        self.optimiser = OPTIMISERS[kind]([{"params": decayed}, {"params": light, "weight_decay": 0.0}])
        self.scaler = torch.amp.GradScaler("cpu", enabled=False)
        for _ in range(steps):
            self.network(torch.randn(6, 3)).square().sum().backward()
            self.optimiser.step()

    def restore(self, path: Path) -> None:
        restore(load_checkpoint(path), path, self.network, self.optimiser, self.scaler)

    def state(self) -> dict[str, Any]:
        return {"network": self.network.state_dict(), "optimiser": self.optimiser.state_dict()}


def _save(path: Path, parts: Parts) -> Path:
    state = Checkpoint("digest", history=(EpochResult(**EPOCH),), scaler={}, **parts.state())
    save_checkpoint(path, state)
    return path


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, torch.Tensor):
        return first.dtype == second.dtype and torch.equal(first, second)
    if isinstance(first, dict):
        return list(first) == list(second) and all(_same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return type(first) is type(second) and all(map(_same, first, second)) and len(first) == len(second)
    return type(first) is type(second) and first == second


@pytest.mark.parametrize("kind", list(OPTIMISERS))
def test_what_a_run_wrote_comes_back_to_the_last_bit(kind: str, tmp_path: Path) -> None:
    parts = Parts(kind, steps=3)
    path = _save(tmp_path / "checkpoint.pt", parts)
    # Against torch's own reader, which knows nothing of ours.
    reference = torch.load(path, weights_only=True)
    found = load_checkpoint(path)
    assert _same(dict(reference["network"]), found.network)
    assert _same(reference["optimiser"], found.optimiser)
    fresh = Parts(kind, steps=0)
    fresh.restore(path)
    assert _same(fresh.state(), parts.state())


def _first(plain: dict[str, Any]) -> dict[str, Any]:
    return plain["optimiser"]["state"][0]


def _group(**values: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda plain: plain["optimiser"]["param_groups"][0].update(values)


def _state(**values: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda plain: _first(plain).update(values)


def _epoch(**values: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda plain: plain["history"][0].update(values)


SPOILT: dict[str, Callable[[dict[str, Any]], Any]] = {
    "betas that are a number": _group(betas=5),
    "betas that are texts": _group(betas=("a", "b")),
    "betas out of range": _group(betas=(0.9, 2.0)),
    "betas in a list": _group(betas=[0.9, 0.999]),
    "no eps": _group(eps=None),
    "an eps of 0": _group(eps=0.0),
    "amsgrad": _group(amsgrad=True),
    "capturable": _group(capturable=True),
    "differentiable": _group(differentiable=True),
    "fused": _group(fused=True),
    "foreach": _group(foreach=1),
    "maximize": _group(maximize=True),
    "weight decay in a text": _group(weight_decay="1"),
    "a negative weight decay": _group(weight_decay=-1.0),
    "a rate that is NaN": _group(lr=float("nan")),
    "a negative rate": _group(lr=-0.1),
    "a rate that is a tensor": _group(lr=torch.tensor(0.1)),
    "a rate of many digits": _group(lr=10**30),
    "an unknown setting": _group(momentum_=1),
    "parameters twice": _group(params=[0, 0]),
    "parameters of another group": _group(params=[2, 3]),
    "parameters that are texts": _group(params=["0", "1"]),
    "no setting": lambda plain: plain["optimiser"]["param_groups"][0].pop("eps"),
    "no group": lambda plain: plain["optimiser"]["param_groups"].clear(),
    "a group that is a number": lambda plain: plain["optimiser"].update(param_groups=[1, 2]),
    "groups that are a dict": lambda plain: plain["optimiser"].update(param_groups={}),
    "a state that is a list": lambda plain: plain["optimiser"].update(state=[1]),
    "a state of no parameter": lambda plain: plain["optimiser"]["state"].update({99: {}}),
    "a state under a text": lambda plain: plain["optimiser"]["state"].update({"0": {}}),
    "an unknown part": lambda plain: plain["optimiser"].update(more=1),
    "moments of another shape": _state(exp_avg=torch.zeros(7)),
    "moments that are a text": _state(exp_avg="x"),
    "no moments": lambda plain: _first(plain).pop("exp_avg"),
    "moments that are integers": _state(exp_avg=torch.zeros(4, 3, dtype=torch.int64)),
    "moments that are NaN": _state(exp_avg=torch.full((4, 3), float("nan"))),
    "negative squares": _state(exp_avg_sq=-torch.ones(4, 3)),
    "a step of -1": _state(step=torch.tensor(-1.0)),
    "a step that is a number": _state(step=-1),
    "a step of five elements": _state(step=torch.ones(5)),
    "a step that is infinite": _state(step=torch.tensor(float("inf"))),
    "an unknown moment": _state(more=torch.zeros(4, 3)),
    "a state that is a number": lambda plain: plain["optimiser"]["state"].update({0: 3}),
    "an optimiser that is a list": lambda plain: plain.update(optimiser=[1]),
    "a scaler that has a scale": lambda plain: plain.update(scaler={"scale": 2.0}),
    "a scaler that is a number": lambda plain: plain.update(scaler=1),
    "an error rate that is missing": _epoch(eer=None),
    "an error rate that is a text": _epoch(eer="1"),
    "an error rate of 400 digits": _epoch(eer=10**400),
    "an error rate that is NaN": _epoch(eer=float("nan")),
    "an error rate that is a tensor": _epoch(eer=torch.tensor(1.0)),
    "an accuracy that is a text": _epoch(accuracy="high"),
    "an accuracy that is a list": _epoch(accuracy=[1.0]),
    "a loss that is missing": _epoch(loss=None),
    "an epoch that is a float": _epoch(epoch=1.5),
    "an epoch that is a truth value": _epoch(epoch=True),
    "a best that is a number": _epoch(best=1.5),
    "an unknown column": _epoch(more=1.0),
    "no epochs": lambda plain: plain.update(history=[]),
    "epochs in a tuple": lambda plain: plain.update(history=tuple(plain["history"])),
    "a format that is a tensor": lambda plain: plain.update(format=torch.tensor(1)),
    "a format that is a truth value": lambda plain: plain.update(format=True),
    "a format that is a tuple": lambda plain: plain.update(format=(1,)),
    "a digest that is a number": lambda plain: plain.update(data=3),
    "an unknown entry": lambda plain: plain.update(more=3),
    "a network that is a tensor": lambda plain: plain.update(network=torch.ones(3)),
    "a network of numbers": lambda plain: plain.update(network={"0.weight": 3}),
    "a network of another shape": lambda plain: plain["network"].update({"0.weight": torch.ones(9)}),
    "a network with NaN": lambda plain: plain["network"].update({"0.bias": torch.full((4,), float("nan"))}),
    "a network with more": lambda plain: plain["network"].update(more=torch.ones(1)),
}


@pytest.mark.parametrize("what", list(SPOILT))
def test_what_no_run_has_written_is_one_error_of_ours(what: str, tmp_path: Path) -> None:
    path = _save(tmp_path / "checkpoint.pt", Parts())
    plain = torch.load(path, weights_only=True)
    SPOILT[what](plain)
    torch.save(plain, path)
    parts = Parts(steps=0)
    before = {key: value.clone() for key, value in parts.network.state_dict().items()}
    with pytest.raises(DataError, match=r"checkpoint\.pt: ") as refusal:
        parts.restore(path)
    assert len(str(refusal.value)) < len(str(path)) + 700
    assert "weights_only" not in str(refusal.value)
    assert _same(dict(parts.network.state_dict()), before), "something was changed"
    assert not parts.optimiser.state


def _packed(
    program: bytes, storages: dict[str, bytes] | None = None, method: int = zipfile.ZIP_STORED
) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("archive/data.pkl", program)
        for key, raw in (storages or {}).items():
            archive.writestr(f"archive/data/{key}", raw)
        archive.writestr("archive/version", b"3\n")
    return file.getvalue()


LAUGH = b")" + b"".join(b"q" + bytes([i]) + b"h" + bytes([i]) + b"\x86" for i in range(60))
DEEP = b")" + b"\x85" * 1_000_000


def _text(value: str) -> bytes:
    return b"X" + len(value).to_bytes(4, "little") + value.encode()


def _entries(**entries: bytes) -> bytes:
    return b"\x80\x02}(" + b"".join(_text(key) + value for key, value in entries.items()) + b"u."


def _bomb() -> bytes:
    """Storages of zeros, each of which may inflate as it likes; together they would take 2 GB."""
    size, made = 60 << 20, []
    for key in range(34):
        identifier = b"(" + _text("storage") + b"ctorch\nByteStorage\n" + _text(str(key)) + _text("cpu")
        identifier += b"J" + size.to_bytes(4, "little") + b"tQ"
        shape = b"(J" + size.to_bytes(4, "little") + b"t(K\x01t"
        hooks = b"ccollections\nOrderedDict\n)R"
        made.append(
            _text(str(key))
            + b"ctorch._utils\n_rebuild_tensor_v2\n("
            + identifier
            + b"K\x00"
            + shape
            + b"\x89"
            + hooks
            + b"tR"
        )
    network = b"}(" + b"".join(made) + b"u"
    zeros = bytes(size)
    return _packed(
        _entries(format=b"K\x01", network=network), {str(k): zeros for k in range(34)}, zipfile.ZIP_DEFLATED
    )


def _script() -> bytes:
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), file)
    return file.getvalue()


HOSTILE: dict[str, Callable[[], bytes]] = {
    "a key of a million levels": lambda: _packed(b"\x80\x02}" + DEEP + b"Ns."),
    "a key of itself twice": lambda: _packed(b"\x80\x02}" + LAUGH + b"Ns."),
    "a network of itself twice": lambda: _packed(_entries(format=b"K\x01", network=LAUGH)),
    "a format of itself twice": lambda: _packed(_entries(format=LAUGH)),
    "a format of a million levels": lambda: _packed(_entries(format=DEEP)),
    "a history of itself twice": lambda: _packed(_entries(format=b"K\x01", history=LAUGH)),
    "an optimiser of a million levels": lambda: _packed(_entries(format=b"K\x01", optimiser=DEEP)),
    "a digest of 100 MB": lambda: _packed(_entries(format=b"K\x01", data=_text("a" * (100 << 20)))),
    "a pickle that inflates to 500 MB": lambda: _packed(
        b"\x80\x02" + b"N" * (500 << 20) + b".", method=zipfile.ZIP_DEFLATED
    ),
    "a million instructions": lambda: _packed(b"\x80\x02" + b"N" * 1_000_000 + b"."),
    "storages that inflate to 2 GB": _bomb,
    "a TorchScript program": _script,
}

READ = """
import json, resource, sys, time
from pathlib import Path
import torch
from sigzoo.errors import DataError
from sigzoo.learning.training.checkpoints import load_checkpoint

torch.set_num_threads(1)
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (512 << 20),) * 2)
for path in sys.argv[1:]:
    began = time.process_time()
    try:
        load_checkpoint(Path(path))
    except DataError as error:
        print(json.dumps([str(error), time.process_time() - began]), flush=True)
    else:
        print(json.dumps(["taken", 0.0]), flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space, reads /proc")
def test_hostile_checkpoints_take_neither_time_nor_memory(tmp_path: Path) -> None:
    paths = []
    for index, make in enumerate(HOSTILE.values()):
        paths.append(str(tmp_path / f"{index}.pt"))
        Path(paths[-1]).write_bytes(make())
    done = subprocess.run(
        [sys.executable, "-c", READ, *paths],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"},
        timeout=600,
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, (list(HOSTILE)[len(lines)], done.stderr[-1000:])
    for title, path, line in zip(HOSTILE, paths, lines, strict=True):
        message, seconds = json.loads(line)
        assert message.startswith(path), (title, message)
        assert len(message) < len(path) + 700, title
        assert seconds < 20, (title, seconds)


def test_tied_weights_come_back(tmp_path: Path) -> None:
    tied = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    tied[1].weight = tied[0].weight
    state = {"network": tied.state_dict(), "optimiser": OPTIMISERS["AdamW"](tied.parameters()).state_dict()}
    save_checkpoint(
        tmp_path / "checkpoint.pt", Checkpoint("d", scaler={}, history=(EpochResult(**EPOCH),), **state)
    )
    found = load_checkpoint(tmp_path / "checkpoint.pt")
    assert _same(dict(tied.state_dict()), found.network)
