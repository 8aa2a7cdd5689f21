"""`sigzoo check` runs the golden cases of a card: what agrees passes, what does not is told."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.spatial.distance import pdist

import sigzoo
from sigzoo.cli import run
from sigzoo.errors import OfflineError
from sigzoo.golden import check
from sigzoo.zoo import default_zoo


@pytest.fixture
def registry(tmp_path: Path, signatures: list[Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry of one model, ``thin``, with golden numbers from a plain forward pass, in local files."""
    torch.manual_seed(0)
    backbone = sigzoo.backbone("signet-thin").eval()
    torch.save((backbone.state_dict(), {}, {}), tmp_path / "thin.pth")
    preprocess = sigzoo.preprocessor("sigver", canvas=(952, 1360))
    batch = np.stack([preprocess(np.asarray(Image.open(path))) for path in signatures])[:, None]
    with torch.no_grad():
        features = backbone(torch.from_numpy(batch.astype(np.float32) / 255)).numpy()
    np.save(tmp_path / "s0.npy", features[:1])
    distance = pdist(features[1:3].astype(np.float64))[0]

    def artifact(name: str, path: Path) -> str:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return f'  {name}: {{summary: s, provenance: p, urls: ["file://{path}"], sha256: "{digest}"}}\n'

    path = tmp_path / "registry.yaml"
    path.write_text(
        f"""\
models:
  thin:
    summary: s
    distribution: sigzoo-signet
    backbone: signet-thin
    preprocessor: {{name: sigver, canvas: [952, 1360]}}
    input_scale: 0.00392156862745098
    weights: {{artifact: thin-weights, format: torch-tuple}}
    features: {{layer: fc2, size: 1024}}
    licence: {{code: MIT, weights: MIT, commercial_use: true}}
    trained_on: nothing
    golden:
      - {{kind: features, images: [s0], features: s0-features, tolerance: 0.000001, source: a plain pass}}
      - {{kind: distances, images: [s1, s2], tolerance: 0.000001, source: scipy,
         distances: {{s1-s2: {distance}}}}}
artifacts:
"""
        + artifact("thin-weights", tmp_path / "thin.pth")
        + artifact("s0-features", tmp_path / "s0.npy")
        + "".join(artifact(f"s{number}", signatures[number]) for number in range(3))
    )
    monkeypatch.setenv("SIGZOO_REGISTRY", str(path))
    return path


def test_a_model_that_computes_its_golden_numbers_passes(
    registry: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(["check", "thin", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["published"], report["passed"], len(report["checks"])) == (True, True, 2)
    assert [each["case"] for each in report["checks"]] == [
        "features of s0, largest difference",
        "distance s1-s2",
    ]
    monkeypatch.setenv("SIGZOO_OFFLINE", "1")
    assert run(["check", "thin"]) == 0
    assert "thin: all passed" in capsys.readouterr().out


def test_a_model_that_does_not_is_told_and_fails(
    registry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(1)
    torch.save((sigzoo.backbone("signet-thin").state_dict(), {}, {}), tmp_path / "other.pth")
    assert run(["check", "thin", "--weights", str(tmp_path / "other.pth")]) == 1
    printed = capsys.readouterr().out
    assert printed.count("FAIL") == 3
    assert "2 of 2 FAILED" in printed


def test_without_golden_numbers_sanity_is_checked_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "synsig-tiny"]) == 0
    printed = capsys.readouterr().out
    assert "No golden numbers were published for synsig-tiny" in printed
    report = check("synsig-tiny")
    assert (report.published, report.passed, len(report.checks)) == (False, True, 5)


def test_the_published_cases_run_on_the_published_examples(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With random weights they must fail, after using the real example files from a filled cache."""
    home = tmp_path / "home"
    monkeypatch.setenv("SIGZOO_HOME", str(home))
    monkeypatch.setenv("SIGZOO_OFFLINE", "1")
    torch.manual_seed(0)
    torch.save((sigzoo.backbone("signet").state_dict(), {}, {}), tmp_path / "mine.pth")
    with pytest.raises(OfflineError, match=r"some_signature\.png"):
        check("signet.pytorch", weights=tmp_path / "mine.pth")
    for artifact, file in (
        ("hafemann-examples", "some_signature.png"),
        ("sigver-example-features", "some_signature_features.pth"),
    ):
        target = home / "artifacts" / artifact / file
        target.parent.mkdir(parents=True)
        shutil.copy(shared_data / "golden" / file, target)
    assert run(["check", "signet.pytorch", "--weights", str(tmp_path / "mine.pth")]) == 1
    assert "features of some_signature" in capsys.readouterr().out


def test_the_examples_of_the_golden_cases_come_one_by_one() -> None:
    specs = default_zoo().artifact_specs("hafemann-examples")
    assert len(specs) == 9
    one = default_zoo().artifact_spec("hafemann-examples/a1.png")
    assert one.urls[0].endswith("/data/a1.png")
    assert one.sha256 is not None
