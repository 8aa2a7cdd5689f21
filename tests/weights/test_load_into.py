"""Loading is strict: whatever does not fit is named, with both shapes, and nothing is loaded."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from sigzoo.errors import WeightsError
from sigzoo.weights import load_into

State = dict[str, Tensor]


def _network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def _without(state: State) -> None:
    del state["0.weight"]


def _surplus(state: State) -> None:
    state["2.weight"] = torch.zeros(1)


def _misshapen(state: State) -> None:
    state["0.weight"] = state["0.weight"].T


def _of_integers(state: State) -> None:
    state["0.bias"] = torch.zeros(4, dtype=torch.int32)


def _with_a_float_counter(state: State) -> None:
    state["1.num_batches_tracked"] = torch.tensor(3.0)


def _with_nan(state: State) -> None:
    state["1.running_mean"][2] = float("nan")


def _with_infinity(state: State) -> None:
    state["0.weight"][0, 0] = float("inf")


def _beyond_float32(state: State) -> None:
    state["0.bias"] = torch.full((4,), 1e300, dtype=torch.float64)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_without, r"a\.pkl: Sequential needs tensors that are not there: 0\.weight\."),
        (_surplus, r"a\.pkl: has tensors that Sequential does not know: 2\.weight\."),
        (_misshapen, r"0\.weight has shape \(3, 4\), expected \(4, 3\)"),
        (_of_integers, r"0\.bias of shape \(4,\) is torch\.int32, expected torch\.float32"),
        (
            _with_a_float_counter,
            r"1\.num_batches_tracked of shape \(\) is torch\.float32, expected torch\.int64",
        ),
        (_with_nan, r"not finite: 1\.running_mean of shape \(4,\) \(1 of 4\)"),
        (_with_infinity, r"not finite: 0\.weight of shape \(4, 3\) \(1 of 12\)"),
        (_beyond_float32, r"not finite: 0\.bias of shape \(4,\) \(4 of 4\)"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_loaded(spoil: Callable[[State], None], said: str) -> None:
    network = _network()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    state = {key: value + 1 for key, value in before.items()}
    spoil(state)
    with pytest.raises(WeightsError, match=said):
        load_into(network, state, source="a.pkl")
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_what_fits_is_loaded() -> None:
    network = _network()
    state = {key: value + 1 for key, value in network.state_dict().items()}
    load_into(network, state, source="a.pkl")
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_values_are_cast_to_the_modules_precision() -> None:
    network = _network().double()
    state = {
        key: value.float() if value.is_floating_point() else value
        for key, value in network.state_dict().items()
    }
    load_into(network, state, source="a.pkl")
    assert network.state_dict()["0.weight"].dtype == torch.float64


def test_a_long_list_of_faults_is_cut() -> None:
    with pytest.raises(WeightsError, match=r"0\.weight; 0\.bias; .* and 2 more\. Is it this model's file\?"):
        load_into(_network(), {}, source="a.pkl")
