"""What the page on verification takes from the calibrations: how far their thresholds travel."""

from __future__ import annotations

from pathlib import Path

from sigzoo.registry import Catalogue
from sigzoo.verification.calibration import read_calibration

FOLDER = Path(__file__).parents[1] / "plugins/sigzoo-students/sigzoo_students/weights"
REFERENCES = 3


def travel(known: Catalogue) -> str:
    """A line for each model, layer (verification's and the card's own), set and kind of impostor."""
    lines = [
        "| model | layer | set | against | FRR | FAR | EER | Cllr |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, card in known.models.items():
        if card.verification is None:
            continue
        calibration = read_calibration(FOLDER / f"{name}.calibration.json")
        for layer in dict.fromkeys([calibration.layer, card.features.layer]):
            for each in calibration.layers[layer][REFERENCES].rates:
                for kind in each.far:
                    values = (100 * rates[kind] for rates in (each.frr, each.far, each.eer))
                    figures = " | ".join(f"{value:.1f}" for value in values)
                    where = f"| `{name}` | `{layer}` | {each.dataset} | {kind}"
                    lines.append(f"{where} | {figures} | {each.cllr[kind]:.2f} |")
    return "\n".join(lines) + "\n"
