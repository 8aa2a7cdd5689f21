"""Does a loaded model compute what was published? The golden cases of its card, one by one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from sigzoo.artifacts import fetch_with_bar
from sigzoo.common.messages import quoted
from sigzoo.data.npz import read_npy
from sigzoo.errors import DataError, WeightsError
from sigzoo.evaluation.distances import distances
from sigzoo.interfaces.weight_formats import file_bytes
from sigzoo.model import SignatureModel
from sigzoo.registry import Golden
from sigzoo.synthesis import Writer
from sigzoo.weights.torch_files import read_torch_file
from sigzoo.weights.torch_pickle import TensorRecord
from sigzoo.zoo import default_zoo


@dataclass(frozen=True)
class GoldenResult:
    """One number that was expected and the one that came out."""

    case: str
    expected: float
    got: float
    tolerance: float
    source: str

    @property
    def difference(self) -> float:
        """Absolute difference."""
        return abs(self.got - self.expected)

    @property
    def passed(self) -> bool:
        """Whether the difference is within the tolerance; NaN never is."""
        return self.difference <= self.tolerance


@dataclass(frozen=True)
class GoldenReport:
    """All checks of one model."""

    model: str
    published: bool
    """Whether golden numbers were published; without them only sanity is checked."""
    checks: list[GoldenResult]

    @property
    def passed(self) -> bool:
        """Whether every check passed, and there was one."""
        return bool(self.checks) and all(check.passed for check in self.checks)


TOLERANCE = 1e-4
"""Largest difference from torch in float32 that a runtime may have, times the largest feature above 1."""

LEAST_COSINE = 0.999
"""Least cosine similarity with torch in float32 that a reduced precision may have."""


def check(
    name: str,
    *,
    weights: str | os.PathLike[str] | None = None,
    device: str = "cpu",
    runtime: str = "torch",
    precision: str = "float32",
) -> GoldenReport:
    """Load a model and run its card's golden cases.

    Where no golden numbers were published, the model must give features of the right shape, finite,
    the same in two runs and alone as in a batch, and different for two writers.

    Parameters
    ----------
    name
        A model's name or alias.
    weights
        A local weight file in place of the published one.
    device
        Where to run; golden numbers were computed on CPUs.
    runtime, precision
        As for `load`. Another runtime than torch, or another precision than float32, is compared with torch
        in float32 on the CPU as well: within 1e-4, or with a cosine similarity of 0.999 at least. Golden
        numbers are for float32 and are not asked of other precisions.

    Raises
    ------
    UnknownNameError, PluginError, ArtifactError, WeightsError
        As `load` does.
    DataError
        If a golden file does not hold what it should.
    """
    zoo = default_zoo()
    model = zoo.load(name, weights=weights, device=device, runtime=runtime, precision=precision)
    golden = model.card.golden if precision == "float32" else []
    checks = [each for case in golden for each in _golden(model, case)] if golden else list(_sanity(model))
    if (runtime, precision) != ("torch", "float32"):
        checks += _deviation(model, zoo.load(name, weights=weights, device="cpu"))
    return GoldenReport(model.name, bool(model.card.golden), checks)


def _deviation(model: SignatureModel, reference: SignatureModel) -> Iterator[GoldenResult]:
    """How far features are from those of torch in float32 on the CPU."""
    images = [Writer(seed).genuine(number) for seed in range(8) for number in range(2)]
    wanted, found = (
        each.embed(images).reshape(len(images), -1).astype(np.float64) for each in (reference, model)
    )
    lengths = np.linalg.norm(wanted, axis=1) * np.linalg.norm(found, axis=1)
    cosine = float(((wanted * found).sum(axis=1) / lengths).min())
    worst = float(np.abs(wanted - found).max())
    exact = model.precision == "float32"
    limit = TOLERANCE * max(1.0, float(np.abs(wanted).max())) if exact else np.inf
    source = "torch in float32 on the CPU"
    yield GoldenResult("largest difference from torch in float32", 0.0, worst, limit, source)
    yield GoldenResult("least cosine with torch in float32", 1.0, cosine, 1.0 - LEAST_COSINE, source)


def _golden(model: SignatureModel, case: Golden) -> Iterator[GoldenResult]:
    features = model.embed([_file(item) for item in case.images])
    names = [PurePosixPath(item).stem for item in case.images]
    if case.kind == "features":
        assert case.features is not None  # the schema
        expected = _vector(_file(case.features), features.size)
        worst = float(np.abs(features.ravel() - expected).max())
        yield GoldenResult(
            f"features of {', '.join(names)}, largest difference", 0.0, worst, case.tolerance, case.source
        )
        return
    table = distances(features)
    for (i, first), (j, second) in combinations(enumerate(names), 2):
        pair = f"{first}-{second}"
        if pair in case.distances:
            yield GoldenResult(
                f"distance {pair}", case.distances[pair], float(table[i, j]), case.tolerance, case.source
            )


def _file(reference: str) -> Path:
    return fetch_with_bar(default_zoo().artifact_spec(reference))


def _vector(path: Path, size: int) -> NDArray[np.float32]:
    """Read expected features: ``.npy``, or a tensor as ``torch.save`` writes it, hostile as any."""
    if path.suffix == ".npy":
        values = read_npy(path)
    else:
        try:
            content, where = file_bytes(path)
        except WeightsError as error:
            raise DataError(f"{error}") from error
        file = read_torch_file(content, where, error=DataError)
        if not isinstance(file.value, TensorRecord):
            raise DataError(f"{path}: golden features are one tensor; found {quoted(file.value)}.")
        values = file.tensor(file.value).float().numpy()
    if values.dtype.kind not in "fiu":
        raise DataError(f"{path}: golden features are numbers; found {values.dtype}.")
    vector = values.astype(np.float32).ravel()
    if not np.isfinite(vector).all():
        raise DataError(f"{path}: holds golden features that are not finite.")
    if vector.size != size:
        raise DataError(f"{path}: holds {vector.size} golden features, the model gives {size}.")
    return vector


def _sanity(model: SignatureModel) -> Iterator[GoldenResult]:
    images = [Writer(seed).genuine(0) for seed in (1, 2, 3)]
    first, again = model.embed(images), model.embed(images)
    alone = np.concatenate([model.embed(image) for image in images])
    scale = max(1.0, float(np.abs(first).max()))
    source = "no golden numbers were published"
    rounding = 1e-5 if model.precision == "float32" else 1e-2
    yield GoldenResult("size of the features", model.card.features.size, first[0].size, 0, source)
    yield GoldenResult("features that are not finite", 0, int((~np.isfinite(first)).sum()), 0, source)
    yield GoldenResult("difference between two runs", 0, float(np.abs(first - again).max()), 0, source)
    yield GoldenResult(
        "difference alone and in a batch", 0, float(np.abs(first - alone).max()), rounding * scale, source
    )
    apart = distances(first.reshape(len(images), -1))[np.triu_indices(len(images), 1)]
    yield GoldenResult("writers whose features coincide", 0, int((apart == 0).sum()), 0, source)
