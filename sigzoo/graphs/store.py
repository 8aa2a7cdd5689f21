"""Graphs that were made of networks, in the cache: found again by what they depend on, and verified.

A graph is our own output, but lies where others may write, perhaps. It counts only where nobody else may,
its bytes are compared with the digest in its record before anything else sees them, and the record says
what it was made of: weights, backbone and options, layers, precision, the code, the programs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sigzoo.artifacts.home import StorageError, cache_home, make_folder, storage_error, store
from sigzoo.artifacts.json_records import read_json, write_json
from sigzoo.artifacts.kept_graphs import graphs_folder
from sigzoo.artifacts.lock import locked
from sigzoo.artifacts.ownership import others_may_change
from sigzoo.common import atomic
from sigzoo.common.code_digest import package_digest
from sigzoo.interfaces.runtimes import NetworkFacts

__all__ = ["GraphStore", "KeptGraph"]

_FORMAT = 1
_LARGEST = 2 << 30


@dataclass(frozen=True)
class KeptGraph:
    """A graph as it lies in the cache."""

    content: bytes
    """The file, verified."""
    facts: NetworkFacts
    """Of the network that it was made of."""


class GraphStore:
    """The graphs of one network.

    Parameters
    ----------
    identity
        What the network depends on, as plain data; with `None` nothing is found and nothing kept.
    """

    def __init__(self, identity: Mapping[str, Any] | None) -> None:
        self._identity = identity
        self._home = str(cache_home()) if identity is not None else None

    def find(self, kind: Mapping[str, Any]) -> KeptGraph | None:
        """The graph of a kind (layers, precision, programs), or `None` where there is none to rely on."""
        if self._identity is None:
            return None
        with store(self._home, None):
            path = self._path(kind)
            record = read_json(path.with_suffix(".json"))
            try:
                if record is None or not self._holds(record, kind) or not _is_ours(path):
                    return None
                content = path.read_bytes() if path.stat().st_size <= _LARGEST else b""
                facts = _facts(record["facts"])
            except (OSError, KeyError, TypeError, ValueError):
                return None
            if hashlib.sha256(content).hexdigest() != record.get("sha256"):
                return None
            return KeptGraph(content, facts)

    def keep(
        self, kind: Mapping[str, Any], content: bytes, facts: NetworkFacts, packages: Iterable[str]
    ) -> None:
        """Keep a graph for later; where the cache cannot be written it is made again the next time.

        Parameters
        ----------
        kind
            Layers, precision, programs.
        content
            The file.
        facts
            Of the network.
        packages
            Whose code the network is of.
        """
        code = {name: package_digest(name) for name in packages}
        if self._identity is None or None in code.values():
            return
        record = {
            "format": _FORMAT,
            "network": dict(self._identity),
            "kind": dict(kind),
            "code": code,
            "facts": {
                "layers": list(facts.layers),
                "feature_dim": facts.feature_dim,
                "input_size": facts.input_size and list(facts.input_size),
                "minimum_size": list(facts.minimum_size),
            },
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        with store(self._home, None), suppress(StorageError):
            path = self._path(kind)
            with locked(f"graph-{path.stem}"):
                make_folder(path.parent)
                atomic.write_bytes(path, content, failure=storage_error)
                write_json(path.with_suffix(".json"), record)

    def _path(self, kind: Mapping[str, Any]) -> Path:
        key = json.dumps([_FORMAT, self._identity, kind], sort_keys=True)
        return graphs_folder() / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.onnx"

    def _holds(self, record: dict[str, Any], kind: Mapping[str, Any]) -> bool:
        """Whether a record is of this network and kind, and of the code that is installed now."""
        wanted = json.loads(json.dumps([_FORMAT, self._identity, kind]))
        if [record.get(key) for key in ("format", "network", "kind")] != wanted:
            return False
        code = record.get("code")
        return isinstance(code, dict) and all(package_digest(name) == found for name, found in code.items())


def _is_ours(path: Path) -> bool:
    """Whether nobody else can have written a graph or its record."""
    return not any(others_may_change(each, cache_home()) for each in (path, path.with_suffix(".json")))


def _facts(record: dict[str, Any]) -> NetworkFacts:
    """Read what a record says of a network.

    Raises
    ------
    KeyError, TypeError, ValueError
        If it says something else.
    """
    layers, size, least = record["layers"], record["input_size"], record["minimum_size"]
    sides = [*(size or []), *least, record["feature_dim"]]
    if not all(type(each) is str for each in layers) or not all(type(each) is int for each in sides):
        raise ValueError("facts of other kinds")
    if len(least) != 2 or len(size or least) != 2:
        raise ValueError("sizes have two sides")
    return NetworkFacts(
        tuple(layers), record["feature_dim"], (size[0], size[1]) if size else None, (least[0], least[1])
    )
