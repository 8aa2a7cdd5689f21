"""What evaluation protocols want to know of a data set's signatures, out of the labels of its source."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sigzoo.interfaces.data_sources import SignatureSet
from sigzoo.interfaces.protocols import Signatures

__all__ = ["known_signatures", "without_simple_forgeries"]


def without_simple_forgeries(opened: SignatureSet) -> NDArray[np.int64]:
    """Indices of all signatures but simple forgeries, whose forger had seen no signature to imitate.

    Protocols tell genuine signatures, random forgeries and skilled ones: a simple forgery is neither.

    Parameters
    ----------
    opened
        Signatures, as `open_data` gives them.

    Returns
    -------
    array
        int64, rising.
    """
    simple = opened.labels.get("simple")
    return np.arange(len(opened)) if simple is None else np.flatnonzero(simple == 0)


def known_signatures(opened: SignatureSet, indices: NDArray[np.int64] | None = None) -> Signatures:
    """Describe signatures for an evaluation protocol.

    Parameters
    ----------
    opened
        The data set.
    indices
        Which of its signatures, in this order; all by default (see `without_simple_forgeries`).

    Returns
    -------
    Signatures
        ``identity`` as the source names writers; ``writer`` from the label ``person`` where one person has
        several identities; ``text`` and ``medium`` where the source has these labels.
    """
    chosen = range(len(opened)) if indices is None else indices.tolist()
    identity = [str(opened.writers[index]) for index in chosen]

    def label(name: str) -> list[str] | None:
        values = opened.labels.get(name)
        return None if values is None else [str(values[index]) for index in chosen]

    forged = [bool(opened.forged[index]) for index in chosen]
    return Signatures(identity, label("person") or identity, forged, label("text"), label("medium"))
