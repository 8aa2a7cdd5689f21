"""Work in processes: order, a bounded number ahead, and every way to end."""

import math
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest

from sigzoo.common.parallel import ordered_map, process_map
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


def test_threads_give_results_in_order_with_few_ahead_and_errors_in_their_place():
    taken = []

    def numbers():
        for number in range(40):
            taken.append(number)
            yield number

    results = ordered_map(lambda number: 1 // (number - 20), numbers(), ahead=5)
    assert [next(results) for _ in range(3)] == [1 // (number - 20) for number in range(3)]
    assert len(taken) <= 3 + 5
    with pytest.raises(ZeroDivisionError):
        list(results)


def test_a_generator_may_be_closed_by_one_of_its_own_threads():
    """As the garbage collector does, from whatever thread it runs in."""
    first, holder, outcome = threading.Event(), [], []

    def work(number):
        if number == 1:
            first.wait(30)
            try:
                holder.pop().close()
                outcome.append("closed")
            except BaseException as error:
                outcome.append(repr(error))
        return number

    results = ordered_map(work, range(4), ahead=2)
    next(results)
    holder.append(results)
    del results
    first.set()
    deadline = time.monotonic() + 30
    while not outcome and time.monotonic() < deadline:
        time.sleep(0.01)
    assert outcome == ["closed"]


def test_closing_waits_for_no_thread_that_is_still_busy():
    busy, release = threading.Event(), threading.Event()

    def work(number):
        if number:
            busy.set()
            release.wait(60)
        return number

    results = ordered_map(work, range(3), ahead=3)
    assert next(results) == 0
    assert busy.wait(30)
    results.close()  # would wait a minute for what can only be released afterwards
    assert not release.is_set()
    release.set()


ENDING = """\
import contextlib, time
from sigzoo.common.parallel import Threads

@contextlib.contextmanager
def within():
    yield
    time.sleep(0.5)
    print("ended")

threads = Threads(lambda item: item, 1, within, finish=True)
threads.submit(1).result()
threads.stop()
del threads
"""


def test_the_interpreter_waits_for_threads_whose_pool_has_gone():
    """Such a thread may be on its way out of C++, which the interpreter's end would abort."""
    done = subprocess.run([sys.executable, "-c", ENDING], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("ended\n", "")
