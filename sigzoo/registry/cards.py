"""The registry's schema: what a card may hold, of which types; msgspec enforces it."""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

from sigzoo.common.messages import quoted
from sigzoo.settings.recipe_settings import RecipeSettings

NAME = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")
"""Form of model, artifact and component names: ``family`` or ``family.tag``."""

ALIAS = re.compile(r"[A-Za-z0-9]+([._-]+[A-Za-z0-9]+)*")
"""Form of an alias: the published file names have upper case and repeated separators."""

DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
"""Form of a distribution's name, as PEP 508 has it: no version, extra or URL beside it."""

_OPTION = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEX = re.compile(r"[0-9a-f]*")


def _names_file(member: str) -> bool:
    steps = member.split("/")
    return not {"", ".", ".."} & set(steps) and "\\" not in member and member.isprintable()


def is_option_name(name: object) -> bool:
    """Whether something can be the name of an option, which is a keyword argument in Python."""
    return isinstance(name, str) and _OPTION.fullmatch(name) is not None and not keyword.iskeyword(name)


def not_plain(value: Any) -> str | None:
    """What in an option's value is no plain data; `None` where all of it is.

    Plain are text, finite numbers, true, false, null, and lists and mappings of these; YAML has dates too.
    """
    if value is None or isinstance(value, str | bool | int):
        return None
    if isinstance(value, float):
        return None if math.isfinite(value) else f"the number {value}"
    if isinstance(value, list):
        return next(filter(None, map(not_plain, value)), None)
    if isinstance(value, dict):
        odd = next((key for key in value if not isinstance(key, str)), None)
        if odd is not None:
            return f"a key of the type {type(odd).__name__}"
        return next(filter(None, map(not_plain, value.values())), None)
    return f"a value of the type {type(value).__name__}"


def _check_form(field: str, name: str, form: re.Pattern[str], what: str) -> None:
    if len(name) > LONGEST_NAME or not form.fullmatch(name):
        raise ValueError(f"{field}: {what}, got {name[:LONGEST_NAME]!r}")


LONGEST_NAME = 200
"""Letters of a name, also of the folders and files that are called by it."""


class Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of everything that stands in a registry: immutable, and strict about unknown keys."""


def with_tuples(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as they are written down, with lists as the tuples that sizes are."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}


class ComponentSpec(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A backbone, preprocessor, loss or score by name, with the options it is built with."""

    name: str
    """As a plugin registers it (a score: as `sigzoo.verification` has it); a name alone may stand for all."""
    options: dict[str, Any] = {}
    """An option that it is built with: the name is an identifier, the value plain data."""

    def __post_init__(self) -> None:
        what = "a component's name is lower-case letters and digits, joined by '.', '-' or '_'"
        _check_form("name", self.name, NAME, what)


