"""A run from settings to a model that loads by name, and everything that can be wrong with one."""

import csv
import errno
import json
import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from msgspec import structs

import sigzoo
from sigzoo.errors import DataError, PluginError, SigzooError, UnknownNameError, UsageError
from sigzoo.learning import DivergedError, train
from sigzoo.learning.training.presets import preset
from sigzoo.registry import read_registry
from sigzoo.weights import read_weights
from sigzoo.zoo import default_zoo

LOSSES = sorted(default_zoo().manager.provided("loss"))


class Teacher:
    """Knows the right writer of the first few, and wants all features to be 1."""

    provides = frozenset({"teacher_features", "teacher_logits", "new"})

    def __init__(self, known=4):
        self.known = known

    def __call__(self, batch, pixels):
        assert pixels.shape[1:] == (1, 12, 16)
        assert float(pixels.max()) > 200
        logits = 5.0 * torch.nn.functional.one_hot(batch.writers, 4).float()[:, : self.known]
        ones = torch.ones_like(batch.features)
        new = batch.writers >= self.known
        return replace(batch, teacher_features=ones, teacher_logits=logits, new=new)


@pytest.mark.parametrize("name", LOSSES)
def test_every_installed_loss_learns_in_the_loop(name, toy_settings, npz):
    """Nothing is said but the name; forgeries and a teacher are there for those that need them."""
    needs = default_zoo().loss(name).needs
    settings = toy_settings(
        loss=name,
        data=str(npz(forgeries=4)),
        epochs=15,
        batch_size=16,
        per_writer=4,
        learning_rate=0.05,
        clip_norm=5.0,
    )
    teacher = Teacher(known=3 if "new" in needs else 4) if needs & Teacher.provides else None
    result = train(settings, enricher=teacher)
    assert all(np.isfinite(each.loss) for each in result.epochs)
    assert result.epochs[-1].loss < 0.9 * result.epochs[0].loss
    assert (result.best.accuracy is not None) == ("writer_logits" in needs)
    assert read_weights(result.weights, "safetensors").metadata["model"] == "run"


@pytest.mark.slow
def test_a_small_network_learns_to_tell_synthetic_writers_apart(tmp_path, toy_settings):
    """Eight invented writers, so that chance is 12.5 % of accuracy and 50 % of EER."""
    result = train(
        toy_settings(
            backbone="student-tiny",
            backbone_options={"input_size": [32, 64], "widths": [8, 16, 24], "feature_dim": 32},
            preprocessor="synsig",
            preprocessor_options={"canvas": [32, 64]},
            preprocessed=False,
            data="synth:writers=8,genuine=20,forgeries=2,rendering=office",
            augment=("affine", "elastic", "width", "noise"),
            epochs=25,
            batch_size=24,
            learning_rate=0.01,
            validation=0.2,
        )
    )
    assert result.epochs[-1].loss < 0.5 * result.epochs[0].loss
    assert result.best.accuracy is not None
    assert result.best.accuracy > 60
    assert result.best.eer < 25


@pytest.fixture
def finished(toy_settings):
    return train(toy_settings(epochs=4))


def test_the_model_loads_by_name_and_gives_the_features_that_were_trained(finished, patterns, monkeypatch):
    monkeypatch.setenv("SIGZOO_REGISTRY", str(finished.registry))
    model = sigzoo.load("run")
    image = 255 - patterns()[0][3, 0]
    kept = read_weights(finished.weights, "safetensors")
    x = torch.from_numpy(255 - image).float().flatten() / 255
    hidden = torch.tanh(kept.tensors["hidden.weight"] @ x + kept.tensors["hidden.bias"])
    features = kept.tensors["out.weight"] @ hidden + kept.tensors["out.bias"]
    assert np.allclose(model.embed(image)[0], features.numpy(), atol=1e-5)
    logits = kept.heads["writer"]["weight"] @ features + kept.heads["writer"]["bias"]
    assert np.allclose(model.logits(image)[0], logits.numpy(), atol=1e-5)


def test_a_run_loads_in_the_process_that_trained_it(finished, patterns):
    image = 255 - patterns()[0][3, 0]
    by_folder = sigzoo.load(finished.folder).embed(image)
    by_name = sigzoo.Zoo(registries=[finished.registry]).load(finished.name).embed(image)
    assert np.array_equal(by_folder, by_name)
    assert finished.name not in sigzoo.list_models()


def test_parts_are_looked_up_in_the_zoo_that_is_given(toy_settings, tmp_path):
    """Also by the processes that prepare images."""
    with pytest.raises(UnknownNameError, match="no backbone named 'toy'"):
        train(toy_settings(output=tmp_path / "none"), zoo=sigzoo.Zoo(plugins=["sigzoo-signet"]))


