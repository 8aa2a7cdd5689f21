"""Make the calibrations of `sigzoo verify` that ship with the bundled models, and try how far they travel.

python calibrate.py DATA_FOLDER [MODEL ...] [--cedar FOLDER] [--cache FOLDER] [--output FOLDER]

DATA_FOLDER holds bhsig-dev/, sigcomp2009/ and crossmedia/. The score is the one that the
model's card names. No set that trained or selected weights is in the basis; the sets that a calibration is
only tried on are development sets too: with those of the basis they choose the layer that verification takes
by default, by the mean Cllr of three references. CEDAR chooses nothing.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from calibration_sets import BASIS, CEDAR, TRIED, NamedSet, features_of
from cli_main import cli_main

import sigzoo
from sigzoo.evaluation.making_calibration import CalibrationFeatures, describe_set, make_calibration
from sigzoo.verification import Calibration, write_calibration

MODELS = ["synsig-tiny", "synsig-base"]
LAYERS = ["embedding", "with_local", "with_directions", "with_ink"]


def main() -> None:
    """Write a calibration for each model, and print how it does on every set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with bhsig-dev/, sigcomp2009/ and crossmedia/")
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--cedar", type=Path, help="folder of CEDAR, to try the calibration on")
    parser.add_argument("--cache", type=Path, default=Path("calibration-features"), help="keeps features")
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[1] / "sigzoo_students/weights")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    for name in args.models:
        model = sigzoo.load(name, device="cpu")
        basis, tried = (
            [_features(each, args.data, model, args.cache) for each in sets] for sets in (BASIS, TRIED)
        )
        if args.cedar is not None:
            tried.append(_features(CEDAR, args.cedar, model, args.cache))
        made = make_calibration(model, basis, tried)
        file = args.output / f"{name}.calibration.json"
        write_calibration(file, made)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        print(f"{file}\nsha256: {digest}\nsize: {file.stat().st_size}")
        _tell(name, made)


def _features(named: NamedSet, data: Path, model: sigzoo.SignatureModel, cache: Path) -> CalibrationFeatures:
    found, known = features_of(named, data, model, LAYERS, cache)
    return CalibrationFeatures(describe_set(named.name, named.note, known), found, known, named is not CEDAR)


def _tell(name: str, made: Calibration, shown: Sequence[int] = (1, 3, 10)) -> None:
    """Print a table: what the threshold at a likelihood ratio of 1 does on each set."""
    print(f"{'layer':<16} refs {'set':<26} {'against':<8} FRR %  FAR %  EER %  Cllr")
    for layer, counts in made.layers.items():
        for number in shown:
            for rates in counts[number].rates:
                for kind in rates.far:
                    values = [100 * each[kind] for each in (rates.frr, rates.far, rates.eer)]
                    figures = "  ".join(f"{value:5.1f}" for value in values)
                    where = f"{layer:<16} {number:4} {rates.dataset:<26} {kind:<8}"
                    print(f"{where} {figures}  {rates.cllr[kind]:.2f}")


if __name__ == "__main__":
    cli_main(main)
