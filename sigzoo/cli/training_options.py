"""What the commands that train share: options made of the settings' declarations, and what a run reports."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from shlex import quote
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sigzoo.cli.help_pages import ExpertOption
from sigzoo.cli.output import echo, print_json
from sigzoo.cli.values import number_or_word
from sigzoo.errors import UsageError
from sigzoo.settings.declaration import Declaration
from sigzoo.settings.run_settings import RunSettings, declarations

if TYPE_CHECKING:
    from sigzoo.learning import EpochResult, TrainingResult

__all__ = [
    "MEASURED_AND_KEPT",
    "OPTIMISATION",
    "Sides",
    "add_parameters",
    "epoch_printer",
    "explicit_options",
    "output_option",
    "preset_option",
    "report",
    "require_options",
    "setting_options",
]

_F = TypeVar("_F", bound=Callable[..., Any])
_Parameter = Callable[[Any], Any]

_MOST_DIGITS = 8
"""Of a side in pixels: no image is as large."""


OPTIMISATION = (
    *("optimiser", "momentum", "weight_decay", "weight_decay_on", "schedule", "lr_steps", "cycles"),
    *("averaged_epochs", "averaged_rate", "warmup", "clip_value", "clip_norm", "precision"),
)
MEASURED_AND_KEPT = (
    *("seed", "validation", "select_by", "store_precision", "export_outputs"),
    *("weights_licence", "code_licence", "commercial_use", "trained_on"),
)
"""Settings that stand under one heading in the help of the commands that train."""


preset_option = click.option(
    "--preset", metavar="NAME", help="Published settings to start from; `sigzoo plugins` lists them."
)
"""The option that names a `sigzoo.interfaces.TrainingPreset`."""


def setting_options(
    kind: type[RunSettings],
    *,
    basic: Sequence[str] = (),
    groups: Mapping[str, Sequence[str]] = MappingProxyType({}),
    rest: str = "More options",
    only: Collection[str] | None = None,
    without: Collection[str] = (),
    show_defaults: bool = True,
) -> list[_Parameter]:
    """An option for each setting of a run; type, choices, default and help are those of its declaration.

    An option that is not given is `None` or empty, so that the setting stays as it is.

    Parameters
    ----------
    kind
        The run's settings; ``output`` has an option of its own, `output_option`.
    basic
        Settings that the help explains first, in this order.
    groups
        Headings of the other settings, and those below each, which the help for experts explains.
    rest
        Heading of those that no group names.
    only, without
        Settings that have an option, and those that have none; by default all have.
    show_defaults
        Whether the help ends with the setting's default.
    """
    known = declarations(kind)
    heads = {name: head for head, below in groups.items() for name in below}
    names = dict.fromkeys([*basic, *heads, *known])
    wanted = [name for name in names if (only is None or name in only) and name not in {*without, "output"}]
    return [
        _option(known[name], show_defaults, None if name in basic else heads.get(name, rest))
        for name in wanted
    ]


def output_option(kind: type[RunSettings]) -> _Parameter:
    """The option that says where the results go."""
    found = declarations(kind)["output"]
    return click.option(
        "-o", "--output", type=_type(found), required=True, metavar=found.metavar, help=found.text
    )


def _option(setting: Declaration, show_default: bool, group: str | None) -> _Parameter:
    """The option of a setting, one of the experts' where it stands in a group."""
    option = click.option if group is None else partial(click.option, cls=ExpertOption, group=group)
    flag = setting.option or f"--{setting.name.replace('_', '-')}"
    if setting.kind is bool:
        return option(flag, setting.name, is_flag=True, default=None, help=setting.text)
    if setting.repeated:
        kind = _Object() if setting.items[0] is Mapping else str
        text = f"{setting.text} May be repeated."
        return option(flag, setting.name, type=kind, multiple=True, metavar=setting.metavar, help=text)
    if setting.kind is Mapping:
        text = f"{setting.text} May be repeated."
        return option(flag, setting.name, type=KeyValue(), multiple=True, help=text)
    hidden = not show_default or setting.default in (None, "", ())
    text = setting.text if hidden else f"{setting.text} Default: {_shown(setting)}."
    return option(flag, setting.name, type=_type(setting), metavar=setting.metavar, help=text)


def _shown(setting: Declaration) -> str:
    if setting.kind is tuple:
        return "all" if setting.default == setting.choices else ",".join(setting.default)
    return f"{setting.default}"


def _type(setting: Declaration) -> Any:
    if setting.kind is tuple:
        if setting.choices:
            return _Words(setting.choices)
        return _Counts() if Ellipsis in setting.items else Sides()
    if setting.choices:
        return click.Choice(setting.choices)
    if setting.kind is Path:
        return click.Path(dir_okay=setting.metavar != "FILE", path_type=Path)
    return click.types.convert_type(setting.kind)


