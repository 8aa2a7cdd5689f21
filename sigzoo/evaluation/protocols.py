"""The distance protocol: a few references, a score against them, one threshold for all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sigzoo.errors import DataError
from sigzoo.evaluation.metrics import Scores
from sigzoo.interfaces.protocols import EvaluationProtocol, Measured, Signatures
from sigzoo.verification.scores import Prepared, Score, make_score

__all__ = ["DistanceProtocol", "Measured", "Signatures", "distance_protocol", "separated_pairs"]


@dataclass(frozen=True)
class _Trials:
    """Scores of one draw against one kind of impostor; writers as numbers, for the bootstrap."""

    scores: Scores
    genuine: NDArray[np.int64]
    claimed: NDArray[np.int64]
    impostor: NDArray[np.int64]


def distance_protocol(
    features: ArrayLike,
    known: Signatures,
    *,
    references: int = 3,
    seeds: Iterable[int] = range(10),
    replicates: int = 500,
    score: Score | str | None = None,
    cohort: ArrayLike | None = None,
) -> dict[str, Measured]:
    """Measure verification by a score of features, without training anything.

    For each identity `references` genuine signatures are drawn; questioned signatures are scored against
    them; one threshold serves all identities.

    Parameters
    ----------
    features
        float ``(N, D)``.
    known
        What the N images are.
    references
        Genuine signatures that are known of each identity.
    seeds
        One draw of references for each.
    replicates
        Bootstrap samples of the writers, for the interval.
    score
        A score, or the name of one of `sigzoo.verification.scores.SCORES`; the default one if `None`.
    cohort
        float ``(C, D)``: features of other writers, for scores that compare with them.

    Returns
    -------
    dict
        ``random`` (other writers' genuine signatures, of another text where texts are known),
        ``skilled`` and ``same_text``, as far as the data have them.

    Raises
    ------
    DataError
        If no identity has more genuine signatures than `references`, there are not as many features as
        signatures, or the features cannot be scored: some are not finite or zero, or a cohort is missing.
    UnknownNameError
        If there is no score of that name.
    """
    if len(np.asarray(features)) != len(known.identity):
        raise DataError(f"{len(np.asarray(features))} features for {len(known.identity)} signatures.")
    chosen = score if isinstance(score, Score) else make_score(score)
    ready = chosen.prepare(features, cohort)
    writers, writer = np.unique(np.asarray(known.writer), return_inverse=True)
    found: dict[str, list[_Trials]] = {}
    for seed in seeds:
        for kind, trials in _draw(chosen, ready, known, writer, references, seed).items():
            found.setdefault(kind, []).append(trials)
    if not found:
        raise DataError(f"no identity has more than {references} genuine signatures and an impostor.")
    rng = np.random.default_rng(0)
    weights = [
        np.bincount(rng.integers(0, len(writers), len(writers)), minlength=len(writers))
        for _ in range(replicates)
    ]
    return {kind: _measure(trials, weights) for kind, trials in found.items()}


def _draw(
    score: Score,
    ready: Prepared,
    known: Signatures,
    writer: NDArray[np.int64],
    references: int,
    seed: int,
) -> dict[str, _Trials]:
    """Score every questioned signature against one draw of references."""
    rng = np.random.default_rng(seed)
    identity, forged = np.asarray(known.identity), np.asarray(known.forged, dtype=bool)
    text = None if known.text is None else np.asarray(known.text)
    medium = None if known.medium is None else np.asarray(known.medium)
    genuine: list[NDArray[np.float64]] = []
    claims: list[NDArray[np.int64]] = []
    impostors: dict[str, list[tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]]] = {}
    for name in np.unique(identity):
        own = np.flatnonzero((identity == name) & ~forged)
        if len(own) <= references:
            continue
        order = rng.permutation(own)
        scores = score.compare(ready[order[:references]], ready)
        questioned, who = order[references:], writer[own[0]]
        genuine.append(scores[questioned])
        claims.append(np.full(len(questioned), who))
        others = ~forged & (writer != who)
        if medium is not None:
            others &= np.isin(medium, medium[questioned])
        kinds = {"random": others, "skilled": forged & (identity == name)}
        if text is not None:
            kinds["random"] = others & (text != text[own[0]])
            kinds["same_text"] = others & (text == text[own[0]])
        for kind, chosen in kinds.items():
            if chosen.any():
                entry = (scores[chosen], np.full(int(chosen.sum()), who), writer[chosen])
                impostors.setdefault(kind, []).append(entry)
    result = {}
    for kind, entries in impostors.items():
        found, claimed, impostor = (np.concatenate(part) for part in zip(*entries, strict=True))
        result[kind] = _Trials(
            Scores(np.concatenate(genuine), found), np.concatenate(claims), claimed, impostor
        )
    return result


def _measure(trials: list[_Trials], weights: list[NDArray[np.int64]]) -> Measured:
    draws = [100.0 * t.scores.equal_error().eer for t in trials]
    replicated = []
    for w in weights:
        values = []
        for t in trials:
            same = t.claimed == t.impostor
            mass = np.where(same, w[t.claimed], w[t.claimed] * w[t.impostor])
            if mass.sum() > 0 and w[t.genuine].sum() > 0:
                values.append(100.0 * t.scores.equal_error(w[t.genuine], mass).eer)
        if values:
            replicated.append(float(np.mean(values)))
    low, high = np.percentile(replicated, (2.5, 97.5)) if replicated else (np.nan, np.nan)
    return Measured(float(np.mean(draws)), float(low), float(high), tuple(draws))


class DistanceProtocol(EvaluationProtocol):
    """`distance_protocol` as the evaluation protocol ``distance``; the options are its arguments."""

    def __init__(
        self,
        *,
        references: int = 3,
        draws: int = 10,
        replicates: int = 500,
        score: Score | str | None = None,
        cohort: ArrayLike | None = None,
    ) -> None:
        self.references, self.draws, self.replicates = references, draws, replicates
        self.score = score if isinstance(score, Score) else make_score(score)
        self.cohort = cohort

    def measure(self, features: ArrayLike, known: Signatures) -> dict[str, Measured]:
        """Measure verification by a score of features, with as many draws of references as `draws` says.

        Raises
        ------
        DataError
            As `distance_protocol` does.
        """
        return distance_protocol(
            features,
            known,
            references=self.references,
            seeds=range(self.draws),
            replicates=self.replicates,
            score=self.score,
            cohort=self.cohort,
        )


def separated_pairs(distance: ArrayLike, writer: Sequence[str]) -> tuple[int, int]:
    """Count the pairs of writers whose signatures a distance table tells apart without fail.

    Parameters
    ----------
    distance
        float ``(N, N)``.
    writer
        Who wrote each of the N signatures, all of them genuine.

    Returns
    -------
    separated, pairs
        In how many pairs of writers every distance within a writer is below every distance
        between the two, and how many pairs there are.
    """
    table, who = np.asarray(distance), np.asarray(writer)
    names = np.unique(who)
    separated = 0
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            here = np.flatnonzero((who == a) | (who == b))
            part = table[np.ix_(here, here)]
            same = who[here][:, None] == who[here]
            within = part[same & ~np.eye(len(here), dtype=bool)]
            separated += bool(within.max() < part[~same].min())
    return separated, len(names) * (len(names) - 1) // 2
