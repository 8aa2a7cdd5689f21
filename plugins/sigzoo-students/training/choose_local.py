"""Choose how local descriptors are matched, and how much they count: on development sets alone.

python choose_local.py DATA_FOLDER --work FOLDER [--workers 2]

DATA_FOLDER holds sigcomp2009/, bhsig-dev/ and crossmedia/ (its validation split is read); synthetic writers
come beside, and all of them but bhsig-dev again as scans of two levels. CEDAR is for testing: it is not read.

What decides is the mean of the logarithm of the EER of ``with_local`` over that of ``embedding`` by the
score of the model's card: over both models, 1, 3 and 5 references and the sets, with two draws of references.
Kinds of impostor weigh as in `choose_score.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import msgspec
import numpy as np
from choosing import arguments, heads_of, keep_features
from cli_main import cli_main
from development import MODELS, SETS, TWO_LEVEL_SETS, WITH_LOCAL, Comparison, read_features
from numpy.typing import NDArray
from places import Place, places_of

import sigzoo
from sigzoo.common.feature_arrays import unit_rows
from sigzoo.evaluation.metrics import equal_error
from sigzoo.verification.local_matching import LocalMatching
from sigzoo.verification.similarity_scores import ReferenceNormalised, shrunk

REACHES = ((1, 2), (1, 3), (2, 4))
WEIGHTS = (1.0, 1.5, 2.0, 2.5, 3.0)
SHARPNESSES = (4.0, 8.0)
DRAWS = 2
Choice = tuple[tuple[int, int], float, float]
Floats = NDArray[np.float64]


def main() -> None:
    """Print for each choice what decides, and by how much EERs fall on each set."""
    args, names = arguments(__doc__), (*SETS, *TWO_LEVEL_SETS)
    keep_features(names, args)
    found: dict[tuple[Choice, str], list[float]] = {}
    jobs = [(name, reach) for name in names for reach in REACHES]
    with ProcessPoolExecutor(args.workers) as pool:
        for (name, reach), ratios in zip(
            jobs, pool.map(partial(_measure, args.data, args.work), jobs), strict=True
        ):
            for (weight, sharpness), each in ratios.items():
                found[(reach, weight, sharpness), name] = each
    heads = heads_of(names)
    print(f"{'reach':<8}{'weight':>7}{'sharpness':>10}{'decides':>9} {heads}")
    decides: dict[Choice, float] = {}
    for choice in product(REACHES, WEIGHTS, SHARPNESSES):
        means = [float(np.mean(found[choice, name])) for name in names]
        decides[choice] = float(np.mean(means))
        (down, across), weight, sharpness = choice
        row = " ".join(f"{math.exp(each):5.2f}" for each in means)
        print(f"{down}, {across}{'':<4}{weight:>7}{sharpness:>10}{decides[choice]:>9.3f} {row}")
    print(f"winner: {min(decides, key=decides.__getitem__)}")


def _measure(
    data: Path, work: Path, job: tuple[str, tuple[int, int]]
) -> dict[tuple[float, float], list[float]]:
    """For each weight and sharpness the logarithms of the ratios, over models and numbers of references."""
    name, reach = job
    features = read_features(name, data, work, 1)
    ratios: dict[tuple[float, float], list[float]] = {}
    for place in places_of(features):
        tables = [list(_tables(place, draw, reach)) for draw in place.draws[:DRAWS]]
        for model in MODELS:
            plain = sigzoo.load(model, device="cpu").score
            least = _rates([[each.without(plain, model) for each in draw] for draw in tables])
            for weight, sharpness in product(WEIGHTS, SHARPNESSES):
                score = ReferenceNormalised(sharpness=sharpness)
                rates = _rates([[each.scores(score, model, weight) for each in draw] for draw in tables])
                ratios.setdefault((weight, sharpness), []).append(place.log_ratio(rates, least))
    return ratios


@dataclass(frozen=True)
class _Compared:
    """One comparison: cosines of each model, and local similarities, of R references to them and to Q."""

    kinds: Mapping[str, int]
    """Kind -> how many of the Q."""
    cosines: Mapping[str, Floats]
    """Model -> ``(R, R + Q)``."""
    local: Floats
    """``(R, R + Q)``."""

    def scores(self, score: ReferenceNormalised, model: str, weight: float) -> dict[str, Floats]:
        """Scores of the questioned, by kind."""
        matching = LocalMatching(first=1, size=(1, 1, 1), weight=weight)  # of which the weight alone counts
        return self._by_kind(score, self.cosines[model] + matching.added(self.local))

    def without(self, score: ReferenceNormalised, model: str) -> dict[str, Floats]:
        """The same by the cosine alone."""
        return self._by_kind(score, self.cosines[model])

    def _by_kind(self, score: ReferenceNormalised, table: Floats) -> dict[str, Floats]:
        count = len(table)
        own = shrunk(table[:, :count], score.prior, score.pseudo_count)
        values = score.from_similarities(table[:, count:], own)
        ends = np.cumsum(list(self.kinds.values()))[:-1]
        return dict(zip(self.kinds, np.split(values, ends), strict=True))


def _tables(place: Place, draw: list[Comparison], reach: tuple[int, int]) -> Iterator[_Compared]:
    features = place.features.features
    # The descriptors are the same for all models, but for the rounding of mean and components.
    first = MODELS[0]
    present = sigzoo.load(first, device="cpu").score.local
    assert isinstance(present, LocalMatching)  # whose place and size are the network's
    _, local = msgspec.structs.replace(present, reach=reach).split(
        features[first, WITH_LOCAL].astype(np.float64)
    )
    units = {model: unit_rows(features[model, "embedding"].astype(np.float64)) for model in MODELS}
    for each in draw:
        asked = np.concatenate([each.references, *each.questioned.values()])
        yield _Compared(
            {kind: len(places) for kind, places in each.questioned.items()},
            {model: rows[each.references] @ rows[asked].T for model, rows in units.items()},
            local[each.references].similarity(local[asked]),
        )


def _rates(draws: list[list[dict[str, Floats]]]) -> dict[str, float]:
    """EER in percent by kind of impostor, mean over the draws."""
    found: dict[str, list[float]] = {}
    for draw in draws:
        kinds = set().union(*draw)
        scores = {kind: np.concatenate([each[kind] for each in draw if kind in each]) for kind in kinds}
        genuine = scores.pop("genuine")
        for kind, values in scores.items():
            found.setdefault(kind, []).append(100.0 * equal_error(genuine, values).eer)
    return {kind: float(np.mean(each)) for kind, each in found.items()}


if __name__ == "__main__":
    cli_main(main)
