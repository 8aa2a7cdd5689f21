"""What `sigzoo embed` leaves: nothing written over, what features depend on beside them, nothing half."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sigzoo
from sigzoo.errors import UsageError
from tests.cli.terminal import PROGRAM

Run = Callable[..., Any]


def bundled_digest() -> str:
    """SHA-256 of the default model's weights, from the file itself."""
    file = resources.files("sigzoo_students") / "weights" / "synsig-tiny.safetensors"
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("suffix", [".npz", ".csv"])
def test_nothing_is_written_over_without_force(
    run: Run, tmp_path: Path, signatures: list[Path], suffix: str
) -> None:
    output = tmp_path / f"kept{suffix}"
    assert run("embed", *signatures, "-o", output).status == 0
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    done = run("embed", signatures[0], "-o", output)
    assert done.status == 2
    assert f"{output} is there already; --force replaces it." in done.err
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
    assert run("embed", signatures[0], "-o", output, "--force").status == 0
    assert output.read_bytes() != before[output]


def test_what_is_asked_for_is_looked_at_before_where_it_goes(run: Run, tmp_path: Path) -> None:
    (tmp_path / "f.npz").write_bytes(b"somebody's")
    done = run("embed", tmp_path, "-m", "no-such", "-o", tmp_path / "f.npz")
    assert "no image" in done.err
    done = run("embed", tmp_path / "x.png", "-m", "no-such", "-o", tmp_path / "f.npz")
    assert "no model named 'no-such'" in done.err
    assert (tmp_path / "f.npz").read_bytes() == b"somebody's"


def test_the_default_output_is_not_written_over(
    run: Run, tmp_path: Path, signatures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "features.npz").write_bytes(b"somebody's")
    assert run("embed", *signatures).status == 2
    assert (tmp_path / "features.npz").read_bytes() == b"somebody's"


def test_a_sidecar_that_is_there_is_not_written_over(
    run: Run, tmp_path: Path, signatures: list[Path]
) -> None:
    (tmp_path / "f.csv.json").write_text("mine")
    assert run("embed", *signatures, "-o", tmp_path / "f.csv").status == 2
    assert not (tmp_path / "f.csv").exists()


@pytest.mark.parametrize("suffix", [".npz", ".csv"])
@pytest.mark.parametrize("layer", [None, "inner"])
def test_the_output_says_what_features_depend_on(
    run: Run, tmp_path: Path, signatures: list[Path], suffix: str, layer: str | None
) -> None:
    model = sigzoo.load()
    chosen = model.card.features.layer if layer is None else model.backbone.layers[0]
    output = tmp_path / f"f{suffix}"
    done = run("embed", signatures[0], "-o", output, "--layer", chosen, "--json")
    assert done.status == 0, done.err
    expected = {
        "model": "synsig-tiny",
        "layer": chosen,
        "weights_sha256": bundled_digest(),
        "preprocessor": "synsig",
        "preprocessor_options": {"statistics": True},
        "input_scale": model.card.input_scale,
        "backbone": "student-tiny",
        "precision": "float32",
        "sigzoo_version": sigzoo.__version__,
    }
    assert expected.items() <= json.loads(done.out).items()
    if suffix == ".csv":
        assert json.loads((tmp_path / "f.csv.json").read_text()) == expected
        return
    with np.load(output, allow_pickle=False) as data:
        assert set(data.files) == {"features", "files", *expected}
        found = {name: data[name].item() for name in expected}
    found["preprocessor_options"] = json.loads(found["preprocessor_options"])
    assert found == expected


def test_weights_of_ones_own_are_named_by_their_digest(
    run: Run, tmp_path: Path, signatures: list[Path]
) -> None:
    model = sigzoo.load()
    own = model.save(tmp_path / "own.safetensors")
    output = tmp_path / "f.npz"
    assert run("embed", signatures[0], "-o", output, "--weights", own).status == 0
    with np.load(output) as data:
        assert data["weights_sha256"].item() == hashlib.sha256(own.read_bytes()).hexdigest()


