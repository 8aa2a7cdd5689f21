"""Running protocols on models and a data set: what `sigzoo evaluate` does, for Python."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from sigzoo.common.progress import ProgressLike, bar
from sigzoo.datasets import find_source
from sigzoo.errors import DataError, SigzooError, UnknownNameError, UsageError
from sigzoo.evaluation.feature_cache import FeatureCache
from sigzoo.evaluation.features import (
    chosen_layers,
)
from sigzoo.evaluation.notes import compared_in_place, left_out, unmatched_note
from sigzoo.evaluation.opened_set import DataInfo, OpenedSet
from sigzoo.evaluation.summary import Summary, summarise
from sigzoo.interfaces.protocols import EvaluationProtocol, FeatureSet, Measured, Signatures, Trials
from sigzoo.verification.scores import Score
from sigzoo.zoo import Zoo, resolve_zoo

if TYPE_CHECKING:
    from sigzoo.model import SignatureModel

__all__ = ["BASELINE", "Evaluation", "ProtocolChoice", "Row", "evaluate", "settings_of"]

BASELINE = "baseline"
"""What stands in place of a model's name in rows of the trivial baselines."""

_FOR_BASELINES = {"score": "euclidean", "gamma": "auto"}
"""Options that suit a few numbers: a cosine of one number is its sign, and the kernel's width goes with D."""


_ALWAYS_TOLD = ("references", "score")
"""Options that are shown even where they are the defaults."""

_NOT_TOLD = ("cohort", "replicates")
"""Options that are no plain data, or change no figure but the interval's digits."""


