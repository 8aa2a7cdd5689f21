"""A student learns what a teacher says of images, in whatever form they come, and nothing else."""

from contextlib import ExitStack

import numpy as np
import pytest
import torch
from msgspec.structs import replace
from PIL import Image

import sigzoo
from sigzoo.errors import DataError, SigzooWarning, UnknownNameError, UsageError, WeightsError
from sigzoo.learning import DistillationSettings, distill, train
from sigzoo.learning.data.on_disk import StoredData
from sigzoo.learning.data.preparation import Preparation
from sigzoo.learning.data.splits import split_per_writer
from sigzoo.learning.distillation import teacher as teaching
from sigzoo.learning.distillation.distillation_data import Source, open_source
from sigzoo.learning.distillation.labels import head_labels
from sigzoo.learning.training.distributed import Group
from sigzoo.learning.training.network import TrainedNetwork
from sigzoo.registry import read_registry
from sigzoo.weights import read_weights


def answers(weights, x):
    """What the toy network and its writer head make of images from 0 to 1, in float64."""
    kept = read_weights(weights, "safetensors")
    parameters = {name: each.double().numpy() for name, each in kept.tensors.items()}
    hidden = np.tanh(x.reshape(len(x), -1) @ parameters["hidden.weight"].T + parameters["hidden.bias"])
    features = hidden @ parameters["out.weight"].T + parameters["out.bias"]
    head = {name: each.double().numpy() for name, each in kept.heads["writer"].items()}
    return features @ head["weight"].T + head["bias"]


def images_of(path):
    with np.load(path) as file:
        return file["x"], file["y"]


@pytest.mark.parametrize("loss", ["kd-kl", "kd-feature"])
@pytest.mark.parametrize("augment", [(), ("noise",)], ids=["plain", "augmented"])
def test_a_student_comes_to_say_what_its_teacher_says(loss, augment, teacher, toy_distillation):
    result = distill(toy_distillation(loss=loss, epochs=40, augment=augment, augment_strength=0.3))
    assert result.epochs[-1].loss < 0.3 * result.epochs[0].loss
    assert result.best.agreement > 90
    assert result.best.accuracy > 90


def test_a_student_of_other_features_learns_a_projection(teacher, toy_distillation):
    settings = toy_distillation(
        loss="kd-feature", loss_options={"kl_weight": 0.0}, backbone_options={"feature_dim": 5}, epochs=40
    )
    result = distill(settings)
    assert result.epochs[-1].loss < 0.3 * result.epochs[0].loss
    assert result.best.agreement is None
    assert read_registry(result.registry).models["student"].heads == {}


def test_the_loss_is_the_divergence_over_the_images_of_the_file(teacher, inverted, toy_distillation):
    """One step over all that is trained on, so small that student and loss stay as they began."""
    result = distill(toy_distillation(epochs=1, batch_size=1000, learning_rate=1e-12, weight_decay=0.0))
    x = images_of(inverted)[0].astype(np.float64)
    ours, theirs = (answers(weights, x) for weights in (result.weights, teacher.weights))
    log_ours, log_theirs = (each - np.log(np.exp(each).sum(1, keepdims=True)) for each in (ours, theirs))
    divergences = (np.exp(log_theirs) * (log_theirs - log_ours)).sum(1)
    trained = split_per_writer(StoredData(inverted), 0.1, 0).training
    assert result.epochs[0].loss == pytest.approx(divergences[trained].mean(), rel=1e-5)


def test_inverted_images_reach_the_network_as_they_are_in_the_file(inverted):
    """Below 0 and above 1, too; the factor of a network that was trained on uint8 / 255 is exactly 1."""
    x, _ = images_of(inverted)
    assert x.min() < 0 < 1 < x.max()
    data = StoredData(inverted)
    order = np.random.default_rng(0).permutation(len(x))
    assert np.array_equal(data.batch(order), x[order])
    network = TrainedNetwork(
        sigzoo.backbone("toy"), sigzoo.loss("kd-kl"), writers=2, input_scale=1 / 255, white=data.white
    )
    assert network.factor == 1.0


