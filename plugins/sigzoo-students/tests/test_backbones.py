"""The student networks: shapes, taps, unit features, and refusals."""

import pytest
import torch
from sigzoo_students.backbones import StudentBase, StudentTiny
from sigzoo_students.descriptors import InkStatistics, StrokeDirections

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


def with_rows(picture: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    """Put three rows of one level each below pictures."""
    rows = levels[:, None, :, None].expand(-1, 1, 3, picture.shape[3])
    return torch.cat([picture, rows], dim=2)


@pytest.mark.parametrize("kind", SHAPES)
def test_statistics_of_the_ink_extend_the_features_and_leave_the_learnt_ones_alone(kind):
    torch.manual_seed(1)
    plain, weighed = kind().eval(), kind(ink_weight=0.5).eval()
    missing = weighed.load_state_dict(plain.state_dict(), strict=False)
    assert missing.missing_keys == ["ink.frequencies"]
    assert missing.unexpected_keys == []
    picture = torch.rand(2, 1, 96, 192)
    found = weighed.forward_layers(with_rows(picture, torch.rand(2, 3)), ["embedding", "with_ink"])
    torch.testing.assert_close(found["embedding"], plain(picture))
    assert found["with_ink"].shape == (2, weighed.feature_dim) == (2, plain.feature_dim + 256)
    torch.testing.assert_close(found["with_ink"].norm(dim=1), torch.ones(2))
    assert weighed.input_size == (99, 192)


@pytest.mark.parametrize("kind", SHAPES)
def test_a_weight_of_none_passes_over_the_rows(kind):
    model = kind(ink_weight=0.0).eval()
    picture = torch.rand(2, 1, 96, 192)
    one, other = (model(with_rows(picture, torch.full((2, 3), level))) for level in (0.0, 1.0))
    torch.testing.assert_close(one, other, rtol=0, atol=0)
    assert model.layers[-1] == "embedding"


def boxes(across: torch.Tensor, down: torch.Tensor) -> torch.Tensor:
    """Pictures of 96 x 192 with one full box each, whose sides have these lengths in pixels."""
    x, y = torch.arange(192).float(), torch.arange(96).float()[:, None]
    sides = (across[:, None, None], down[:, None, None])
    inside = ((x - 96).abs() <= sides[0] / 2) & ((y - 48).abs() <= sides[1] / 2)
    return inside.float()[:, None]


def test_ink_adds_a_gaussian_kernel_of_size_ink_and_proportions_to_the_cosine():
    """Against the kernel itself; random Fourier features come near it."""
    rng = torch.Generator().manual_seed(3)
    ink, weight = InkStatistics(0.5), 0.5
    features = torch.nn.functional.normalize(torch.randn(200, 8, generator=rng), dim=1)
    scales = torch.tensor([0.4, 0.2, 0.03, 0.5])
    # As near to each other as the kernel is wide, so that it takes all values from 0 to 1.
    levels = 0.45 + 0.6 * torch.randn(200, 3, generator=rng) * scales[:3] / torch.tensor([12.0, 6.0, 1.0])
    across, down = (torch.rand(2, 200, generator=rng) * 56 + 24).round()
    pictures = boxes(across, down)
    found = ink(features, levels[:, None, :, None].expand(-1, 1, 3, 7), pictures)
    # Deviations of a box of an odd number n of pixels: the root of (n^2 - 1) / 12, and here 1 more.
    across, down = (pictures[:, 0].amax(dim=dim).sum(dim=1).double() for dim in (1, 2))
    proportions = 0.5 * torch.log(((across**2 - 1) / 12 + 1) / ((down**2 - 1) / 12 + 1))
    natural = torch.cat([levels.double() * torch.tensor([12.0, 6.0, 1.0]), proportions[:, None]], dim=1)
    apart = (natural[:, None] - natural[None]) / scales
    kernel = torch.exp(-0.5 * apart.square().sum(dim=2))
    assert float(kernel.std()) > 0.15
    without = torch.exp(-0.5 * apart[:, :, :3].square().sum(dim=2))
    assert float((kernel - without).abs().mean()) > 0.05
    expected = (features.double() @ features.double().T + weight * kernel) / (1.0 + weight)
    error = (found @ found.T).double() - expected
    assert float(error.square().mean().sqrt()) < 0.03
    torch.testing.assert_close(torch.diagonal(error), torch.zeros(200).double(), atol=1e-5, rtol=0)


def test_a_size_that_does_not_fit_can_lower_a_similarity_only_so_far():
    ink = InkStatistics(0.4)
    same = torch.nn.functional.normalize(torch.ones(2, 8), dim=1)
    levels = torch.tensor([[0.2, 0.3, 0.4], [0.9, 0.3, 0.4]])
    one, other = ink(same, levels[:, None, :, None].expand(-1, 1, 3, 7), torch.ones(2, 1, 6, 7))
    assert float(one @ other) > (1.0 - 0.4 * 0.35) / 1.4


def test_proportions_depend_neither_on_the_scale_nor_on_the_place_and_are_finite_on_blank_paper():
    ink = InkStatistics(1.0)
    picture = boxes(torch.tensor([41.0]), torch.tensor([21.0]))
    twice = boxes(torch.tensor([81.0]), torch.tensor([41.0]))
    taller = boxes(torch.tensor([41.0]), torch.tensor([41.0]))
    pictures = torch.cat([picture, picture.roll((10, -30), (2, 3)), twice, taller, 0.0 * picture])
    pictures.requires_grad_()
    features = torch.nn.functional.normalize(torch.ones(5, 8), dim=1)
    found = ink(features, torch.full((5, 1, 3, 192), 0.4), pictures)
    similar = (found @ found.T)[0].detach()
    assert similar[1] == pytest.approx(1.0, abs=1e-5)
    assert similar[2] == pytest.approx(1.0, abs=1e-3)
    assert similar[3] < 0.8
    (found @ found.T).sum().backward()
    assert torch.isfinite(pictures.grad).all()
    assert torch.isfinite(found).all()


def test_half_precision_in_training_leaves_the_waves_of_the_ink_as_they_are():
    ink = InkStatistics(0.6)
    features = torch.nn.functional.normalize(torch.ones(4, 8), dim=1)
    rng = torch.Generator().manual_seed(2)
    levels, pictures = torch.rand(4, 1, 3, 7, generator=rng), torch.rand(4, 1, 6, 7, generator=rng)
    with torch.autocast("cpu", torch.bfloat16):
        found = ink(features, levels, pictures)
    torch.testing.assert_close(found, ink(features, levels, pictures), rtol=0, atol=0)


@pytest.mark.parametrize("weight", [-0.1, 1.5])
def test_weights_of_the_ink_out_of_range_are_refused(weight):
    with pytest.raises(UsageError, match="ink_weight"):
        StudentTiny(ink_weight=weight)


@pytest.mark.parametrize("kind", SHAPES)
def test_directions_extend_the_features_before_the_ink_and_leave_the_learnt_ones_alone(kind):
    torch.manual_seed(1)
    plain, weighed = kind().eval(), kind(ink_weight=0.5, directions_weight=0.4).eval()
    missing = weighed.load_state_dict(plain.state_dict(), strict=False)
    assert missing.missing_keys == ["directions.mean", "ink.frequencies"]
    assert missing.unexpected_keys == []
    picture = torch.rand(2, 1, 96, 192)
    found = weighed.forward_layers(with_rows(picture, torch.rand(2, 3)), weighed.layers)
    assert list(found)[-3:] == ["embedding", "with_directions", "with_ink"]
    torch.testing.assert_close(found["embedding"], plain(picture))
    assert found["with_ink"].shape == (2, weighed.feature_dim) == (2, plain.feature_dim + 168 + 256)
    for name in ("with_directions", "with_ink"):
        torch.testing.assert_close(found[name].norm(dim=1), torch.ones(2))
    alone = kind(directions_weight=0.4)
    assert alone.input_size == (96, 192)
    assert alone.layers[-1] == "with_directions"


def stripes(degrees: float) -> torch.Tensor:
    """Draw soft stripes that run at an angle to the rows."""
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(192.0), indexing="ij")
    turn = torch.deg2rad(torch.tensor(degrees))
    across = x * torch.sin(turn) + y * torch.cos(turn)
    return (0.5 + 0.5 * torch.cos(0.4 * across))[None, None]


