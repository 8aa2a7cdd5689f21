"""Every step of augmentation does what its name says, to each image in its own way, and no more."""

import copy

import numpy as np
import pytest
import torch
from scipy import stats

from sigzoo.learning.augment import STEPS, ImageRandom, augment, centre_crop, random_crop
from sigzoo.settings.training_settings import AUGMENTATIONS

NUMBERS = np.arange(16)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    """16 times the same strokes, soft-edged: float32 (16, 1, 48, 72)."""
    image = torch.zeros(1, 1, 48, 72)
    image[..., 20:23, 10:60] = 0.8
    image[..., 10:40, 30:33] = 0.7
    soft = torch.nn.functional.avg_pool2d(image, 3, 1, 1)
    return soft.expand(16, -1, -1, -1).contiguous()


def rng(seed=0, epoch=1, numbers=NUMBERS):
    return ImageRandom.for_images(seed, epoch, np.asarray(numbers))


def once(name, images, strength=1.0, **which):
    return augment(images, rng(**which), [name], strength)


def test_the_settings_name_the_steps_that_there_are():
    assert tuple(STEPS) == AUGMENTATIONS


@pytest.mark.parametrize("name", STEPS)
def test_a_step_keeps_shape_kind_and_range_and_its_input(name, images):
    before = images.clone()
    out = once(name, images)
    assert out.shape == images.shape
    assert out.dtype == torch.float32
    assert float(out.min()) >= 0.0
    assert float(out.max()) <= 1.0
    assert torch.equal(images, before)


@pytest.mark.parametrize("name", STEPS)
def test_a_step_changes_images_each_in_its_own_way(name, images):
    many = images[:1].expand(64, -1, -1, -1)
    out = augment(many, rng(numbers=np.arange(64)), [name])
    different = {tuple(each.flatten().tolist()) for each in out}
    assert len(different) > 4
    assert not torch.equal(out, many)


@pytest.mark.parametrize("name", STEPS)
def test_the_same_seed_epoch_and_image_give_the_same_in_any_batch(name, images):
    out = once(name, images)
    assert torch.equal(once(name, images), out)
    some = [3, 11, 4]
    assert torch.allclose(once(name, images[some], numbers=some), out[some], atol=1e-6)
    for other in ({"seed": 1}, {"epoch": 2}):
        assert not torch.equal(once(name, images, **other), out)


@pytest.mark.parametrize("name", STEPS)
def test_strength_scales_a_step_down_to_nothing(name, images):
    many, own = images[:1].expand(200, -1, -1, -1), rng(numbers=np.arange(200)).spawn(name)
    change = [
        float((STEPS[name](many, copy.copy(own), strength) - many).abs().mean())
        for strength in (1e-6, 0.3, 1.0)
    ]
    assert change[0] < 1e-4
    assert change[0] <= change[1] < change[2]
    assert augment(images, rng(), STEPS, 0.0) is images


def test_no_step_moves_the_draws_of_another(images):
    alone = once("ink", images)
    nothing = torch.zeros_like(images)
    assert torch.equal(augment(nothing, rng(), ["affine", "ink"]), nothing)
    after = STEPS["ink"](images, rng().spawn("ink"), 1.0).clamp(0, 1)
    assert torch.equal(after, alone)


@pytest.mark.parametrize("name", ["affine", "elastic"])
def test_geometry_keeps_most_of_the_ink(name, images):
    share = once(name, images).sum(dim=(1, 2, 3)) / images.sum(dim=(1, 2, 3))
    assert float(share.min()) > 0.6
    assert float(share.max()) < 1.5


@pytest.mark.parametrize("name", ["affine", "elastic", "width", "ink", "binarise"])
def test_an_empty_image_stays_empty(name, images):
    assert float(once(name, torch.zeros_like(images)).abs().max()) == 0.0


def test_width_lies_between_erosion_and_dilation(images):
    wide = torch.nn.functional.max_pool2d(images, 3, 1, 1)
    thin = -torch.nn.functional.max_pool2d(-images, 3, 1, 1)
    out = once("width", images)
    assert bool(((out <= wide + 1e-6) & (out >= thin - 1e-6)).all())
    ink = out.sum(dim=(1, 2, 3)) / images.sum(dim=(1, 2, 3))
    assert float(ink.min()) < 0.9
    assert float(ink.max()) > 1.1


def test_ink_puts_none_where_there_was_none(images):
    out = once("ink", images)
    assert float(out[images == 0].abs().max()) == 0.0
    assert bool((out[images > 0.1] > 0).all())


def test_binarise_gives_two_levels_to_some(images):
    many = images[:1].expand(400, -1, -1, -1)
    out = augment(many, rng(numbers=np.arange(400)), ["binarise"])
    two = [len(each.unique()) == 2 and float(each.max()) == 1.0 for each in out]
    assert 0.09 < np.mean(two) < 0.21
    assert all(binary or torch.equal(each, images[0]) for binary, each in zip(two, out, strict=True))


def test_noise_and_residue_reach_the_background(images):
    many = images[:1].expand(200, -1, -1, -1)
    for name in ("noise", "residue"):
        out = augment(many, rng(numbers=np.arange(200)), [name])
        reached = ((out > 0) & (many == 0)).any(dim=3).any(dim=2).any(dim=1).float().mean()
        assert 0.2 < float(reached) < 0.8, name


def test_residue_takes_no_ink_away(images):
    assert bool((once("residue", images) >= images).all())


def test_the_centre_crop_is_that_of_the_published_preprocessing():
    image = torch.arange(170 * 242.0).reshape(1, 1, 170, 242)
    assert torch.equal(centre_crop(image, (150, 220)), image[:, :, 10:160, 11:231])


def test_a_random_crop_is_a_part_of_its_image_and_reaches_every_edge():
    image = torch.arange(20 * 30.0).reshape(1, 1, 20, 30).expand(600, -1, -1, -1)
    out = random_crop(image, (17, 26), rng(numbers=np.arange(600)))
    assert out.shape == (600, 1, 17, 26)
    corners = out[:, 0, 0, 0]
    tops, lefts = (corners // 30).long(), (corners % 30).long()
    for part, top, left in zip(out[:20], tops, lefts, strict=False):
        assert torch.equal(part, image[0, :, top : top + 17, left : left + 26])
    assert sorted(set(tops.tolist())) == [0, 1, 2, 3]
    assert sorted(set(lefts.tolist())) == [0, 1, 2, 3, 4]


def test_draws_are_uniform_and_normal_and_independent():
    many = rng(numbers=np.arange(4000))
    uniform, normal = many.uniform(0, 1, 2).numpy(), many.normal(2).numpy()
    for column in range(2):
        assert stats.kstest(uniform[:, column], "uniform").pvalue > 1e-3
        assert stats.kstest(normal[:, column], "norm").pvalue > 1e-3
    together = np.concatenate(
        [uniform, normal, rng(epoch=2, numbers=np.arange(4000)).uniform(0, 1, 2)], axis=1
    )
    correlation = np.corrcoef(together.T) - np.eye(6)
    assert np.abs(correlation).max() < 0.06
    assert set(many.integers(3).tolist()) == {0, 1, 2}
    assert 0.25 < float(many.bernoulli(0.3).float().mean()) < 0.35