def test_smaller_images_get_background_around_them(inverted):
    x, _ = images_of(inverted)
    padded = StoredData(inverted).batch(np.array([3]), (20, 20))
    assert np.array_equal(padded[0, 0, 4:16, 2:18], x[3, 0])
    assert padded.sum() == pytest.approx(x[3].sum(), rel=1e-5)


def test_an_answer_that_is_kept_is_the_one_that_would_be_given(
    teacher, toy_distillation, tmp_path, monkeypatch
):
    kept = distill(toy_distillation(loss="kd-feature"))
    monkeypatch.setattr(teaching, "_MOST_KEPT", 0)
    asked = distill(toy_distillation(loss="kd-feature", output=tmp_path / "asked"))
    ours, theirs = ([each.loss for each in result.epochs] for result in (kept, asked))
    assert ours == pytest.approx(theirs, rel=1e-5)


def test_the_same_images_teach_the_same_in_any_form(teacher, inverted, toy_distillation, tmp_path):
    """As floating point, as uint8, as scans in a file and in a folder: only the rounding differs."""
    x, y = images_of(inverted)
    levels = np.rint(255 * x.clip(0, 1)).astype(np.uint8)
    np.savez(tmp_path / "float.npz", x=(levels / 255).astype(np.float32), y=y)
    np.savez_compressed(tmp_path / "uint8.npz", x=levels, y=y)
    np.savez(tmp_path / "scans.npz", x=255 - levels, y=y)
    (tmp_path / "folder").mkdir()
    for number, (image, writer) in enumerate(zip(levels, y, strict=True)):
        Image.fromarray(255 - image[0]).save(tmp_path / "folder" / f"w{writer:03d}_g{number:02d}.png")
    runs = {
        name: distill(
            toy_distillation(
                data=str(tmp_path / name), output=tmp_path / f"of-{number}", preprocessed=name == "uint8.npz"
            )
        )
        for number, name in enumerate(["float.npz", "uint8.npz", "scans.npz", "folder"])
    }
    expected = [each.loss for each in runs["float.npz"].epochs]
    for result in runs.values():
        assert [each.loss for each in result.epochs] == pytest.approx(expected, rel=1e-4)
        assert result.best.agreement == runs["float.npz"].best.agreement