def test_the_card_says_what_is_known_and_claims_nothing_else(finished, toy_settings, tmp_path):
    card = read_registry(finished.registry).models["run"]
    assert card.licence.weights == card.licence.code == card.trained_on == "not stated"
    assert card.licence.commercial_use is False
    assert (card.distribution, card.backbone.name, card.preprocessor.name) == ("sigzoo-toy", "toy", "toy-cut")
    assert card.heads == {"writer": 4}
    stated = toy_settings(
        output=tmp_path / "b",
        name="my.model",
        weights_licence="CC0-1.0",
        code_licence="MIT",
        commercial_use=True,
        trained_on="patterns",
        epochs=1,
        backbone_options={"feature_dim": 5},
    )
    registry = read_registry(train(stated).registry)
    card = registry.models["my.model"]
    assert (card.licence.weights, card.licence.code, card.trained_on) == ("CC0-1.0", "MIT", "patterns")
    assert card.licence.commercial_use is True
    assert card.features.size == card.backbone.options["feature_dim"] == 5
    assert registry.artifacts["my.model-weights"].licence == "CC0-1.0"


def test_the_folder_holds_a_log_and_the_settings(finished, toy_settings):
    with finished.log.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3, 4]
    assert [float(row["loss"]) for row in rows] == [each.loss for each in finished.epochs]
    written = json.loads((finished.log.parent / "settings.json").read_text())
    assert written["settings"]["backbone"] == "toy"
    assert written["settings"]["epochs"] == 4
    assert not list(finished.log.parent.glob(".*"))


def test_the_weights_are_those_of_the_best_epoch(toy_settings):
    """The rate is so high that later epochs are worse."""
    result = train(toy_settings(epochs=12, learning_rate=0.4, schedule="constant"))
    accuracies = [each.accuracy for each in result.epochs]
    assert result.best.accuracy == max(accuracies)
    assert result.best.epoch == 12 - accuracies[::-1].index(max(accuracies))
    assert read_weights(result.weights, "safetensors").metadata["epoch"] == str(result.best.epoch)


def test_forgeries_are_learnt_from_only_where_the_loss_asks(toy_settings, npz):
    """One pass over 4 writers: 9 genuine signatures each are left to train on, and 3 forgeries."""
    data = str(npz(forgeries=4))
    counted = []
    train(toy_settings(data=data, epochs=1, batch_size=4), progress=counted.append)
    assert sum(counted) == 9
    counted.clear()
    settings = toy_settings(data=data, epochs=1, batch_size=4, loss="signet-f")
    train(structs.replace(settings, output=settings.output.with_name("b")), progress=counted.append)
    assert sum(counted) == 12


