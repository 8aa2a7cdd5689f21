"""Samplers: what they draw, how often, and together with whom."""

from itertools import pairwise

import numpy as np
import pytest

from sigzoo.errors import DataError, UnknownNameError, UsageError
from sigzoo.interfaces.samplers import SampledData
from sigzoo.learning.data.samplers import FamilySampler, MixedSampler, ShuffledSampler
from sigzoo.testing.samplers import check_sampler


def families(numbers=(0, 1, 2, 3, 4, 20, 21)):
    """Families of a writer (6 signatures), a namesake (5) and a forger (4); those from 20 on are part 1."""
    rows = [
        (family, role, index)
        for family in numbers
        for role, count in ((0, 6), (1, 5), (2, 4))
        for index in range(count)
    ]
    family, role, _ = np.array(rows).T
    hand = np.unique(3 * family + role, return_inverse=True)[1]
    writers = np.unique(3 * family + np.where(role == 2, 0, role), return_inverse=True)[1]
    labels = {"family": family, "role": role, "hand": hand, "part": (family >= 20).astype(np.int64)}
    return SampledData(np.arange(len(rows)), writers, (role == 2).astype(np.int64), labels)


DATA = families()


def draw(sampler, data=DATA, *, size=40, epoch=1, seed=0, processes=1):
    return sampler.batches(data, size=size, seed=seed, epoch=epoch, processes=processes)


@pytest.mark.parametrize(
    "sampler",
    [
        ShuffledSampler(),
        ShuffledSampler(per_writer=3),
        ShuffledSampler(repeats=[1, 3]),
        FamilySampler(),
        FamilySampler(most=[2], repeats=[2, 0]),
        MixedSampler([ShuffledSampler(), FamilySampler(repeats=[1, 4])]),
    ],
)
def test_samplers_of_our_own_keep_what_the_interface_promises(sampler):
    check_sampler(sampler)


def test_a_family_comes_whole_with_some_signatures_of_every_hand():
    labels = DATA.labels
    times = dict.fromkeys(labels["family"].tolist(), 0)
    for batch in draw(FamilySampler(repeats=[1, 2])):
        assert 9 <= len(batch.indices) < 80
        assert len(set(batch.indices.tolist())) == len(batch.indices)
        for number in set(labels["family"][batch.indices].tolist()):
            assert batch.kind == f"part-{int(number >= 20)}"
            times[number] += 1
            own = batch.indices[labels["family"][batch.indices] == number]
            assert np.bincount(labels["role"][own]).tolist() == [4, 2, 3]
    assert times == {number: 1 + (number >= 20) for number in times}


def test_a_family_sampler_draws_other_signatures_in_another_epoch():
    first, second = (np.concatenate([b.indices for b in draw(FamilySampler(), epoch=e)]) for e in (1, 2))
    assert set(first.tolist()) != set(second.tolist())


@pytest.mark.parametrize("processes", [2, 3])
def test_a_process_gets_whole_families_of_a_shared_batch_but_for_the_end(processes):
    labels = DATA.labels
    for batch in draw(FamilySampler(), size=18 * processes, processes=processes):
        for part in np.split(batch.indices, processes):
            counts = np.bincount(labels["family"][part])
            assert (counts[counts > 0] == 9).sum() >= np.count_nonzero(counts) - 1


def test_shuffled_batches_bring_every_signature_as_often_as_asked():
    batches = draw(ShuffledSampler(repeats=[1, 3]), size=4)
    times = np.bincount(np.concatenate([each.indices for each in batches]), minlength=len(DATA.writers))
    wanted = np.where(DATA.labels["part"] == 1, 3, 1)
    assert (times <= wanted).all()
    assert (wanted - times).sum() == wanted.sum() % 4


def test_a_mixture_holds_every_batch_of_each_sampler_in_turn_at_random():
    parts = [ShuffledSampler(), FamilySampler()]
    mixed = draw(MixedSampler(parts), size=12)
    apart = [batch for each in parts for batch in draw(each, size=12)]
    assert sorted((b.kind, b.indices.tolist()) for b in mixed) == sorted(
        (b.kind, b.indices.tolist()) for b in apart
    )
    kinds = [batch.kind for batch in mixed]
    assert sum(a != b for a, b in pairwise(kinds)) > 4
    assert set(MixedSampler(parts).kinds(DATA)) == {"any", "part-0", "part-1"}


def test_a_family_sampler_needs_the_labels_that_it_is_told():
    with pytest.raises(UnknownNameError, match="familly.*Did you mean family"):
        draw(FamilySampler(family="familly"))


@pytest.mark.parametrize(
    "make",
    [
        lambda: ShuffledSampler(per_writer=0),
        lambda: ShuffledSampler(repeats=[0, 0]),
        lambda: ShuffledSampler(per_writer=2, repeats=[1, 2]),
        lambda: FamilySampler(most=[]),
        lambda: FamilySampler(most=[3, 0]),
        lambda: FamilySampler(repeats=[-1]),
    ],
)
def test_options_out_of_range(make):
    with pytest.raises(UsageError):
        make()


def test_families_too_small_for_the_processes_are_an_error():
    with pytest.raises(DataError, match="too small"):
        draw(FamilySampler(), families((1,)), processes=4)
