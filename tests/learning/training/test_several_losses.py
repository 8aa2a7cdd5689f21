"""Several losses in one step: what each is given, and which batches it is for."""

import numpy as np
import pytest
import torch

from sigzoo.errors import UnknownNameError, UsageError
from sigzoo.interfaces import Batch, Loss, TrainingBatch
from sigzoo.learning import train
from sigzoo.learning.training.loop import _streams
from sigzoo.learning.training.objective import Objective, Term


class Recording(Loss):
    """Remembers what it was given, and is 1."""

    needs = frozenset({"features", "writers"})

    def __init__(self, layers=(), labels=()):
        super().__init__()
        self.layers, self.labels, self.given = layers, labels, []

    def prepare_for_data(self, *, layers, labels):
        self.shapes = layers, labels

    def prepare(self, *, feature_dim, writers):
        self.told = feature_dim, writers

    def forward(self, batch):
        self.given.append(batch)
        return batch.features.mean() * 0.0 + 1.0


class WithForgeries(Recording):
    needs = frozenset({"features", "writers", "forgery"})


BATCH = TrainingBatch(
    features=torch.zeros(4, 3),
    writers=torch.tensor([0, 0, 1, 1]),
    forgery=torch.tensor([0.0, 1.0, 0.0, 0.0]),
    layers={"map": torch.arange(32.0).reshape(4, 2, 2, 2)},
    labels={"hand": torch.tensor([0, 1, 2, 2])},
)


def prepared(*terms, kinds=("any",)):
    objective = Objective(terms, kinds)
    objective.prepare(feature_dim=3, writers=2, layers={"map": (2, 2, 2)}, labels={"hand": 3})
    return objective


def test_a_layer_and_a_label_stand_for_features_and_writers():
    loss = Recording()
    objective = prepared(Term("x", loss, layer="map", label="hand"))
    objective(BATCH)
    assert loss.told == (8, 3)
    assert torch.equal(loss.given[0].features, BATCH.layers["map"].reshape(4, 8))
    assert loss.given[0].writers.tolist() == [0, 1, 2, 2]
    assert (objective.layers, objective.labels) == (("map",), ("hand",))


def test_a_loss_gets_the_layers_and_labels_that_it_names():
    loss = Recording(("map",), ("hand",))
    prepared(Term("x", loss))(BATCH)
    assert loss.shapes == ({"map": (2, 2, 2)}, {"hand": 3})
    assert torch.equal(loss.given[0].layers["map"], BATCH.layers["map"])
    assert loss.given[0].labels["hand"].tolist() == [0, 1, 2, 2]
    assert loss.given[0].features.shape == (4, 3)


def test_weights_are_factors_and_each_loss_takes_its_kinds_of_batches():
    objective = prepared(
        Term("a", Recording(), 0.5),
        Term("b", Recording(), 4.0, batches=("part-*",)),
        kinds=("any", "part-0", "part-1"),
    )
    assert [float(objective(BATCH, kind)) for kind in ("any", "part-0", "part-1")] == [0.5, 4.5, 4.5]


def test_kinds_can_have_parameters_of_their_own():
    objective = prepared(Term("a", Recording(), per_kind=True), kinds=("x", "y"))
    objective(BATCH, "y")
    assert [len(loss.given) for loss in objective.losses] == [0, 1]
    assert objective.losses[1].told == (3, 2)


def test_a_loss_that_knows_of_no_forgeries_gets_none_that_are_there_for_another():
    genuine, every, hands = Recording(), WithForgeries(), Recording()
    prepared(Term("a", genuine), Term("b", every), Term("c", hands, label="hand"))(BATCH)
    assert genuine.given[0].writers.tolist() == [0, 1, 1]
    assert genuine.given[0].forgery is None
    assert every.given[0].forgery.tolist() == [0.0, 1.0, 0.0, 0.0]
    assert hands.given[0].writers.tolist() == [0, 1, 2, 2]


@pytest.mark.parametrize(("batches", "said"), [(("some",), "for batches of some"), (("x",), "No loss.*'y'")])
def test_losses_and_kinds_of_batches_must_go_together(batches, said):
    with pytest.raises(UsageError, match=said):
        Objective([Term("a", Recording(), batches=batches)], ("x", "y"))


def test_an_image_that_comes_again_in_an_epoch_has_another_stream():
    batches = [Batch(np.array([3, 1, 3])), Batch(np.array([1, 0])), Batch(np.array([3]), "other")]
    streams = [each.tolist() for each in _streams(batches, 10)]
    assert streams == [[3, 1, 13], [11, 0], [23]]


METRIC = {
    "loss": "toy-writer",
    "losses": (
        {"loss": "nt-xent", "layer": "hidden", "weight": 0.5, "batches": ["part-*"], "per_kind": True},
    ),
    "samplers": ({"sampler": "shuffled"}, {"sampler": "families", "options": {"repeats": [2]}}),
    "schedule": "one-cycle",
    "epochs": 5,
    "cycles": (2, 1),
    "averaged_epochs": 2,
}


def test_a_run_of_all_this_goes_on_to_the_last_bit(toy_settings, npz, tmp_path, killed_after, log_rows):
    data = {"data": str(npz(forgeries=3)), "validation_data": (str(npz("other.npz", writers=3)),)}
    whole = train(toy_settings(**METRIC, **data, output=tmp_path / "whole"))
    assert whole.best.verification is not None
    for number in (6, 20, 26):
        output = tmp_path / f"killed-{number}"
        settings = toy_settings(**METRIC, **data, output=output)
        killed_after(number, lambda done, settings=settings: train(settings, progress=done))
        resumed = train(settings, resume=True)
        assert log_rows(resumed.log) == log_rows(whole.log)
        assert resumed.weights.read_bytes()[-400:] == whole.weights.read_bytes()[-400:]


@pytest.mark.parametrize(
    ("more", "error", "said"),
    [
        ({"losses": ({"los": "signet"},)}, UsageError, "losses: .*los"),
        ({"losses": ({"loss": "nt-xnt"},)}, UnknownNameError, "Did you mean nt-xent"),
        ({"losses": ({"loss": "nt-xent", "layer": "hiden"},)}, UnknownNameError, "Did you mean hidden"),
        ({"losses": ({"loss": "nt-xent", "label": "hnd"},)}, UnknownNameError, "Did you mean hand"),
        ({"samplers": ({"sampler": "shufled"},)}, UnknownNameError, "Did you mean shuffled"),
        ({"samplers": ({"sampler": "families", "options": {"mst": 3}},)}, UsageError, "mst"),
        ({"select_by": "verification"}, UsageError, "needs validation_data"),
        ({"export_outputs": 3}, UsageError, "No loss of this run has classes"),
    ],
)
def test_a_slip_is_told_before_training(toy_settings, more, error, said):
    with pytest.raises(error, match=said):
        train(toy_settings(**{"loss": "toy-writer", **more}))
