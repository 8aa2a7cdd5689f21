"""The student networks: shapes, taps, unit features, and refusals."""

import pytest
import torch
from sigzoo_students.backbones import StudentBase, StudentTiny

from sigzoo.interfaces import Backbone, ImageError, UnknownNameError, UsageError

SHAPES = {
    StudentTiny: {
        "stem": (2, 32, 24, 48),
        "stage1": (2, 64, 12, 24),
        "stage2": (2, 96, 6, 12),
        "squeeze": (2, 24, 6, 12),
        "embedding": (2, 160),
    },
    StudentBase: {
        "stem": (2, 16, 48, 96),
        "stage1": (2, 48, 24, 48),
        "stage2": (2, 128, 12, 24),
        "stage3": (2, 192, 6, 12),
        "squeeze": (2, 32, 6, 12),
        "embedding": (2, 256),
    },
}
SMALL = {
    StudentTiny: {"widths": (8, 16, 24), "depths": (0, 1)},
    StudentBase: {"widths": (8, 8, 16, 24), "depths": (0, 1, 0)},
}


@pytest.fixture(scope="module", params=SHAPES)
def model(request) -> Backbone:
    torch.manual_seed(0)
    return request.param().eval()


def test_features_have_the_announced_size_and_length_one(model):
    features = model(torch.rand(3, 1, 96, 192))
    assert features.shape == (3, model.feature_dim)
    torch.testing.assert_close(features.norm(dim=1), torch.ones(3))


def test_every_layer_can_be_tapped_in_one_pass(model):
    x = torch.rand(2, 1, 96, 192)
    found = model.forward_layers(x, model.layers)
    assert {name: tuple(value.shape) for name, value in found.items()} == SHAPES[type(model)]
    torch.testing.assert_close(found["embedding"], model(x))
    torch.testing.assert_close(model.forward_layers(x, ["stage1"])["stage1"], found["stage1"])


def test_features_see_where_things_are_and_how_strokes_look(model):
    """An independent computation of the last layer, from the layers before it."""
    x = torch.rand(2, 1, 96, 192)
    found = model.forward_layers(x, model.layers)
    seen = [found["squeeze"].reshape(2, -1)]
    for name in ("stage2", "stage3"):
        if name in found:
            values = found[name].reshape(2, found[name].shape[1], -1).double()
            mean = values.mean(dim=2)
            variance = ((values - mean[:, :, None]) ** 2).mean(dim=2)
            seen += [mean.float(), (variance + 1e-4).sqrt().float()]
    mixed = torch.cat(seen, dim=1) @ model.fc.weight.T
    scaled = (mixed - model.bn.running_mean) / (model.bn.running_var + model.bn.eps).sqrt()
    shifted = scaled * model.bn.weight + model.bn.bias
    expected = shifted / shifted.norm(dim=1, keepdim=True)
    torch.testing.assert_close(found["embedding"], expected, atol=1e-5, rtol=1e-4)


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


def test_the_tiny_one_is_small_and_the_base_fits_its_wheel():
    sizes = {kind: sum(p.numel() for p in kind().parameters()) for kind in SHAPES}
    assert sizes[StudentTiny] <= 600_000
    assert sizes[StudentBase] <= 2_100_000


@pytest.mark.parametrize("kind", SHAPES)
def test_options_change_the_network(kind):
    model = kind(input_size=(64, 128), squeeze=4, feature_dim=32, **SMALL[kind]).eval()
    assert model(torch.rand(1, 1, 64, 128)).shape == (1, 32)


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (90, 192), (150, 220)])
@pytest.mark.parametrize("kind", SHAPES)
def test_any_size_from_sixteen_on_can_be_chosen(kind, size):
    model = kind(input_size=size, **SMALL[kind]).eval()
    assert model(torch.rand(2, 1, *size)).shape == (2, model.feature_dim)


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"input_size": (15, 192)}, "input_size"),
        ({"widths": (8, 8)}, "widths"),
        ({"depths": (1,)}, "depths"),
        ({"feature_dim": 0}, "positive"),
        ({"squeeze": 0}, "positive"),
        ({"depths": (-1, 1, 1)}, "depths"),
    ],
)
@pytest.mark.parametrize("kind", SHAPES)
def test_options_that_cannot_be_are_refused(kind, options, wrong):
    with pytest.raises(UsageError, match=wrong):
        kind(**options)


def test_wrong_sizes_and_unknown_layers_are_named(model):
    with pytest.raises(ImageError, match="96, 192"):
        model(torch.rand(1, 1, 150, 220))
    with pytest.raises(UnknownNameError, match="stage1"):
        model.forward_layers(torch.rand(1, 1, 96, 192), ["stage9"])
