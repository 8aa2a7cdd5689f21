"""In a terminal of 80 columns nothing is wider, and no name is broken."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

import sigzoo
from sigzoo.cli.layout import cut, field_lines, shortened, table_lines, wrapped
from tests.cli.terminal import in_terminal, shown
from tests.cli.test_arguments import commands

Run = Callable[..., Any]


def lines_of(arguments: list[object], columns: int = 80, status: int = 0) -> list[str]:
    """What a command shows in a terminal, without the bold of heads."""
    found, text = shown(arguments, columns)
    assert found == status, text
    return re.sub(r"\x1b\[[01]m", "", text).splitlines()


@pytest.mark.parametrize("words", [(), *commands()], ids=" ".join)
def test_help_fits(run: Run, words: tuple[str, ...]) -> None:
    done = run(*words, "--help")
    assert done.status == 0
    assert max(map(cell_len, done.out.splitlines())) <= 80


@pytest.mark.parametrize("columns", [80, 100, 132, 200])
def test_list_shows_every_name_whole_and_marks_the_default(columns: int) -> None:
    lines = lines_of(["list"], columns)
    assert max(map(cell_len, lines)) <= columns
    names = sigzoo.list_models()
    words = [line.split() for line in lines if not line.startswith(" ")]
    for name in names:
        rows = [row for row in words if row[:1] == [name]]
        assert len(rows) == 1, name
        assert ("*" in rows[0]) == (name == "synsig-tiny")
    assert len(lines) <= 2 + 2 * len(names)


@pytest.mark.parametrize("name", sigzoo.list_models())
def test_info_breaks_no_word(run: Run, name: str) -> None:
    lines = lines_of(["info", name, "--all"])
    assert all(cell_len(line) <= 80 or len(line.split()) == 1 for line in lines)  # some URLs are longer
    assert " ".join(lines).split() == run("info", name, "--all").out.split()


@pytest.mark.parametrize("name", sigzoo.list_models())
def test_info_fits_a_screen(run: Run, name: str) -> None:
    lines = lines_of(["info", name])
    assert len(lines) <= 40
    assert max(map(cell_len, lines)) <= 80
    assert " ".join(lines).split() == run("info", name).out.split()
    card = sigzoo.info(name)
    text = " ".join(" ".join(lines).split())
    assert ("commercial use yes" in text) == card.licence.commercial_use
    assert all(f"{each.metric} {each.value:g} {each.unit}" in text for each in card.results if not each.layer)


def test_main_outputs_fit(tmp_path: Path, signatures: list[Path]) -> None:
    folder = signatures[0].parent
    calls: list[list[object]] = [
        ["plugins"],
        ["plugins", "sigzoo-students"],
        ["plugins", "check", "sigzoo-students"],
        ["check", "synsig-tiny"],
        ["cache", "list"],
        ["fetch", "synsig-tiny"],
        ["cache", "verify", "synsig-tiny"],
        ["embed", folder, "-o", tmp_path / "f.npz"],
        ["compare", folder],
        ["preprocess", folder, "-o", tmp_path / "pre"],
        ["synth", "--writers", 1, "-o", tmp_path / "made"],
        ["new-plugin", "ourlab-sigzoo", "-o", tmp_path / "ourlab-sigzoo"],
    ]
    for call in calls:
        for line in lines_of(call):
            names = [word for word in line.split() if len(word) > 40]  # paths of this machine
            assert cell_len(line) <= 80 or len(line.split()) == len(names), (call, line)


def test_a_real_terminal(tmp_path: Path, signatures: list[Path]) -> None:
    status, text = in_terminal(["embed", signatures[0].parent, "-o", tmp_path / "f.npz"])
    assert status == 0
    assert "4 images" in text
    status, text = in_terminal(["list"])
    assert status == 0
    assert max(map(cell_len, re.sub(r"\x1b\[[01]m", "", text).splitlines())) <= 80


def test_messages_are_broken_between_words(tmp_path: Path) -> None:
    for arguments in (["info", "sinet"], ["embed", "absent.png", "-m", "nonsense"], ["cache", "clear"]):
        lines = lines_of(arguments, 40, status=2)
        assert max(map(cell_len, lines)) <= 40
        assert lines[0].startswith("sigzoo: ")
        assert all(line.startswith("  ") for line in lines[1:])


class TestLayout:
    """The lines themselves."""

    @pytest.mark.parametrize("width", [10, 20, 40, 80])
    def test_wrapped_keeps_every_word(self, width: int) -> None:
        text = "a name  with two blanks, 签名签名签名签名 and " + "x" * 50 + " then more words"
        lines = wrapped(text, width, "  ", "    ")
        assert " ".join(line.strip() for line in lines).split() == text.split()
        assert all(cell_len(line) <= width or len(line.split()) == 1 for line in lines)

    def test_a_number_is_not_parted_from_its_sign(self) -> None:
        assert wrapped("up to 12 % of all", 9) == ["up to", "12 % of", "all"]

    def test_without_a_width_there_is_one_line(self) -> None:
        assert wrapped("word " * 100, None) == ["word " * 100]

    def test_a_table_that_fits_has_a_line_a_row(self) -> None:
        lines = table_lines(["name", "size"], [["a", "1"], ["签名", "22"]], right=["size"], width=80)
        assert lines == ["name  size", "a        1", "签名    22"]

    def test_a_column_goes_below_where_it_must(self) -> None:
        lines = table_lines(["n", "text", "s"], [["a", "many words " * 5, "1"]], below="text", width=30)
        assert lines == ["n  s", "a  1", "  many words many words ..."]

    def test_cells_go_under_each_other_where_nothing_else_fits(self) -> None:
        lines = table_lines(["n", "path"], [["a" * 15, "p" * 30], ["b", ""]], width=40)
        assert lines == ["n", "a" * 15, f"  path {'p' * 30}", "b"]

    def test_a_word_wider_than_its_place_moves_to_the_left(self) -> None:
        lines = field_lines([("digest", "SHA-256 " + "f" * 64)], 80)
        assert lines == ["  digest          SHA-256", " " * 16 + "f" * 64]

    def test_shortened_takes_its_lines_and_no_more(self) -> None:
        text = "word " * 30
        assert len(wrapped(shortened(text, 2, 40), 44)) == 2
        assert shortened(text, 9, 40) == text
        assert shortened("one two", 1, 40) == "one two"

    def test_cut_keeps_whole_words(self) -> None:
        assert cut("one two three", 20) == "one two three"
        assert cut("one two three four", 15) == "one two ..."
