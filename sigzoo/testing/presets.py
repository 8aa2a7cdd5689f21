"""What every preset must do: known settings in range, parts that are there and take their options."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sigzoo.errors import SigzooError
from sigzoo.interfaces.presets import TrainingPreset
from sigzoo.registry.cards import with_tuples
from sigzoo.settings.distillation_settings import DistillationSettings
from sigzoo.settings.training_settings import TrainingSettings
from sigzoo.testing.suites import Suite, expect
from sigzoo.zoo import Zoo, default_zoo

__all__ = ["PRESET", "PresetCase", "check_preset"]

_KINDS: dict[str, type[TrainingSettings]] = {"train": TrainingSettings, "distill": DistillationSettings}
_PARTS = {"backbone": "backbone_options", "loss": "loss_options", "preprocessor": "preprocessor_options"}
_OF_ONE_MACHINE = ("output", "device", "workers", "name", "cache", "teacher_weights", "start")


@dataclass(frozen=True)
class PresetCase:
    """A preset under test, and the zoo in which its parts are looked up."""

    preset: TrainingPreset
    zoo: Zoo

    def parts(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Kind, name and options of the parts that it names."""
        settings = self.preset.settings
        for kind, options in _PARTS.items():
            if settings.get(kind):
                yield kind, settings[kind], dict(settings.get(options, {}))
        for each in settings.get("losses", ()):
            yield "loss", each.get("loss", ""), dict(each.get("options", {}))
        for each in settings.get("samplers", ()):
            yield "sampler", each.get("sampler", ""), dict(each.get("options", {}))


PRESET: Suite[PresetCase] = Suite()


def check_preset(preset: TrainingPreset, *, zoo: Zoo | None = None, skip: tuple[str, ...] = ()) -> None:
    """Check that a preset does what `sigzoo.interfaces.TrainingPreset` promises.

    Parameters
    ----------
    preset
        The object that a plugin registers.
    zoo
        Where the parts that it names are looked up; by default in the default zoo.
    skip
        Names of checks to leave out: those of ``sigzoo.testing.PRESET.checks``.

    Raises
    ------
    ConformanceFailure
        If it does not; a line for each check that failed.
    """
    PRESET.run(PresetCase(preset, default_zoo() if zoo is None else zoo), preset.summary, skip)


@PRESET.check
def described(case: PresetCase) -> None:
    """It is for a command that there is, and says in a line what it is."""
    preset = case.preset
    expect(preset.command in _KINDS, f"`command` is {preset.command!r}, not one of {', '.join(_KINDS)}")
    expect(preset.summary.strip() and "\n" not in preset.summary, "`summary` must be one line")


@PRESET.check
def settings(case: PresetCase) -> None:
    """Every setting is one of the command's, in range, and goes with the others."""
    kind = _KINDS.get(case.preset.command, TrainingSettings)
    unknown = sorted(set(case.preset.settings) - set(kind.__struct_fields__))
    expect(not unknown, f"`sigzoo {case.preset.command}` has no setting {', '.join(unknown)}")
    filling = {"backbone": "b", "loss": "l", "preprocessor": "p", "data": "d.npz", "output": "o"}
    if kind is DistillationSettings:
        filling["teacher"] = "t"
    try:
        kind(**{**filling, **case.preset.settings})
    except SigzooError as error:
        expect(False, str(error))


@PRESET.check
def any_machine(case: PresetCase) -> None:
    """It names no place of one machine."""
    own = sorted(set(case.preset.settings) & set(_OF_ONE_MACHINE))
    expect(not own, f"{', '.join(own)}: not for a preset, they belong to one run")


@PRESET.check
def parts(case: PresetCase) -> None:
    """Every part that it names is there and takes its options."""
    for kind, name, options in case.parts():
        try:
            case.zoo.build(kind, name, **with_tuples(options))
        except SigzooError as error:
            expect(False, str(error))


@PRESET.check
def default(case: PresetCase) -> None:
    """A default gives a loss and nothing else; what it needs are settings."""
    preset = case.preset
    if not preset.default:
        expect(not preset.needs, "`needs` is for a preset that is a default")
        return
    expect(preset.command == "distill", "only a distillation has a default loss")
    others = sorted(set(preset.settings) - {"loss", "loss_options"})
    expect(not others, f"a default holds a loss alone, not {', '.join(others)}")
    expect("loss" in preset.settings, "a default names a loss")
    unknown = sorted(set(preset.needs) - set(_KINDS.get(preset.command, TrainingSettings).__struct_fields__))
    expect(not unknown, f"needs {', '.join(unknown)}, which is no setting")
