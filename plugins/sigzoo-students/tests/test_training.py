"""How the bundled models are trained: their data, what a step minimises, and whole runs in small."""

import math

import numpy as np
import pytest
import torch
from safetensors import safe_open
from sigzoo_students.backbones import StudentBase, StudentTiny
from sigzoo_students.families import FamiliesSpec, FamilySignatures, FamilySource
from sigzoo_students.losses import AdditiveMarginSoftmax, VerificationLoss
from sigzoo_students.preprocessing import SynsigPreprocessor
from sigzoo_students.real_names import NameSource
from sigzoo_students.synsig_presets import SYNSIG_BASE, SYNSIG_TINY

import sigzoo
from sigzoo.errors import SigzooError
from sigzoo.interfaces import SampledData, TrainingBatch
from sigzoo.learning import TrainingSettings, train
from sigzoo.learning.data.inputs import InputTransform
from sigzoo.learning.data.preparation import Preparation
from sigzoo.learning.data.samplers import FamilySampler
from sigzoo.learning.data.sources import read_all
from sigzoo.learning.training.beginning import place_classes
from sigzoo.learning.training.network import TrainedNetwork
from sigzoo.learning.training.objective import Objective, Term
from sigzoo.synthesis import Writer
from sigzoo.testing import check_data_source
from sigzoo.weights import load_into, read_weights, save_weights

PREPARATION = Preparation("synsig", {"statistics": True})


def families(**spec):
    return "synsig-families:" + ",".join(f"{key}={value}" for key, value in {"seed": 5, **spec}.items())


@pytest.fixture(scope="module")
def corpus():
    places = [families(families=4, genuine=4), families(families=3, first=4, genuine=4, sittings="yes")]
    return read_all(places, PREPARATION)


def test_families_keep_what_a_data_source_promises():
    check_data_source(FamilySource(), "families=2,genuine=2,seed=5", skip=("missing",))


def test_forgers_and_others_who_write_the_same_are_hands_of_their_own(corpus):
    labels = corpus.labels
    assert corpus.largest() == (99, 192)
    for hand in np.unique(labels["hand"]):
        own = labels["hand"] == hand
        for name in ("family", "role", "part"):
            assert len(set(labels[name][own])) == 1
        assert len(set(corpus.writers[own])) == 1
        assert set(corpus.forged[own]) == {int(labels["role"][own][0] == 2)}
    for writer in np.unique(corpus.writers):
        roles = labels["role"][(corpus.writers == writer) & (corpus.forged == 0)]
        assert len(set(roles)) == 1
        assert len(set(labels["hand"][(corpus.writers == writer) & (corpus.forged == 0)])) == 1
    assert set(labels["role"]) == {0, 1, 2}
    assert np.array_equal(labels["part"], labels["family"] >= 4)


def test_the_same_families_are_drawn_in_any_number_of_processes_and_one_at_a_time():
    one, two = (
        dict(FamilySignatures(FamiliesSpec(2, genuine=3, seed=5)).prepared(_grey, workers=count))
        for count in (1, 2)
    )
    assert list(one) == list(two)
    assert all(np.array_equal(one[place], two[place]) for place in one)
    alone = FamilySignatures(FamiliesSpec(2, genuine=3, seed=5))
    assert all(np.array_equal(alone.read(place), one[place]) for place in (0, 7, len(alone) - 1))


def _grey(image):
    return image


def test_in_sittings_a_hand_keeps_the_conditions_and_else_changes_them():
    def spread(place):
        """Mean over hands of the deviation of how much of the image is ink, in logarithms."""
        data = read_all([place], PREPARATION)
        ink = np.log([(data.image(i)[:-3] > 128).mean() for i in range(len(data))])
        return np.mean([ink[data.labels["hand"] == each].std() for each in np.unique(data.labels["hand"])])

    loose, sittings = (spread(families(families=10, genuine=6, sittings=each)) for each in ("no", "yes"))
    assert sittings < 0.8 * loose


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("familys=3", "Did you mean families"),
        ("families=1", "at least 2"),
        ("families=many", "whole number"),
        ("sittings=maybe", "yes or no"),
    ],
)
def test_families_with_a_slip(place, said):
    with pytest.raises(SigzooError, match=said):
        FamilySource().open(place)


@pytest.mark.parametrize("place", ["", "FOLDER", "split=train", "split=train,/no/such/folder"])
def test_names_of_a_split_that_is_not_there(place):
    with pytest.raises(SigzooError, match=r"synsig-names|splits\.csv"):
        NameSource().open(place)


