"""References as BibTeX: what LaTeX would take for commands is escaped, what has no fields is a note."""

from __future__ import annotations

import re

import pytest

import sigzoo
from sigzoo.registry.bibtex import bibtex
from sigzoo.registry.cards import Citation


def fields(entry: str) -> dict[str, str]:
    """The fields of an entry, by a reader of its own: braces are counted."""
    head, _, rest = entry.partition(",")
    assert re.fullmatch(r"@(article|inproceedings|misc)\{[\w:.-]+", head)
    assert len(re.findall(r"(?<!\\)\{", entry)) == len(re.findall(r"(?<!\\)\}", entry))
    found, position = {}, 0
    while match := re.compile(r"\s*(\w+) = \{").match(rest, position):
        end, depth = match.end(), 1
        while depth:
            depth += {"{": 1, "}": -1}.get(rest[end], 0) if rest[end - 1] != "\\" else 0
            end += 1
        found[match[1]] = rest[match.end() : end - 1]
        position = end + 1
    return found


def test_every_reference_of_the_registry_is_a_whole_entry() -> None:
    citations = sigzoo.Zoo().catalogue.citations
    assert len(citations) >= 6
    for key, citation in citations.items():
        entry = fields(bibtex(key, citation))
        assert {"author", "title", "year"} <= set(entry)
        last_names = [name.split()[-1] for name in entry["author"].strip("{}").split(" and ")]
        assert all(name in citation.text or name == "maintainers" for name in last_names)
        assert entry["year"] in citation.text
        assert entry["title"].strip("{}") in " ".join(citation.text.split())


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("A & B: 5 %", r"A \& B: 5 \%"),
        ("a_b {c} #1 $x$", r"a\_b \{c\} \#1 \$x\$"),
        ("~^", r"\textasciitilde{}\textasciicircum{}"),
    ],
)
def test_what_latex_would_obey_is_escaped(text: str, written: str) -> None:
    entry = bibtex("key", Citation(text=text))
    assert fields(entry)["note"] == written
    title = bibtex("key", Citation(text=text, title=text, authors=["The lab", "A. Person"], year=2026))
    assert fields(title)["title"] == f"{{{written}}}"
    assert fields(title)["author"] == "{The lab} and A. Person"
    assert "note" not in fields(title)
