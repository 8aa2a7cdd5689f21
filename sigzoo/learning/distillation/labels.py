"""Which output of a writer head a label of a data file stands for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sigzoo.errors import DataError

__all__ = ["head_labels"]


def head_labels(
    labels: NDArray[np.int64], outputs: int, *, first_label: int | None = None, where: str
) -> NDArray[np.int64]:
    """Number labels as a head's outputs.

    With `first_label` by their distance from it. Else, where there are as many writers as outputs, in
    order (users 350 to 880 for 531 outputs); and where all lie within the outputs' numbers, as they are.

    Parameters
    ----------
    labels
        ``(N,)``: as the file has them.
    outputs
        How many writers the head tells apart.
    first_label
        The label of output 0.
    where
        What messages call the file.

    Raises
    ------
    DataError
        If a label fits no output; says the range, the head's size and what to do.
    """
    if first_label is not None:
        numbers = labels - first_label
        if numbers.min() >= 0 and numbers.max() < outputs:
            return numbers
        reason = f"with {first_label} as the first of them, a label would have to be below"
        raise DataError(f"{_problem(labels, outputs, where)}; {reason} {first_label + outputs}.")
    found, places = np.unique(labels, return_inverse=True)
    if len(found) == outputs:
        return places.astype(np.int64)
    if found[0] >= 0 and found[-1] < outputs:
        return labels
    raise DataError(
        f"{_problem(labels, outputs, where)}. Say which label stands for its output 0: --first-label 350"
        " for the numbering of GPDS; or --labels none if these writers are not the teacher's."
    )


def _problem(labels: NDArray[np.int64], outputs: int, where: str) -> str:
    return (
        f"{where}: its labels run from {labels.min()} to {labels.max()} ({len(np.unique(labels))} writers),"
        f" and the teacher's head has {outputs} outputs (0 to {outputs - 1})"
    )
