"""The losses and samplers that a run's settings name, built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from sigzoo.errors import UsageError
from sigzoo.interfaces import Sampler
from sigzoo.learning.data.samplers import MixedSampler, ShuffledSampler
from sigzoo.learning.training.objective import Term
from sigzoo.registry.cards import with_tuples
from sigzoo.settings.training_settings import TrainingSettings
from sigzoo.zoo import default_zoo

__all__ = ["LossChoice", "SamplerChoice", "build_sampler", "build_terms"]


class LossChoice(msgspec.Struct, forbid_unknown_fields=True):
    """One of `TrainingSettings.losses`; see `Term`."""

    loss: str
    options: dict[str, Any] = {}
    weight: float = 1.0
    layer: str | None = None
    label: str = "writers"
    batches: list[str] = msgspec.field(default_factory=lambda: ["*"])
    per_kind: bool = False


class SamplerChoice(msgspec.Struct, forbid_unknown_fields=True):
    """One of `TrainingSettings.samplers`."""

    sampler: str
    options: dict[str, Any] = {}


def build_terms(settings: TrainingSettings) -> list[Term]:
    """The losses of a run, not prepared yet.

    Raises
    ------
    UnknownNameError, PluginError, UsageError
        If there is no such loss, it cannot be built, or a setting of it is none.
    """
    chosen = [_read(LossChoice, each, "losses") for each in settings.losses]
    if settings.loss:
        chosen.insert(0, LossChoice(settings.loss, dict(settings.loss_options)))
    return [
        Term(
            each.loss,
            default_zoo().loss(each.loss, **with_tuples(each.options)),
            each.weight,
            each.layer,
            each.label,
            tuple(each.batches),
            each.per_kind,
        )
        for each in chosen
    ]


def build_sampler(settings: TrainingSettings) -> Sampler:
    """What draws a run's batches.

    Raises
    ------
    UnknownNameError, PluginError, UsageError
        If there is no such sampler, it cannot be built, or a setting of it is none.
    """
    chosen = [_read(SamplerChoice, each, "samplers") for each in settings.samplers]
    if not chosen:
        return ShuffledSampler(per_writer=settings.per_writer)
    zoo = default_zoo()
    built = [zoo.build("sampler", each.sampler, **with_tuples(each.options)) for each in chosen]
    if len(built) > 1:
        return MixedSampler(built)
    only: Sampler = built[0]
    return only


def _read(kind: type[Any], values: Mapping[str, Any], where: str) -> Any:
    try:
        return msgspec.convert(dict(values), kind)
    except (msgspec.ValidationError, TypeError) as error:
        raise UsageError(f"{where}: {error}, in {dict(values)!r:.200}.") from error
