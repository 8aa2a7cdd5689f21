"""What is held out, and in what order an epoch takes the rest."""

import numpy as np
import pytest

from sigzoo.errors import DataError
from sigzoo.learning.data.in_memory import TrainingData
from sigzoo.learning.data.splits import epoch_batches, split_per_writer


def data_of(writers, forged=None):
    writers = np.array(writers)
    count = len(writers)
    return TrainingData(
        np.zeros(4 * count, np.uint8),
        np.full((count, 2), 2),
        writers,
        np.zeros(count, np.int64) if forged is None else np.array(forged),
    )


@pytest.mark.parametrize(("own", "held"), [(1, 0), (2, 1), (9, 1), (10, 1), (20, 2), (24, 2), (26, 3)])
def test_a_tenth_of_each_writer_is_held_out_and_at_least_one(own, held):
    data = data_of([0] * own + [1] * 10)
    split = split_per_writer(data, 0.1, 0)
    assert (data.writers[split.validation] == 0).sum() == held
    assert (data.writers[split.validation] == 1).sum() == 1
    assert sorted([*split.training, *split.validation]) == list(range(own + 10))


def test_forgeries_are_held_out_in_the_same_share_as_genuine_signatures():
    data = data_of([0] * 30 + [1] * 30, ([0] * 20 + [1] * 10) * 2)
    split = split_per_writer(data, 0.1, 0)
    for writer in (0, 1):
        own = split.validation[data.writers[split.validation] == writer]
        assert (data.forged[own] == 0).sum() == 2
        assert (data.forged[own] == 1).sum() == 1


def test_a_split_follows_from_the_seed_and_each_writers_from_it_alone():
    few, many = data_of([0] * 20 + [1] * 20), data_of([0] * 20 + [1] * 20 + [2] * 20)
    first = split_per_writer(few, 0.2, 4).validation
    assert np.array_equal(first, split_per_writer(few, 0.2, 4).validation)
    assert not np.array_equal(first, split_per_writer(few, 0.2, 5).validation)
    assert np.array_equal(first, split_per_writer(many, 0.2, 4).validation[: len(first)])


def test_without_a_second_signature_of_anyone_nothing_can_be_held_out():
    with pytest.raises(DataError, match="two genuine"):
        split_per_writer(data_of([0, 1, 2]), 0.1, 0)


WRITERS = np.repeat(np.arange(5), 10)
ALL = np.arange(50)


def batches(**otherwise):
    what = {"size": 8, "per_writer": 1, "seed": 0, "epoch": 1, "processes": 1, **otherwise}
    return epoch_batches(ALL, WRITERS, **what)


def test_batches_are_full_and_hold_nothing_twice():
    made = batches()
    assert [len(each) for each in made] == [8] * 6
    assert len(set(np.concatenate(made))) == 48


def test_the_order_follows_from_seed_and_epoch():
    assert all(np.array_equal(a, b) for a, b in zip(batches(), batches(), strict=True))
    for otherwise in ({"seed": 1}, {"epoch": 2}):
        assert not np.array_equal(batches()[0], batches(**otherwise)[0])


def test_a_batch_larger_than_the_data_holds_all_of_them():
    assert [len(each) for each in batches(size=1000)] == [50]


def test_a_batch_can_be_shared_by_the_processes():
    assert [len(each) for each in batches(size=8, processes=3)] == [6] * 8


def test_signatures_of_a_writer_come_together():
    for batch in batches(size=8, per_writer=4, processes=2):
        groups = WRITERS[batch].reshape(-1, 4)
        assert (groups == groups[:, :1]).all()


def test_too_few_signatures_are_an_error():
    with pytest.raises(DataError, match="too few"):
        epoch_batches(np.arange(3), WRITERS, size=8, per_writer=1, seed=0, epoch=1, processes=4)
    with pytest.raises(DataError, match="11"):
        batches(size=22, per_writer=11)