def test_a_network_for_any_size_is_trained_on_images_of_any_size(toy_settings, tmp_path, draw):
    from PIL import Image

    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(8):
        image = draw(number // 4)[:, : 200 + 10 * number][::4, ::4]
        Image.fromarray(image).save(folder / f"w{number // 4:03d}_g{number:02d}.png")
    result = train(
        toy_settings(
            backbone="toy-any-size",
            preprocessor="toy-invert",
            preprocessed=False,
            data=str(folder),
            batch_size=4,
            augment=("affine", "residue"),
        )
    )
    assert len(result.epochs) == 3


def test_the_preset_crops_at_random_and_the_model_in_the_centre(toy_settings, tmp_path, draw):
    """`signet-2017` on a network that is small, but takes SigNet's input."""
    x = np.stack([draw(number // 3) for number in range(6)])[:, None]
    np.savez(tmp_path / "raw.npz", x=x, y=np.arange(6) // 3)
    base = toy_settings(
        backbone_options={"input_size": [150, 220]}, preprocessor="sigver", data=str(tmp_path / "raw.npz")
    )
    recipe = {**preset("signet-2017"), "epochs": 3}
    result = train(structs.replace(base, preprocessed=False, **recipe))
    assert [each.rate for each in result.epochs] == pytest.approx([1e-3, 1e-4, 1e-5])
    card = read_registry(result.registry).models["run"]
    assert card.preprocessor.options == {}
    assert card.input_scale == pytest.approx(1 / 255)


def test_an_enricher_brings_what_the_loop_has_not(toy_settings):
    result = train(toy_settings(loss="toy-teacher", epochs=20, learning_rate=0.05), enricher=Teacher())
    assert result.epochs[-1].loss < 0.1 * result.epochs[0].loss


@pytest.mark.parametrize(
    ("said", "error", "message"),
    [
        ({"backbone": "toi"}, UnknownNameError, "Did you mean toy"),
        ({"loss": "singet"}, UnknownNameError, "Did you mean signet"),
        ({"preprocessor": "toy-cu"}, UnknownNameError, "Did you mean toy-cut"),
        ({"backbone_options": {"colour": 3}}, UsageError, "colour"),
        ({"loss": "toy-teacher"}, UsageError, "toy-teacher.*teacher_features"),
        ({"loss": "toy-wrong"}, PluginError, "handedness"),
        ({"loss": "signet-f"}, DataError, "signet-f.*forgeries"),
        ({"loss": "triplet", "select_by": "accuracy"}, UsageError, "no writer head"),
        (
            {"backbone_options": {"input_size": [24, 24]}},
            UsageError,
            r"takes images of \(24, 24\).*gives \(12, 16\)",
        ),
        ({"preprocessor": "toy-invert"}, UsageError, "any size"),
        ({"input_scale": 1.0}, UsageError, "input_scale 1 does not belong"),
        ({"name": "My Model"}, UsageError, "My Model"),
        ({"name": "signet"}, UsageError, "taken"),
        ({"precision": "float16"}, UsageError, "GPU"),
        ({"device": "cuda:97"}, UsageError, "cuda:97"),
        ({"per_writer": 12}, DataError, "12"),
    ],
    ids=str,
)
def test_parts_that_do_not_go_together_leave_nothing_behind(said, error, message, toy_settings):
    settings = toy_settings(**said)
    with pytest.raises(error, match=message):
        train(settings)
    assert not settings.output.exists()


def test_preprocessed_images_of_the_wrong_size_are_told(toy_settings, npz):
    with pytest.raises(DataError, match=r"\(10, 16\).*smaller.*\(12, 16\)"):
        train(toy_settings(data=str(npz(size=(10, 16)))))


def test_a_single_writer_is_no_task(toy_settings, npz):
    with pytest.raises(DataError, match="at least 2"):
        train(toy_settings(data=str(npz(writers=1))))


def test_another_run_is_never_written_over(finished, toy_settings):
    before = {path: path.read_bytes() for path in finished.log.parent.iterdir()}
    with pytest.raises(UsageError, match=r"another training run.*--resume"):
        train(toy_settings(learning_rate=0.5))
    assert {path: path.read_bytes() for path in finished.log.parent.iterdir()} == before


def test_a_file_is_no_folder(toy_settings):
    settings = toy_settings()
    settings.output.write_text("mine")
    with pytest.raises(UsageError, match="is a file"):
        train(settings)
    assert settings.output.read_text() == "mine"


def test_a_loss_that_breaks_stops_the_run_and_keeps_what_was_good(toy_settings):
    """40 signatures, 36 of them for training, in batches of 12: three steps an epoch."""
    settings = toy_settings(loss="toy-breaking", loss_options={"after": 7}, epochs=5)
    with pytest.raises(DivergedError, match=r"nan in step 2 of epoch 3.*epoch 2 .*kept"):
        train(settings)
    state = torch.load(settings.output / "checkpoint.pt", weights_only=True)
    assert len(state["history"]) == 2
    assert all(torch.isfinite(each).all() for each in state["network"].values())
    assert read_weights(settings.output / "model.safetensors", "safetensors").metadata["epoch"] in "12"


def test_a_rate_that_is_far_too_high_is_told_as_such(toy_settings):
    settings = toy_settings(learning_rate=1e30, optimiser="sgd", schedule="constant")
    with pytest.raises(DivergedError, match=r"No epoch was finished.*smaller learning_rate"):
        train(settings)


def test_a_full_disk_keeps_the_last_checkpoint_and_the_run_goes_on(
    toy_settings, tmp_path, monkeypatch, log_rows
):
    whole = train(toy_settings(output=tmp_path / "whole", name="run"))
    settings, flush = toy_settings(), os.fsync

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk, pytest.raises(SigzooError, match=r"No space left"):
        train(settings, on_epoch=lambda epoch: disk.setattr(os, "fsync", full))
    assert os.fsync is flush
    assert not list(settings.output.glob(".*"))
    assert len(torch.load(settings.output / "checkpoint.pt", weights_only=True)["history"]) == 1
    resumed = train(settings, resume=True)
    assert log_rows(resumed.log) == log_rows(whole.log)


def test_a_curve_is_drawn_where_it_was_asked_for(toy_settings):
    pytest.importorskip("matplotlib")
    from PIL import Image

    result = train(toy_settings(plot=True))
    with Image.open(result.log.parent / "curve.png") as picture:
        assert picture.width > 500
