"""The optimiser's step and the learning rate, against plain loops and torch's own schedules."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from sigzoo.interfaces import Batch, SampledData
from sigzoo.learning import train
from sigzoo.learning.data.in_memory import Item, collect
from sigzoo.learning.data.inputs import InputTransform
from sigzoo.learning.data.samplers import ShuffledSampler
from sigzoo.learning.data.splits import epoch_batches
from sigzoo.learning.training.averaging import WeightAverage
from sigzoo.learning.training.distributed import Group
from sigzoo.learning.training.loop import Trainer, drawn_by
from sigzoo.learning.training.network import TrainedNetwork
from sigzoo.learning.training.optim import build_optimiser
from sigzoo.learning.training.schedule import Schedule
from sigzoo.weights import read_weights
from sigzoo.zoo import default_zoo


@pytest.fixture
def trainer(toy_settings, patterns):
    """A trainer of the toy network on 40 patterns."""

    def made(loss="signet", dropout=0.0, **otherwise):
        settings = toy_settings(loss=loss, **otherwise)
        x, y, yforg = patterns()
        data = collect([Item(a[0], int(w), bool(f)) for a, w, f in zip(x, y, yforg, strict=True)], "here")
        torch.manual_seed(0)
        network = TrainedNetwork(
            default_zoo().backbone("toy", dropout=dropout),
            default_zoo().loss(loss),
            writers=4,
            input_scale=1 / 255,
        )
        group = Group(0, 1, torch.device("cpu"))
        transform = InputTransform(None, (12, 16))
        sampled = SampledData(np.arange(40), data.writers, data.forged)
        batches = drawn_by(ShuffledSampler(), sampled, settings, 1)
        return Trainer(network, data, batches, transform, settings, group), data, settings

    return made


def forward(parameters, pixels):
    """The toy network and its writer head, by hand."""
    hidden = torch.tanh((pixels / 255).flatten(1) @ parameters[0].T + parameters[1])
    features = hidden @ parameters[2].T + parameters[3]
    return features @ parameters[4].T + parameters[5]


@pytest.mark.parametrize(
    "said", [{}, {"clip_value": 1e-3}, {"clip_norm": 1e-2}, {"weight_decay": 0.1, "momentum": 0.5}], ids=str
)
def test_an_epoch_of_sgd_is_that_of_a_plain_loop(trainer, said):
    """Nesterov momentum as Sutskever et al. 2013 rewrite it: v = mu v + g; p -= rate (g + mu v)."""
    run, data, settings = trainer(optimiser="sgd", schedule="constant", learning_rate=0.05, **said)
    parameters = [each.detach().clone().requires_grad_() for each in run.network.parameters()]
    velocity = [torch.zeros_like(each) for each in parameters]
    losses = []
    for batch in epoch_batches(np.arange(40), data.writers, size=12, per_writer=1, seed=0, epoch=1):
        logits = forward(parameters, torch.from_numpy(data.batch(batch)).float())
        writers = torch.from_numpy(data.writers[batch])
        loss = (logits.logsumexp(1) - logits[torch.arange(12), writers]).mean()
        losses.append(float(loss.detach()))
        gradients = list(torch.autograd.grad(loss, parameters))
        if settings.clip_value:
            gradients = [g.clamp(-settings.clip_value, settings.clip_value) for g in gradients]
        if settings.clip_norm:
            norm = math.sqrt(sum(float((g**2).sum()) for g in gradients))
            gradients = [g * min(1.0, settings.clip_norm / norm) for g in gradients]
        with torch.no_grad():
            for p, v, g in zip(parameters, velocity, gradients, strict=True):
                g = g + settings.weight_decay * p
                v.mul_(settings.momentum).add_(g)
                p -= settings.learning_rate * (g + settings.momentum * v)
    loss, rate = run.epoch(1, lambda done: None)
    assert loss == pytest.approx(np.mean(losses), rel=1e-5)
    assert rate == 0.05
    for ours, theirs in zip(run.network.parameters(), parameters, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


def test_adamw_decays_weights_apart_from_their_gradient(trainer):
    """Loshchilov and Hutter 2019: a step shrinks by rate * decay, then moves by about the rate."""
    run, _, settings = trainer(optimiser="adamw", schedule="constant", learning_rate=1e-3, weight_decay=0.5)
    before = [each.detach().clone() for each in run.network.parameters()]
    run._step(Batch(np.arange(12)), np.arange(12), 1)
    for old, new in zip(before, run.network.parameters(), strict=True):
        moved = new - old * (1 - settings.learning_rate * settings.weight_decay)
        moved = moved.detach()
        assert float(moved.abs().max()) <= 1.01e-3
        assert float(moved.abs().max()) > 0.9e-3


def test_decay_may_spare_biases(toy_settings):
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    groups = build_optimiser(network, toy_settings(weight_decay_on="weights", weight_decay=0.1)).param_groups
    assert [[each.ndim for each in group["params"]] for group in groups] == [[2], [1, 1, 1]]
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]


def test_the_losss_own_parameters_are_trained(trainer):
    run, _, _ = trainer(loss="toy-writer")
    assert run.network.objective.losses[0].told == (8, 4)
    assert not run.network.heads
    run.epoch(1, lambda done: None)
    assert float(run.network.objective.losses[0].centres.detach().abs().min()) > 0


def rate_factor(settings, step, steps_an_epoch):
    """By what the highest rate is multiplied in a step, counted over all epochs."""
    schedule = Schedule(settings, [steps_an_epoch] * settings.epochs)
    found = schedule.at(step // steps_an_epoch + 1, step % steps_an_epoch)
    return found.learning_rate / settings.learning_rate


def test_steps_are_those_of_torchs_step_schedule(toy_settings):
    settings = toy_settings(epochs=60, schedule="steps", lr_steps=3)
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, 60 // 3, 0.1)
    for epoch in range(60):
        wanted = optimiser.param_groups[0]["lr"]
        assert rate_factor(settings, 7 * epoch, 7) == pytest.approx(wanted)
        assert rate_factor(settings, 7 * epoch + 6, 7) == pytest.approx(wanted)
        optimiser.step()
        schedule.step()


def test_cosine_is_torchs_cosine(toy_settings):
    settings = toy_settings(epochs=5, schedule="cosine")
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 20)
    for step in range(20):
        assert rate_factor(settings, step, 4) == pytest.approx(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()


@pytest.mark.parametrize("schedule", ["cosine", "steps", "constant"])
def test_warm_up_rises_evenly_to_the_full_rate(toy_settings, schedule):
    settings = toy_settings(epochs=9, schedule=schedule, warmup=2.0)
    factors = [rate_factor(settings, step, 5) for step in range(11)]
    assert factors == pytest.approx([(step + 1) / 11 for step in range(11)])
    assert rate_factor(settings, 10, 5) == 1.0
    plain = toy_settings(epochs=9, schedule="constant")
    assert rate_factor(plain, 40, 5) == 1.0


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_cycles_are_torchs_one_cycle_each_with_an_optimiser_that_begins_anew(trainer, optimiser):
    lengths = [30, 31, 29, 30, 32, 28]
    run, _, settings = trainer(
        epochs=8,
        schedule="one-cycle",
        cycles=(2, 4),
        averaged_epochs=2,
        averaged_rate=7e-4,
        optimiser=optimiser,
    )
    schedule = Schedule(settings, [*lengths, 40, 60])
    for first, last in ((0, 2), (2, 6)):
        torch_optimiser = build_optimiser(run.network, settings)
        group = torch_optimiser.param_groups[0]
        one_cycle = torch.optim.lr_scheduler.OneCycleLR(
            torch_optimiser, settings.learning_rate, total_steps=sum(lengths[first:last]) + 1, pct_start=0.08
        )
        for epoch in range(first, last):
            for index in range(lengths[epoch]):
                found = schedule.at(epoch + 1, index)
                assert found.learning_rate == pytest.approx(group["lr"], rel=1e-9)
                momentum = group["momentum"] if optimiser == "sgd" else group["betas"][0]
                assert found.momentum == pytest.approx(momentum, rel=1e-9)
                assert found.restart == (epoch == first and index == 0)
                assert not found.averaged
                torch_optimiser.step()
                one_cycle.step()


def test_the_averaged_epochs_have_a_constant_rate_reached_as_torchs_linear_one(trainer):
    run, _, settings = trainer(epochs=5, averaged_epochs=2, averaged_rate=7e-4, schedule="cosine")
    schedule = Schedule(settings, [10, 10, 10, 40, 60])
    torch_optimiser = torch.optim.SGD(run.network.parameters(), lr=7e-4)
    linear = torch.optim.lr_scheduler.LinearLR(torch_optimiser, 0.01, total_iters=100 // 8)
    found = [schedule.at(4, index) for index in range(40)] + [schedule.at(5, index) for index in range(60)]
    for step in found:
        assert step.learning_rate == pytest.approx(torch_optimiser.param_groups[0]["lr"])
        torch_optimiser.step()
        linear.step()
    assert [step.averaged for step in found] == [False] * 24 + [True] * 76
    assert [step.restart for step in found] == [True] + [False] * 99
    assert not any(schedule.at(epoch, 0).averaged for epoch in (1, 2, 3))


def test_averaged_weights_are_the_mean_of_those_after_each_step_that_counts(trainer, monkeypatch):
    run, _, _ = trainer(loss="toy-writer", epochs=6, averaged_epochs=4, averaged_rate=0.01)
    after = []
    update = WeightAverage.update

    def weights(network):
        return [each.detach().clone() for each in network.parameters()]

    def recorded(average):
        after.append(weights(run.network))
        update(average)

    monkeypatch.setattr(WeightAverage, "update", recorded)
    for epoch in range(1, 7):
        run.epoch(epoch, lambda done: None)
        assert (run.average is None) == (epoch < 3)
    assert run.trained is not run.network
    assert len(after) == sum(run.steps[2:]) - 2  # an eighth of the 12 steps leads to the rate
    for found, steps in zip(weights(run.trained), zip(*after, strict=True), strict=True):
        torch.testing.assert_close(found, torch.stack(steps).mean(dim=0))


def test_averaged_weights_take_the_statistics_of_their_normalisation_from_the_last_epoch(toy_settings, npz):
    settings = toy_settings(
        backbone="toy-normal", preprocessor="toy-invert", data=str(npz()), epochs=5, averaged_epochs=3
    )
    result = train(settings)
    assert result.best.epoch > 2
    kept = read_weights(result.weights, "safetensors").tensors
    assert int(kept["normal.num_batches_tracked"]) == 36 // settings.batch_size


def test_an_epoch_does_not_depend_on_what_was_drawn_before(trainer):
    first, _, _ = trainer(augment=("affine", "noise"), dropout=0.5)
    second, _, _ = trainer(augment=("affine", "noise"), dropout=0.5)
    torch.manual_seed(99)
    torch.rand(17)
    assert first.epoch(1, lambda done: None) == second.epoch(1, lambda done: None)


def test_bfloat16_learns_about_the_same(toy_settings):
    exact = train(toy_settings(epochs=6))
    rough = train(toy_settings(epochs=6, precision="bfloat16", output=exact.log.parent.parent / "rough"))
    assert rough.epochs[-1].loss == pytest.approx(exact.epochs[-1].loss, abs=0.15)
    assert rough.epochs[-1].loss != exact.epochs[-1].loss


@pytest.mark.skipif(not torch.cuda.is_available(), reason="float16 needs a GPU")
@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_half_precision_learns_on_a_gpu(toy_settings, precision):
    result = train(toy_settings(epochs=6, precision=precision, device="cuda", augment=("affine", "noise")))
    assert result.epochs[-1].loss < result.epochs[0].loss
