"""The distance protocol: a few references, a score against them, one threshold for all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from sigzoo.errors import DataError
from sigzoo.evaluation.draws import KnownArrays, TrialsBuilder, check_at_least_one, checked
from sigzoo.evaluation.summary import measured
from sigzoo.evaluation.trials_protocol import TrialsProtocol
from sigzoo.interfaces.protocols import (
    GENUINE,
    FeatureSet,
    Measured,
    Signatures,
    Trials,
)
from sigzoo.verification.scores import Prepared, Score, make_score

__all__ = ["DistanceProtocol", "Measured", "Signatures", "distance_protocol", "separated_pairs"]


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
    protocol = DistanceProtocol(references=references, score=score, cohort=cohort)
    return measured(protocol.drawn(features, known, seeds), known, replicates)


class DistanceProtocol(TrialsProtocol):
    """The protocol ``training-free``, also called ``distance``: a score of features, nothing is learnt.

    Parameters
    ----------
    references
        Genuine signatures that are known of each identity.
    draws
        How often they are drawn, with the seeds ``seed``, ``seed + 1``, ...
    replicates
        Bootstrap samples of the writers, for the intervals.
    score
        A score, or the name of one of `sigzoo.verification.scores.SCORES`; the default one if `None`.
    cohort
        float ``(C, D)``: features of other writers, for scores that compare with them; by default the
        genuine signatures of the development set, where there is one.
    seed
        Of the first draw.

    Raises
    ------
    UsageError
        If a number is out of range.
    UnknownNameError
        If there is no score of that name.
    """

    def __init__(
        self,
        *,
        references: int = 3,
        draws: int = 10,
        replicates: int = 500,
        score: Score | str | None = None,
        cohort: ArrayLike | None = None,
        seed: int = 0,
    ) -> None:
        check_at_least_one(references=references, draws=draws)
        self.references, self.draws, self.replicates, self.seed = references, draws, replicates, seed
        self.score = score if isinstance(score, Score) else make_score(score)
        self.cohort = cohort

    def trials(
        self, features: ArrayLike, known: Signatures, development: FeatureSet | None = None
    ) -> list[Trials]:
        """Score every questioned signature against every draw of references.

        Parameters
        ----------
        features
            float ``(N, D)``, a row a signature.
        known
            Whose each signature is, and which are forged.
        development
            Features of other writers, for scores that compare with a cohort.

        Returns
        -------
        list of Trials
            One a draw.

        Raises
        ------
        DataError
            If no identity has more genuine signatures than `references`.
        """
        seeds = range(self.seed, self.seed + self.draws)
        return self.drawn(features, known, seeds, self._cohort(development))

    def drawn(
        self,
        features: ArrayLike,
        known: Signatures,
        seeds: Iterable[int],
        cohort: ArrayLike | None = None,
    ) -> list[Trials]:
        """As `trials`, with a draw for each of some seeds.

        Parameters
        ----------
        features, known
            As for `trials`.
        seeds
            Of the draws.
        cohort
            float ``(C, D)``: features of other writers, where the score needs them.

        Returns
        -------
        list of Trials
            One a seed.

        Raises
        ------
        DataError
            If no identity has more genuine signatures than `references`.
        """
        array, arrays = checked(features, known)
        ready = self.score.prepare(array, self.cohort if cohort is None else cohort)
        found = [_draw(self.score, ready, arrays, self.references, seed) for seed in seeds]
        if not all(found):
            raise DataError(_why_none(arrays, self.references))
        return [each for each in found if each is not None]

    def _cohort(self, development: FeatureSet | None) -> ArrayLike | None:
        if self.cohort is not None or development is None or not self.score.needs_cohort:
            return self.cohort
        others, known = checked(development.features, development.known)
        return others[~known.forged]


def _why_none(known: KnownArrays, references: int) -> str:
    """Why nothing can be measured: too few signatures (whose, how many), or nobody to confuse them with."""
    few = known.too_few(references + 1)
    if len(few) == len(known.identities):
        name, count = max(few.items(), key=lambda item: item[1])
        return (
            f"no identity has more than {references} genuine signatures, of which {references} are references"
            f" and the others are questioned; the most, {count}, has {name}. Take fewer references."
        )
    return (
        f"no identity with more than {references} genuine signatures has an impostor: there is one writer"
        " only, and no skilled forgery."
    )


def _draw(score: Score, ready: Prepared, known: KnownArrays, references: int, seed: int) -> Trials | None:
    """Score every questioned signature against one draw of references."""
    rng = np.random.default_rng(seed)
    builder = TrialsBuilder()
    for name in known.identities:
        own = known.genuine_of(name)
        if len(own) <= references:
            continue
        order = rng.permutation(own)
        scores = score.compare(ready[order[:references]], ready)
        questioned = order[references:]
        builder.open(name, order[:references])
        builder.add(GENUINE, questioned, scores[questioned])
        kinds = {**known.impostors_of(name, questioned), "skilled": known.forged_of(name)}
        for kind, chosen in kinds.items():
            builder.add(kind, chosen, scores[chosen])
    return builder.build()


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
