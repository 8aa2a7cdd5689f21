"""The published chain at reduced size: a teacher and inverted data in the published formats, over HTTP."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

import sigzoo
from sigzoo.registry import core_registry_path
from sigzoo.synthesis import Writer

USERS = (350, 351, 500, 640, 879, 880)
EACH = 6


@pytest.fixture
def inverted() -> tuple[np.ndarray, np.ndarray]:
    """In the layout of continual_sigver's data.npz: x float32 (N, 1, 150, 220) from 0 to 1, y users."""
    rng = np.random.default_rng(8)
    coarse = (rng.random((len(USERS), 1, 10, 11)) > 0.75).astype(np.float32)
    own = coarse.repeat(15, axis=2).repeat(20, axis=3).repeat(EACH, axis=0)
    x = np.clip(own * rng.uniform(0.7, 1.0, (len(own), 1, 1, 1)) + 0.05 * rng.random(own.shape), 0, 1)
    return x.astype(np.float32), np.array(USERS).repeat(EACH)


@pytest.fixture
def teacher(tmp_path: Path, inverted: tuple[np.ndarray, np.ndarray]) -> Path:
    """SigNet as sigver saves it, a tuple of state dicts, with a head of 531 that knows the users' images."""
    torch.manual_seed(3)
    network = sigzoo.backbone("signet")
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.momentum = 1.0  # one pass sets the statistics
    x = torch.from_numpy(inverted[0])
    with torch.no_grad():
        network.train()(x[::2])
        features = network.eval()(x)
    means = torch.stack([each.mean(dim=0) for each in features.split(EACH)])
    spread = (means - means.mean(dim=0)).square().sum(dim=1).mean()
    head = {"weight": torch.zeros(531, 2048), "bias": torch.full((531,), -100.0)}
    places = torch.tensor(USERS) - 350
    head["weight"][places] = 20.0 * means / spread
    head["bias"][places] = -10.0 * means.square().sum(dim=1) / spread
    path = tmp_path / "site" / "signet.pth"
    torch.save((network.state_dict(), head, {}), path)
    return path


@pytest.fixture
def served(site, teacher, inverted, tmp_path, monkeypatch) -> None:
    """The core's registry, its two files those of this test's server."""
    np.savez(site.folder / "data.npz", x=inverted[0], y=inverted[1])
    content = yaml.safe_load(core_registry_path().read_text())
    for artifact, file in (("signet-teacher", "signet.pth"), ("inverted-signet", "data.npz")):
        content["artifacts"][artifact] |= {
            key: value for key, value in site.artifact(file).items() if key in ("urls", "sha256", "size")
        }
    registry = tmp_path / "core.yaml"
    registry.write_text(yaml.safe_dump(content))
    monkeypatch.setattr("sigzoo.installed.core_registry_path", lambda: registry)


def test_from_nothing_to_features_by_name(served, run, home, site):
    assert not home.exists()
    image = Writer(1).genuine(0)
    status, out, err = run(
        "build",
        "signet-student-tiny",
        "--epochs",
        12,
        "--batch-size",
        6,
        "--learning-rate",
        0.01,
        "--device",
        "cpu",
    )
    assert status == 0, err
    assert "signet-student-tiny: names the writer that its teacher names for" in out
    assert "non-commercial use only" in out
    assert sorted(site.asked) == ["/data.npz", "/signet.pth"]

    model = sigzoo.load("signet-student-tiny")
    features = model.embed(image)
    assert features.shape == (1, 160)
    tensors = load_file(home / "built" / "signet-student-tiny" / "model.safetensors")
    alone = sigzoo.backbone("student-tiny", input_size=(150, 220)).eval()
    alone.load_state_dict(
        {key.removeprefix("backbone."): each for key, each in tensors.items() if key.startswith("backbone.")}
    )
    seen = sigzoo.preprocessor("sigver", canvas=(952, 1360))(image).astype(np.float32) / 255
    with torch.no_grad():
        expected = alone(torch.from_numpy(seen)[None, None]).numpy()
    np.testing.assert_allclose(features, expected, atol=1e-5)
    assert tensors["head.writer.weight"].shape == (531, 160)

    told = json.loads((home / "built" / "signet-student-tiny" / "provenance.json").read_text())
    assert told["agreement"]["images"] == len(USERS)
    assert told["overrides"] == {"epochs": 12, "batch_size": 6, "learning_rate": 0.01}
    assert told["licence"]["commercial_use"] is False
