"""Descriptors of cells: what they say of strokes, how they are learnt, and what they leave alone."""

import numpy as np
import pytest
import torch
from sigzoo_students.backbones import StudentBase, StudentTiny
from sigzoo_students.gradients import directed, gaussian_slopes
from sigzoo_students.local_descriptors import LocalDescriptors

import sigzoo
from sigzoo.interfaces import UsageError
from sigzoo.synthesis import Writer
from sigzoo.verification.local_matching import LocalMatching

KINDS = [StudentTiny, StudentBase]


@pytest.fixture(scope="module")
def bundled() -> LocalDescriptors:
    """Those of a bundled model, with its mean and components."""
    found = sigzoo.load("synsig-tiny", device="cpu").backbone.local
    assert isinstance(found, LocalDescriptors)
    return found


def strokes(*lines: tuple[int, int, int, int]) -> torch.Tensor:
    """Draw full boxes, each of a top row, a left column, a height and a width."""
    picture = torch.zeros(1, 1, 96, 192)
    for top, left, height, width in lines:
        picture[0, 0, top : top + height, left : left + width] = 1.0
    return picture


def units(count: int, size: int = 8) -> torch.Tensor:
    torch.manual_seed(4)
    return torch.nn.functional.normalize(torch.randn(count, size), dim=1)


def similarities(found: torch.Tensor, first: int, reach: tuple[int, int]) -> np.ndarray:
    """Of features to one another, by their descriptors alone."""
    matching = LocalMatching(first=first, size=(24, 12, 24), reach=reach)
    _, local = matching.split(found.numpy().astype(np.float64))
    return local.similarity(local)


def test_slopes_are_derivatives_of_a_gaussian():
    """Of a ramp the slope is the ramp's; of level paper it is none; across and down are each other's turn."""
    y, x = torch.meshgrid(torch.arange(9.0), torch.arange(9.0), indexing="ij")
    kernels = gaussian_slopes(1.2, 4)[:, 0]
    assert kernels.shape == (2, 9, 9)
    torch.testing.assert_close(kernels[0], kernels[1].T)
    places = np.arange(-4, 5)
    smooth = np.exp(-(places**2) / (2 * 1.2**2))
    smooth /= smooth.sum()
    expected = np.outer(smooth, -places / 1.2**2 * smooth)
    np.testing.assert_allclose(kernels[0].numpy(), expected, rtol=0, atol=1e-7)
    assert float((kernels[0] * (3.0 * x + 7.0 * y + 1.0)).sum()) == pytest.approx(-3.0, rel=0.01)
    assert float((kernels[1] * (3.0 * x + 7.0 * y + 1.0)).sum()) == pytest.approx(-7.0, rel=0.01)


@pytest.mark.parametrize("bins", [8, 12])
def test_a_gradient_is_shared_by_the_two_nearest_directions_of_half_a_turn(bins):
    torch.manual_seed(0)
    across, down = torch.randn(2, 1, 5, 6)
    strength, shared = directed(across, down, bins)
    assert shared.shape == (1, bins, 5, 6)
    for y, x in np.ndindex(5, 6):
        length = np.hypot(float(across[0, y, x]), float(down[0, y, x]))
        place = bins * (np.arctan2(float(down[0, y, x]), float(across[0, y, x])) % np.pi) / np.pi
        expected = np.zeros(bins)
        for near in (int(place), int(place) + 1):
            expected[near % bins] += length * (1 - abs(place - near))
        assert float(strength[0, y, x]) == pytest.approx(length, rel=1e-5)
        np.testing.assert_allclose(shared[0, :, y, x].numpy(), expected, rtol=0, atol=1e-5)
    _, opposite = directed(-across, -down, bins)
    torch.testing.assert_close(opposite, shared, rtol=0, atol=1e-5)


