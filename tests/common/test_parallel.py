"""Work in processes: order, a bounded number ahead, and every way to end."""

import math
import multiprocessing
import os
from contextlib import closing

import pytest

from sigzoo.common.parallel import process_map
from sigzoo.errors import SigzooError, UnknownNameError, UsageError
from sigzoo.synthesis import conditions


def test_results_come_in_order_however_slowly_they_are_taken_and_few_items_are_under_way():
    taken = []

    def numbers():
        for number in range(60):
            taken.append(number)
            yield number

    with closing(process_map(math.sqrt, numbers(), workers=2)) as results:
        first = [next(results) for _ in range(3)]
        assert len(taken) == 3 + 6
        rest = list(results)
    assert first + rest == [math.sqrt(number) for number in range(60)]


def test_closing_before_the_end_ends_the_processes():
    before = set(multiprocessing.active_children())
    with closing(process_map(math.sqrt, range(1000), workers=2)) as results:
        next(results)
        assert set(multiprocessing.active_children()) - before
    assert not set(multiprocessing.active_children()) - before


def test_a_process_that_dies_is_an_error_that_says_so():
    with pytest.raises(SigzooError, match="died.*fewer workers"):
        list(process_map(os._exit, [3], workers=2))


def test_an_error_of_the_work_is_that_error():
    with pytest.raises(UnknownNameError, match="Did you mean office") as caught:
        list(process_map(conditions, ["varied", "offise"], workers=2))
    assert caught.value.suggestions == ["office"]


def test_work_that_cannot_be_sent_is_a_usage_error():
    with pytest.raises(UsageError, match="top level"):
        list(process_map(lambda item: item, [1], workers=2))


def test_one_worker_is_this_process():
    assert list(process_map(lambda item: (item, os.getpid()), [1, 2], workers=1)) == [
        (1, os.getpid()),
        (2, os.getpid()),
    ]
