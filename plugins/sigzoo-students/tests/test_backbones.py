"""The student network: shapes, taps, unit features, and refusals."""

import pytest
import torch
from sigzoo_students.backbones import StudentTiny

from sigzoo.interfaces import ImageError, UnknownNameError, UsageError


@pytest.fixture(scope="module")
def model() -> StudentTiny:
    torch.manual_seed(0)
    return StudentTiny().eval()


def test_features_have_the_announced_size_and_length_one(model):
    features = model(torch.rand(3, 1, 96, 192))
    assert features.shape == (3, model.feature_dim) == (3, 160)
    torch.testing.assert_close(features.norm(dim=1), torch.ones(3))


def test_every_layer_can_be_tapped_in_one_pass(model):
    x = torch.rand(2, 1, 96, 192)
    found = model.forward_layers(x, model.layers)
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "stem": (2, 32, 24, 48),
        "stage1": (2, 64, 12, 24),
        "stage2": (2, 96, 6, 12),
        "squeeze": (2, 24, 6, 12),
        "embedding": (2, 160),
    }
    torch.testing.assert_close(found["embedding"], model(x))
    torch.testing.assert_close(model.forward_layers(x, ["stage1"])["stage1"], found["stage1"])


def test_tapping_computes_no_further_than_asked(model):
    calls = []
    handle = model.stage2.register_forward_hook(lambda *_: calls.append(1))
    model.forward_layers(torch.rand(1, 1, 96, 192), ["stage1"])
    assert calls == []
    handle.remove()


def test_a_batch_gives_what_its_images_give_alone(model):
    x = torch.rand(4, 1, 96, 192)
    with torch.inference_mode():
        torch.testing.assert_close(model(x), torch.cat([model(row[None]) for row in x]), atol=1e-5, rtol=1e-4)


def test_it_is_small(model):
    assert sum(p.numel() for p in model.parameters()) <= 600_000


def test_options_change_the_network():
    model = StudentTiny(
        input_size=(64, 128), widths=(8, 16, 24), depths=(0, 1), squeeze=4, feature_dim=32
    ).eval()
    assert model(torch.rand(1, 1, 64, 128)).shape == (1, 32)


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (90, 192), (150, 220)])
def test_any_size_from_sixteen_on_can_be_chosen(size):
    model = StudentTiny(input_size=size).eval()
    assert model(torch.rand(2, 1, *size)).shape == (2, model.feature_dim)


@pytest.mark.parametrize(
    "options",
    [
        {"input_size": (15, 192)},
        {"widths": (8, 8)},
        {"depths": (1,)},
        {"feature_dim": 0},
        {"depths": (-1, 1)},
    ],
)
def test_options_that_cannot_be_are_refused(options):
    with pytest.raises(UsageError):
        StudentTiny(**options)


def test_wrong_sizes_and_unknown_layers_are_named(model):
    with pytest.raises(ImageError, match="96, 192"):
        model(torch.rand(1, 1, 150, 220))
    with pytest.raises(UnknownNameError, match="stage1"):
        model.forward_layers(torch.rand(1, 1, 96, 192), ["stage3"])