def reference(embedding, features, hands, claimed, forged, centres, threshold, with_verification):
    """The losses by loops over numbers, as their papers state them; in double precision."""
    embedding, features, centres = (each.detach().double().numpy() for each in (embedding, features, centres))

    def unit(rows):
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    total = 0.0
    cosines = unit(embedding) @ unit(centres).T
    for row, right in zip(cosines, hands, strict=True):
        logits = [24.0 * (value - (0.3 if place == right else 0.0)) for place, value in enumerate(row)]
        total += math.log(sum(math.exp(value - logits[right]) for value in logits)) / len(hands)
    if not with_verification:
        return total
    rows, kinds = unit(features), {"genuine": [], "forged": [], "others": []}
    for writer in sorted(set(claimed)):
        own = [i for i in range(len(rows)) if claimed[i] == writer and not forged[i]]
        if len(own) <= 2:
            continue
        for i in range(len(rows)):
            known = [j for j in own if j != i]
            above = 12.0 * (np.mean([rows[i] @ rows[j] for j in known]) - threshold)
            if claimed[i] == writer:
                kind = "forged" if forged[i] else "genuine"
            elif forged[i]:
                continue
            else:
                kind = "others"
            kinds[kind].append(math.log1p(math.exp(-above if kind == "genuine" else above)))
    hardest = sorted(kinds["others"], reverse=True)[: math.ceil(0.02 * len(kinds["others"]))]
    return total + 2.0 * sum(
        np.mean(each) for each in (kinds["genuine"], kinds["forged"], hardest) if len(each)
    )


def test_a_step_minimises_both_losses_as_they_are_stated(corpus):
    """Classes of hands on what is learnt, for every batch; verification on whole features, by part."""
    torch.manual_seed(0)
    network = StudentTiny(
        widths=(4, 8, 8), depths=(0, 0), feature_dim=12, ink_weight=0.6, directions_weight=0.6
    )
    terms = [
        Term("am-softmax", AdditiveMarginSoftmax(), layer="embedding", label="hand"),
        Term("verification", VerificationLoss(references=2), 2.0, batches=("part-*",), per_kind=True),
    ]
    objective = Objective(terms, ["any", "part-0", "part-1"])
    objective.prepare(
        feature_dim=network.feature_dim,
        writers=corpus.writer_count,
        layers={"embedding": (12,)},
        labels={"hand": int(corpus.labels["hand"].max()) + 1},
    )
    assert len(objective.losses) == 3
    with torch.no_grad():
        for number, loss in enumerate(objective.losses[1:]):
            loss.threshold.fill_(0.3 + 0.2 * number)
    centres = objective.losses[0].centres
    sampled = SampledData(np.arange(len(corpus)), corpus.writers, corpus.forged, corpus.labels)
    drawn = FamilySampler().batches(sampled, size=30, seed=1, epoch=1)
    assert {batch.kind for batch in drawn} == {"part-0", "part-1"}
    for batch in [*drawn, drawn[0]._replace(kind="any")]:
        indices = batch.indices
        pixels = torch.from_numpy(corpus.batch(indices)).float() / 255.0
        tapped = network.forward_layers(pixels, ["embedding", "with_ink"])
        told = TrainingBatch(
            features=tapped["with_ink"],
            writers=torch.from_numpy(corpus.writers[indices]),
            forgery=torch.from_numpy(corpus.forged[indices]).float(),
            layers={"embedding": tapped["embedding"]},
            labels={"hand": torch.from_numpy(corpus.labels["hand"][indices])},
        )
        wanted = reference(
            tapped["embedding"],
            tapped["with_ink"],
            corpus.labels["hand"][indices].tolist(),
            corpus.writers[indices].tolist(),
            corpus.forged[indices].tolist(),
            centres,
            0.5 if batch.kind == "part-1" else 0.3,
            batch.kind != "any",
        )
        assert float(objective(told, batch.kind).detach()) == pytest.approx(wanted, rel=1e-5)


def small(settings, output, **more):
    """The settings of a bundled model for a run of seconds."""
    return TrainingSettings(
        **{
            **settings,
            "data": families(families=5, genuine=4),
            "more_data": (families(families=3, first=5, genuine=4, sittings="yes"),),
            "validation_data": (families(families=3, first=1000000, genuine=5),),
            "batch_size": 32,
            "epochs": 1,
            "cycles": (1,),
            "averaged_epochs": 0,
            "device": "cpu",
            "output": output,
            **more,
        }
    )


def test_the_default_model_is_trained_by_the_loop_and_goes_on_with_classes_where_they_are(tmp_path):
    first = train(small(SYNSIG_TINY, tmp_path / "first-run"))
    assert first.best.verification is not None
    with safe_open(first.weights, "pt") as file:
        assert file.get_tensor("backbone.stem.conv.weight").dtype == torch.float16
    model = sigzoo.load(str(tmp_path / "first-run"))
    features = model.embed([Writer(3).genuine(1)])
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1.0, rtol=1e-5)
    again = train(small(SYNSIG_TINY, tmp_path / "second", start=str(first.weights), cycles=(1, 1), epochs=2))
    anew = train(small(SYNSIG_TINY, tmp_path / "third"))
    assert again.epochs[0].loss < anew.epochs[0].loss
    assert anew.epochs[0].loss == first.epochs[0].loss


