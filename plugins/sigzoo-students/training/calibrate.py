"""Make the calibrations of `sigzoo verify` that ship with the bundled models, and try how far they travel.

python calibrate.py DATA_FOLDER [MODEL ...] [--cedar FOLDER] [--cache FOLDER] [--output FOLDER]

DATA_FOLDER holds bhsig-dev/, sigcomp2009/ and crossmedia/. The score is the one that the
model's card names. No set that trained or selected weights is in the basis; the sets that a calibration is
only tried on are development sets too: with those of the basis they choose the layer that verification takes
by default, by the mean Cllr of three references. CEDAR chooses nothing.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from calibration_sets import BASIS, CEDAR, TRIED, NamedSet, features_of
from cli_main import cli_main
from numpy.typing import NDArray

import sigzoo
from sigzoo.errors import DataError
from sigzoo.evaluation.calibrating import ScoreSample, calibrate_references
from sigzoo.evaluation.protocols import DistanceProtocol
from sigzoo.interfaces.protocols import Signatures
from sigzoo.verification import Calibration, Score, write_calibration
from sigzoo.verification.calibration import CalibrationSet, ReferenceCount

MODELS = ["synsig-tiny", "synsig-base"]
LAYERS = ["embedding", "with_directions", "with_ink"]
REFERENCES = (1, 2, 3, 5, 10)
MOST_DRAWS, SCORED = 4, 120
"""References are drawn so often that about 120 writers are scored, at most 4 times."""
PROTOCOL = (
    f"references drawn until about {SCORED} writers are scored, {MOST_DRAWS} times at most; all other genuine"
    " signatures of the writer; skilled forgeries of the writer, random ones of all other writers; every set"
    " weighs the same"
)

Features = tuple[dict[str, NDArray[np.float32]], Signatures]


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
        sets = {each: _features(each, args.data, model, args.cache) for each in (*BASIS, *TRIED)}
        if args.cedar is not None:
            sets[CEDAR] = _features(CEDAR, args.cedar, model, args.cache)
        made = _calibration(model, sets)
        file = args.output / f"{name}.calibration.json"
        write_calibration(file, made)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        print(f"{file}\nsha256: {digest}\nsize: {file.stat().st_size}")
        _tell(name, made)


def _features(named: NamedSet, data: Path, model: sigzoo.SignatureModel, cache: Path) -> Features:
    found, known = features_of(named, data, model, LAYERS, cache)
    return dict(found), known


def _calibration(model: sigzoo.SignatureModel, sets: dict[NamedSet, Features]) -> Calibration:
    provenance, score = model.provenance(), model.score
    described = {each: _described(each, known) for each, (_, known) in sets.items()}
    layers = {
        layer: {number: _for_references(sets, layer, number, score) for number in REFERENCES}
        for layer in LAYERS
    }
    return Calibration(
        format=1,
        model=model.name,
        weights_sha256=provenance["weights_sha256"],
        preprocessor=provenance["preprocessor"],
        preprocessor_options=provenance["preprocessor_options"],
        input_scale=provenance["input_scale"],
        made=datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        sigzoo_version=provenance["sigzoo_version"],
        score=score.name,
        score_options=score.options,
        protocol=PROTOCOL,
        basis=[described[each] for each in BASIS],
        checked_on=[each for named, each in described.items() if named not in BASIS],
        layer=min(LAYERS, key=lambda layer: _cost(layers[layer][3])),
        layers=layers,
    )


def _cost(count: ReferenceCount) -> float:
    """Mean Cllr over the development sets, each by a calibration made without it: chooses the layer."""
    sets = [each for each in count.rates if each.dataset != CEDAR.name]
    return float(np.mean([np.mean(list(each.cllr.values())) for each in sets]))


def _described(named: NamedSet, known: Signatures) -> CalibrationSet:
    forged = int(np.count_nonzero(known.forged))
    return CalibrationSet(
        name=named.name,
        writers=len(set(known.writer)),
        genuine=len(known.forged) - forged,
        forged=forged,
        note=named.note,
    )


def _for_references(sets: dict[NamedSet, Features], layer: str, number: int, score: Score) -> ReferenceCount:
    basis, tried = {}, {}
    for named, (features, known) in sets.items():
        draws = min(MOST_DRAWS, -(-SCORED // len(set(known.identity))))
        protocol = DistanceProtocol(references=number, draws=draws, score=score)
        try:
            sample = ScoreSample.of(protocol.trials(features[layer], known))
        except DataError:  # nobody has so many signatures
            continue
        (basis if named in BASIS else tried)[named.name] = sample
    return calibrate_references(basis, tried)


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