def test_shares_are_the_roots_of_the_cells_ink_and_one_together(bundled):
    torch.manual_seed(1)
    pictures = torch.rand(3, 1, 96, 192) * (torch.rand(3, 1, 96, 192) > 0.9)
    pictures[1, :, 40:] = 0.0
    pictures[2] = 0.0
    shares = bundled.shares(pictures)
    assert shares.shape == (3, 1, 12, 24)
    torch.testing.assert_close(shares.sum(dim=(1, 2, 3)), torch.ones(3))
    for number, picture in enumerate(pictures[:, 0].double().numpy()):
        roots = np.array(
            [
                [np.sqrt(picture[8 * row : 8 * row + 8, 8 * column : 8 * column + 8].mean() + 1e-6)]
                for row, column in np.ndindex(12, 24)
            ]
        )
        expected = (roots / roots.sum()).reshape(12, 24)
        np.testing.assert_allclose(shares[number, 0].numpy(), expected, rtol=1e-4)
    torch.testing.assert_close(shares[2], torch.full((1, 12, 24), 1 / 288))


def test_the_squared_length_of_a_cells_descriptor_is_its_share(bundled):
    """As a score that matches them has it."""
    pictures = torch.cat([strokes((20, 30, 30, 4), (60, 80, 4, 70)), torch.rand(1, 1, 96, 192)])
    features = bundled(units(2), pictures)
    _, local = LocalMatching(first=8, size=bundled.map).split(features.double().numpy())
    np.testing.assert_allclose(local.shares, bundled.shares(pictures)[:, 0].numpy(), rtol=0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(local.directions, axis=3), 1.0, rtol=0, atol=1e-5)


def test_the_cosine_compares_cells_at_the_same_place(bundled):
    pictures = torch.cat([torch.rand(3, 1, 96, 192), strokes((20, 30, 30, 4), (60, 80, 4, 70))])
    features = units(4)
    found = bundled(features, pictures)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(4))
    code = found[:, 8:].reshape(4, *bundled.map).double()
    shares = bundled.shares(pictures)[:, 0].double()
    expected = 0.75 * (features @ features.T).double()
    for one, other in np.ndindex(4, 4):
        for row, column in np.ndindex(12, 24):
            a, b = code[one, :, row, column], code[other, :, row, column]
            near = float(a @ b / (a.norm() * b.norm()))
            both = float(shares[one, row, column] * shares[other, row, column])
            expected[one, other] += 0.25 * near * both**0.5
    torch.testing.assert_close((found @ found.T).double(), expected, rtol=0, atol=1e-5)


def test_a_blank_picture_has_finite_features_of_length_one(bundled):
    features = bundled(units(2), torch.zeros(2, 1, 96, 192))
    assert bool(features.isfinite().all())
    torch.testing.assert_close(features.norm(dim=1), torch.ones(2))
    for kind in KINDS:
        model = kind(ink_weight=0.6, directions_weight=0.6, local_descriptors=24).eval()
        model.local.load_state_dict(bundled.state_dict())
        with torch.inference_mode():
            whole = model.forward_layers(torch.zeros(1, 1, 99, 192), ["with_local"])["with_local"]
        assert bool(whole.isfinite().all())
        assert float(whole.norm()) == pytest.approx(1.0, abs=1e-5)


WORD = ((24, 40, 32, 3), (53, 40, 3, 40), (24, 90, 3, 24), (24, 112, 40, 3), (40, 130, 24, 6))


@pytest.mark.parametrize("moved", [(0, 8), (8, 0), (-8, 16), (8, -24)], ids=str)
def test_strokes_that_move_by_cells_are_matched_where_they_went(bundled, moved):
    pictures = torch.cat([strokes(*WORD), strokes(*WORD).roll(moved, (2, 3))])
    found = bundled(units(1).repeat(2, 1), pictures)
    here, near = (similarities(found, 8, reach)[0, 1] for reach in ((0, 0), (1, 3)))
    assert near > 0.95
    assert near - here > 0.3


def test_a_writers_signatures_are_nearer_to_each_other_than_to_others():
    model = sigzoo.load("synsig-tiny", device="cpu")
    scans = [Writer(writer).genuine(number) for writer in range(4) for number in range(3)]
    table = similarities(torch.from_numpy(model.embed(scans, layer="with_local")), 160, (1, 3))
    writers = np.repeat(np.arange(4), 3)
    same = writers[:, None] == writers
    assert table[same].mean() - table[~same].mean() > 0.05
    np.testing.assert_allclose(np.diagonal(table), 1.0, rtol=0, atol=1e-6)


