"""Support vector machines as the published programs train them, with kernels that are computed in blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sigzoo.errors import UsageError

__all__ = ["Kernel", "Machine", "Moments", "SvmOptions", "fit_machine", "train"]

Floats = NDArray[np.float64]
Kernel = Literal["rbf", "linear"]


@dataclass(frozen=True)
class SvmOptions:
    """What decides an SVM.

    Attributes
    ----------
    kernel
        ``"rbf"``, ``exp(-gamma * |a - b|^2)``, or ``"linear"``.
    C
        Weight of the training errors.
    gamma
        Of the RBF kernel; ``"auto"`` is one over the number of features, which for the 2,048 of SigNet is
        the published value.

    Raises
    ------
    UsageError
        If one is out of range.
    """

    kernel: Kernel = "rbf"
    C: float = 1.0
    gamma: float | Literal["auto"] = 2.0**-11

    def __post_init__(self) -> None:
        if self.kernel not in ("rbf", "linear"):
            raise UsageError(f"kernel is rbf or linear, got {self.kernel!r}.")
        if not (self._is_number(self.C) and self.C > 0):
            raise UsageError(f"C must be a number above 0, got {self.C!r}.")
        if self.gamma != "auto" and not (self._is_number(self.gamma) and self.gamma > 0):
            raise UsageError(f"gamma must be a number above 0, or auto, got {self.gamma!r}.")

    @staticmethod
    def _is_number(value: object) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))

    def matrix(self, a: Floats, b: Floats) -> Floats:
        """The kernel of every row of `a` with every row of `b`: float64 ``(N, M)``."""
        product: Floats = a @ b.T
        if self.kernel == "linear":
            return product
        gamma = 1.0 / a.shape[1] if self.gamma == "auto" else float(self.gamma)
        product *= 2.0 * gamma
        product -= gamma * np.einsum("ij,ij->i", a, a)[:, None]
        product -= gamma * np.einsum("ij,ij->i", b, b)
        np.minimum(product, 0.0, out=product)
        found: Floats = np.exp(product, out=product)
        return found


@dataclass(frozen=True)
class Moments:
    """Number, mean and sum of squared deviations of rows, which can be joined without their being kept."""

    count: int
    mean: Floats
    squares: Floats

    @classmethod
    def of(cls, rows: Floats) -> Moments:
        """Of rows ``(N, D)``."""
        mean = rows.mean(axis=0)
        return cls(len(rows), mean, np.square(rows - mean).sum(axis=0))

    def __add__(self, other: Moments) -> Moments:
        count = self.count + other.count
        gap = other.mean - self.mean
        return Moments(
            count,
            self.mean + gap * (other.count / count),
            self.squares + other.squares + gap * gap * (self.count * other.count / count),
        )

    def scale(self) -> Floats:
        """What features are divided by: their deviation, and 1 for those that do not vary.

        The rule for what does not vary, rounding considered, is that of scikit-learn's ``StandardScaler``.
        """
        variance = self.squares / self.count
        eps = np.finfo(np.float64).eps
        constant = variance <= self.count * eps * variance + np.square(self.count * self.mean * eps)
        return np.where(constant, 1.0, np.sqrt(variance))


@dataclass(frozen=True)
class Machine:
    """A trained SVM: what it needs to score."""

    options: SvmOptions
    scale: Floats
    vectors: Floats
    """``(S, D)``: the support vectors, scaled."""
    weights: Floats
    intercept: float

    def decide(self, features: Floats) -> Floats:
        """Signed distances ``(N,)`` of features ``(N, D)``, above 0 for the positive class."""
        kernel = self.options.matrix(features / self.scale, self.vectors)
        scores: Floats = kernel @ self.weights + self.intercept
        return scores


def train(
    kernel: Floats, positive: NDArray[np.bool_], cost: float, positive_weight: float
) -> tuple[Floats, float]:
    """Train on a kernel matrix.

    Parameters
    ----------
    kernel
        float64 ``(N, N)``.
    positive
        ``(N,)``: which are of the positive class.
    cost, positive_weight
        Weight of errors (C), and what it is multiplied with for the positive class.

    Returns
    -------
    weights, intercept
        float64 ``(N,)``, 0 for what is no support vector: ``kernel @ weights + intercept`` is the score.

    Raises
    ------
    UsageError
        If scikit-learn is not installed.
    """
    try:
        from sklearn.svm import SVC
    except ImportError as error:
        raise UsageError(
            "Protocols with SVMs need scikit-learn: run `pip install 'sigzoo[eval]'`."
        ) from error
    machine = SVC(C=cost, kernel="precomputed", class_weight={1: positive_weight})
    machine.fit(kernel, np.where(positive, 1, -1))
    weights = np.zeros(len(kernel))
    weights[machine.support_] = machine.dual_coef_[0]
    return weights, float(machine.intercept_[0])


def fit_machine(
    options: SvmOptions,
    rows: Floats,
    positive: NDArray[np.bool_],
    *,
    positive_weight: float = 1.0,
) -> Machine:
    """Scale features by their deviation, without centring, and train.

    Parameters
    ----------
    options
        Of the SVM.
    rows
        float64 ``(N, D)``.
    positive
        ``(N,)``: which are of the positive class.
    positive_weight
        What C is multiplied with for the positive class.
    """
    scale = Moments.of(rows).scale()
    scaled = rows / scale
    weights, intercept = train(options.matrix(scaled, scaled), positive, options.C, positive_weight)
    support = weights != 0
    return Machine(options, scale, scaled[support], weights[support], intercept)
