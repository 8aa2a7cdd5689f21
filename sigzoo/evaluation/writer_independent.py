"""The writer-independent protocol: one SVM tells pairs of one writer from pairs of two writers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sigzoo.errors import DataError, UsageError
from sigzoo.evaluation.development import Developing, divide, long_enough
from sigzoo.evaluation.draws import KnownArrays, TrialsBuilder, check_at_least_one, checked
from sigzoo.evaluation.svm import Kernel, Machine, SvmOptions, fit_machine
from sigzoo.evaluation.trials_protocol import TrialsProtocol
from sigzoo.interfaces.protocols import (
    GENUINE,
    FeatureSet,
    Signatures,
    Trials,
)

__all__ = ["FUSIONS", "WriterIndependent"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Fusion = Literal["max", "mean", "median", "min"]

FUSIONS: Mapping[str, Callable[[Floats], Floats]] = {
    "max": lambda scores: scores.max(axis=1),
    "mean": lambda scores: scores.mean(axis=1),
    "median": lambda scores: np.median(scores, axis=1),
    "min": lambda scores: scores.min(axis=1),
}
"""What is made of the scores against each reference, ``(Q, R)``."""

_BLOCK = 2048
"""Pairs that are scored together, of whichever identities: of few at a time most is spent on the support
vectors, which are read anew for each block."""


class WriterIndependent(TrialsProtocol):
    """The protocol ``writer-independent``: of Souza et al. (2018), as ``contrastive_sigver`` programs it.

    The dichotomy transform makes of two signatures the absolute differences of their features. One SVM learns
    pairs of genuine signatures of one development writer against pairs of two; a questioned signature's
    scores against the references are fused. With the same features, seed and options the splits and pairs
    are the published program's.

    Parameters
    ----------
    references
        Genuine signatures of a writer to compare with.
    genuine_for_train
        Genuine signatures of a development writer to learn from.
    genuine_for_test, skilled_for_test, random_for_test
        Signatures to test each writer with; random forgeries are one each of so many other writers.
    fusion
        ``"max"``, ``"mean"``, ``"median"`` or ``"min"`` of the scores against the references.
    draws
        Random splits.
    seed
        Of all splits together.
    kernel, C, gamma
        Of the SVM; see `sigzoo.evaluation.svm.SvmOptions`.
    development_writers
        So many writers of the set, the last by name, are the development writers; 0 where they come as a
        set of their own, or not at all.
    folds
        Where there is no development writer the writers are divided into so many parts, and those of each
        are tested with what the others teach.
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
        genuine_for_train: int = 12,
        genuine_for_test: int = 10,
        skilled_for_test: int = 10,
        random_for_test: int = 10,
        fusion: Fusion = "max",
        draws: int = 10,
        seed: int = 1234,
        kernel: Kernel = "rbf",
        C: float = 1.0,  # noqa: N803  (the usual name)
        gamma: float | Literal["auto"] = 2.0**-11,
        development_writers: int = 0,
        folds: int = 5,
        replicates: int = 500,
    ) -> None:
        check_at_least_one(
            references=references,
            genuine_for_test=genuine_for_test,
            skilled_for_test=skilled_for_test,
            random_for_test=random_for_test,
            draws=draws,
        )
        if genuine_for_train < 2 or folds < 2:
            raise UsageError("genuine_for_train and folds must be at least 2.")
        if fusion not in FUSIONS:
            raise UsageError(f"fusion is {', '.join(FUSIONS)}, got {fusion!r}.")
        self.svm, self.fusion = SvmOptions(kernel, C, gamma), fusion
        self.references, self.genuine_for_train = references, genuine_for_train
        self.genuine_for_test, self.skilled_for_test = genuine_for_test, skilled_for_test
        self.random_for_test, self.draws, self.seed = random_for_test, draws, seed
        self.development_writers, self.folds, self.replicates = development_writers, folds, replicates

    def trials(
        self, features: ArrayLike, known: Signatures, development: FeatureSet | None = None
    ) -> list[Trials]:
        """Train the SVM and test every writer, once for each draw.

        Parameters
        ----------
        features
            float ``(N, D)``, a row a signature.
        known
            Whose each signature is, and which are forged.
        development
            Features of other writers, from whose pairs the SVM learns.

        Returns
        -------
        list of Trials
            One a draw.

        Raises
        ------
        DataError
            If too few writers have as many genuine signatures as are learnt, compared with and tested.
        UsageError
            If scikit-learn is not installed.
        """
        array, arrays = checked(features, known)
        tested, others = divide(array, arrays, development, self.development_writers)
        genuine = long_enough(
            {name: arrays.genuine_of(name) for name in tested},
            self.references + self.genuine_for_test,
            "the writer-independent protocol",
        )
        parts = self._parts(array, arrays, genuine, others)
        rng = np.random.RandomState(self.seed)  # the published program's generator
        found = []
        for _ in range(self.draws):
            builder = TrialsBuilder(threshold=0.0)
            for names, teachers in parts:
                own = {name: genuine[name] for name in names}
                self._draw(array, arrays, own, teachers, rng, builder)
            trials = builder.build()
            if trials is None:
                raise DataError(
                    "no writer has an impostor: there is one writer in each part, without forgeries."
                )
            found.append(trials)
        return found

    def _parts(
        self, features: Floats, known: KnownArrays, genuine: Mapping[str, Rows], others: Developing | None
    ) -> list[tuple[Sequence[str], Developing]]:
        """Who is tested, and who teaches: once, or in turn."""
        if others is not None:
            teachers = long_enough(
                others.genuine, self.genuine_for_train, "learning from development writers"
            )
            return [(list(genuine), Developing(others.features, teachers))]
        persons = sorted({int(known.writer[rows[0]]) for rows in genuine.values()})
        folds = min(self.folds, len(persons) // 2)
        if folds < 2:
            raise DataError(
                f"{len(persons)} writers are too few to learn from some and test others: it takes 4, or a"
                " development set."
            )
        parts: list[tuple[Sequence[str], Developing]] = []
        for fold in range(folds):
            tested = set(persons[fold::folds])
            names = [name for name, rows in genuine.items() if int(known.writer[rows[0]]) in tested]
            rest = {name: rows for name, rows in genuine.items() if name not in names}
            teachers = long_enough(rest, self.genuine_for_train, "learning from the other writers")
            parts.append((names, Developing(features, teachers)))
        return parts

    def _draw(
        self,
        features: Floats,
        known: KnownArrays,
        genuine: Mapping[str, Rows],
        teachers: Developing,
        rng: np.random.RandomState,
        builder: TrialsBuilder,
    ) -> None:
        references, questioned = {}, {}
        for name, rows in genuine.items():
            order = _shuffled(rows, rng)
            references[name], questioned[name] = order[: self.references], order[-self.genuine_for_test :]
        machine = self._learn(teachers, rng)
        asked = {name: self._questions(name, known, questioned, rng) for name in genuine}
        asked_rows = [np.concatenate(list(kinds.values())) for kinds in asked.values()]
        scores = self._scores(machine, features, list(references.values()), asked_rows)
        ends = np.cumsum([len(each) for each in asked_rows])[:-1]
        for (name, kinds), part in zip(asked.items(), np.split(scores, ends), strict=True):
            builder.open(name, references[name])
            builder.add_all(kinds, part)

    def _learn(self, teachers: Developing, rng: np.random.RandomState) -> Machine:
        """Train on pairs within and between writers: as many of each where enough writers are there."""
        number = self.genuine_for_train
        learnt = np.stack([_shuffled(rows, rng)[:number] for rows in teachers.genuine.values()])
        signatures = teachers.features[learnt]
        first, second = np.triu_indices(number, 1)
        within = [np.abs(each[second] - each[first]) for each in signatures]
        between = []
        against = min(number // 2, len(signatures) - 1)
        for writer in range(len(signatures)):
            candidates = [other for other in range(len(signatures)) if other != writer]
            for other in rng.choice(candidates, against, replace=False):
                strange = signatures[other][rng.randint(number - 1)]
                between.append(np.abs(signatures[writer][: number - 1] - strange))
        rows = np.concatenate([*within, *between])
        positive = np.arange(len(rows)) < sum(len(each) for each in within)
        return fit_machine(self.svm, rows, positive)

    def _questions(
        self, name: str, known: KnownArrays, questioned: Mapping[str, Rows], rng: np.random.RandomState
    ) -> dict[str, Rows]:
        """Rows to test an identity with, by kind; drawn in the published program's order."""
        skilled = known.forged_of(name)
        if len(skilled):
            skilled = rng.choice(skilled, min(self.skilled_for_test, len(skilled)), replace=False)
        own = rng.choice(questioned[name], self.genuine_for_test, replace=False)
        who = known.writer[own[0]]
        candidates = [each for each, rows in questioned.items() if known.writer[rows[0]] != who]
        found = {GENUINE: own, "skilled": skilled}
        if candidates:
            chosen = rng.choice(len(candidates), min(self.random_for_test, len(candidates)), replace=False)
            others = np.array([rng.choice(questioned[candidates[each]]) for each in chosen])
            found |= known.impostors_of(name, own, others)
        return {kind: rows for kind, rows in found.items() if len(rows)}

    def _scores(
        self, machine: Machine, features: Floats, references: Sequence[Rows], questioned: Sequence[Rows]
    ) -> Floats:
        """Fused scores ``(Q,)`` of all that is asked, one identity's after the other's."""
        first = np.concatenate(questioned).repeat(self.references)
        second = np.concatenate(
            [np.tile(own, len(asked)) for own, asked in zip(references, questioned, strict=True)]
        )
        parts = []
        for start in range(0, len(first), _BLOCK):
            block = slice(start, start + _BLOCK)
            parts.append(machine.decide(np.abs(features[first[block]] - features[second[block]])))
        return FUSIONS[self.fusion](np.concatenate(parts).reshape(-1, self.references))


def _shuffled(rows: Rows, rng: np.random.RandomState) -> Rows:
    order = rows.copy()
    rng.shuffle(order)
    return order