@pytest.mark.parametrize("suffix", [".npz", ".csv"])
def test_features_that_are_not_finite_make_no_file(
    run: Run, tmp_path: Path, signatures: list[Path], suffix: str
) -> None:
    import torch

    model = sigzoo.load()
    with torch.no_grad():
        for parameter in model.backbone.parameters():
            parameter.mul_(1e30)
    weights = model.save(tmp_path / "huge.safetensors")
    output = tmp_path / f"f{suffix}"
    for more in ([], ["--on-error", "skip"]):
        done = run("embed", *signatures, "-o", output, "--weights", weights, *more)
        assert done.status == 1
        assert "finite" in done.err
        assert sorted(path.name for path in tmp_path.iterdir()) == ["huge.safetensors", "signatures"]


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a signal is not sent to a program, but ends it")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_it_and_leaves_nothing(tmp_path: Path, signatures: list[Path], name: str) -> None:
    number = signal.Signals[name]
    folder = tmp_path / "out"
    folder.mkdir()
    many = tmp_path / "many"
    many.mkdir()
    for number_of_copy in range(2000):  # some ten seconds of work
        os.link(signatures[0], many / f"{number_of_copy}.png")
    with subprocess.Popen(
        [*PROGRAM, "embed", str(many), "-o", str(folder / "f.npz")],
        stderr=subprocess.PIPE,
        # Whoever runs the tests in the background may have them ignore these signals.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    ) as process:
        deadline = time.monotonic() + 120
        while not list(folder.iterdir()) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(number)
        _, told = process.communicate(timeout=120)
    assert process.returncode == 128 + number
    assert list(folder.iterdir()) == []
    assert b"Traceback" not in told


class TestCanvas:
    """The canvas of a published model, by option."""

    @pytest.fixture
    def weights(self, tmp_path: Path) -> Path:
        """A file of SigNet's form with random weights."""
        from sigzoo.weights import save_weights

        return save_weights(
            tmp_path / "signet.safetensors", sigzoo.backbone("signet").state_dict(), {}, {"model": "signet"}
        )

    @pytest.mark.parametrize(
        ("said", "meant"), [("cedar", "cedar"), ("730,1042", (730, 1042)), ("730x1042", (730, 1042))]
    )
    def test_it_changes_what_the_network_sees_and_is_written_down(
        self, run: Run, tmp_path: Path, signatures: list[Path], weights: Path, said: str, meant: Any
    ) -> None:
        output = tmp_path / "f.npz"
        chosen = ["-m", "signet", "--weights", weights, "--canvas", said]
        done = run("embed", signatures[0], *chosen, "-o", output)
        assert done.status == 0, done.err
        model = sigzoo.load("signet", weights=weights)
        model.preprocessor = sigzoo.preprocessor("signet-2017", canvas=meant)
        with np.load(output) as data:
            np.testing.assert_array_equal(data["features"], model.embed(signatures[0]))
            options = json.loads(data["preprocessor_options"].item())
        assert options == {"canvas": list(meant) if isinstance(meant, tuple) else meant}

    def test_in_python_the_card_states_it(self, signatures: list[Path], weights: Path) -> None:
        model = sigzoo.load("signet", weights=weights, preprocessor_options={"canvas": "cedar"})
        assert model.card.preprocessor.options == {"canvas": "cedar"}
        assert sigzoo.info("signet").preprocessor.options == {"canvas": [952, 1360]}

    def test_the_images_are_those_of_preprocess(
        self, run: Run, tmp_path: Path, signatures: list[Path]
    ) -> None:
        from PIL import Image

        done = run("preprocess", signatures[0], "-m", "signet", "--canvas", "cedar", "-o", tmp_path / "pre")
        assert done.status == 0, done.err
        expected = sigzoo.preprocessor("signet-2017", canvas="cedar")(np.asarray(Image.open(signatures[0])))
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "pre" / "s0.png")), expected)

    @pytest.mark.parametrize(
        ("model", "canvas"),
        [("signet", "nonsense"), ("signet", "0,5"), ("signet", "9999999,9999999"), ("synsig-tiny", "cedar")],
    )
    def test_what_does_not_fit_is_wrong_usage(
        self, run: Run, tmp_path: Path, signatures: list[Path], weights: Path, model: str, canvas: str
    ) -> None:
        own = ["--weights", weights] if model == "signet" else []
        for done in (
            run("embed", signatures[0], "-m", model, *own, "--canvas", canvas, "-o", tmp_path / "f.npz"),
            run("preprocess", signatures[0], "-m", model, "--canvas", canvas, "-o", tmp_path / "pre"),
        ):
            assert done.status == 2
            assert "canvas" in done.err
            assert "registry" not in done.err

    def test_a_size_that_the_network_does_not_take(self, weights: Path) -> None:
        with pytest.raises(UsageError, match="takes images of"):
            sigzoo.load("signet", weights=weights, preprocessor_options={"size": (100, 100)})