def test_classes_begin_where_their_images_are(corpus):
    torch.manual_seed(0)
    network = StudentTiny(widths=(4, 4, 4), depths=(0, 0), feature_dim=8, ink_weight=0.0)
    hands = corpus.labels["hand"]
    trained = TrainedNetwork(
        network,
        Objective([Term("am-softmax", AdditiveMarginSoftmax(), layer="embedding", label="hand")]),
        writers=corpus.writer_count,
        labels={"hand": int(hands.max()) + 1},
        input_scale=1 / 255,
    )
    transform = InputTransform(None, (99, 192))
    place_classes(trained, corpus, np.arange(len(corpus)), transform, 32)
    pixels = torch.from_numpy(corpus.batch(np.arange(len(corpus)))).float() / 255.0
    learnt = network.eval().forward_layers(pixels, ["embedding"])["embedding"].detach()
    for number in range(int(hands.max()) + 1):
        middle = learnt[torch.from_numpy(hands == number)].mean(dim=0)
        centre = trained.objective.losses[0].centres[number].detach()
        torch.testing.assert_close(centre, middle / middle.norm())


def test_the_base_model_keeps_a_head_with_a_place_for_each_familys_first_writer(tmp_path):
    result = train(small(SYNSIG_BASE, tmp_path / "base", cycles=(1, 1), epochs=2, export_outputs=5700))
    file = read_weights(result.weights, "safetensors")
    assert {part: each.shape for part, each in file.heads["writer"].items()} == {
        "weight": (8, 680),
        "bias": (8,),
    }
    backbone = StudentBase(**SYNSIG_BASE["backbone_options"])
    load_into(backbone, file.tensors, source="w")
    # Rows are the classes' directions, and the logits the loss's: its scale times a cosine.
    weight = file.heads["writer"]["weight"].float()
    features = backbone.eval().forward_layers(torch.rand(2, 1, 99, 192), ["embedding", "with_ink"])
    cosines = torch.nn.functional.normalize(weight[:, :256], dim=1) @ features["embedding"].T
    torch.testing.assert_close(weight @ features["with_ink"].T, 24.0 * cosines, rtol=5e-3, atol=5e-2)


@pytest.mark.parametrize("name", ["embedding", "with_directions", "with_ink"])
@pytest.mark.parametrize("more", [{}, {"ink_weight": 0.4}, {"directions_weight": 0.3}], ids=str)
def test_a_layer_follows_from_the_features(name, more):
    network = StudentTiny(**{"ink_weight": 0.6, "directions_weight": 0.6, **more}).eval()
    tapped = network.forward_layers(torch.rand(3, 1, 99, 192), [name, "with_ink"])
    matrix = network.layer_from_features(name)
    torch.testing.assert_close(tapped["with_ink"] @ matrix.T, tapped[name], rtol=1e-4, atol=1e-5)
    assert network.layer_from_features("stage2") is None


def test_the_mean_of_directions_is_taken_from_training_images(corpus):
    network = StudentTiny(ink_weight=0.6, directions_weight=0.6)
    pixels = torch.from_numpy(corpus.batch(np.arange(24))).float() / 255.0
    network.calibrate(iter(pixels.split(10)))
    torch.testing.assert_close(
        network.directions.mean, network.directions.roots(pixels[:, :, :96]).mean(dim=0)
    )


def test_a_run_goes_on_from_weights_that_know_nothing_of_local_descriptors(tmp_path):
    """Which it takes from its own images; what it starts with decides nothing of them."""
    torch.manual_seed(3)
    options = {**SYNSIG_TINY["backbone_options"], "widths": (4, 8, 8), "depths": (0, 0)}
    without = StudentTiny(**{**options, "local_descriptors": 0}).state_dict()
    start = save_weights(tmp_path / "start.safetensors", without)
    fewer = {
        "data": families(families=3, genuine=3),
        "more_data": (families(families=2, first=3, genuine=3, sittings="yes"),),
        "backbone_options": options,
    }
    found = [
        read_weights(train(small(SYNSIG_TINY, tmp_path / name, **fewer, **more)).weights, "safetensors")
        for name, more in (("gone-on", {"start": str(start)}), ("anew", {}))
    ]
    going_on, anew = (each.tensors for each in found)
    for name in ("local.mean", "local.components"):
        assert float(going_on[name].abs().max()) > 0.0
        torch.testing.assert_close(going_on[name], anew[name], rtol=0, atol=0)
    assert going_on["local.components"].shape == (72, 24)
    assert not torch.equal(going_on["stem.conv.weight"], anew["stem.conv.weight"])


def test_rows_of_measurements_are_told_of_by_the_preprocessor():
    assert SynsigPreprocessor(statistics=True).rows_beside == 3
    assert SynsigPreprocessor().rows_beside == 0