def test_mean_and_principal_components_are_those_of_the_cells():
    """Against the singular value decomposition, up to the sign of each component."""
    rng = np.random.default_rng(3)
    roots = np.abs(rng.normal(size=(500, 72)) * np.linspace(0.2, 3.0, 72)) @ (np.eye(72) + 0.1)
    local = LocalDescriptors(10, (96, 192))
    local.calibrate(torch.from_numpy(roots).float())
    mean = roots.mean(axis=0)
    np.testing.assert_allclose(local.mean.numpy(), mean, rtol=1e-5)
    beyond = (roots - mean) / np.linalg.norm(roots - mean, axis=1, keepdims=True)
    _, singular, directions = np.linalg.svd(beyond, full_matrices=False)
    deviations = singular / np.sqrt(len(roots))
    expected = directions[:10].T / np.sqrt(deviations[:10])
    found = local.components.numpy()
    signs = np.sign((found * expected).sum(axis=0))
    np.testing.assert_allclose(found * signs, expected, rtol=0, atol=1e-3 * np.abs(expected).max())
    # So the variance along each is no more than its deviation: what is common counts less.
    np.testing.assert_allclose(
        np.sqrt(((beyond @ found) ** 2).mean(axis=0)), deviations[:10] ** 0.5, rtol=1e-3
    )


def test_some_of_the_cells_with_ink_are_taken_to_learn_from():
    local = LocalDescriptors(24, (96, 192))
    torch.manual_seed(2)
    pictures = torch.rand(4, 1, 96, 192)
    pictures[:, :, :, 96:] = 0.0
    pictures[1, :, 8:16, 8:16] = 5e-4  # next to nothing
    found = local.inked(pictures)
    roots, rows = local.roots(pictures), []
    for number, row, column in np.ndindex(4, 12, 24):
        if column < 12 and (number, row, column) != (1, 1, 1):
            rows.append(roots[number, :, row, column])
    torch.testing.assert_close(found, torch.stack(rows[::29]), rtol=0, atol=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weights", [{"directions_weight": 0.6}, {"ink_weight": 0.6}], ids=str)
def test_a_network_learns_them_from_training_images_in_one_pass(kind, weights):
    torch.manual_seed(5)
    model = kind(**weights, local_descriptors=24)
    rows = model.input_size[0] - 96
    pictures = torch.cat([strokes(*WORD).roll((0, each), (2, 3)) for each in range(0, 48, 4)])
    pictures = pictures * torch.rand(len(pictures), 1, 96, 192)
    images = torch.cat([pictures, torch.rand(len(pictures), 1, rows, 192)], dim=2)
    model.calibrate(iter(images.split(5)))
    cells = torch.cat([model.local.inked(each) for each in pictures.split(5)])
    expected = LocalDescriptors(24, (96, 192))
    expected.calibrate(cells)
    torch.testing.assert_close(model.local.mean, cells.mean(dim=0))
    torch.testing.assert_close(model.local.components, expected.components)
    if model.directions is not None:
        torch.testing.assert_close(model.directions.mean, model.directions.roots(pictures).mean(dim=0))


def test_blank_images_teach_nothing():
    model = StudentTiny(ink_weight=0.6, local_descriptors=24)
    before = {name: each.clone() for name, each in model.state_dict().items()}
    model.calibrate(iter(torch.zeros(6, 1, 99, 192).split(4)))
    for name, each in model.state_dict().items():
        assert torch.equal(each, before[name]), name


def test_a_network_without_descriptors_reads_no_training_images():
    def refused():
        pytest.fail("read")
        yield

    StudentTiny(ink_weight=0.6).calibrate(refused())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "weights",
    [{"ink_weight": 0.6, "directions_weight": 0.6}, {"ink_weight": 0.6}, {"directions_weight": 0.6}],
    ids=str,
)
def test_all_other_layers_stay_as_they_are_to_the_bit(kind, weights):
    torch.manual_seed(6)
    plain, described = kind(**weights).eval(), kind(**weights, local_descriptors=12).eval()
    found = described.load_state_dict(plain.state_dict(), strict=False)
    assert found.missing_keys == ["local.mean", "local.components"]
    assert found.unexpected_keys == []
    assert described.feature_dim == plain.feature_dim
    assert described.scanner_layers == plain.scanner_layers
    assert described.input_size == plain.input_size
    assert [name for name in described.layers if name != "with_local"] == list(plain.layers)
    assert described.layers[described.layers.index("embedding") + 1] == "with_local"
    x = torch.rand(2, 1, *plain.input_size)
    with torch.inference_mode():
        before, after = (each.forward_layers(x, each.layers) for each in (plain, described))
        assert torch.equal(described(x), plain(x))
        alone = described.forward_layers(x, ["with_local"])["with_local"]
    assert list(after) == list(described.layers)
    for name in plain.layers:
        assert torch.equal(after[name], before[name]), name
    assert after["with_local"].shape == (2, plain.fc.out_features + 12 * 12 * 24)
    torch.testing.assert_close(alone, after["with_local"], rtol=0, atol=0)
    torch.testing.assert_close(
        after["with_local"][:, : plain.fc.out_features], 0.75**0.5 * after["embedding"]
    )


