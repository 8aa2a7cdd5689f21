"""What an evaluation says beside its figures: what was left out, and which figures say little."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sigzoo.evaluation.opened_set import OpenedSet
from sigzoo.verification.local_matching import LocalMatching, as_matching
from sigzoo.verification.scores import Score

if TYPE_CHECKING:
    from sigzoo.evaluation.run import ProtocolChoice, Row

__all__ = ["compared_in_place", "left_out", "unmatched_note"]


def compared_in_place(score: Score, settings: Mapping[str, Any], features: NDArray[np.float32]) -> bool:
    """Whether features hold local descriptors, and a protocol's score or kernel compares them cell by cell.

    Parameters
    ----------
    score
        Of the model, which knows where local descriptors are.
    settings
        All options of the protocol.
    features
        float32 ``(N, D)``.
    """
    if not _matches(score.local, features.shape[1]):
        return False
    if "score_options" in settings:  # of the score that is taken, which may be another than the model's
        return not _matches(as_matching(settings["score_options"].get("local")), features.shape[1])
    return bool(settings.get("kernel", "similarity") != "similarity")


def _matches(local: object, width: int) -> bool:
    """Whether a score matches local descriptors of features of this many columns."""
    return isinstance(local, LocalMatching) and local.fits(width)


def unmatched_note(layer: str, protocol: ProtocolChoice) -> str:
    """What is said of a layer whose local descriptors are not matched."""
    who, instead = protocol.name, "writer-dependent:kernel=similarity matches"
    if "score" in protocol.options:
        who, instead = f"{who} with score={protocol.options['score']}", "the model's own score matches"
    return (
        f"{layer}: {who} compares local descriptors where they stand, and says little of them;"
        f" {instead} them."
    )


def left_out(tested: OpenedSet, rows: Sequence[Row]) -> list[str]:
    """What was left out: forgeries that are not there, simple ones, writers with too few signatures."""
    notes = []
    if not tested.info.forged:
        notes.append("There are no skilled forgeries: only random ones are measured.")
    if tested.info.simple:
        notes.append(f"{tested.info.simple} simple forgeries are left out: no protocol takes them.")
    if tested.info.blank:
        notes.append(f"{tested.info.blank} images without ink are left out.")
    again = tested.same_files()
    if again:
        who = f"{len(again)} signatures are" if len(again) > 1 else "1 signature is"
        notes.append(
            f"{who} the same file as another, so that a reference may be questioned"
            f" ({tested.names[again[0]]}, for one): `sigzoo dataset inspect` lists them."
        )
    notes += _copies(tested, set(again))
    genuine: dict[str, int] = dict.fromkeys(tested.known.identity, 0)
    for name, forged in zip(tested.known.identity, tested.known.forged, strict=True):
        genuine[name] += not forged
    told: list[ProtocolChoice] = []
    for row in rows:
        if row.trials and row.protocol not in told:
            told.append(row.protocol)
            names = sorted(genuine)
            testing = names[: len(names) - (row.settings.get("development_writers") or 0)]
            few = sorted(set(testing) - set(row.trials[0].identities))
            if few:
                shown = ", ".join(f"{name} ({genuine[name]})" for name in few[:5])
                more = f" and {len(few) - 5} more" if len(few) > 5 else ""
                notes.append(
                    f"{row.protocol}: {len(few)} of {len(testing)} writers have too few genuine signatures"
                    f" and are left out: {shown}{more}."
                )
    return notes


def _copies(tested: OpenedSet, identical: set[int]) -> list[str]:
    """A sentence on images of one writer with the same ink; those that are the same file are told already."""
    groups = [
        left
        for group in tested.copies()
        if len(left := [place for place in group if place not in identical]) > 1
    ]
    if not groups:
        return []
    first, other = (tested.names[place] for place in groups[0][:2])
    together = f" in {len(groups)} groups" if len(groups) > 1 else ""
    return [
        f"{sum(map(len, groups))} signatures{together} hold the same ink as another of the"
        f" writer, in another crop or scale ({first} and {other}, for two): a reference may be questioned;"
        " `sigzoo dataset inspect` lists them."
    ]