def test_writers_whom_the_teacher_does_not_know_teach_as_well(teacher, inverted, toy_distillation, tmp_path):
    """Half of one writer and half of another; the teacher's own choice stands for the right one."""
    x = images_of(inverted)[0].clip(0, 1)
    mixed = np.concatenate([0.5 * (x + np.roll(x, shift, axis=0)) for shift in (12, 24)])
    np.savez(tmp_path / "others.npz", x=(255 * mixed).astype(np.uint8), y=1000 + np.arange(96) // 12)
    settings = toy_distillation(
        data=str(tmp_path / "others.npz"), preprocessed=True, labels="none", epochs=40
    )
    result = distill(settings)
    assert result.epochs[-1].loss < 0.2 * result.epochs[0].loss
    assert result.best.agreement > 80
    assert all(each.accuracy == each.agreement for each in result.epochs)


def test_an_artifact_is_data_by_its_name(teacher, inverted, toy_distillation, tmp_path, monkeypatch):
    registry = tmp_path / "more.yaml"
    registry.write_text(
        "models: {}\nartifacts:\n  toy-inverted:\n    summary: images\n    provenance: this test\n"
        f"    urls: ['file:{inverted.name}']\n    unpinned: true\n"
    )
    monkeypatch.setenv("SIGZOO_REGISTRY", f"{teacher.registry}:{registry}")
    named = distill(toy_distillation(data="toy-inverted"))
    plain = distill(toy_distillation(output=tmp_path / "plain"))
    assert [each.loss for each in named.epochs] == [each.loss for each in plain.epochs]
    assert (
        read_registry(named.registry)
        .models["student"]
        .trained_on.startswith("distilled from toy-teacher through toy-inverted")
    )


def test_a_copied_head_is_the_teachers(teacher, toy_distillation, tmp_path):
    """Nothing moves at a rate of nearly 0."""
    theirs = read_weights(teacher.weights, "safetensors").heads["writer"]
    still = {"epochs": 1, "learning_rate": 1e-12, "weight_decay": 0.0, "copy_head": True}
    ours = read_weights(distill(toy_distillation(**still)).weights, "safetensors").heads["writer"]
    for key in ("weight", "bias"):
        torch.testing.assert_close(ours[key], theirs[key])
    settings = toy_distillation(**still, backbone_options={"feature_dim": 5}, output=tmp_path / "b")
    with pytest.raises(UsageError, match="5 features and its teacher 8"):
        distill(settings)


def test_the_student_sees_what_its_teacher_sees_and_its_card_says_whence_it_comes(teacher, toy_distillation):
    """Nothing is said of preprocessing, input scale and size; the last is not the student's default."""
    settings = toy_distillation(
        backbone="student-tiny",
        backbone_options={"widths": [2, 2, 2], "feature_dim": 4, "squeeze": 2},
        name="tiny",
    )
    with pytest.raises(UsageError, match=r"\(12, 16\).*input_size"):
        distill(settings)
    card = read_registry(distill(toy_distillation(name="tiny")).registry).models["tiny"]
    assert card.preprocessor.name == "toy-cut"
    assert card.input_scale == 1 / 255
    assert card.heads == {"writer": 4}
    assert "toy distilled from toy-teacher with kd-kl" in card.summary
    assert card.licence.weights == "distilled from weights of toy-teacher: not stated"
    assert not card.licence.commercial_use


def test_an_input_size_that_was_left_open_is_the_teachers(
    toy_settings, toy_distillation, tmp_path, monkeypatch
):
    """The teacher takes 24 x 24, the toy network 12 x 16 unless it is told otherwise."""
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "square.npz", x=rng.random((12, 1, 24, 24)).astype(np.float32), y=np.arange(12) % 2)
    options = {"backbone_options": {"input_size": [24, 24]}, "preprocessor_options": {"size": [24, 24]}}
    taught = train(
        toy_settings(data=str(tmp_path / "square.npz"), output=tmp_path / "square", epochs=1, **options)
    )
    monkeypatch.setenv("SIGZOO_REGISTRY", str(taught.registry))
    settings = toy_distillation(teacher="square", data=str(tmp_path / "square.npz"), labels="none", epochs=1)
    card = read_registry(distill(settings).registry).models["student"]
    assert card.backbone.options == {"input_size": [24, 24]}
    assert card.preprocessor.options == {"size": [24, 24]}


def test_a_student_inherits_what_restricts_its_teacher(
    toy_settings, toy_distillation, tmp_path, npz, monkeypatch
):
    free = train(
        toy_settings(
            output=tmp_path / "free",
            commercial_use=True,
            weights_licence="CC0-1.0",
            data=str(npz()),
            epochs=1,
        )
    )
    bound = train(toy_settings(output=tmp_path / "bound", weights_licence="mine", epochs=1))
    monkeypatch.setenv("SIGZOO_REGISTRY", f"{free.registry}:{bound.registry}")
    common = {"data": str(npz()), "preprocessed": True, "labels": "none", "epochs": 1}
    stated = toy_distillation(
        teacher="free", commercial_use=True, weights_licence="CC0-1.0", output=tmp_path / "a", **common
    )
    card = read_registry(distill(stated).registry).models["a"]
    assert (card.licence.weights, card.licence.commercial_use) == ("CC0-1.0", True)
    stated = replace(stated, teacher="bound", output=tmp_path / "b")
    with pytest.raises(UsageError, match="bound must not be used commercially"):
        distill(stated)
    card = read_registry(distill(replace(stated, commercial_use=False)).registry).models["b"]
    assert card.licence.weights == "CC0-1.0; distilled from weights of bound: mine"


@pytest.mark.parametrize(
    ("labels", "outputs", "first", "expected"),
    [
        ([350, 880, 352, 352], 3, None, [0, 2, 1, 1]),
        ([0, 4, 2], 5, None, [0, 4, 2]),
        ([350, 380, 351], 531, 350, [0, 30, 1]),
        (list(range(350, 881)), 531, None, list(range(531))),
    ],
    ids=["as many as outputs", "outputs", "from 350 on", "GPDS"],
)
def test_labels_become_outputs_of_the_head(labels, outputs, first, expected):
    found = head_labels(np.array(labels), outputs, first_label=first, where="data.npz")
    assert found.tolist() == expected


