"""Batch normalisation is folded where that is exact, and nowhere else; the network stays as it is."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from sigzoo.graphs.changes import network_state
from sigzoo.graphs.folding import fold_batch_norms, has_hooks
from sigzoo.interfaces import Backbone

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


class Chain(Backbone):
    """Steps one after another, each a layer."""

    feature_dim = 5
    input_size = (9, 11)

    def __init__(self, *steps: nn.Module, tapped: tuple[int, ...] | None = None) -> None:
        super().__init__()
        self.steps = nn.ModuleList(steps)
        numbers = range(len(steps)) if tapped is None else tapped
        self.layers = tuple(f"step{i}" for i in numbers)

    def forward_layers(self, x, names):
        self.check_layers(names)
        found = {}
        for number, step in enumerate(self.steps):
            x = step(x)
            found[f"step{number}"] = x
        return {name: found[name] for name in names}


class Branching(Backbone):
    """The convolution's output goes into the normalisation and past it."""

    feature_dim, input_size, layers = 4, (9, 11), ("sum",)

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)

    def forward_layers(self, x, names):
        y = self.conv(x)
        return {"sum": (self.bn(y) + y).mean((2, 3))}


class Inward(Branching):
    """It looks into its own normalisation."""

    def forward_layers(self, x, names):
        return {"sum": (self.bn(self.conv(x)) + self.bn.running_mean.view(-1, 1, 1)).mean((2, 3))}


class Changed(Branching):
    """What the convolution gives is changed in place before it is normalised."""

    def forward_layers(self, x, names):
        y = self.conv(x)
        y.relu_()
        return {"sum": self.bn(y).mean((2, 3))}


def trained(network: Backbone, seed: int = 1) -> Backbone:
    """Weights and statistics that are far from those of a new network."""
    generator = torch.Generator().manual_seed(seed)
    for each in network.modules():
        if isinstance(each, NORMS):
            if each.weight is not None:
                each.weight.data.uniform_(0.5, 2, generator=generator)
                each.bias.data.uniform_(-1, 1, generator=generator)
            if each.running_mean is not None:
                each.running_mean.uniform_(-1, 1, generator=generator)
                each.running_var.uniform_(0.2, 3, generator=generator)
    return network.eval()


def norms(network: nn.Module) -> int:
    return sum(isinstance(each, NORMS) for each in network.modules())


def last(*steps: nn.Module) -> Chain:
    """A chain of which the last step alone is a layer."""
    return Chain(*steps, tapped=(len(steps) - 1,))


def dense(inputs: int) -> list[nn.Module]:
    return [nn.Flatten(), nn.Linear(inputs, 5, bias=False), nn.BatchNorm1d(5)]


@pytest.mark.parametrize(
    ("network", "left"),
    [
        (last(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(inplace=True), *dense(252)), 0),
        (last(nn.Conv2d(1, 4, 3, padding=2), nn.BatchNorm2d(4, affine=False), *dense(572)), 0),
        (last(nn.BatchNorm2d(1), nn.Conv2d(1, 4, 3, stride=2), nn.Flatten(), nn.Linear(80, 5)), 0),
        (last(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.BatchNorm2d(4), nn.Conv2d(4, 6, 2, groups=2)), 0),
        (last(nn.Flatten(), nn.Linear(99, 7), nn.ReLU(), nn.BatchNorm1d(7), nn.Linear(7, 5)), 0),
        (last(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1)), 0),
        # A border of zeros is no border of the normalisation's shift.
        (last(nn.BatchNorm2d(1), nn.Conv2d(1, 4, 3, padding=1)), 1),
        (last(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.BatchNorm2d(4)), 1),
        # What is a layer must stay to be seen.
        (Chain(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)), 1),
        (last(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)), 1),
        (Branching(), 1),
        (Inward(), 1),
        (Changed(), 1),
    ],
)
def test_what_can_be_folded_is_and_computes_the_same(network, left) -> None:
    trained(network)
    before = copy.deepcopy(network.state_dict())
    folded = fold_batch_norms(network)
    assert norms(folded) == left
    images = torch.rand(6, 1, 9, 11, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        wanted = copy.deepcopy(network).double().forward_layers(images.double(), network.layers)
        found = folded.forward_layers(images, network.layers)
    for name in network.layers:
        torch.testing.assert_close(found[name].double(), wanted[name], atol=1e-5, rtol=1e-5)
    after = network.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[key], before[key]) for key in before)


def test_a_module_that_is_called_twice_is_left_alone() -> None:
    shared = nn.Conv2d(1, 1, 3, padding=1)
    network = trained(last(shared, nn.BatchNorm2d(1), shared))
    assert norms(fold_batch_norms(network)) == 1


def test_every_change_is_noticed() -> None:
    network = trained(last(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)))
    state = network_state(network)
    assert network_state(network) == state
    for change in (
        lambda: network.steps[0].weight.data.add_(1),
        lambda: network.steps[0].bias.detach().numpy().__setitem__(0, 7),
        lambda: network.steps[1].running_mean.zero_(),
        lambda: setattr(network.steps[0], "weight", nn.Parameter(torch.ones(4, 1, 3, 3))),
        lambda: network.steps.__setitem__(1, nn.Identity()),
        lambda: network.double(),
    ):
        change()
        changed = network_state(network)
        assert changed != state
        state = changed


def test_hooks_are_seen() -> None:
    network = last(nn.Conv2d(1, 4, 3))
    assert not has_hooks(network)
    network.steps[0].register_forward_pre_hook(lambda *_: None)
    assert has_hooks(network)
