"""Presets: what the plugins register holds, is found by name, and gives a distillation its loss."""

import pytest

from sigzoo.errors import UnknownNameError, UsageError
from sigzoo.interfaces import TrainingPreset
from sigzoo.learning import DistillationSettings, TrainingSettings, list_presets, preset
from sigzoo.learning.training.presets import default_loss
from sigzoo.testing import ConformanceFailure, check_preset
from sigzoo.zoo import default_zoo

PARTS = {"backbone": "b", "preprocessor": "p", "data": "d.npz", "output": "run"}


class Plugins:
    """A zoo that has some presets and nothing else."""

    def __init__(self, **presets):
        self._presets = presets

    def list_components(self, kind):
        assert kind == "preset"
        return sorted(self._presets)

    def component(self, kind, name):
        return self._presets[name]


def default(loss, *needs):
    return TrainingPreset(command="distill", summary=loss, settings={"loss": loss}, default=True, needs=needs)


def distillation(**otherwise):
    return DistillationSettings(**PARTS, teacher="t", **otherwise)


@pytest.mark.parametrize("name", default_zoo().list_components("preset"))
def test_every_preset_of_our_plugins_holds(name):
    check_preset(default_zoo().component("preset", name))


def test_the_preset_of_signet_is_the_published_recipe():
    """SGD, 1e-3, Nesterov 0.9, decay 1e-4, batch 32, 60 epochs, a tenth in three parts, values cut at 10."""
    made = TrainingSettings(**PARTS, loss="l", **preset("signet-2017"))
    assert (made.optimiser, made.learning_rate, made.momentum, made.weight_decay) == ("sgd", 1e-3, 0.9, 1e-4)
    assert (made.batch_size, made.epochs, made.schedule, made.lr_steps) == (32, 60, "steps", 3)
    assert (made.clip_value, made.clip_norm, made.validation) == (10.0, None, 0.1)
    assert made.augment == ()
    assert made.training_options == {"size": [170, 242]}


def test_an_unknown_preset_brings_the_nearest_of_the_command():
    with pytest.raises(UnknownNameError, match="Did you mean signet-2017"):
        preset("signet-2071")
    with pytest.raises(UsageError, match="one of `sigzoo train`, not of `sigzoo distill`"):
        preset("signet-2017", "distill")
    assert all(each.command == "distill" for each in list_presets("distill").values())


def test_a_preset_cannot_be_changed_by_who_takes_it():
    taken = preset("signet-2017")
    taken["epochs"] = 1
    assert preset("signet-2017")["epochs"] == 60
    with pytest.raises(TypeError):
        default_zoo().component("preset", "signet-2017").settings["epochs"] = 1


def test_a_distillation_without_a_loss_has_the_one_of_the_preset_that_needs_most():
    zoo = Plugins(
        a=default("plain"),
        b=default("new", "continual"),
        c=default("newest", "continual", "copy_head"),
        d=TrainingPreset(command="distill", summary="no default", settings={"loss": "other"}),
    )
    assert default_loss(distillation(), zoo=zoo) == {"loss": "plain"}
    assert default_loss(distillation(continual="n.npz"), zoo=zoo) == {"loss": "new"}
    assert default_loss(distillation(continual="n.npz", copy_head=True), zoo=zoo) == {"loss": "newest"}


def test_without_a_preset_a_loss_must_be_named():
    with pytest.raises(UsageError, match="name one, --loss"):
        default_loss(distillation(), zoo=Plugins(b=default("new", "continual")))
    with pytest.raises(UsageError, match="loss must be the name of a loss"):
        TrainingSettings(**PARTS, loss="")


@pytest.mark.parametrize(
    ("otherwise", "reason"),
    [
        ({"summary": "two\nlines"}, "one line"),
        ({"command": "brew"}, "not one of train, distill"),
        ({"settings": {"epoch": 3}}, "no setting epoch"),
        ({"settings": {"teacher": "signet"}}, "no setting teacher"),
        ({"settings": {"epochs": 0}}, "epochs must be at least 1"),
        ({"settings": {"optimiser": "adam"}}, "Did you mean adamw"),
        ({"settings": {"batch_size": 4, "per_writer": 5}}, "at most batch_size"),
        ({"settings": {"output": "here"}}, "output: not for a preset"),
        ({"settings": {"loss": "am-sofmax"}}, "Did you mean am-softmax"),
        ({"settings": {"losses": ({"loss": "am-sofmax"},)}}, "Did you mean am-softmax"),
        ({"settings": {"samplers": ({"sampler": "no-such"},)}}, "no sampler named"),
        ({"settings": {"loss": "am-softmax", "loss_options": {"heat": 1}}}, "takes no option 'heat'"),
        ({"default": True}, "only a distillation"),
        ({"needs": ("continual",)}, "is for a preset that is a default"),
        ({"command": "distill", "default": True, "settings": {"epochs": 3}}, "a loss alone, not epochs"),
        ({"command": "distill", "default": True, "settings": {}}, "names a loss"),
        (
            {"command": "distill", "default": True, "settings": {"loss": "kd-kl"}, "needs": ("rain",)},
            "needs rain, which is no setting",
        ),
    ],
    ids=str,
)
def test_the_check_names_what_is_wrong_with_a_preset(otherwise, reason):
    sound = {"command": "train", "summary": "sound", "settings": {"epochs": 3}}
    check_preset(TrainingPreset(**sound))
    with pytest.raises(ConformanceFailure, match=reason):
        check_preset(TrainingPreset(**{**sound, **otherwise}))