@pytest.mark.parametrize(
    ("labels", "first"), [([350, 900], None), ([-1, 0], None), ([349, 350], 350), ([881], 350)]
)
def test_labels_that_fit_no_output_are_told_with_what_to_do(labels, first):
    with pytest.raises(
        DataError, match=rf"data.npz.*{min(labels)} to {max(labels)}.*531 outputs \(0 to 530\)"
    ):
        head_labels(np.array(labels), 531, first_label=first, where="data.npz")


def test_labels_that_the_teacher_contradicts_are_told(teacher, inverted, toy_distillation, tmp_path):
    """Numbered the other way round they fit the head, and every one is wrong."""
    x, y = images_of(inverted)
    np.savez(tmp_path / "turned.npz", x=x, y=353 - y)
    with pytest.warns(SigzooWarning, match=r"the teacher gives 0 % .*--first-label"):
        result = distill(toy_distillation(data=str(tmp_path / "turned.npz"), epochs=30))
    assert result.best.agreement > 80
    assert result.best.accuracy < 20


@pytest.fixture
def spoilt(inverted, tmp_path):
    """Data files that cannot be used, by name."""
    x, y = images_of(inverted)
    np.savez(tmp_path / "high.npz", x=x, y=y + np.arange(48) % 2 * 100)
    np.savez(tmp_path / "wide.npz", x=np.zeros((8, 1, 12, 20), np.float32), y=np.arange(8) % 2)
    np.savez(tmp_path / "small.npz", x=np.zeros((8, 1, 10, 16), np.uint8), y=np.arange(8) % 2)
    np.savez(tmp_path / "nan.npz", x=np.full((48, 1, 12, 16), np.nan, np.float32), y=y)
    np.savez(tmp_path / "alone.npz", x=x[:4], y=np.arange(4))
    np.savez(tmp_path / "dark.npz", x=(255 * x.clip(0, 1) * (x > 0.5)).astype(np.uint8), y=y)
    np.savez(tmp_path / "one.npz", x=x, y=np.zeros(48, np.int64))
    (tmp_path / "cut.npz").write_bytes(inverted.read_bytes()[:-2000])
    return tmp_path


@pytest.mark.parametrize(
    ("said", "error", "message"),
    [
        ({"teacher": "toy-techer"}, UnknownNameError, "Did you mean toy-teacher"),
        ({"teacher": "synsig-tiny"}, UsageError, "synsig-tiny keeps no writer head.*toy-teacher"),
        ({"teacher_weights": "nowhere.safetensors"}, WeightsError, "nowhere"),
        ({"backbone": "toi"}, UnknownNameError, "Did you mean toy"),
        ({"backbone_options": {"input_size": [24, 24]}}, UsageError, r"\(24, 24\).*sees \(12, 16\).*12,16"),
        ({"preprocessor": "toy-invert"}, UsageError, "sees what its teacher sees.*toy-cut"),
        ({"loss": "signet"}, UsageError, "no teacher.*sigzoo train"),
        ({"loss": "continual"}, UsageError, "--continual"),
        ({"loss": "kd-kl", "continual": "one.npz"}, UsageError, "no new writers"),
        ({"loss": "toy-teacher", "copy_head": True}, UsageError, "no writer head"),
        ({"loss": "toy-teacher", "select_by": "accuracy"}, UsageError, "no accuracy to select by"),
        ({"labels": "some"}, UnknownNameError, "labels"),
        ({"labels": "none", "first_label": 3}, UsageError, "first_label"),
        ({"first_label": 340}, DataError, "350 to 353.*4 outputs.*below 344"),
        ({"data": "inverted-signt"}, UnknownNameError, "Did you mean inverted-signet"),
        ({"data": "nowhere.npz"}, DataError, "nowhere.npz does not exist.*inverted-signet"),
        ({"data": "high.npz"}, DataError, "350 to 453.*8 writers.*4 outputs.*--first-label"),
        ({"data": "wide.npz"}, DataError, r"\(12, 20\).*takes \(12, 16\).*never cropped"),
        ({"data": "small.npz", "preprocessed": True}, DataError, r"\(10, 16\).*smaller"),
        ({"data": "nan.npz"}, DataError, "not finite"),
        ({"data": "alone.npz"}, DataError, "two genuine signatures"),
        ({"data": "one.npz"}, DataError, "one.npz.*at least 2 writers"),
        ({"data": "dark.npz"}, UsageError, "--preprocessed"),
        ({"data": "cut.npz"}, DataError, "cut.npz"),
        ({"data": "synth:writers=3", "preprocessed": True}, UsageError, "only an .npz"),
        ({"continual": "one.npz"}, DataError, "one.npz.*at least 2 writers"),
        ({"continual": "wide.npz"}, DataError, r"wide.npz.*\(12, 20\)"),
        ({"continual": "one.npz", "batch_size": 3}, UsageError, "at least 4"),
    ],
    ids=str,
)  # fmt: skip
def test_what_does_not_go_together_is_told_and_leaves_nothing_behind(
    said, error, message, teacher, toy_distillation, spoilt, monkeypatch
):
    monkeypatch.chdir(spoilt)
    with pytest.raises(error, match=message):
        distill(toy_distillation(**said))
    assert not (spoilt / "student").exists()