def test_descriptors_are_computed_only_where_they_are_asked_for():
    model = StudentTiny(ink_weight=0.6, local_descriptors=24).eval()
    calls = []
    model.local.register_forward_hook(lambda *_: calls.append(1))
    x = torch.rand(1, 1, 99, 192)
    model(x)
    model.forward_layers(x, ["embedding", "with_ink"])
    assert calls == []
    model.forward_layers(x, ["with_local", "with_ink"])
    assert calls == [1]


def test_a_picture_of_another_size_has_another_map():
    model = StudentTiny(input_size=(64, 128), ink_weight=0.6, local_descriptors=5).eval()
    assert model.local.map == (5, 8, 16)
    found = model.forward_layers(torch.rand(2, 1, 67, 128), ["with_local"])["with_local"]
    assert found.shape == (2, 160 + 5 * 8 * 16)


def test_the_descriptors_follow_from_no_other_features():
    model = StudentTiny(ink_weight=0.6, directions_weight=0.6, local_descriptors=24)
    assert model.layer_from_features("with_local") is None


def test_half_precision_in_training_leaves_the_descriptors_as_they_are(bundled):
    pictures, features = torch.rand(2, 1, 96, 192), units(2)
    with torch.autocast("cpu", torch.bfloat16):
        found = bundled(features, pictures)
    torch.testing.assert_close(found, bundled(features, pictures), rtol=0, atol=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"local_descriptors": 73, "ink_weight": 0.6}, "from 0 to 72"),
        ({"local_descriptors": -1, "ink_weight": 0.6}, "from 0 to 72"),
        ({"local_descriptors": 24, "ink_weight": 0.6, "input_size": (90, 192)}, "8 divide both sides"),
        ({"local_descriptors": 24, "ink_weight": 0.6, "input_size": (96, 220)}, "8 divide both sides"),
        ({"local_descriptors": 24}, "an ink_weight or a directions_weight"),
        ({"local_descriptors": 24, "ink_weight": 0.0}, "an ink_weight or a directions_weight"),
    ],
)
def test_options_that_cannot_be_are_refused(kind, options, wrong):
    with pytest.raises(UsageError, match=wrong):
        kind(**options)


@pytest.mark.parametrize("count", [1, 72])
def test_as_few_and_as_many_components_as_there_can_be(count):
    local = LocalDescriptors(count, (96, 192))
    torch.manual_seed(7)
    local.calibrate(local.roots(torch.rand(1, 1, 96, 192)).flatten(2)[0].T)
    found = local(units(1), strokes(*WORD))
    assert found.shape == (1, 8 + count * 288)
    assert float(found.norm()) == pytest.approx(1.0, abs=1e-5)
