"""Verification: is a questioned signature by the writer of the references, and how sure is that."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from sigzoo.common.progress import ProgressLike
from sigzoo.errors import UsageError
from sigzoo.imaging import ImageSource, as_sources
from sigzoo.verification.calibration import Calibration, Impostor, ReferenceCount, read_calibration
from sigzoo.verification.decision import (
    Decision,
    LikelihoodRatio,
    Origin,
    Threshold,
    choose_threshold,
    decide,
    origin_of,
    verbal,
)
from sigzoo.verification.examined_images import ExaminedImages
from sigzoo.verification.scores import Score, make_score

__all__ = [
    "Embedder",
    "Verification",
    "fitting_calibration",
    "overall_status",
    "verify_features",
    "verify_images",
]

NOT_GENUINE, UNDECIDED = 3, 4
"""Statuses beside 0, genuine; 1 and 2 are for what is in no command an answer: failure, wrong usage."""

Floats = NDArray[np.float64]


class Embedder(Protocol):
    """What verification wants of a model; `sigzoo.SignatureModel` is one."""

    name: str

    @property
    def score(self) -> Score:
        """How its features are scored, where no calibration says so."""

    def embed(
        self,
        images: Iterable[ImageSource],
        *,
        layer: str | None = None,
        batch_size: int | None = ...,
        progress: ProgressLike = ...,
        check_images: bool = ...,
        preprocessed: bool = ...,
        workers: int | None = ...,
    ) -> NDArray[np.float32]:
        """Features of images."""

    def provenance(self, layer: str | None = None) -> dict[str, Any]:
        """What features depend on."""


@dataclass(frozen=True)
class Verification:
    """The answer for one questioned signature. `str` gives it in a few lines, `to_dict` as plain data."""

    questioned: str
    """Its file, or ``image 0`` for what has none."""
    references: tuple[str, ...]
    """The references' files."""
    model: str
    layer: str
    score_name: str
    score: float
    """Higher: more likely genuine. Numbers of another score, model or layer do not compare."""
    decision: Decision | None
    """``genuine``, ``not genuine``, ``inconclusive``; `None` where there is no threshold."""
    likelihood_ratios: dict[Impostor, LikelihoodRatio]
    """Against each kind of impostor that the calibration knows; empty without calibration."""
    threshold: Threshold | None
    origin: Origin | None
    """Where likelihood ratios and error rates come from; `None` without calibration."""
    reference_help: dict[int, dict[Impostor, float]]
    """Number of references -> equal error rate on the calibration's sets: what more of them are worth."""
    limits: tuple[str, ...]
    """What the answer cannot say."""
    warnings: tuple[str, ...]
    """What speaks against relying on it."""

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data, ready for JSON.

        Returns
        -------
        dict
            Texts, numbers, booleans, `None`, and lists and dicts of them.
        """
        found: dict[str, Any] = msgspec.to_builtins(self, str_keys=True)
        return found

    def __str__(self) -> str:
        from sigzoo.verification.wording import summary_lines

        return "\n".join(summary_lines(self))


def verify_images(
    model: Embedder,
    references: ImageSource | Iterable[ImageSource],
    questioned: ImageSource | Iterable[ImageSource],
    *,
    layer: str | None = None,
    threshold: float | None = None,
    far: float | None = None,
    against: Impostor | None = None,
    score: Score | None = None,
    calibration: Calibration | str | os.PathLike[str] | None = None,
    batch_size: int | None = None,
    progress: ProgressLike = False,
    check_images: bool = True,
    grey_range: tuple[float, float] | None = None,
    preprocessed: bool = False,
    workers: int | None = None,
) -> list[Verification]:
    """Verify images with a model; see `sigzoo.SignatureModel.verify`, which says what everything is."""
    look = check_images and not preprocessed
    known = ExaminedImages(as_sources(references), "reference", check=look, grey_range=grey_range)
    asked = ExaminedImages(as_sources(questioned), "questioned", check=look, grey_range=grey_range)
    if not known.names:
        raise UsageError("Verification needs at least one reference: a genuine signature of the writer.")
    if not asked.names:
        raise UsageError("There is no questioned signature.")
    fitting, provenance, doubts = fitting_calibration(model, calibration, layer)
    if fitting is None and score is None:
        score = model.score
    # Before the work: what cannot be answered is told at once.
    _score_and_count(fitting, provenance["layer"], len(known.names), score, threshold, far, against)
    features = model.embed(
        [*known.sources, *asked.sources],
        layer=provenance["layer"],
        batch_size=batch_size,
        progress=progress,
        check_images=False,  # `ExaminedImages` looks, and its words go into the answer
        preprocessed=preprocessed,
        workers=workers,
    )
    features = features.reshape(len(features), -1)
    known.refuse_repetitions()
    known.refuse_copies_in(asked)
    return verify_features(
        features[: len(known.names)],
        features[len(known.names) :],
        provenance=provenance,
        reference_names=known.names,
        questioned_names=asked.names,
        threshold=threshold,
        far=far,
        against=against,
        score=score,
        calibration=fitting,
        warnings=[*doubts, *known.notes()],
        questioned_warnings=[
            [*asked.notes_of(index), *known.copies_in(asked, index)] for index in range(len(asked.names))
        ],
    )


def verify_features(
    references: NDArray[Any],
    questioned: NDArray[Any],
    *,
    provenance: Mapping[str, Any],
    reference_names: Iterable[str] | None = None,
    questioned_names: Iterable[str] | None = None,
    threshold: float | None = None,
    far: float | None = None,
    against: Impostor | None = None,
    score: Score | None = None,
    calibration: Calibration | None = None,
    warnings: Iterable[str] = (),
    questioned_warnings: Iterable[Iterable[str]] | None = None,
) -> list[Verification]:
    """Verify features, for who keeps those of the references in place of images.

    Parameters
    ----------
    references, questioned
        float ``(R, D)`` and ``(Q, D)`` of one model and layer.
    provenance
        What they depend on, as `SignatureModel.provenance` gives it.
    reference_names, questioned_names
        What to call them; ``image 0``, ... by default.
    threshold, far, against, score
        As for `SignatureModel.verify`.
    calibration
        One that fits the features, or none.
    warnings, questioned_warnings
        What is known against all of them, and against each questioned one.

    Returns
    -------
    list
        A `Verification` for each questioned signature.

    Raises
    ------
    DataError
        If features do not fit together, are not finite or zero, or there is no reference.
    UsageError
        If options do not go together, or a false acceptance rate is asked for without calibration.
    """
    chosen, found = _score_and_count(
        calibration, provenance["layer"], len(references), score, threshold, far, against
    )
    line = choose_threshold(found[1] if found else None, threshold=threshold, far=far, against=against)
    values = chosen(references, questioned)
    names = tuple(reference_names or (f"image {index}" for index in range(len(references))))
    asked = list(questioned_names or (f"image {index}" for index in range(len(questioned))))
    of_each = [list(each) for each in questioned_warnings or [[] for _ in asked]]
    general = [*warnings, *_unlike_references(references, names, chosen, calibration, provenance["layer"])]
    kind = against or (found[1].kind if found else None)
    answers = []
    for name, value, notes in zip(asked, values, of_each, strict=True):
        ratios = _ratios(found[1], float(value)) if found else {}
        log10_lr = ratios[kind].log10 if kind in ratios else None
        answers.append(
            Verification(
                questioned=name,
                references=names,
                model=provenance["model"],
                layer=provenance["layer"],
                score_name=chosen.name,
                score=float(value),
                decision=decide(float(value), line, log10_lr),
                likelihood_ratios=ratios,
                threshold=line,
                origin=origin_of(calibration, *found) if calibration and found else None,
                reference_help=_reference_help(calibration, provenance["layer"]),
                limits=_limits(len(names), found[1] if found else None),
                warnings=(*notes, *general),
            )
        )
    return answers


def overall_status(answers: Sequence[Verification]) -> int:
    """What answers come to, as the exit status of `sigzoo verify`: 0 where all are genuine.

    3 where one is not genuine; else 4 where one is inconclusive, or there is no threshold.
    """
    decisions = {each.decision for each in answers}
    if "not genuine" in decisions:
        return NOT_GENUINE
    return 0 if decisions == {"genuine"} else UNDECIDED


def fitting_calibration(
    model: Embedder, calibration: Calibration | str | os.PathLike[str] | None, layer: str | None
) -> tuple[Calibration | None, dict[str, Any], list[str]]:
    """The calibration if it was made for a model as it is, and the layer to take.

    Parameters
    ----------
    model
        Whose features are to be compared.
    calibration
        A calibration or its file, or none.
    layer
        The layer that was asked for; by default the calibration's, and without one the card's.

    Returns
    -------
    calibration, provenance, doubts
        `None` in place of a calibration that does not fit; the provenance of the layer's features; what there
        is to say against relying on a score.

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    if isinstance(calibration, str | os.PathLike):
        calibration = read_calibration(Path(calibration))
    provenance = model.provenance(layer)
    if calibration is None:
        doubt = f"there is no calibration for {model.name}: a score alone says little"
        return None, provenance, [doubt]
    differing = calibration.differences(provenance)
    if differing:
        what = " and ".join(differing)
        doubt = f"the calibration is of other {what}, so it does not apply: a score alone says little"
        return None, provenance, [doubt]
    if layer is None:
        return calibration, model.provenance(calibration.layer), []
    if layer not in calibration.layers:
        known = ", ".join(calibration.layers)
        return None, provenance, [f"there is no calibration for the layer {layer} (there is for: {known})"]
    return calibration, provenance, []