def test_a_stopped_run_goes_on_as_if_nothing_had_been(
    teacher, toy_distillation, tmp_path, log_rows, killed_after
):
    common = {"epochs": 6, "name": "run", "augment": ("noise",), "loss": "kd-feature"}
    common["loss_options"] = {"projection": True}
    whole = distill(toy_distillation(output=tmp_path / "whole", **common))
    settings = toy_distillation(**common)
    killed_after(9, lambda progress: distill(settings, progress=progress))
    resumed = distill(settings, resume=True)
    assert log_rows(resumed.log) == log_rows(whole.log)
    assert resumed.weights.read_bytes() == whole.weights.read_bytes()
    assert resumed.registry.read_bytes() == whole.registry.read_bytes()


def test_another_teacher_or_other_data_are_another_run(
    teacher, toy_distillation, toy_settings, tmp_path, inverted
):
    settings = toy_distillation()
    result = distill(settings)
    assert distill(settings, resume=True) == result
    with pytest.raises(UsageError, match="other settings: first_label"):
        distill(replace(settings, first_label=350), resume=True)
    with pytest.raises(UsageError, match="sigzoo distill"):
        train(toy_settings(output=settings.output), resume=True)
    x, y = images_of(inverted)
    np.savez(inverted, x=x[::-1], y=y)
    with pytest.raises(DataError, match=r"other data than .*inverted.npz.* or by another teacher"):
        distill(settings, resume=True)


def test_settings_survive_json(toy_distillation):
    settings = toy_distillation(continual="new.npz", teacher_weights="w.pth", first_label=350)
    again = DistillationSettings.from_json(settings.to_json(), "here")
    assert again == settings
    assert not again.differences(settings)
    public = settings.for_publication()
    assert (public["teacher_weights"], public["continual"]) == ("w.pth", "new.npz")
    assert public["data"] == "inverted.npz"


@pytest.mark.parametrize(
    "more",
    [
        {"losses": ({"loss": "kd-kl"},)},
        {"samplers": ({"sampler": "families"},)},
        {"start": "weights"},
        {"cache": "folder"},
        {"export_outputs": 3},
        {"more_data": ("more.npz",)},
        {"validation_data": ("other.npz",), "validation": 0.0},
    ],
    ids=str,
)
def test_what_is_for_training_alone_is_refused(teacher, toy_distillation, more):
    with pytest.raises(UsageError, match=f"{next(iter(more))}.*of `sigzoo train` alone"):
        distill(toy_distillation(**more))


def test_reading_its_data_is_told_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sigzoo.common.progress.SECONDS_BETWEEN_LINES", 0.0)
    source = Source("synth:writers=2,genuine=2", False, Preparation("sigver"), None)
    with ExitStack() as files:
        found = open_source(source, Group(0, 1, torch.device("cpu")), files, progress=True)
    assert len(found) == 4
    assert "reading synth:writers=2,genuine=2: 4 of 4" in capsys.readouterr().err
