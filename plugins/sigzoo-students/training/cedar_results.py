"""CEDAR, the test set, by every protocol: measured last, and kept in files as `sigzoo evaluate -o` writes.

A result is taken from its file again where model, layer, weights, preprocessing and all settings of the
protocol, the card's score among them, are what they would be now, and the folders are the same. After changes
of the programs that measure, remove the files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from development import LAYERS, MODELS, WITH_LOCAL

import sigzoo
from sigzoo.common.atomic import write_json
from sigzoo.evaluation.baseline import STATISTICS
from sigzoo.evaluation.results import as_json, read_results
from sigzoo.evaluation.run import BASELINE, Evaluation, ProtocolChoice, evaluate, settings_of

__all__ = ["MEASUREMENTS", "Measurement", "Result", "measure_cedar"]

Result = dict[str, Any]
"""A row of results, as it stands in the file."""


@dataclass(frozen=True)
class Measurement:
    """What makes one file of results."""

    name: str
    protocols: Sequence[ProtocolChoice]
    learnt_from: str = ""
    """A folder of the data whose writers teach; none by default."""
    baselines: bool = True
    """Whether the trivial baselines are measured beside."""


MEASUREMENTS = (
    Measurement(
        "training-free", [ProtocolChoice("training-free", {"references": count}) for count in (1, 3, 5, 10)]
    ),
    Measurement("writer-dependent", [ProtocolChoice("writer-dependent")]),
    # Baselines have no score, whose similarity it could be.
    Measurement(
        "writer-dependent-similarity",
        [ProtocolChoice("writer-dependent", {"kernel": "similarity"})],
        baselines=False,
    ),
    # In scans of two levels paper has one grey, and a baseline nothing to learn.
    Measurement(
        "writer-independent", [ProtocolChoice("writer-independent")], learnt_from="bhsig-dev", baselines=False
    ),
)
"""A protocol with other options is a line more here, with a name of its own."""


def measure_cedar(measurement: Measurement, cedar: Path, data: Path, work: Path) -> list[Result]:
    """Results of both models, layer by layer, and of the baselines.

    Parameters
    ----------
    measurement
        What is measured.
    cedar, data
        Folder of CEDAR, and that of the development sets.
    work
        Folder for the file of results, which is written anew after each model.

    Raises
    ------
    SigzooError
        If data cannot be read or measured, or a file of this name in `work` holds no results.
    """
    file = work / f"cedar-{measurement.name}.json"
    teaching = data / measurement.learnt_from if measurement.learnt_from else None
    places = [None if each is None else str(each.resolve()) for each in (cedar, teaching)]
    wanted = {name: _wanted(measurement, sigzoo.load(name, device="cpu")) for name in MODELS}
    if measurement.baselines:
        wanted[BASELINE] = _wanted(measurement, None)
    every = [key for layers in wanted.values() for keys in layers.values() for key in keys]
    found = {key: row for key, row in _kept(file, places).items() if key in every and not row["problem"]}
    for name, layers in wanted.items():
        missing = [layer for layer, keys in layers.items() if not found.keys() >= set(keys)]
        if missing:
            content = as_json(_evaluated(measurement, name, missing, places))
            found |= {_key(row): row for row in content["results"]}
            work.mkdir(parents=True, exist_ok=True)
            write_json(file, {**content, "results": [found[key] for key in every if key in found]})
    return [found[key] for key in every]


def _evaluated(
    measurement: Measurement, name: str, layers: Sequence[str], places: Sequence[str | None]
) -> Evaluation:
    """Layers of one model, or the baselines."""
    models, (data, development) = [] if name == BASELINE else [name], places
    assert data is not None
    return evaluate(
        models,
        data,
        protocols=measurement.protocols,
        layers=layers,
        development=development,
        baselines=not models,
        device="cpu",
        progress=True,
    )


def _wanted(measurement: Measurement, model: sigzoo.SignatureModel | None) -> dict[str, list[str]]:
    """Layer -> keys of its results, one a protocol; of the baselines, `None`, by their names."""
    if model is None:
        layers, made_by = list(STATISTICS), {}
    else:
        layers = [each for each in model.backbone.layers if each in (*LAYERS, WITH_LOCAL)]
        made_by = {**model.provenance(), "runtime": model.runtime}
    return {
        layer: [
            _key(
                {
                    "model": model.name if model else BASELINE,
                    "layer": layer,
                    "protocol": {"name": choice.name, "settings": settings_of(choice, model)},
                    "provenance": {**made_by, "layer": layer} if model else {},
                }
            )
            for choice in measurement.protocols
        ]
        for layer in layers
    }


def _key(row: Mapping[str, Any]) -> str:
    """What decides a result, as text."""
    protocol = {key: row["protocol"][key] for key in ("name", "settings")}
    deciding = [row["model"], row["layer"], protocol, row["provenance"]]
    return json.dumps(deciding, sort_keys=True)


def _kept(file: Path, places: Sequence[str | None]) -> dict[str, Result]:
    """Results that are kept in a file, if they are of these folders."""
    if not file.exists():
        return {}
    read_results(file)  # which says what is wrong with it
    content = json.loads(file.read_text(encoding="utf-8"))
    told = [each and each["place"] for each in (content["data"], content["development"])]
    return {_key(row): row for row in content["results"]} if told == list(places) else {}