def _score_and_count(
    calibration: Calibration | None,
    layer: str,
    references: int,
    score: Score | None,
    threshold: float | None,
    far: float | None,
    against: Impostor | None,
) -> tuple[Score, tuple[int, ReferenceCount] | None]:
    """The score to compute, and the calibration for a number of references; options that do not fit raise."""
    if calibration is None:
        choose_threshold(None, threshold=threshold, far=far, against=against)
        return make_score() if score is None else score, None
    calibrated = make_score(calibration.score, **calibration.score_options)
    if score is not None and score != calibrated:
        raise UsageError(
            f"The calibration is for the score {calibrated}, not for {score}; leave `score` out, or give a"
            " calibration of your own."
        )
    found = calibration.for_references(layer, references)
    choose_threshold(found[1] if found else None, threshold=threshold, far=far, against=against)
    return calibrated, found


def _ratios(count: ReferenceCount, score: float) -> dict[Impostor, LikelihoodRatio]:
    found: dict[Impostor, LikelihoodRatio] = {}
    for kind, model in count.likelihood.items():
        log10 = float(model.log10_lr(score))
        found[kind] = LikelihoodRatio(log10, kind, model.is_bounded(score), verbal(log10, kind))
    return found


def _unlike_references(
    references: NDArray[Any],
    names: tuple[str, ...],
    score: Score,
    calibration: Calibration | None,
    layer: str,
) -> list[str]:
    """References that compare with the others as other writers' signatures do."""
    found = calibration.for_references(layer, len(references) - 1) if calibration else None
    if found is None or len(references) < 2:
        return []
    unlike = []
    for index, name in enumerate(names):
        others = np.delete(references, index, axis=0)
        value = float(score(others, references[index : index + 1])[0])
        likelihood = found[1].likelihood.get("random")
        if likelihood is not None and value < likelihood.even:
            unlike.append(name)
    if not unlike:
        return []
    if len(names) == 2:
        return ["the references do not resemble each other: are both of one writer?"]
    each = ", ".join(unlike)
    return [f"not like the other references, as another writer's signature would be: {each}"]


def _reference_help(calibration: Calibration | None, layer: str) -> dict[int, dict[Impostor, float]]:
    if calibration is None:
        return {}
    return {number: dict(count.eer) for number, count in sorted(calibration.layers[layer].items())}


def _limits(references: int, count: ReferenceCount | None) -> tuple[str, ...]:
    said = [
        "pictures are compared: not the pen's pressure, not the ink in the paper, not what was altered",
        "a signature may be genuine and unlike (illness, haste, a poor scan), and forged and alike",
    ]
    if count is None:
        said.append("without calibration a score can only be compared with other scores of the same kind")
        return tuple(said)
    said.append(
        "a likelihood ratio is not the probability of being genuine: that depends on what else is known"
    )
    said.append(
        "error rates are those of the calibration's signatures; other pens, scanners, scripts and forgers"
        " have others"
    )
    if references == 1:
        said.append("with one reference it is not known how much its writer varies")
    return tuple(said)
