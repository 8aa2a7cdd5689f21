"""Progress goes where somebody can see it, and never into the way of the work."""

from __future__ import annotations

import io
import sys

import pytest

from sigzoo.common import progress


@pytest.fixture(autouse=True)
def _no_bar_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress._Lines, "_told", float("-inf"))
    monkeypatch.setattr(progress._Lines, "_active", float("-inf"))


def test_without_a_terminal_a_line_comes_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 10.0, 31.0, 40.0, 62.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with progress.bar(True, 4000, "embedding") as step:
        for _ in range(4):
            step(1000)
    assert capsys.readouterr().err.splitlines() == ["embedding: 2,000 of 4,000", "embedding: 4,000 of 4,000"]


def test_short_bars_in_a_row_are_told_of_too_and_those_long_after_are_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 20.0, 21.0, 40.0, 41.0, 60.0, 900.0, 920.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    for what in ("embedding", "measuring", "drawing", "embedding"):
        with progress.bar(True, 10, what) as step:
            step(5)
    assert capsys.readouterr().err == "measuring: 5 of 10\n"


def test_short_work_says_nothing_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.bar(True, 10, "embedding") as step:
        step(10)
    assert capsys.readouterr().err == ""


def test_missing_closed_and_odd_streams_are_no_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    for stream in (None, closed, object()):
        monkeypatch.setattr(sys, "stderr", stream)
        with progress.bar(True, None, "reading") as step:
            step(1)
            step(1)


def test_the_host_gets_its_streams_back(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    before = sys.stdout
    with progress.bar(True, 3, "embedding") as step:
        step(3)
    assert sys.stdout is before
    assert sys.stderr is screen
    assert "embedding" in screen.getvalue()


def test_a_function_is_told_each_step() -> None:
    told: list[int] = []
    with progress.bar(told.append, None, "reading") as step:
        step(2)
        step(3)
    assert told == [2, 3]
