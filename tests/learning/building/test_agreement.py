"""Agreement of a student with its teacher, by hand on a few answers."""

from __future__ import annotations

import numpy as np
import pytest

import sigzoo
from sigzoo.learning.building.agreement import answers, compare_answers
from sigzoo.learning.data.on_disk import StoredData


def test_agreement_is_the_share_of_equal_answers_and_chance_the_best_constant_one():
    found = compare_answers(np.array([0, 0, 0, 1, 2, 3, 4, 5]), np.array([0, 0, 1, 1, 2, 0, 0, 5]))
    assert (found.images, found.percent, found.constant) == (8, 62.5, 37.5)
    assert found.required == pytest.approx(37.5 + 6.25)
    assert found.sane


def test_always_the_same_answer_is_never_sane():
    taught = np.arange(531).repeat(3)
    found = compare_answers(taught, np.full(len(taught), 7))
    assert found.percent == pytest.approx(100 / 531)
    assert not found.sane
    assert found.required > 50 * found.percent


def test_a_recipe_may_ask_for_more_or_less():
    taught, said = np.array([0, 1, 2, 3]), np.array([0, 0, 0, 0])
    assert not compare_answers(taught, said).sane
    assert compare_answers(taught, said, required=25.0).sane
    assert not compare_answers(taught, said, required=25.1).sane


def test_a_network_whose_answers_are_not_finite_agrees_with_nobody(publish, home):
    publish()
    sigzoo.fetch("toy-images")
    teacher = sigzoo.load("toy-teacher", device="cpu")
    data = StoredData(home / "artifacts" / "toy-images" / "images.npz")
    chosen = np.arange(0, len(data), 5)
    right = answers(teacher, data, chosen, batch_size=4)
    np.testing.assert_array_equal(right, data.writers[chosen])
    teacher.heads["writer"].bias[0] = float("nan")
    broken = answers(teacher, data, chosen, batch_size=4)
    assert (broken == -1).all()
    assert compare_answers(right, broken, required=0.1).percent == 0
    data.close()
