"""What messages count and quote."""

from __future__ import annotations

import pytest

from sigzoo.common.messages import counted


@pytest.mark.parametrize(
    ("number", "words", "text"),
    [
        (0, ("image",), "0 images"),
        (1, ("image",), "1 image"),
        (2000, ("image",), "2,000 images"),
        (1, ("forgery", "forgeries"), "1 forgery"),
        (3, ("forgery", "forgeries"), "3 forgeries"),
    ],
)
def test_one_is_not_many(number: int, words: tuple[str, ...], text: str) -> None:
    assert counted(number, *words) == text
