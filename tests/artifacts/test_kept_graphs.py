"""Graphs in the cache: listed with what they are of, compared with their records, removed by their name."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner

import sigzoo
from sigzoo.artifacts import ZooCache
from sigzoo.cli.cache import cache
from sigzoo.graphs.store import GraphStore
from sigzoo.interfaces.runtimes import NetworkFacts

CONTENT = b"a graph, as it seems" * 50


@pytest.fixture
def graph(tmp_path, monkeypatch) -> Path:
    """A graph that was kept as runtimes keep theirs."""
    monkeypatch.setenv("SIGZOO_HOME", str(tmp_path))
    store = GraphStore({"backbone": "tiny", "weights_sha256": "0" * 64})
    kind = {"layers": ["embedding"], "precision": "int8"}
    store.keep(kind, CONTENT, NetworkFacts(("embedding",), 3, None, (1, 1)), {"sigzoo.graphs"})
    (path,) = (tmp_path / "graphs").glob("*.onnx")
    return path


def test_it_is_listed_with_what_it_is_of(graph) -> None:
    (entry,) = ZooCache(sigzoo.Zoo()).entries()
    assert (entry.name, entry.path, entry.size, entry.state) == ("graphs", graph, len(CONTENT), "kept")
    assert entry.sha256 == sha256(CONTENT).hexdigest()
    assert entry.source == "graph of tiny (embedding, int8)"


def test_its_content_is_compared_with_its_record(graph) -> None:
    held = ZooCache(sigzoo.Zoo())
    (verdict,) = held.verify(["graphs"])
    assert (verdict.problem, verdict.against) == (None, "record")
    graph.write_bytes(CONTENT[:-1] + b"?")
    (verdict,) = held.verify(["graphs"])
    assert verdict.problem is not None
    assert verdict.problem.endswith(f"instead of {sha256(CONTENT).hexdigest()}")
    assert not any(each.problem for each in held.verify() if each.name != "graphs")


@pytest.mark.parametrize("record", ["[[[[", json.dumps({"sha256": 3}), None])
def test_one_without_a_record_is_damaged(graph, record) -> None:
    beside = graph.with_suffix(".json")
    if record is None:
        beside.unlink()
    else:
        beside.write_text(record)
    held = ZooCache(sigzoo.Zoo())
    assert [entry.state for entry in held.entries()] == ["damaged"]
    assert [verdict.problem for verdict in held.verify(["graphs"])] == ["its record is missing or damaged"]


def test_clearing_by_name_or_all_removes_it(graph) -> None:
    held = ZooCache(sigzoo.Zoo())
    assert held.clear(partial_only=True) == 0
    assert graph.exists()
    freed = held.clear(["graphs"])
    assert freed > len(CONTENT)
    assert not graph.exists()
    assert held.entries() == []


def test_the_commands_know_it(graph) -> None:
    run = CliRunner().invoke
    assert "kept" in run(cache, ["list"]).output
    assert run(cache, ["verify", "graphs"]).exit_code == 0
    graph.write_bytes(b"another")
    assert run(cache, ["verify", "graphs"]).exit_code != 0
    assert run(cache, ["clear", "graphs"]).exit_code == 0
    assert not graph.exists()
