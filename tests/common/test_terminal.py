"""Text from files and registries cannot steer a terminal."""

from __future__ import annotations

import os

import pytest

from sigzoo.common.terminal import safe_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("räksmörgås 漢字.png", "räksmörgås 漢字.png"),
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("a\x9b31mb\x7f\x00", r"a\x9b31mb\x7f\x00"),
        ("a\u202egnp.exe\u2028", r"a\u202egnp.exe\u2028"),
        (os.fsdecode(b"x\xe9.png"), r"x\xe9.png"),
        (b"x\xff", r"x\xff"),
        ("\ud800", r"\ud800"),
        ("a\xa0b", "a\xa0b"),
    ],
)
def test_what_steers_is_escaped_and_what_is_letters_stays(text: object, shown: str) -> None:
    assert safe_text(text) == shown
    assert safe_text(text).isprintable() or "\xa0" in shown
    safe_text(text).encode()


def test_lines_stay_where_they_are_wanted() -> None:
    assert safe_text("a\nb\x1b", keep_lines=True) == "a\nb\\x1b"
