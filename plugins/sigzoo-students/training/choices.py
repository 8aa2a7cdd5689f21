"""What of the bundled models was chosen on which sets, and by which program; what was chosen, the cards say.

CEDAR stands in none of the choices: it is read once they are made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from development import LAYERS, MODELS, SETS, TWO_LEVEL_SETS
from development_table import TITLES
from sigzoo_students.descriptors import InkStatistics
from sigzoo_students.synsig_presets import SYNSIG_TINY

import sigzoo
from sigzoo.evaluation.kernels import SIMILARITY_GAMMA
from sigzoo.verification.calibration import read_calibration

__all__ = ["Choice", "choices", "choices_table"]

_EVERYWHERE = (*SETS, *TWO_LEVEL_SETS)
_VALIDATION = "400 families for validation"
_OTHERS = "400 families"


@dataclass(frozen=True)
class Choice:
    """Something that was chosen."""

    what: str
    chosen: str
    """What it is now."""
    sets: tuple[str, ...]
    """Names of sets of `development`."""
    program: str
    """A file of this folder, or a command of sigzoo; empty where none was kept."""
    others: str = ""
    """Synthetic writers, held out from training, who are in none of these sets."""
    remark: str = ""
    """About the program."""


def choices() -> list[Choice]:
    """Every choice, the first ones first."""
    return [*_before_training(), *_of_weights(), *_of_use()]


def _before_training() -> list[Choice]:
    *_, darkness, proportions = InkStatistics.scales
    return [
        Choice(
            "how synthetic writers sign and forge",
            "as the generator does",
            ("sigcomp2009",),
            "realism.py",
            remark="which shows them beside real ones",
        ),
        Choice(
            "cells of the strokes' directions",
            "eight of equal ink, six bands",
            ("sigcomp2009", "crossmedia val"),
            "",
            _OTHERS,
        ),
        Choice(
            "weights of directions and ink; deviations of darkness and proportions",
            f"{_by_model(_weights_of_parts)}; {darkness}, {proportions}",
            ("sigcomp2009", "crossmedia val"),
            "choose_ink.py",
            _OTHERS,
            "which looked again at what earlier networks had fixed",
        ),
    ]


def _of_weights() -> list[Choice]:
    return [
        Choice(
            "`synsig-tiny`: number of cycles",
            str(len(SYNSIG_TINY["cycles"])),
            ("sigcomp2009", "crossmedia val"),
            "sigzoo train",
            _VALIDATION,
        ),
        Choice(
            "`synsig-tiny`: checkpoint of each",
            "the best",
            ("crossmedia val",),
            "sigzoo train",
            _VALIDATION,
        ),
        Choice("`synsig-base`: checkpoint of each cycle", "the best", (), "sigzoo train", _VALIDATION),
        Choice(
            "`synsig-base`: weights, of these and its predecessor's",
            "these",
            _EVERYWHERE,
            "choose_weights.py",
        ),
    ]


def _of_use() -> list[Choice]:
    layers = ", ".join(f"`{each}`" for each in LAYERS)
    return [
        Choice(
            "score, and how much the ink counts in it",
            _by_model(_score),
            SETS,
            "choose_score.py",
            remark="the numbers by its `--grid`",
        ),
        Choice(
            f"default layer, of {layers}",
            _by_model(lambda model: f"`{sigzoo.info(model).features.layer}`"),
            _EVERYWHERE,
            "choose_layer.py",
        ),
        Choice(
            "what local descriptors are of",
            _by_model(_descriptors),
            ("sigcomp2009", "bhsig-dev", "crossmedia val"),
            "",
        ),
        Choice("how local descriptors are matched", _by_model(_matching), _EVERYWHERE, "choose_local.py"),
        Choice(
            "kernel of a similarity, for SVMs of single writers",
            f"gamma {SIMILARITY_GAMMA:g}",
            _EVERYWHERE,
            "choose_kernel.py",
        ),
        Choice(
            "layer of `sigzoo verify`",
            _by_model(_layer_of_verify),
            ("sigcomp2009", "bhsig-dev", "crossmedia val"),
            "calibrate.py",
            "200 families",
        ),
        Choice(
            "likelihood ratios and thresholds of `sigzoo verify`",
            "the calibrations",
            ("bhsig-dev",),
            "calibrate.py",
            "100 of these families, in one sitting",
        ),
    ]


def _by_model(tell: Callable[[str], str]) -> str:
    """What is told of each model; once where it is the same of all."""
    told = {model: tell(model) for model in MODELS}
    if len(set(told.values())) == 1:
        return told[MODELS[0]]
    return ", ".join(f"{each} (`{model}`)" for model, each in told.items())


@cache
def _load(model: str) -> sigzoo.SignatureModel:
    return sigzoo.load(model, device="cpu")


def _weights_of_parts(model: str) -> str:
    options = sigzoo.info(model).backbone.options
    return f"{options['directions_weight']}, {options['ink_weight']}"


def _score(model: str) -> str:
    score = _load(model).score
    numbers = ", ".join(f"{name} {score.options[name]:g}" for name in ("weight", "sharpness", "pseudo_count"))
    ((_, ink),) = score.options["part_weights"]
    return f"`{score.name}`, {numbers}; ink {ink:.2f}"


def _descriptors(model: str) -> str:
    count, rows, columns = _load(model).score.options["local"]["size"]
    return f"{count} numbers for each of {rows} x {columns} cells"


def _matching(model: str) -> str:
    options = _load(model).score.options
    (down, across), weight = options["local"]["reach"], options["local"]["weight"]
    return f"reach {down}, {across}; weight {weight:g}; sharpness {options['sharpness']:g}"


def _layer_of_verify(model: str) -> str:
    file = _load(model).calibration_file
    assert file is not None
    return f"`{read_calibration(file).layer}`"


def choices_table() -> str:
    """The choices as a table in Markdown."""
    lines = ["| what | chosen | on | by |", "|---|---|---|---|"]
    for each in choices():
        program = f"`{each.program}`" if each.program else "no program that was kept"
        by = f"{program}, {each.remark}" if each.remark else program
        lines.append(f"| {each.what} | {each.chosen} | {_where(each)} | {by} |")
    return "\n".join(lines) + "\n"


def _where(choice: Choice) -> str:
    if set(choice.sets) == set(_EVERYWHERE):
        told = [f"all {len(SETS)} sets, {len(TWO_LEVEL_SETS)} of them also in two levels"]
    elif set(choice.sets) == set(SETS):
        told = [f"all {len(SETS)} sets"]
    else:
        told = [TITLES[name] for name in choice.sets]
    return "; ".join(filter(None, [", ".join(told), choice.others]))
