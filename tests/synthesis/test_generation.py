"""Data sets: which samples they hold, and that processes change nothing."""

import hashlib

import numpy as np
import pytest

from sigzoo.errors import UsageError
from sigzoo.synthesis import DatasetSpec, conditions, generate, office
from sigzoo.synthesis.generation import Sample


def digests(workers: int) -> list[tuple[int, str, int, float, str]]:
    made = generate(DatasetSpec(2, 18, 1, seed=8, rendering=conditions("scanner")), workers=workers)
    return [(i.writer, i.kind, i.index, i.dpi, hashlib.sha256(i.image).hexdigest()) for i in made]


def test_any_number_of_processes_gives_the_same_images_in_the_same_order():
    alone = digests(1)
    assert len(set(alone)) == 38
    assert digests(3) == alone


def test_a_data_set_names_its_samples_writer_by_writer_the_genuine_first():
    spec = DatasetSpec(2, 2, 1)
    assert len(spec) == 6
    assert list(spec.samples()) == [
        Sample(writer, kind, index)
        for writer in (1, 2)
        for kind, index in (("genuine", 1), ("genuine", 2), ("forgery", 1))
    ]


def test_some_samples_are_those_of_the_whole():
    whole = {(i.writer, i.kind, i.index): i.image for i in generate(DatasetSpec(2, 2, 1, seed=6))}
    wanted = [Sample(1, "forgery", 1), Sample(2, "genuine", 2)]
    for item in generate(DatasetSpec(2, 2, 1, seed=6), lambda item: item, samples=wanted):
        np.testing.assert_array_equal(item.image, whole.pop((item.writer, item.kind, item.index)))
    assert len(whole) == 4


def test_a_rendering_that_cannot_be_sent_to_processes_is_a_usage_error():
    with pytest.raises(UsageError, match="top level of a module, or workers=1"):
        next(generate(DatasetSpec(2, 2, rendering=lambda rng: office(rng)), workers=2))
