"""A model's calibration of `sigzoo verify` out of sets of signatures: bundled ones, and users'."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sigzoo.common.progress import ProgressLike
from sigzoo.errors import DataError, UsageError
from sigzoo.evaluation.calibrating import ScoreSample, calibrate_references
from sigzoo.evaluation.feature_cache import FeatureCache
from sigzoo.evaluation.opened_set import OpenedSet
from sigzoo.evaluation.protocols import DistanceProtocol
from sigzoo.interfaces.protocols import Signatures
from sigzoo.verification.calibration import Calibration, CalibrationSet, ReferenceCount

if TYPE_CHECKING:
    from sigzoo.model import SignatureModel

__all__ = ["REFERENCES", "CalibrationFeatures", "calibration_features", "make_calibration"]

REFERENCES = (1, 2, 3, 5, 10)
CHOOSING = 3
"""References whose likelihood ratios choose the layer."""

_MOST_DRAWS, _SCORED = 4, 120
PROTOCOL = (
    f"references drawn until about {_SCORED} writers are scored, {_MOST_DRAWS} times at most; all other"
    " genuine signatures of the writer; skilled forgeries of the writer, random ones of all other writers;"
    " every set weighs the same"
)


@dataclass(frozen=True)
class CalibrationFeatures:
    """One set of signatures, and a model's features of it."""

    described: CalibrationSet
    features: Mapping[str, NDArray[np.float32]]
    """Layer -> ``(N, D)``."""
    known: Signatures
    chooses: bool = True
    """Whether it has a say in which layer verification takes by default; a test set has none."""


def calibration_features(
    model: SignatureModel,
    place: str,
    layers: Sequence[str],
    *,
    name: str | None = None,
    note: str = "signatures of the user's",
    cache: FeatureCache | None = None,
    progress: ProgressLike = False,
) -> CalibrationFeatures:
    """Open a set of signatures and embed it.

    Of files that are the same, and of images of a writer that are copies of one signature (see
    `sigzoo.verification.copies`), the first is taken; simple forgeries and blank images are left out.

    Parameters
    ----------
    model
        What computes the features.
    place
        A folder, an .npz, or ``NAME:...`` of a data source.
    layers
        Some of the backbone's.
    name, note
        What the calibration calls the set, by default `place`; and what one must know of it.
    cache
        Where features are kept; `None` for nowhere.
    progress
        As for `SignatureModel.embed`.

    Raises
    ------
    DataError, ImageError
        If it cannot be read, or holds no signature.
    """
    with ExitStack() as stack:
        found = OpenedSet.open(place, [model.preprocessor], cache=cache, progress=progress, stack=stack)
        left_out = set(found.same_files()).union(*(group[1:] for group in found.copies()))
        taken = found.taking([each for each in range(len(found.indices)) if each not in left_out])
        features = taken.features(model, layers)
    return CalibrationFeatures(describe_set(name or place, note, taken.known), features, taken.known)


def describe_set(name: str, note: str, known: Signatures) -> CalibrationSet:
    """What a calibration says of one set."""
    forged = int(np.count_nonzero(known.forged))
    return CalibrationSet(
        name=name,
        writers=len(set(known.writer)),
        genuine=len(known.forged) - forged,
        forged=forged,
        note=note,
    )


def make_calibration(
    model: SignatureModel,
    basis: Sequence[CalibrationFeatures],
    tried: Sequence[CalibrationFeatures] = (),
    *,
    references: Iterable[int] = REFERENCES,
) -> Calibration:
    """Make the calibration of a model's own score.

    Parameters
    ----------
    model
        Whose features they are.
    basis
        Sets that it is made on, each with the same weight.
    tried
        Sets that it is only tried on.
    references
        Numbers of references that it is made for, as far as the writers of the basis have signed as often and
        once more.

    Returns
    -------
    Calibration
        Its default layer is the one whose likelihood ratios cost least on these sets with three references.

    Raises
    ------
    DataError
        If nobody in the basis has signed twice, there are no impostors, or these score as high as genuine
        signatures do.
    UsageError
        If two sets have one name, or a number of references is below 1.
    """
    names = [each.described.name for each in (*basis, *tried)]
    if len(set(names)) < len(names):
        raise UsageError("Two sets of a calibration have the same name: its rates would be mixed up.")
    layers = {layer: _counts(model, layer, basis, tried, references) for layer in basis[0].features}
    provenance, score = model.provenance(), model.score
    choosing = {each.described.name for each in (*basis, *tried) if each.chooses}
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
        basis=[each.described for each in basis],
        checked_on=[each.described for each in tried],
        layer=min(layers, key=lambda layer: _cost(layers[layer], choosing)),
        layers=layers,
    )


def _counts(
    model: SignatureModel,
    layer: str,
    basis: Sequence[CalibrationFeatures],
    tried: Sequence[CalibrationFeatures],
    references: Iterable[int],
) -> dict[int, ReferenceCount]:
    found = {}
    for number in sorted(set(references)):
        made_on, tried_on = (
            {each.described.name: sample for each in sets if (sample := _sample(model, each, layer, number))}
            for sets in (basis, tried)
        )
        if made_on:
            found[number] = calibrate_references(made_on, tried_on)
    if not found:
        raise DataError(
            "Nobody has signed more often than references are taken: a calibration needs writers with two"
            " genuine signatures at least."
        )
    return found


def _sample(
    model: SignatureModel, each: CalibrationFeatures, layer: str, references: int
) -> ScoreSample | None:
    """Scores of a set; `None` where nobody has signed so often."""
    draws = min(_MOST_DRAWS, -(-_SCORED // len(set(each.known.identity))))
    protocol = DistanceProtocol(references=references, draws=draws, score=model.score)
    try:
        return ScoreSample.of(protocol.trials(each.features[layer], each.known))
    except DataError:
        return None


def _cost(counts: Mapping[int, ReferenceCount], choosing: set[str]) -> float:
    """Mean Cllr over sets, of several in the basis each by a calibration made without it."""
    number = max((each for each in counts if each <= CHOOSING), default=min(counts))
    sets = [each for each in counts[number].rates if each.dataset in choosing and each.cllr]
    return float(np.mean([np.mean(list(each.cllr.values())) for each in sets]))
