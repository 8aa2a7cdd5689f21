"""Error rates of the bundled models on every development set, layer by layer; CEDAR is none of these sets.

Three references, the score of the model's card, one threshold for all writers, EER in percent, mean over four
draws; first against skilled forgeries, then against others who wrote the same text, last against random ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from development import LAYERS, MODELS, SETS, TWO_LEVEL_SETS, TWO_LEVELS, WITH_LOCAL, read_features
from places import Place, places_of

import sigzoo
from sigzoo.common.atomic import write_json

__all__ = ["TITLES", "Rates", "development_table", "measure_development"]

REFERENCES = 3
TITLES = {
    "sigcomp2009": "SigComp2009",
    "bhsig-dev": "BHSig260",
    "crossmedia val": "crossmedia",
    "one sitting": "one sitting",
    "any conditions": "varied",
}
"""What pages call the sets."""

Rates = Mapping[str, float]
"""Kind of impostor -> EER in percent."""

_IMPOSTORS = ("skilled", "same text", "random")


def measure_development(data: Path, work: Path, workers: int) -> dict[tuple[str, str, str], Rates]:
    """(Model, layer, set) -> rates; images, features and rates are kept in the folder `work`.

    Rates are measured again where images, weights or the card's score have changed; after changes of the
    programs that score, remove the file of rates.
    """
    found: dict[tuple[str, str, str], Rates] = {}
    file = work / "development-rates.json"
    kept: dict[str, Rates] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    scores = {model: sigzoo.load(model, device="cpu").score for model in MODELS}
    for name in (*SETS, *TWO_LEVEL_SETS):
        place = _place(name, data, work, workers)
        for model, score in scores.items():
            for layer in (*LAYERS, WITH_LOCAL):
                key = f"{place.features.kept_as[model]} {layer} {score.name} {json.dumps(score.options)}"
                if key not in kept:
                    kept[key] = place.rates(score, model, layer)
                    write_json(file, kept)
                found[model, layer, name] = kept[key]
    return found


def _place(name: str, data: Path, work: Path, workers: int) -> Place:
    places = places_of(read_features(name, data, work, workers))
    return next(each for each in places if each.references == REFERENCES)


def development_table(found: Mapping[tuple[str, str, str], Rates]) -> str:
    """The table in Markdown: a column a set, and a line more for the same as scans of two levels."""
    lines = [f"| | {' | '.join(TITLES[name] for name in SETS)} |", "|---" * (1 + len(SETS)) + "|"]
    for model in MODELS:
        for layer in (*LAYERS, WITH_LOCAL):
            for title, behind in ((f"`{model}` {layer}", ""), ("the same, two levels", TWO_LEVELS)):
                cells = (_cell(found.get((model, layer, name + behind), {})) for name in SETS)
                lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(rates: Rates) -> str:
    return " / ".join(f"{rates[kind]:.2f}" for kind in _IMPOSTORS if kind in rates)