class _Words(click.ParamType):  # type: ignore[type-arg]
    """Some of a setting's words with commas between them, all, or none."""

    name = "words"

    def __init__(self, choices: tuple[str, ...]) -> None:
        self._choices = choices

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if value in ("all", "none"):
            return self._choices if value == "all" else ()
        return tuple(filter(None, value.split(",")))


class Sides(click.ParamType):  # type: ignore[type-arg]
    """Height and width, ``150,220`` or ``150x220``."""

    name = "h,w"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """The two numbers, each above 0."""
        height, _, width = value.replace("x", ",").partition(",")
        sides = [side.strip() for side in (height, width)]
        if not all(side.isdecimal() and len(side) < _MOST_DIGITS and int(side) for side in sides):
            raise UsageError(
                f"{_flag(param)} takes height and width in pixels, such as 150,220; got {value!r}."
            )
        return int(height), int(width)


class _Counts(click.ParamType):  # type: ignore[type-arg]
    """Whole numbers with commas between them."""

    name = "n,n"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        parts = value.split(",")
        if not all(each.strip().isdecimal() for each in parts):
            raise UsageError(f"{_flag(param)} takes whole numbers with commas, got {value!r}.")
        return tuple(map(int, parts))


class _Object(click.ParamType):  # type: ignore[type-arg]
    """An object of JSON."""

    name = "JSON"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        try:
            found = json.loads(value)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise UsageError(
                f"{_flag(param)} takes an object of JSON, such as"
                f' \'{{"options": {{"margin": 0.3}}}}\'; got {value!r:.80}.'
            )
        return found


class KeyValue(click.ParamType):  # type: ignore[type-arg]
    """An option of a part; its value a number, true, false, none, a list of them with commas, or a text."""

    name = "KEY=VALUE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Any]:
        key, equals, text = value.partition("=")
        if not equals or not key.isidentifier():
            raise UsageError(f"{_flag(param)} takes KEY=VALUE, got {value!r}.")
        return key, _value(text)


def _flag(param: click.Parameter | None) -> str:
    return param.opts[0] if param else "The option"


def _value(text: str) -> Any:
    if "," in text:
        return [_value(part) for part in text.split(",") if part]
    known = {"true": True, "false": False, "none": None}
    if text.lower() in known:
        return known[text.lower()]
    return number_or_word(text)


def add_parameters(parameters: Iterable[_Parameter]) -> Callable[[_F], _F]:
    """Add options to a command, in their order."""

    def add(command: _F) -> _F:
        for parameter in reversed(list(parameters)):
            command = parameter(command)
        return command

    return add


def explicit_options(kind: type[RunSettings], given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that were named on the command line."""
    known = declarations(kind)
    options = {name for name in given if known[name].kind is Mapping}
    repeated = {name for name in given if known[name].repeated}
    values = {
        key: value
        for key, value in given.items()
        if key not in options and value is not None and (value or key not in repeated)
    }
    return {**values, **{key: dict(given[key]) for key in options if given[key]}}


def require_options(kind: type[RunSettings], values: Mapping[str, Any], hint: str) -> None:
    """Refuse to begin without a setting that has no default.

    Raises
    ------
    UsageError
        Names the options that are missing.
    """
    missing = [
        each.option or f"--{each.name.replace('_', '-')}"
        for each in declarations(kind).values()
        if each.required and each.name not in {*values, "output"}
    ]
    if missing:
        raise UsageError(f"Missing option{'s' if len(missing) > 1 else ''} {', '.join(missing)}; {hint}")


_FIGURES = (
    ("accuracy", "accuracy"),
    ("agreement", "agreement"),
    ("accuracy_new", "accuracy new"),
    ("eer", "EER"),
    ("eer_skilled", "EER skilled"),
    ("eer_new", "EER new"),
)


def epoch_printer(
    epochs: int | None, *, on_stderr: bool, figures: Iterable[tuple[str, str]] = _FIGURES
) -> Callable[[EpochResult], None]:
    """A function that prints each epoch in a line: its number, of how many if that is known, and figures."""
    of = "" if epochs is None else f"/{epochs}"
    figures = tuple(figures)

    def line(epoch: EpochResult) -> None:
        parts = [f"epoch {epoch.epoch}{of}", f"loss {epoch.loss:.4f}"]
        for key, label in figures:
            value = getattr(epoch, key)
            if value is not None:
                parts.append(f"{label} {value:.2f} %")
        text = "  ".join([*parts, f"{epoch.seconds:.1f} s"]) + ("  best" if epoch.best else "")
        echo(text, err=on_stderr)

    return line


def report(result: TrainingResult, *, as_json: bool) -> None:
    """Print what came of a run, and how to use it."""
    best = result.best
    if as_json:
        from dataclasses import asdict

        print_json(
            {
                "model": result.name,
                "weights": str(result.weights),
                "registry": str(result.registry),
                "log": str(result.log),
                "best": asdict(best),
            }
        )
        return
    echo(f"{result.name}: the weights of epoch {best.epoch} in {result.weights}")
    echo(f"Use it: sigzoo --registry {quote(str(result.registry))} embed IMAGES -m {result.name}")
