"""Presets by name: settings of published trainings, as the installed plugins register them."""

from __future__ import annotations

from typing import Any, Literal

from sigzoo.errors import UnknownNameError, UsageError
from sigzoo.interfaces.presets import TrainingPreset
from sigzoo.settings.distillation_settings import DistillationSettings
from sigzoo.zoo import Zoo, default_zoo

__all__ = ["default_loss", "list_presets", "preset"]

Command = Literal["train", "distill"]


def list_presets(command: Command, *, zoo: Zoo | None = None) -> dict[str, TrainingPreset]:
    """The presets of a command, by name.

    Parameters
    ----------
    command
        ``train`` or ``distill``.
    zoo
        Where they are looked up; by default in the default zoo.

    Returns
    -------
    dict
        Name -> preset.
    """
    zoo = default_zoo() if zoo is None else zoo
    found = {name: zoo.component("preset", name) for name in zoo.list_components("preset")}
    return {name: each for name, each in found.items() if each.command == command}


def preset(name: str, command: Command = "train", *, zoo: Zoo | None = None) -> dict[str, Any]:
    """The settings of a preset.

    Parameters
    ----------
    name
        As a plugin registers it.
    command, zoo
        As for `list_presets`.

    Returns
    -------
    dict
        Name of a setting -> value.

    Raises
    ------
    UnknownNameError
        If no installed plugin has a preset of that name for the command; with the nearest names.
    PluginError
        If its plugin is broken.
    """
    zoo = default_zoo() if zoo is None else zoo
    known = zoo.list_components("preset")
    if name not in known:
        raise UnknownNameError("preset", name, list_presets(command, zoo=zoo))
    found: TrainingPreset = zoo.component("preset", name)
    if found.command != command:
        raise UsageError(
            f"The preset {name!r} is one of `sigzoo {found.command}`, not of `sigzoo {command}`."
        )
    return dict(found.settings)


def default_loss(settings: DistillationSettings, *, zoo: Zoo | None = None) -> dict[str, Any]:
    """The loss of a distillation for which none is named, with its options.

    Raises
    ------
    UsageError
        If no installed plugin has a default for it.
    """
    fitting = [
        each
        for each in list_presets("distill", zoo=zoo).values()
        if each.default and all(getattr(settings, name) for name in each.needs)
    ]
    if not fitting:
        raise UsageError(
            "No installed plugin says which loss a distillation has by default: name one, --loss."
        )
    chosen = max(fitting, key=lambda each: len(each.needs))
    return {key: value for key, value in chosen.settings.items() if key in ("loss", "loss_options")}