class Licence(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be done with a model; the code's licence says nothing about the weights'."""

    code: str
    """Of the code, as an SPDX expression where there is one."""
    weights: str
    """Of the weights."""
    commercial_use: bool
    """Whether the weights may be used commercially."""


class Weights(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a model's weights lie."""

    artifact: str
    """Name of an artifact, or ``artifact/file`` of one that holds several."""
    format: str
    """Name of a weight format that a plugin provides: ``safetensors``, ``torch``, ``torch-tuple``, ..."""
    member: str | None = None
    """Name inside the artifact, where that is a zip archive whose members have no digest of their own."""

    @property
    def name_in_archive(self) -> str | None:
        """What the file is called in a zip archive that somebody has of it."""
        return self.member or self.artifact.partition("/")[2] or None

    def __post_init__(self) -> None:
        if self.member is not None and not _names_file(self.member):
            raise ValueError(f"member: {quoted(self.member)} cannot be the name of a file in an archive")
        if not NAME.fullmatch(self.format):
            raise ValueError(f"format: expected the name of a weight format, got {self.format[:80]!r}")


class Features(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The layer that `embed` gives by default, and its size."""

    layer: str
    """One of the layers that the backbone names."""
    size: int
    """How many numbers that layer gives for an image."""

    def __post_init__(self) -> None:
        if not self.layer or not self.layer.isprintable() or len(self.layer) > LONGEST_NAME:
            raise ValueError(f"layer: expected the name of a layer, got {self.layer[:LONGEST_NAME]!r}")
        if self.size < 1:
            raise ValueError(f"size: a feature size is at least 1, got {self.size}")


class Result(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One figure of a model, with its source."""

    dataset: str
    """What it was measured on."""
    protocol: str
    """How."""
    metric: str
    """``EER``, say."""
    value: float
    """In `unit`."""
    source: Literal["reported", "measured"]
    """Whether its authors reported it or we measured it."""
    how: str
    """For a reported figure where it stands; for a measured one the command that gives it."""
    unit: str = "%"
    """Of the value, the interval and the baseline."""
    interval: tuple[float, float] | None = None
    """Bounds of 95 %."""
    baseline: float | None = None
    """The same figure of the method that a reader would compare with."""
    layer: str | None = None
    """The layer whose features were measured, where it is not the card's own or several were."""


class Golden(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A published number or vector that the loaded model must reproduce; `sigzoo check` runs it."""

    kind: Literal["distances", "features"]
    """What is compared."""
    images: list[str]
    """``artifact/file`` names."""
    tolerance: float
    """Largest absolute difference that passes."""
    source: str
    """Where the expected numbers were published."""
    distances: dict[str, float] = {}
    """``a-b`` (file names without suffix) -> Euclidean distance of the features."""
    features: str | None = None
    """``artifact/file`` of the expected features."""

    def __post_init__(self) -> None:
        if not 0 < self.tolerance < math.inf:
            raise ValueError(f"tolerance: a tolerance is above 0 and finite, got {self.tolerance}")
        if self.kind == "distances" and not self.distances:
            raise ValueError("distances: a golden case of kind 'distances' needs `distances`")
        if self.kind == "features" and self.features is None:
            raise ValueError("features: a golden case of kind 'features' needs `features`")


class CalibrationFile(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a model's calibration lies: what turns its scores into likelihood ratios and error rates."""

    artifact: str
    """Name of an artifact, or ``artifact/file`` of one that holds several; `write_calibration` made it."""
    made_on: str
    """On which signatures it was made, and what else these were used for."""


class Recipe(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to make weights that nobody publishes: distil a teacher through data."""

    teacher: str
    """A model that keeps its writer head."""
    data: str
    """An artifact: images as the teacher's network takes them."""
    loss: ComponentSpec
    """A loss of `sigzoo distill`."""
    settings: RecipeSettings = RecipeSettings()
    """Of the distillation, where they are not the defaults."""
    cost: str | None = None
    """What a build took where it was tried: time, memory, disk, and on what."""
    min_agreement: float | None = None
    """Least agreement with the teacher, in percent of the images held out, below which a build has
    failed; by default a tenth of the way from the best constant answer to 100."""

    def __post_init__(self) -> None:
        if self.min_agreement is not None and not 0 < self.min_agreement <= 100:
            raise ValueError(f"min_agreement: percent, above 0 and at most 100, got {self.min_agreement:g}")


class Card(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model's row: what it is made of, what it was trained on, what may be done with it."""

    summary: str
    """One line for `sigzoo list`."""
    distribution: str
    """The distribution whose plugin provides the backbone and the preprocessor."""
    backbone: ComponentSpec
    """The network."""
    preprocessor: ComponentSpec
    """What turns an image into its input."""
    input_scale: float
    """The network's input is the preprocessed uint8 image times this."""
    features: Features
    """What `embed` gives."""
    licence: Licence
    """What may be done with it."""
    trained_on: str
    """Which signatures, of how many writers; also what is not known of them."""
    weights: Weights | None = None
    """Where they are; a card has either these or a recipe."""
    recipe: Recipe | None = None
    """How `sigzoo build` makes the weights."""
    score: ComponentSpec | None = None
    """How its features are scored against references, where not as `sigzoo.verification` does by default."""
    verification: CalibrationFile | None = None
    """The calibration of `sigzoo verify`; without one it gives scores alone."""
    heads: dict[Literal["writer", "forgery"], int] = {}
    """Heads to keep beside the backbone, with their number of outputs."""
    cite: list[str] = []
    """Names among the file's citations."""
    aliases: list[str] = []
    """Other names, such as those of the published files."""
    deprecated_aliases: list[str] = []
    """Former names: they work, with a warning."""
    deprecated: str | None = None
    """Why not to use the model any more, and what to use instead."""
    results: list[Result] = []
    """Figures, each with its source."""
    golden: list[Golden] = []
    """What `sigzoo check` compares."""

    @property
    def files(self) -> dict[str, str]:
        """Key of the card -> artifact, for what belongs to the model: its weights, its calibration."""
        found = {"weights": self.weights, "verification": self.verification}
        return {f"{key}.artifact": each.artifact for key, each in found.items() if each is not None}

    def __post_init__(self) -> None:
        if (self.weights is None) == (self.recipe is None):
            raise ValueError("a card has either `weights` or a `recipe`")
        if not 0 < self.input_scale < math.inf:
            raise ValueError(f"input_scale: an input scale is above 0 and finite, got {self.input_scale}")
        _check_form("distribution", self.distribution, DISTRIBUTION, "expected the name of a distribution")
        for field in ("aliases", "deprecated_aliases"):
            for alias in getattr(self, field):
                _check_form(field, alias, ALIAS, "an alias is letters and digits, joined by '.', '-' or '_'")
        for head, outputs in self.heads.items():
            if outputs < 1:
                raise ValueError(f"heads: head {head!r} has at least 1 output, got {outputs}")


class _Verified(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of a file's content."""

    sha256: str | None = None
    """Of the content, 64 lower-case hexadecimal digits."""
    git_blob: str | None = None
    """SHA-1 that git has for the content, where that is what was published."""
    size: int | None = None
    """In bytes."""
    unpinned: bool = False
    """No digest was published: the first fetch records one, every later fetch must match it."""

    def __post_init__(self) -> None:
        for field, digits, value in (("sha256", 64, self.sha256), ("git_blob", 40, self.git_blob)):
            if value is not None and (len(value) != digits or not _HEX.fullmatch(value)):
                raise ValueError(
                    f"{field}: expected {digits} lower-case hexadecimal digits,"
                    f" got {len(value)}: {quoted(value)}"
                )
        if self.size is not None and self.size < 1:
            raise ValueError(f"size: a size is at least 1 byte, got {self.size}")

    @property
    def has_digest(self) -> bool:
        """Whether a digest was published."""
        return self.sha256 is not None or self.git_blob is not None


class CollectionFile(_Verified, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of an artifact that is a collection; its digest is its own."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.has_digest:
            raise ValueError("a file of a collection needs `sha256` or `git_blob`")


class ArchiveMember(_Verified, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file inside an artifact that is a zip archive, with a digest of its own."""

    urls: list[str] = []
    """Where it is to be had without the archive, in order; they are asked before the archive is."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.has_digest:
            raise ValueError("a member with an entry of its own needs `sha256` or `git_blob`")


class Artifact(_Verified, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file from elsewhere, or a collection of small ones below one address."""

    summary: str
    """One line: what the file is."""
    provenance: str
    """Where the file comes from and where its digest was published."""
    urls: list[str] = []
    """In order; the digest decides, not the host."""
    filename: str | None = None
    """Name in the cache; by default the last part of the first URL."""
    licence: str | None = None
    """What one must know of it; told before the first fetch."""
    base_url: str | None = None
    """Of a collection: what each name in `files` is put behind."""
    files: dict[str, CollectionFile] = {}
    """Of a collection: its files by name."""
    members: dict[str, ArchiveMember] = {}
    """Files inside, where it is a zip archive, by their names there; a card names one ``artifact/member``."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.members and self.files:
            raise ValueError("members: a collection has `files`, an archive has `members`")
        if bool(self.urls) == bool(self.files):
            raise ValueError("an artifact has either `urls` or `files` below a `base_url`")
        if bool(self.files) != (self.base_url is not None):
            raise ValueError("`files` and `base_url` go together")
        if self.urls and self.has_digest == self.unpinned:
            raise ValueError("an artifact has `sha256` or `git_blob`, or says `unpinned: true`")


class Citation(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A paper."""

    text: str
    """The reference, as it is printed."""
    doi: str | None = None
    """Without ``https://doi.org/``."""
    arxiv: str | None = None
    """Number of the preprint."""
    kind: Literal["article", "inproceedings", "misc"] = "misc"
    """Kind of the BibTeX entry."""
    authors: list[str] = []
    """Names, given names first, for BibTeX."""
    title: str | None = None
    """For BibTeX."""
    venue: str | None = None
    """Journal or proceedings, for BibTeX."""
    pages: str | None = None
    """``233-249``, for BibTeX."""
    year: int | None = None
    """For BibTeX."""
