"""`inspect_signatures`: counts, sizes, duplicates, unreadable files and trivial cues of a data set."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from sigzoo.evaluation.inspection.cues import CueSeparation, separation
from sigzoo.evaluation.inspection.facts import CUES, ImageFacts, all_facts
from sigzoo.interfaces.data_sources import SignatureSet
from sigzoo.verification.copies import groups_of_copies

__all__ = ["Copies", "Duplicates", "Inspection", "Spread", "inspect_signatures"]


@dataclass(frozen=True)
class Spread:
    """Least, median and greatest of some numbers."""

    least: float
    median: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """`None` where there are none."""
        return cls(min(values), float(np.median(values)), max(values)) if len(values) else None

    def __str__(self) -> str:
        if self.least == self.greatest:
            return f"{self.least:g}"
        return f"{self.least:g} to {self.greatest:g} (median {self.median:g})"


@dataclass(frozen=True)
class Duplicates:
    """Signatures that hold the same."""

    names: tuple[str, ...]
    byte_identical: bool
    """Whether their files are the same too, byte by byte; else only their pixels are."""
    across_writers: bool
    across_kinds: bool
    """Whether one counts as genuine and another as forged."""


@dataclass(frozen=True)
class Copies:
    """Images of a writer that hold the same ink, cut, scaled or compressed otherwise."""

    names: tuple[str, ...]
    across_kinds: bool
    """Whether one counts as genuine and another as forged."""


@dataclass(frozen=True)
class Inspection:
    """What a look at a data set found."""

    writers: int
    genuine: int
    forged: int
    simple: int
    """Of the forged ones, simple forgeries."""
    genuine_per_writer: Spread | None
    forged_per_writer: Spread | None
    """Of writers who have forgeries."""
    without_genuine: tuple[str, ...]
    """Writers of whom there are only forgeries."""
    without_forged: int
    """Writers of whom there are none."""
    heights: Spread | None
    widths: Spread | None
    grey_levels: Spread | None
    two_level: int
    """Images of two grey levels or fewer."""
    resolutions: dict[str, int]
    """Dots per inch that files state -> how many."""
    duplicates: tuple[Duplicates, ...]
    copies: tuple[Copies, ...]
    """Beside the duplicates, which are no more than copies."""
    unreadable: tuple[tuple[str, str], ...]
    """Names, and why."""
    blank: tuple[str, ...]
    """Names of images without ink."""
    cues: tuple[CueSeparation, ...]
    """What each trivial cue tells, the strongest first; empty where there are no forgeries."""

    def warnings(self) -> list[str]:
        """What to know before anything is measured on it, in plain sentences."""
        found = []
        if self.writers < 2:
            found.append("one writer only: nothing can be measured against other writers")
        if not self.forged:
            found.append("no forgeries: skilled error rates cannot be measured")
        if self.without_genuine:
            names = ", ".join(self.without_genuine[:5])
            found.append(f"only forgeries, no genuine signature, of writer {names}")
        if self.unreadable:
            found.append(f"{len(self.unreadable)} of the images cannot be read")
        if self.blank:
            found.append(f"{len(self.blank)} of the images hold no ink")
        for count, what in (
            (sum(not (d.across_writers or d.across_kinds) for d in self.duplicates), "of one writer"),
            (sum(d.across_writers for d in self.duplicates), "of several writers"),
            (sum(d.across_kinds for d in self.duplicates), "that count as genuine and as forged"),
        ):
            if count:
                found.append(f"{count} group{'s' * (count != 1)} of identical images {what}")
        if self.copies:
            several = "s" * (len(self.copies) != 1)
            found.append(
                f"{len(self.copies)} group{several} of images of one writer with the same ink, in another"
                " crop or scale: a reference may be questioned"
            )
        return found + [cue.sentence() for cue in self.cues if cue.suspicious]

    def to_json(self) -> dict[str, object]:
        """All of it, for a program."""
        return {
            **asdict(self),
            "unreadable": [{"image": name, "error": why} for name, why in self.unreadable],
            "warnings": self.warnings(),
        }


def inspect_signatures(
    opened: SignatureSet, progress: Callable[[int], object] = lambda done: None
) -> Inspection:
    """Look at all images of a data set; of each only a few numbers are kept.

    Parameters
    ----------
    opened
        The data set.
    progress
        Called with how many more images were looked at.
    """
    facts = []
    for each in all_facts(opened):
        facts.append(each)
        progress(1)
    read = [each for each in facts if each.unreadable is None]
    writers = [str(each) for each in opened.writers]
    genuine = Counter(w for w, forged in zip(writers, opened.forged, strict=True) if not forged)
    forged = Counter(w for w, false in zip(writers, opened.forged, strict=True) if false)
    resolution = CUES.index("resolution")
    stated = (each.cues[resolution] for each in read)
    return Inspection(
        writers=len(set(writers)),
        genuine=genuine.total(),
        forged=forged.total(),
        simple=int(opened.labels["simple"].sum()) if "simple" in opened.labels else 0,
        genuine_per_writer=Spread.of(list(genuine.values())),
        forged_per_writer=Spread.of(list(forged.values())),
        without_genuine=tuple(sorted(set(forged) - set(genuine))),
        without_forged=len(set(genuine) - set(forged)),
        heights=Spread.of([each.height for each in read]),
        widths=Spread.of([each.width for each in read]),
        grey_levels=Spread.of([each.levels for each in read]),
        two_level=sum(each.levels <= 2 for each in read),
        resolutions=dict(Counter("none" if dpi is None else f"{dpi:.0f}" for dpi in stated).most_common()),
        duplicates=_duplicates(facts, writers, opened),
        copies=_copies(facts, writers, opened),
        unreadable=tuple((each.name, each.unreadable) for each in facts if each.unreadable is not None),
        blank=tuple(each.name for each in read if each.blank),
        cues=_cues(facts, opened),
    )


def _cues(facts: Sequence[ImageFacts], opened: SignatureSet) -> tuple[CueSeparation, ...]:
    found = (
        separation(cue, [each.cues[place] for each in facts], opened.forged, opened.writers)
        for place, cue in enumerate(CUES)
    )
    return tuple(sorted((each for each in found if each is not None), key=lambda each: each.eer))


def _copies(facts: Sequence[ImageFacts], writers: Sequence[str], opened: SignatureSet) -> tuple[Copies, ...]:
    inked = [(index, each.ink) for index, each in enumerate(facts) if each.ink is not None]
    groups = groups_of_copies([ink for _, ink in inked], [writers[index] for index, _ in inked])
    found = ([inked[place][0] for place in group] for group in groups)
    return tuple(
        Copies(
            tuple(facts[index].name for index in group),
            len({bool(opened.forged[index]) for index in group}) > 1,
        )
        for group in found
        if len({facts[index].pixel_digest for index in group}) > 1
    )


def _duplicates(
    facts: Sequence[ImageFacts], writers: Sequence[str], opened: SignatureSet
) -> tuple[Duplicates, ...]:
    by_pixels: dict[bytes, list[int]] = defaultdict(list)
    for index, each in enumerate(facts):
        if each.pixel_digest is not None and not each.blank:
            by_pixels[each.pixel_digest].append(index)
    return tuple(
        Duplicates(
            tuple(facts[index].name for index in group),
            len({facts[index].file_digest for index in group}) == 1
            and facts[group[0]].file_digest is not None,
            len({writers[index] for index in group}) > 1,
            len({bool(opened.forged[index]) for index in group}) > 1,
        )
        for group in sorted(group for group in by_pixels.values() if len(group) > 1)
    )
