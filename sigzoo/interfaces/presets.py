"""The interface of a preset: settings of a published training or distillation, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

__all__ = ["TrainingPreset"]


@dataclass(frozen=True, kw_only=True)
class TrainingPreset:
    """Settings to start from; what a caller names goes before them.

    A plugin makes an instance and registers it by its name. It belongs to the plugin whose parts it
    names, so that an installed preset never names a part that is not there.
    """

    command: Literal["train", "distill"]
    """What it is for."""
    summary: str
    """One line."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Names of `sigzoo.learning.TrainingSettings` or, for ``distill``, `DistillationSettings`, and values."""
    source: str = ""
    """The publication or program whose settings they are; empty for the plugin's own."""
    default: bool = False
    """Whether it gives the loss where neither a preset nor a loss is named; it then holds nothing but
    ``loss`` and ``loss_options``."""
    needs: tuple[str, ...] = ()
    """With `default`: settings without which it is not for a run, such as ``continual``. Of several
    presets that are for a run the one that needs most is taken."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", MappingProxyType(dict(self.settings)))
