"""The writer-dependent protocol: an SVM for each writer, as the published program trains and tests them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sigzoo.errors import UsageError
from sigzoo.evaluation.development import Developing, divide, long_enough
from sigzoo.evaluation.draws import KnownArrays, TrialsBuilder, check_at_least_one, checked
from sigzoo.evaluation.kernels import (
    SIMILARITY_GAMMA,
    PoolKernel,
    ScaledFeatures,
    SimilarityKernel,
    TabledKernel,
)
from sigzoo.evaluation.negatives import Negatives
from sigzoo.evaluation.svm import Kernel, Moments, SvmOptions, train
from sigzoo.evaluation.trials_protocol import TrialsProtocol
from sigzoo.interfaces.protocols import (
    GENUINE,
    FeatureSet,
    Signatures,
    Trials,
)
from sigzoo.verification.scores import Score, make_score

__all__ = ["WriterDependent"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

PUBLISHED_GAMMA = 2.0**-11
"""Of the RBF kernel."""


@dataclass(frozen=True)
class _Split:
    """One draw of one writer."""

    references: Rows
    genuine: Rows
    """Genuine signatures to test with."""
    skilled_negatives: Rows
    skilled: Rows
    """Forgeries to test with."""


class WriterDependent(TrialsProtocol):
    """The protocol ``writer-dependent``: of Hafemann et al. (2017), as their program ``sigver`` has it.

    For each writer an SVM learns `references` genuine signatures against other writers' genuine signatures
    (random forgeries); errors on the few positives weigh as much more as there are more negatives; features
    are divided by their deviation in the training set, and not centred. It is tested on `genuine_for_test`
    other genuine signatures, on those of all other writers, and on all skilled forgeries. With the same
    features, seed and options the splits are the published program's.

    Parameters
    ----------
    references
        Genuine signatures of a writer to learn from.
    genuine_for_test
        Genuine signatures of a writer to test with.
    draws
        Random splits.
    seed
        Of all splits together.
    kernel, C, gamma
        Of the SVM; see `sigzoo.evaluation.svm.SvmOptions`. The kernel ``"similarity"`` is not published: it
        is of the similarity by which `score` compares, of features as they are, as
        `sigzoo.sklearn.ScoreKernel` has it. By default gamma is the published 2^-11, and 2 for this kernel.
    score
        A score, or the name of one of `sigzoo.verification.scores.SCORES`, whose similarity is taken; the
        default one if `None`. Only for the kernel ``"similarity"``, and none that needs a cohort. Scores by
        name match no local descriptors.
    from_development
        Negatives from each development writer; by default 14 where there are any.
    from_others
        Negatives from each other writer that is tested, out of their references; by default all of these
        where there is no development writer, as published for CEDAR and MCYT, else none.
    development_writers
        So many writers of the set, the last by name, are the development writers; 0 where they come as a
        set of their own, or not at all.
    skilled_in_training
        Skilled forgeries of the writer that are negatives too, and not tested: none, as published.
    replicates
        Bootstrap samples of the writers, for the intervals.

    Raises
    ------
    UsageError
        If an option is out of range.
    """

    def __init__(
        self,
        *,
        references: int = 12,
        genuine_for_test: int = 10,
        draws: int = 10,
        seed: int = 1234,
        kernel: Kernel | Literal["similarity"] = "rbf",
        C: float = 1.0,  # noqa: N803  (the usual name)
        gamma: float | Literal["auto"] | None = None,
        score: Score | str | None = None,
        from_development: int | None = None,
        from_others: int | None = None,
        development_writers: int = 0,
        skilled_in_training: int = 0,
        replicates: int = 500,
    ) -> None:
        check_at_least_one(references=references, genuine_for_test=genuine_for_test, draws=draws)
        self.score = _similarity_of(kernel, score)
        if self.score is not None and gamma == "auto":
            raise UsageError("gamma=auto is one over the number of features: kernel=similarity has none.")
        if gamma is None:
            gamma = PUBLISHED_GAMMA if self.score is None else SIMILARITY_GAMMA
        self.gamma = gamma
        self.svm = SvmOptions("rbf" if kernel == "similarity" else kernel, C, gamma)
        self.references, self.genuine_for_test = references, genuine_for_test
        self.draws, self.seed, self.replicates = draws, seed, replicates
        self.negatives = Negatives(references, from_development, from_others)
        self.development_writers, self.skilled_in_training = development_writers, skilled_in_training

    def trials(
        self, features: ArrayLike, known: Signatures, development: FeatureSet | None = None
    ) -> list[Trials]:
        """Train and test every writer's SVM, once for each draw.

        Parameters
        ----------
        features
            float ``(N, D)``, a row a signature.
        known
            Whose each signature is, and which are forged.
        development
            Features of other writers, whose genuine signatures are the negatives where that is asked
            for.

        Returns
        -------
        list of Trials
            One a draw.

        Raises
        ------
        DataError
            If fewer than two writers have as many genuine signatures as are learnt and tested.
        UsageError
            If scikit-learn is not installed.
        """
        array, arrays = checked(features, known)
        tested, others = divide(array, arrays, development, self.development_writers)
        needed = self.references + self.genuine_for_test
        genuine = long_enough(
            {name: arrays.genuine_of(name) for name in tested}, needed, "the writer-dependent protocol"
        )
        pool, teachers = _pooled(array, others)
        self.negatives.check(teachers)  # before signatures are compared
        similarity = None
        if self.score is not None:
            learnt = [*genuine.values(), *teachers.values()]
            if self.skilled_in_training:
                learnt += [arrays.forged_of(name) for name in genuine]
            rows = np.unique(np.concatenate(learnt))
            similarity = SimilarityKernel(self.score, pool, rows, float(self.gamma))
        # The published program draws everything, over all splits, from one legacy generator.
        rng = np.random.RandomState(self.seed)
        return [self._draw(pool, arrays, genuine, teachers, similarity, rng) for _ in range(self.draws)]

    def _draw(
        self,
        pool: Floats,
        known: KnownArrays,
        genuine: Mapping[str, Rows],
        teachers: Mapping[str, Rows],
        similarity: SimilarityKernel | None,
        rng: np.random.RandomState,
    ) -> Trials:
        splits = {name: self._split(rows, known.forged_of(name), rng) for name, rows in genuine.items()}
        references = {name: split.references for name, split in splits.items()}
        negatives = self.negatives.of_development(teachers, rng)
        from_others = self.negatives.number_from_others(teachers)
        questioned = np.concatenate([each.genuine for each in splits.values()])
        kernel: PoolKernel | None = similarity
        if kernel is None and self._is_shared(known, splits, negatives, from_others):
            kernel = _shared(self.svm, pool, splits)
        builder = TrialsBuilder(threshold=0.0)
        moments = Moments.of(pool[negatives]) if len(negatives) else None
        for name, split in splits.items():
            own = self.negatives.of_others(name, references, known, from_others, rng)
            own = np.concatenate([own, split.skilled_negatives])
            kinds = {
                GENUINE: split.genuine,
                **known.impostors_of(name, split.genuine, questioned),
                "skilled": split.skilled,
            }
            kinds = {kind: rows for kind, rows in kinds.items() if len(rows)}
            rest = np.concatenate([split.references, own])
            mine = kernel or ScaledFeatures(self.svm, pool, _scale(pool[rest], moments))
            scores = self._scores(
                mine, np.concatenate([rest, negatives]), np.concatenate(list(kinds.values()))
            )
            builder.open(name, split.references)
            builder.add_all(kinds, scores)
        found = builder.build()
        assert found is not None  # two writers with genuine signatures are each other's random forgeries
        return found

    def _scores(self, kernel: PoolKernel, learnt: Rows, rows: Rows) -> Floats:
        """Train the SVM of an identity, whose references come first, and score signatures.

        In the published program's order, as what libsvm finds depends on it, within its tolerance.
        """
        positive = np.arange(len(learnt)) < self.references
        skew = float((len(learnt) - self.references) / self.references)
        weights, intercept = train(kernel.matrix(learnt, learnt), positive, self.svm.C, skew)
        support = weights != 0
        scores: Floats = kernel.matrix(rows, learnt[support]) @ weights[support] + intercept
        return scores

    def _is_shared(
        self, known: KnownArrays, splits: Mapping[str, _Split], negatives: Rows, from_others: int
    ) -> bool:
        """Whether the training sets of all writers are the same signatures."""
        persons = {int(known.writer[each.references[0]]) for each in splits.values()}
        one_each = len(persons) == len(splits)
        return (
            one_each
            and not len(negatives)
            and from_others == self.references
            and not self.skilled_in_training
        )

    def _split(self, genuine: Rows, forged: Rows, rng: np.random.RandomState) -> _Split:
        order = genuine.copy()
        rng.shuffle(order)
        kept = self.skilled_in_training
        if kept and len(forged) > kept:
            forged = rng.permutation(forged)
        elif kept:
            kept = 0  # all are needed to test with
        return _Split(order[: self.references], order[-self.genuine_for_test :], forged[:kept], forged[kept:])


def _similarity_of(kernel: str, score: Score | str | None) -> Score | None:
    """The score whose similarity is the kernel's, if it is of one."""
    if kernel == "similarity":
        return score if isinstance(score, Score) else make_score(score)
    if kernel not in ("rbf", "linear"):
        raise UsageError(f"kernel is rbf, linear or similarity, got {kernel!r}.")
    if score is not None:
        raise UsageError(f"score is for kernel=similarity: kernel={kernel} looks at features alone.")
    return None


