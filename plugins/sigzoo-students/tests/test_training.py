"""The training script: its augmentation, its corpus, and a whole run in small."""

import argparse
import hashlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from sigzoo_students.backbones import StudentBase, StudentTiny

import sigzoo
from sigzoo.synthesis import Writer
from sigzoo.weights import load_into, read_weights, save_weights

TRAINING = Path(__file__).resolve().parents[1] / "training"


def load(name: str):
    spec = importlib.util.spec_from_file_location(f"synsig_{name}", TRAINING / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def corpus():
    return load("corpus").build(5, range(3), 4, 1)


def test_the_corpus_gives_forgers_and_namesakes_classes_of_their_own(corpus):
    classes = corpus.classes()
    assert corpus.images.shape[1:] == (99, 192)
    assert len(corpus.images) == len(classes) == len(corpus.forger)
    keys = {(f, w, g) for f, w, g in zip(corpus.family, corpus.writer, corpus.forger, strict=True)}
    assert sorted(set(classes.tolist())) == list(range(len(keys)))
    assert set(corpus.family.tolist()) == {0, 1, 2}


def test_augmentation_is_reproducible_bounded_and_keeps_the_signature(corpus):
    augment = load("augment").augment
    x = torch.from_numpy(corpus.images[:16, None, :96]).float() / 255.0
    one, two = (augment(x, torch.Generator().manual_seed(3)) for _ in range(2))
    torch.testing.assert_close(one, two, rtol=0, atol=0)
    other = augment(x, torch.Generator().manual_seed(4))
    assert float((one - other).abs().mean()) > 0.005
    assert one.shape == x.shape
    assert 0.0 <= float(one.min()) <= float(one.max()) <= 1.0
    pooled = [torch.nn.functional.avg_pool2d(v, 12).flatten(1).numpy() for v in (x, one)]
    alike = np.corrcoef(np.concatenate(pooled))[:16, 16:]
    assert (alike.argmax(axis=1)[[0, 8, 15]] // 4 == np.array([0, 8, 15]) // 4).all()


def test_in_sittings_a_writer_keeps_the_conditions_and_else_changes_them():
    build = load("corpus").build

    def spread(corpus):
        """Mean over hands of the deviation of how much of the image is ink, in logarithms."""
        ink = np.log((corpus.images > 128).mean(axis=(1, 2)))
        classes = corpus.classes()
        return np.mean([ink[classes == each].std() for each in np.unique(classes)])

    loose, sittings = (build(5, range(12), 6, 1, sittings=kept) for kept in (False, True))
    assert spread(sittings) < 0.7 * spread(loose)


def test_batches_bring_a_writer_with_several_signatures_forgers_and_namesakes(monkeypatch):
    monkeypatch.syspath_prepend(str(TRAINING))
    batches, corpus = load("batches"), load("corpus")
    parts = [corpus.build(5, families, 6, 1) for families in (range(12), range(20, 26))]
    whole = corpus.joined(parts)
    drawn = batches.draw_batches(parts, 40, [1, 2], np.random.default_rng(0))
    times = dict.fromkeys(whole.family.tolist(), 0)
    for part, places in drawn:
        assert 10 < len(places) < 80
        assert len(set(places.tolist())) == len(places)
        for number in set(whole.family[places].tolist()):
            assert (number >= 20) == (part == 1)  # a batch is of one part
            times[number] += 1
            own = places[whole.family[places] == number]
            hands, counts = np.unique(whole.classes()[own], return_counts=True)
            # Every hand of the family is there, and of its first writer four genuine signatures.
            assert set(hands) == set(whole.classes()[whole.family == number])
            first = (whole.writer[own] == 0) & (whole.forger[own] == 0)
            assert first.sum() == 4
            assert counts.max() == 4
    assert times == {number: 1 + (number >= 20) for number in times}


def test_shuffled_batches_bring_every_image_as_often_as_asked(monkeypatch):
    monkeypatch.syspath_prepend(str(TRAINING))
    batches, corpus = load("batches"), load("corpus")
    parts = [corpus.build(5, families, 4, 1) for families in (range(3), range(20, 22))]
    first, second = (len(part.images) for part in parts)
    drawn, again = (
        batches.shuffled_batches(parts, 4, [1, 2], np.random.default_rng(seed)) for seed in (0, 1)
    )
    assert len(drawn) == (first + 2 * second) // 4
    assert {(part, len(places)) for part, places in drawn} == {(None, 4)}
    times = np.bincount(np.concatenate([places for _, places in drawn]), minlength=first + second)
    wanted = np.repeat([1, 2], [first, second])
    assert (times <= wanted).all()
    assert (wanted - times).sum() == (first + 2 * second) % 4
    assert any((a != b).any() for (_, a), (_, b) in zip(drawn, again, strict=True))


def test_a_kept_corpus_is_read_again_until_the_programs_that_made_it_change(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(TRAINING))
    corpus = load("corpus")
    made = corpus.load_or_build(tmp_path, 5, range(2), 4, 1)
    with monkeypatch.context() as patch:
        patch.setattr(corpus, "build", lambda *_, **__: pytest.fail("it was made already"))
        again = corpus.load_or_build(tmp_path, 5, range(2), 4, 1)
    for name, kept in vars(made).items():
        np.testing.assert_array_equal(getattr(again, name), kept)
    monkeypatch.setattr(corpus, "_makers", lambda: "changed")
    corpus.load_or_build(tmp_path, 5, range(2), 4, 1)
    assert len(list(tmp_path.iterdir())) == 2


def test_the_similarities_of_forged_writers_are_those_of_loops(monkeypatch):
    monkeypatch.syspath_prepend(str(TRAINING))
    realism = load("realism")
    features = np.random.default_rng(0).normal(size=(9, 5))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    identity = ["a", "b", "a", "a", "a", "b", "b", "c", "c"]
    forged = [False, False, False, True, True, True, False, False, False]
    groups = realism.forged_writers(realism.Signatures(identity, identity, forged))
    assert [[own.tolist(), forgeries.tolist()] for own, forgeries in groups] == [
        [[0, 2], [3, 4]],
        [[1, 6], [5]],
    ]
    genuine, forgeries = realism.similarities(features, groups)
    cosine = [[float(np.dot(a, b)) for b in features] for a in features]
    np.testing.assert_allclose(genuine, [cosine[0][2], cosine[1][6]])
    by_hand = [
        np.mean([cosine[3][0], cosine[3][2], cosine[4][0], cosine[4][2]]),
        np.mean([cosine[5][1], cosine[5][6]]),
    ]
    np.testing.assert_allclose(forgeries, by_hand)


def test_after_the_cycle_the_weights_of_all_steps_are_averaged_but_the_first(monkeypatch, corpus):
    monkeypatch.syspath_prepend(str(TRAINING))
    learner_module, objective_module = load("learner"), load("objective")
    model = StudentTiny(widths=(4, 4, 4), depths=(0, 0), feature_dim=8, ink_weight=0.6, directions_weight=0.6)
    seen = []  # before each step

    class Recording(objective_module.Objective):  # type: ignore[name-defined]
        def forward(self, *batch):
            seen.append(weights())
            return super().forward(*batch)

    args = argparse.Namespace(scale=24.0, margin=0.3, verification=2.0)
    everything = np.arange(len(corpus.images))
    cycle, steady = [[(None, everything)] * 3], [[(None, everything)] * 10, [(0, everything)] * 14]
    objective = Recording(model, corpus, 1, args)

    def weights():
        return [each.detach().clone() for each in (model.fc.weight, objective.classes.centres)]

    images = torch.from_numpy(corpus.images)
    learner = learner_module.Learner(model, objective, images, 1, torch.device("cpu"))
    passes = learner_module.passes(learner, [cycle], 2e-3, steady, 7e-4)
    assert next(passes)[1] is model
    before = weights()
    next(passes)
    _, average, classes = next(passes)
    assert average is not model
    after = [*seen[4:], weights()]  # of the 24 steps at a constant rate
    assert len(after) == 24
    # An eighth of the steps, 3, leads to the rate; from twice as many on they count.
    for found, steps in zip((average.fc.weight, classes.centres), zip(*after[6:], strict=True), strict=True):
        torch.testing.assert_close(found.detach(), torch.stack(steps).mean(dim=0))
    assert float((average.fc.weight.detach() - before[0]).abs().max()) > 1e-4
    # Its normalisation has seen the last epoch's batches, and nothing before.
    assert int(average.stem.bn.num_batches_tracked) == 14


def test_in_every_cycle_the_rate_rises_to_the_highest_and_falls_to_nearly_nothing(monkeypatch):
    monkeypatch.syspath_prepend(str(TRAINING))
    learner = load("learner")

    class Recording(learner.Learner):  # type: ignore[name-defined]
        model, objective = None, argparse.Namespace(classes=None)

        def __init__(self):
            self.rates = []

        def optimiser(self, rate):
            return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)

        def learn(self, epoch, optimiser, schedule):
            for _ in epoch:
                self.rates[-1].append(optimiser.param_groups[0]["lr"])
                optimiser.step()
                schedule.step()
            return 0.0

    recording = Recording()
    for cycle in ([range(30)] * 2, [range(30)] * 4):
        recording.rates.append([])
        assert len(list(learner.passes(recording, [cycle], 2e-3, [], 0.0))) == len(cycle)
    apart = recording.rates
    recording.rates = [[]]
    assert len(list(learner.passes(recording, [[range(30)] * 2, [range(30)] * 4], 2e-3, [], 0.0))) == 6
    for rates in apart:
        assert rates[0] < 1e-4
        assert max(rates) == pytest.approx(2e-3, rel=1e-2)
        assert rates.index(max(rates)) < len(rates) / 6
        assert rates[-1] < 1e-5
    assert recording.rates[0] == pytest.approx(apart[0] + apart[1])


def test_going_on_begins_with_what_was_learnt_and_with_classes_where_their_images_are(
    monkeypatch, corpus, tmp_path
):
    monkeypatch.syspath_prepend(str(TRAINING))
    script = load("train_synsig")
    shape = {"widths": (4, 4, 4), "depths": (0, 0), "feature_dim": 8}
    before = StudentTiny(**shape, ink_weight=0.6, directions_weight=0.6).eval()
    tensors = before.state_dict() | {"ink.frequencies": torch.zeros(64, 3)}  # of another time
    save_weights(tmp_path / "w", tensors, {}, {})
    model = StudentTiny(**shape, ink_weight=0.6, directions_weight=0.6)
    model.directions.mean.fill_(0.25)
    script.load_learnt(model, tmp_path / "w")
    args = argparse.Namespace(scale=24.0, margin=0.3, verification=2.0)
    objective = script.Objective(model, corpus, 1, args)
    script.place_centres(objective, model, corpus)
    torch.testing.assert_close(model.fc.weight, before.fc.weight)
    assert model.ink.frequencies.shape == (128, 4)
    assert float(model.directions.mean.min()) == 0.25
    pictures = torch.from_numpy(corpus.images)[:, None].float() / 255.0
    learnt = before.forward_layers(pictures, ["embedding"])["embedding"].detach()
    for number in range(int(corpus.classes().max()) + 1):
        middle = learnt[torch.from_numpy(corpus.classes() == number)].mean(dim=0)
        torch.testing.assert_close(objective.classes.centres[number].detach(), middle / middle.norm())


def test_going_on_draws_other_batches_and_augmentation(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(TRAINING))
    script = load("train_synsig")
    files = [tmp_path / "a", tmp_path / "b"]
    for file in files:
        file.write_text(file.name)
    seeds = [script._drawing_seed(argparse.Namespace(seed=3, start=each)) for each in (None, *files)]
    assert seeds[0] == 3
    assert len(set(seeds)) == 3


def run(tmp_path, model, *more):
    out = tmp_path / "new" / "w.safetensors"
    command = [sys.executable, "train_synsig.py", model, "--out", out, "--families", 5, "--sittings", 3]
    command += ["--genuine", 4, "--held-out", 3, "--epochs", 1, "--batch", 32, "--workers", 1]
    command += ["--threads", 1, *more]
    done = subprocess.run(
        [str(part) for part in command], cwd=TRAINING, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "epoch 1" in done.stdout
    return out


def test_a_run_in_small_writes_weights_that_load(tmp_path):
    out = run(tmp_path, "tiny", "--batches", "any")
    with safe_open(out, "pt") as file:
        assert file.metadata()["model"] == "synsig-tiny"
    image = Writer(3).genuine(1)
    features = sigzoo.load("synsig-tiny", weights=out).embed([image])
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1.0, rtol=1e-5)


def test_a_run_that_goes_on_writes_down_from_which_weights(tmp_path):
    first = run(tmp_path / "first", "tiny", "--averaged", "0")
    second = run(tmp_path / "second", "tiny", "--averaged", "0", "--start", first, "--epochs", 1, 0, 1)
    begun = [json.loads(read_weights(each, "safetensors").metadata["training"]) for each in (first, second)]
    assert [each["start"] for each in begun] == ["None", hashlib.sha256(first.read_bytes()).hexdigest()]
    assert [each["epochs"] for each in begun] == ["[1]", "[1, 0, 1]"]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["measure.py", "{here}/none"], "measure.py: there is no folder {here}/none/sigcomp2009."),
        (
            ["choose_ink.py", "{here}", "--weights", "{here}/w"],
            "choose_ink.py: {here}/w: there is no such file.",
        ),
        (["realism.py", "{here}/none"], "realism.py: there is no folder {here}/none."),
        (["train_synsig.py", "tiny", "--out", "{here}/w", "--batches", "some"], "invalid choice: 'some'"),
        (
            ["train_synsig.py", "tiny", "--out", "{here}/w", "--epochs", "0", "--averaged", "0"],
            "nothing would be learnt",
        ),
        (["train_synsig.py", "tiny", "--out", "{here}/w", "--epochs", "4", "-1"], "must not be below 0"),
        (["train_synsig.py", "tiny", "--out", "{here}/w", "--epochs", "4", "few"], "invalid int value:"),
        (
            ["train_synsig.py", "tiny", "--out", "{here}/w", "--start", "{here}/none"],
            "train_synsig.py: {here}/none: there is no such file.",
        ),
        (
            ["train_synsig.py", "tiny", "--out", "{here}/w", "--start", "{base}"],
            "has tensors that StudentTiny does not know: ",
        ),
        (
            ["train_synsig.py", "base", "--out", "{here}/w", "--start", "{cut}"],
            "train_synsig.py: {cut}: its tensors take ",
        ),
        (
            ["train_synsig.py", "tiny", "--out", "{here}/w", "--start", "ending.py"],
            "train_synsig.py: ending.py: this is a file of an unknown kind",
        ),
        (
            ["train_synsig.py", "tiny", "--out", "{here}/w", "--start", "{here}"],
            "train_synsig.py: {here}: is a folder or device, not a file.",
        ),
    ],
)
def test_what_a_user_can_mend_is_told_without_a_traceback(tmp_path, tmp_path_factory, command, told):
    base = TRAINING.parent / "sigzoo_students" / "weights" / "synsig-base.safetensors"
    cut = tmp_path_factory.mktemp("cut") / "cut.safetensors"
    cut.write_bytes(base.read_bytes()[:-1000])
    command = [part.format(here=tmp_path, base=base, cut=cut) for part in command]
    done = subprocess.run(
        [sys.executable, *command], cwd=TRAINING, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert told.format(here=tmp_path, cut=cut) in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_base_model_keeps_a_head_with_a_place_for_each_familys_first_writer(tmp_path):
    file = read_weights(run(tmp_path, "base"), "safetensors")
    assert {part: each.shape for part, each in file.heads["writer"].items()} == {
        "weight": (8, 680),
        "bias": (8,),
    }
    backbone = StudentBase(ink_weight=0.6, directions_weight=0.6)
    load_into(backbone, file.tensors, source="w")
    # Rows are the classes' directions, and the logits the loss's: its scale times a cosine.
    weight = file.heads["writer"]["weight"]
    features = backbone.eval().forward_layers(torch.rand(2, 1, 99, 192), ["embedding", "with_ink"])
    cosines = torch.nn.functional.normalize(weight[:, :256], dim=1) @ features["embedding"].T
    torch.testing.assert_close(weight @ features["with_ink"].T, 24.0 * cosines, rtol=5e-3, atol=5e-2)