@dataclass(frozen=True)
class ProtocolChoice:
    """A protocol by name, with options; those that are not named are its defaults."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        told = ", ".join(f"{key}={value}" for key, value in self.options.items())
        return f"{self.name}: {told}" if told else self.name


@dataclass(frozen=True)
class Row:
    """One layer of one model, or one baseline, by one protocol."""

    model: str
    layer: str
    scanner_cues: bool
    """Whether the features hold what a scanner decides; see `Backbone.scanner_layers`."""
    protocol: ProtocolChoice
    """With the options that were given, and those of `_ALWAYS_TOLD`."""
    settings: Mapping[str, Any]
    """All options of the protocol."""
    provenance: Mapping[str, Any]
    """As `SignatureModel.provenance` gives it; empty for a baseline."""
    measured: Mapping[str, Measured] = field(default_factory=dict)
    """Equal error rates of each kind of impostor."""
    summary: Summary | None = None
    """All else; `None` where the protocol gives equal error rates alone."""
    trials: Sequence[Trials] = ()
    features: ArrayLike | None = None
    """float ``(N, D)``, where they were to be kept (``keep_features``)."""
    problem: str = ""
    """Why it could not be measured; there are no figures then."""


@dataclass(frozen=True)
class Evaluation:
    """All rows, by protocol, and what they were measured on."""

    data: DataInfo
    development: DataInfo | None
    known: Signatures
    names: Sequence[str]
    """Where each signature comes from: paths, mostly."""
    rows: Sequence[Row]
    notes: Sequence[str]
    """What was left out, as sentences."""


def evaluate(
    models: Sequence[str],
    data: str,
    *,
    protocols: Sequence[ProtocolChoice] = (ProtocolChoice("training-free"),),
    layers: str | Sequence[str] = "default",
    development: str | None = None,
    baselines: bool = True,
    cache: bool = True,
    keep_features: bool = False,
    device: str = "auto",
    runtime: str = "torch",
    precision: str = "float32",
    progress: ProgressLike = False,
    zoo: Zoo | None = None,
) -> Evaluation:
    """Measure models on a data set.

    Parameters
    ----------
    models
        Names of the registry.
    data
        A path, or ``NAME:...`` for the data source of that name.
    protocols
        What is measured.
    layers
        Names; ``"all"`` for all that give a vector; ``"default"`` for each card's own and, where it holds
        what a scanner decides, those that do not.
    development
        A place of other writers' signatures, which protocols may learn from.
    baselines
        Whether the trivial baselines are measured beside.
    cache
        Whether features are kept, and kept ones are used.
    keep_features
        Whether rows keep the features they were measured on, as a report needs them.
    device, runtime, precision
        Where networks run, what runs them, and what they compute in, as `sigzoo.load` takes them.
    progress
        As for `SignatureModel.embed`.
    zoo
        Where names are looked up; the default one if `None`.

    Returns
    -------
    Evaluation
        What was measured of what, a row a model, layer, protocol and kind of forgery, with intervals.

    Raises
    ------
    DataError, ImageError
        If the data cannot be read, or nothing of them can be measured.
    UnknownNameError
        If there is no such model, layer or protocol, or no such option of it.
    UsageError
        If an option is out of range.
    """
    zoo = resolve_zoo(zoo)
    kept = FeatureCache() if cache else None
    with zoo.as_default(), ExitStack() as stack:
        built = [_build(zoo, choice) for choice in protocols]
        for place in filter(None, (data, development)):  # a wrong name is told before models are loaded
            find_source(place)
        loaded = [zoo.load(name, device=device, runtime=runtime, precision=precision) for name in models]
        preparers = [model.preprocessor for model in loaded]
        tested = OpenedSet.open(data, preparers, cache=kept, progress=progress, stack=stack)
        teaching = None
        if development is not None:
            teaching = OpenedSet.open(development, preparers, cache=kept, progress=progress, stack=stack)
        rows: list[Row] = []
        unmatched: list[str] = []
        for model in loaded:
            suited = [_with_score_of(model, zoo, *each) for each in zip(protocols, built, strict=True)]
            rows += _model_rows(
                model,
                chosen_layers(model, layers),
                suited,
                tested,
                teaching,
                keep=keep_features,
                unmatched=unmatched,
            )
        if baselines:
            rows += _baseline_rows(zoo, protocols, built, tested, teaching)
        if all(row.problem for row in rows):
            raise DataError(f"{data}: nothing can be measured: {rows[0].problem}")
        rows = [row for each in built for row in rows if row.protocol is each.told]
        info = None if teaching is None else teaching.info
        notes = [*left_out(tested, rows), *dict.fromkeys(unmatched)]
        return Evaluation(tested.info, info, tested.known, tested.names, rows, notes)


def settings_of(
    choice: ProtocolChoice, model: SignatureModel | None = None, *, zoo: Zoo | None = None
) -> Mapping[str, Any]:
    """All options that `evaluate` measures with, which tell whether a result that is kept is still one.

    Parameters
    ----------
    choice
        A protocol by name, with options.
    model
        Whose own score is taken where none is named; with `None` the options are those of the baselines.
    zoo
        Where names are looked up; the default one if `None`.

    Returns
    -------
    Mapping
        As `Row.settings` has them.

    Raises
    ------
    UnknownNameError
        If there is no such protocol, or no such option of it.
    UsageError
        If an option is out of range.
    """
    zoo = resolve_zoo(zoo)
    if model is None:
        return _for_baselines(zoo, choice).settings
    return _with_score_of(model, zoo, choice, _build(zoo, choice)).settings


@dataclass(frozen=True)
class _Built:
    """A protocol, and what is told of it."""

    protocol: EvaluationProtocol
    told: ProtocolChoice
    settings: Mapping[str, Any]


def _build(zoo: Zoo, choice: ProtocolChoice) -> _Built:
    """Build a protocol; an option that it does not take is told by name."""
    defaults = _defaults(zoo, choice.name)
    for option in choice.options:
        if option not in defaults:
            raise UnknownNameError(f"option of the protocol {choice.name}", option, defaults)
    protocol: EvaluationProtocol = zoo.build("protocol", choice.name, **choice.options)
    settings = {key: value for key, value in {**defaults, **choice.options}.items() if key not in _NOT_TOLD}
    if "score" in settings:
        score = getattr(protocol, "score", None)
        if isinstance(score, Score):
            settings |= {"score": score.name, "score_options": score.options}
        elif settings["score"] is None and settings.get("kernel", "similarity") != "similarity":
            del settings["score"]  # another kernel takes none
    if settings.get("gamma", 0) is None:
        settings["gamma"] = getattr(protocol, "gamma", None)
    shown = {key: value for key, value in settings.items() if key in _ALWAYS_TOLD or key in choice.options}
    if "score" in shown and "score" not in choice.options:
        shown["score"] = "each model's own"
    return _Built(protocol, ProtocolChoice(choice.name, shown), settings)


def _with_score_of(model: SignatureModel, zoo: Zoo, choice: ProtocolChoice, built: _Built) -> _Built:
    """The protocol with the model's own score, where it takes one and none was asked for."""
    if "score" not in built.settings or "score" in choice.options:
        return built
    own = _build(zoo, ProtocolChoice(choice.name, {**choice.options, "score": model.score}))
    return replace(own, told=built.told)