def _pooled(features: Floats, others: Developing | None) -> tuple[Floats, Mapping[str, Rows]]:
    """Features of the set, those of development writers' genuine signatures behind, and these rows."""
    if others is None:
        return features, {}
    if others.features is features:
        return features, others.genuine
    ends = len(features) + np.cumsum([len(each) for each in others.genuine.values()])
    rows = {
        name: np.arange(end - len(each), end)
        for (name, each), end in zip(others.genuine.items(), ends, strict=True)
    }
    return np.concatenate([features, *(others.features[each] for each in others.genuine.values())]), rows


def _scale(rest: Floats, negatives: Moments | None) -> Floats:
    """What features are divided by: of development writers, who are the same for all, moments are known."""
    moments = Moments.of(rest)
    return (moments if negatives is None else moments + negatives).scale()


def _shared(options: SvmOptions, pool: Floats, splits: Mapping[str, _Split]) -> TabledKernel:
    """Where every writer's references are the others' negatives all SVMs share training set and kernel."""
    learnt = np.sort(np.concatenate([each.references for each in splits.values()]))
    tested = [part for each in splits.values() for part in (each.genuine, each.skilled)]
    scaled = ScaledFeatures(options, pool, Moments.of(pool[learnt]).scale())
    return TabledKernel(scaled, learnt, np.concatenate(tested))