def histograms(directions: StrokeDirections, picture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Shares of one picture by cells, ``(12, 2, 4)``, and by bands, ``(12, 6)``."""
    cells, bands = directions.roots(picture)[0].square().split((96, 72))
    return cells.reshape(12, 2, 4), bands.reshape(12, 6)


@pytest.mark.parametrize("stride", [2, 4])
@pytest.mark.parametrize(("degrees", "bin_"), [(0.0, 6), (30.0, 4), (90.0, 0), (135.0, 9)])
def test_stripes_fall_into_the_bin_of_the_direction_in_which_they_change(degrees, bin_, stride):
    for shares in histograms(StrokeDirections(0.4, stride), stripes(degrees)):
        by_direction = shares.flatten(1).sum(dim=1)
        assert float(by_direction.sum()) == pytest.approx(1.0, abs=2e-4)
        # At the picture's edges, where everything ends, there are other slopes.
        assert float(by_direction[bin_]) > 0.75
        assert by_direction.argmax() == bin_


def bars(*places: tuple[int, int]) -> torch.Tensor:
    """Draw upright bars, each from a column on and 4 wide, from row 20 or 60 on and 16 high."""
    picture = torch.zeros(1, 1, 96, 192)
    for top, left in places:
        picture[0, 0, top : top + 16, left : left + 4] = 1.0
    return picture


def test_cells_follow_the_ink_and_bands_keep_their_height():
    directions = StrokeDirections(0.4)
    word = bars((20, 20), (60, 60), (20, 100), (60, 140))
    wider = bars((20, 20), (60, 70), (20, 120), (60, 170))
    lower = bars((28, 20), (68, 60), (28, 100), (68, 140))
    cells, bands = histograms(directions, word)
    for other, same_bands in ((wider, True), (lower, False)):
        other_cells, other_bands = histograms(directions, other)
        assert float((other_cells - cells).abs().max()) < 0.01
        assert (float((other_bands - bands).abs().max()) < 0.01) == same_bands
    # Each column of cells holds its share of the ink: its neighbours overlap, the outer ones end.
    assert cells.sum(dim=(0, 1)).tolist() == pytest.approx([0.25] * 4, abs=0.02)


def test_directions_add_the_mean_cosine_of_both_histograms_to_the_cosine():
    directions = StrokeDirections(0.5)
    directions.mean.fill_(0.05)
    pictures = torch.cat([stripes(degrees) for degrees in (0.0, 10.0, 80.0)])
    features = torch.nn.functional.normalize(torch.randn(3, 8), dim=1)
    found = directions(features, pictures)
    cosine = (features @ features.T).double()
    for code in (directions.roots(pictures).double() - 0.05).split((96, 72), dim=1):
        code = code / code.norm(dim=1, keepdim=True)
        cosine += 0.25 * code @ code.T
    torch.testing.assert_close((found @ found.T).double(), cosine / 1.5, atol=1e-6, rtol=0)


def test_gradients_through_directions_are_finite_where_nothing_is_written():
    picture = torch.zeros(2, 1, 96, 192)
    picture[1, 0, 40:44, 50:150] = 1.0
    picture.requires_grad_()
    found = StrokeDirections(0.4)(torch.ones(2, 4), picture)[:, 4:]
    (found[:, :7].square().sum() + found[:, 96:103].square().sum()).backward()
    assert picture.grad is not None
    assert bool(picture.grad.isfinite().all())
    assert float(picture.grad[1].abs().max()) > 0.0


@pytest.mark.parametrize("weight", [-0.1, 1.5])
def test_weights_of_the_directions_out_of_range_are_refused(weight):
    with pytest.raises(UsageError, match="directions_weight"):
        StudentBase(directions_weight=weight)
