"""New writers beside the old: batches of both, what is measured, and which epoch is kept."""

from dataclasses import replace

import numpy as np
import pytest

from sigzoo.learning import EpochResult, distill
from sigzoo.learning.data.in_memory import TrainingData
from sigzoo.learning.data.on_disk import StoredData
from sigzoo.learning.distillation.continual import JoinedData, paired
from sigzoo.learning.training.run import _quality
from sigzoo.registry import read_registry
from sigzoo.weights import read_weights


@pytest.fixture
def newcomers(tmp_path, patterns):
    """Three writers whom the teacher does not know, with forgeries; fewer images than the old data have."""
    x, y, yforg = patterns(writers=7, genuine=8, forgeries=2)
    late = y >= 47
    np.savez(tmp_path / "new.npz", x=x[late], y=y[late], yforg=yforg[late])
    return tmp_path / "new.npz"


@pytest.fixture
def together(toy_distillation, newcomers):
    def made(**otherwise):
        values = {"continual": str(newcomers), "continual_preprocessed": True, "epochs": 30, "batch_size": 16}
        return toy_distillation(**{**values, **otherwise})

    return made


def test_new_writers_are_learnt_and_the_old_ones_are_not_forgotten(teacher, together, newcomers):
    result = distill(together())
    assert result.best.agreement > 90
    assert result.best.accuracy > 90
    assert result.best.eer_new < 20
    assert read_registry(result.registry).models["student"].heads == {"writer": 7}
    kept = read_weights(result.weights, "safetensors")
    with np.load(newcomers) as file:
        x, y, forged = (file[key] for key in ("x", "y", "yforg"))
    named = {key: each.numpy() for key, each in {**kept.tensors, **kept.heads["writer"]}.items()}
    hidden = np.tanh(x.reshape(30, -1) / 255 @ named["hidden.weight"].T + named["hidden.bias"])
    logits = (hidden @ named["out.weight"].T + named["out.bias"]) @ named["weight"].T + named["bias"]
    chosen = logits[:, 4:].argmax(axis=1)
    assert (chosen == (y - 47) // 10)[forged == 0].mean() > 0.9


def test_without_the_old_data_the_old_writers_are_not_known(teacher, together):
    options = {"d_lamb": 0.0, "p_lamb": 0.0}
    result = distill(together(loss_options=options))
    assert result.best.accuracy_new > 90
    assert result.best.agreement < 70


def test_the_teachers_head_can_be_copied_for_the_old_writers(teacher, together):
    theirs = read_weights(teacher.weights, "safetensors").heads["writer"]["weight"]
    settings = together(copy_head=True, epochs=1, learning_rate=1e-12, weight_decay=0.0)
    ours = read_weights(distill(settings).weights, "safetensors").heads["writer"]["weight"]
    assert np.allclose(ours[:4].numpy(), theirs.numpy(), atol=1e-6)
    assert not np.allclose(ours[4:].numpy(), 0.0)


def test_a_stopped_run_goes_on_as_if_nothing_had_been(teacher, together, tmp_path, log_rows, killed_after):
    whole = distill(together(output=tmp_path / "whole", name="run", epochs=5))
    settings = together(name="run", epochs=5)
    killed_after(13, lambda progress: distill(settings, progress=progress))
    resumed = distill(settings, resume=True)
    assert log_rows(resumed.log) == log_rows(whole.log)
    assert resumed.weights.read_bytes() == whole.weights.read_bytes()


@pytest.fixture
def sides(toy_distillation):
    """Batches of `old` and `new` signatures, numbered one after the other."""

    def made(old, new, processes=1, **settings):
        values = toy_distillation(continual="new.npz", **settings)
        whole = np.zeros(old + new)
        batches = paired(np.arange(old), np.arange(old, old + new), whole, values, processes)
        return lambda epoch: [batch.indices for batch in batches.batches(epoch)]

    return made


@pytest.mark.parametrize(("old", "new"), [(40, 12), (12, 40), (24, 24), (100, 7)])
def test_whichever_is_longer_is_gone_through_once_and_the_other_goes_on(sides, old, new):
    batches = sides(old, new, batch_size=8)
    epochs = [batches(number) for number in range(1, 9)]
    longer = range(old) if old >= new else range(old, old + new)
    shorter = range(old, old + new) if old >= new else range(old)
    for epoch in epochs:
        seen = np.concatenate(epoch)
        assert sorted(seen[np.isin(seen, longer)]) == list(longer)
        for batch in epoch:
            assert len(batch) == 8
            assert (batch < old).sum() == 4
    flat = np.concatenate([batch[np.isin(batch, shorter)] for epoch in epochs for batch in epoch])
    a_pass = len(shorter) // 4 * 4
    for start in range(0, len(flat) - a_pass + 1, a_pass):
        assert len(set(flat[start : start + a_pass])) == a_pass
    orders = {tuple(flat[start : start + 4]) for start in range(0, len(flat) - 4, a_pass)}
    assert len(orders) > 1


def test_an_epoch_follows_from_its_number_alone(sides):
    batches, again = sides(20, 8, batch_size=8), sides(20, 8, batch_size=8)
    for epoch in range(1, 6):
        batches(epoch)
    assert all(np.array_equal(a, b) for a, b in zip(batches(5), again(5), strict=True))


def test_each_process_gets_old_and_new_in_equal_parts(sides):
    for batch in sides(20, 20, processes=2, batch_size=16)(1):
        for share in np.split(batch, 2):
            assert (share < 20).sum() == (share >= 20).sum() == 4
    one, two = (sides(20, 20, processes=count, batch_size=16)(1) for count in (1, 2))
    assert all(sorted(a) == sorted(b) for a, b in zip(one, two, strict=True))


def test_old_and_new_images_are_one_set_on_one_scale(inverted, patterns):
    """Floating point from 0 to 1 beside uint8, of another size: brought to 0 to 1, in the middle."""
    old = StoredData(inverted)
    levels = patterns(writers=2, genuine=3, size=(10, 20))[0]
    new = TrainingData(
        levels.reshape(-1), np.full((6, 2), (10, 20)), np.array([0, 0, 0, 1, 1, 1]), np.zeros(6, np.int64)
    )
    joined = JoinedData(old, new, 4)
    assert joined.white == 1.0
    assert joined.writers.tolist() == [*old.writers, 4, 4, 4, 5, 5, 5]
    assert (joined.smallest(), joined.largest()) == ((10, 16), (12, 20))
    found = joined.batch(np.array([50, 2, 53]))
    assert found.shape == (3, 1, 12, 20)
    assert np.array_equal(found[1, 0, :, 2:18], old.batch(np.array([2]))[0, 0])
    for row, index in ((0, 2), (2, 5)):
        assert np.allclose(found[row, 0, 1:11], levels[index, 0] / 255)
        assert not found[row, 0, [0, 11]].any()
    other = JoinedData(old, replace(new, writers=new.writers[::-1].copy()), 4)
    assert joined.digest() != other.digest()


def result(accuracy, accuracy_new, eer=10.0, eer_new=None):
    return EpochResult(1, 1e-3, 1.0, accuracy, eer, None, 0.0, False, accuracy, accuracy_new, eer_new)


def test_the_epoch_kept_has_the_highest_mean_and_of_equals_the_smaller_spread():
    """The published rule: (old + new) / 2 first, then how far they are apart."""
    good = _quality(result(80.0, 60.0), "auto")
    assert _quality(result(90.0, 52.0), "auto") > good
    assert _quality(result(72.0, 68.0), "auto") > good
    assert _quality(result(90.0, 50.0), "auto") < good
    assert _quality(result(95.0, 40.0), "auto") < good
    assert _quality(result(60.0, 80.0), "auto") == good
    # Equal means of other fractions are equal, however they are rounded.
    for count in (6, 9, 12, 90):
        shares = [100.0 * (right / count) for right in range(count + 1)]
        for apart, near in zip(range(count // 3), range(1, count), strict=False):
            one = result(shares[apart], shares[count - apart - 1])
            other = result(shares[near], shares[count - near - 1])
            assert _quality(other, "auto") > _quality(one, "auto")
    assert _quality(result(None, None, eer=5.0), "auto") > _quality(result(None, None, eer=6.0), "auto")
    assert _quality(result(9.0, 9.0, 4.0, 8.0), "eer") > _quality(result(99.0, 99.0, 4.0, 9.0), "eer")