def _for_baselines(zoo: Zoo, choice: ProtocolChoice) -> _Built:
    """The protocol with the options of it that suit a few numbers."""
    taken = _build(zoo, choice).settings
    options = {**choice.options, **{key: value for key, value in _FOR_BASELINES.items() if key in taken}}
    if options.get("kernel") == "similarity" and "score" in options:
        options["kernel"] = "rbf"  # they have no score of their own, whose similarity it could be
        del options["score"]
    return _build(zoo, ProtocolChoice(choice.name, options))


def _defaults(zoo: Zoo, protocol: str) -> dict[str, Any]:
    """The options of a protocol, and what they are where they are not given."""
    parameters = inspect.signature(zoo.component("protocol", protocol)).parameters.values()
    named = [each for each in parameters if each.kind in (each.KEYWORD_ONLY, each.POSITIONAL_OR_KEYWORD)]
    return {each.name: None if each.default is each.empty else each.default for each in named}


def _model_rows(
    model: SignatureModel,
    layers: Sequence[str],
    protocols: Sequence[_Built],
    tested: OpenedSet,
    teaching: OpenedSet | None,
    *,
    keep: bool,
    unmatched: list[str],
) -> Iterator[Row]:
    here = tested.features(model, layers)
    there = {} if teaching is None else teaching.features(model, layers)
    made_by = {**model.provenance(), "runtime": model.runtime}
    with bar(tested.progress, len(layers) * len(protocols), f"measuring {model.name}") as step:
        for layer in layers:
            provenance = {**made_by, "layer": layer}
            cues = layer in model.backbone.scanner_layers
            others = None if teaching is None else FeatureSet(there[layer], teaching.known)
            for each in protocols:
                if compared_in_place(model.score, each.settings, here[layer]):
                    unmatched.append(unmatched_note(layer, each.told))
                figures = _measure(each.protocol, here[layer], tested.known, others)
                figures["features"] = here[layer] if keep else None
                yield Row(model.name, layer, cues, each.told, each.settings, provenance, **figures)
                step(1)


def _baseline_rows(
    zoo: Zoo,
    choices: Sequence[ProtocolChoice],
    protocols: Sequence[_Built],
    tested: OpenedSet,
    teaching: OpenedSet | None,
) -> Iterator[Row]:
    """Rows of the baselines, by the same protocols with options that suit a few numbers."""
    here = tested.baselines()
    there = {} if teaching is None else teaching.baselines()
    for choice, shown in zip(choices, protocols, strict=True):
        own = _for_baselines(zoo, choice)
        for name, features in here.items():
            others = None if teaching is None else FeatureSet(there[name], teaching.known)
            figures = _measure(own.protocol, features, tested.known, others)
            yield Row(BASELINE, name, True, shown.told, own.settings, {}, **figures)


def _measure(
    protocol: EvaluationProtocol, features: ArrayLike, known: Signatures, others: FeatureSet | None
) -> dict[str, Any]:
    """The figures of a row; what cannot be measured says why."""
    try:
        trials = protocol.trials(features, known, others)
        if not trials:
            return {"measured": protocol.measure(features, known)}
        summary = summarise(trials, known, replicates=getattr(protocol, "replicates", 500))
    except UsageError:
        raise
    except SigzooError as error:
        return {"problem": str(error)}
    measured = {
        kind: Measured(each.eer.value, each.eer.low, each.eer.high, each.eer.draws)
        for kind, each in summary.impostors.items()
    }
    return {"measured": measured, "summary": summary, "trials": trials}
