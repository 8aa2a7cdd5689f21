"""Finding, loading and judging plugins: one at a time, each guarded, none able to break the rest."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import pluggy

from sigzoo import hookspecs
from sigzoo.errors import PluginError, UnknownNameError, UsageError

if TYPE_CHECKING:
    from sigzoo.interfaces import Backbone, Loss, Preprocessor

API_VERSION = 1
"""Version of the interfaces and hooks; a plugin declares the one it was written for as `SIGZOO_API`."""

Kind = Literal["backbone", "preprocessor", "loss"]
_HOOKS: dict[str, Kind] = {
    "sigzoo_register_backbones": "backbone",
    "sigzoo_register_preprocessors": "preprocessor",
    "sigzoo_register_losses": "loss",
}
_MODELS_HOOK = "sigzoo_register_models"
_TARGET = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class Provided:
    """A backbone, preprocessor or loss that a plugin offers."""

    kind: Kind
    name: str
    target: str
    """Where the class is: ``"package.module:Name"``; imported when it is first asked for."""
    defaults: dict[str, Any]
    distribution: str


@dataclass
class Plugin:
    """One entry point and what became of it."""

    name: str
    distribution: str
    version: str
    api: int | None = None
    provides: list[Provided] = field(default_factory=list)
    registries: list[Path] = field(default_factory=list)
    failure: str | None = None
    """Why it was left out, in a sentence; `None` for a healthy plugin."""
    details: str = ""
    """The traceback, where there is one."""

    @property
    def healthy(self) -> bool:
        """Whether the plugin is in use."""
        return self.failure is None

    def fail(self, reason: str, details: str = "") -> None:
        """Leave the plugin out, with all that it provides."""
        self.failure, self.details = reason, details
        self.provides, self.registries = [], []


class PluginManager:
    """All plugins of one process, healthy and failed."""

    def __init__(self, entry_points: Iterable[importlib.metadata.EntryPoint], owners: dict[str, str]) -> None:
        """Load plugins.

        Parameters
        ----------
        entry_points
            In any order; they are loaded one by one, in an order that does not depend on it.
        owners
            ``"kind name"`` -> distribution to which the core's registry attributes that name: of
            two plugins that claim it, that one keeps it.
        """
        self._pluggy = pluggy.PluginManager("sigzoo")
        self._pluggy.add_hookspecs(hookspecs)
        self._owners = owners
        self.plugins: list[Plugin] = []
        for entry_point in sorted(entry_points, key=self._precedence):
            self.plugins.append(self._load(entry_point))
        self._settle_names()

    def _precedence(self, entry_point: importlib.metadata.EntryPoint) -> tuple[bool, str, str]:
        """Order of loading: whoever the core's registry names first, so that nobody can take their names."""
        distribution, _ = _origin(entry_point)
        return distribution not in self._owners.values(), distribution, entry_point.name

    def _load(self, entry_point: importlib.metadata.EntryPoint) -> Plugin:
        distribution, version = _origin(entry_point)
        plugin = Plugin(entry_point.name, distribution, version)
        try:
            module = entry_point.load()
            self._judge(plugin, module)
            self._pluggy.register(module, name=f"{distribution}:{entry_point.name}")
            self._collect(plugin, module)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except PluginError as error:
            plugin.fail(str(error))
        except BaseException as error:  # a plugin may even call sys.exit at import
            plugin.fail(f"{type(error).__name__}: {error}", traceback.format_exc())
        return plugin

    def _judge(self, plugin: Plugin, module: Any) -> None:
        """Check what a plugin declares before any of its code is called."""
        api = getattr(module, "SIGZOO_API", None)
        if not isinstance(api, int):
            raise PluginError(f"it does not declare `SIGZOO_API = {API_VERSION}`")
        plugin.api = api
        if api != API_VERSION:
            raise PluginError(
                f"it was written for version {api} of sigzoo's interfaces; this is {API_VERSION}"
            )
        known = {*_HOOKS, _MODELS_HOOK}
        for name in vars(module):
            if name.startswith("sigzoo_") and name not in known and callable(getattr(module, name)):
                raise PluginError(str(UnknownNameError("hook", name, known)))

    def _collect(self, plugin: Plugin, module: Any) -> None:
        """Call the hooks of one plugin alone."""
        others = [other for other in self._pluggy.get_plugins() if other is not module]
        for hook, kind in _HOOKS.items():
            register = _recorder(plugin, kind)
            self._pluggy.subset_hook_caller(hook, others)(register=register)
        self._pluggy.subset_hook_caller(_MODELS_HOOK, others)(register=_registry_recorder(plugin))

    def _settle_names(self) -> None:
        """Let nobody win silently: who claims a name that is taken is left out, and told so."""
        taken: dict[tuple[Kind, str], Provided] = {}
        for plugin in self.plugins:
            for item in list(plugin.provides):
                key = (item.kind, item.name)
                owner = self._owners.get(f"{item.kind} {item.name}")
                holder = taken.get(key)
                if owner is not None and owner != plugin.distribution:
                    plugin.fail(f"the {item.kind} name {item.name!r} belongs to {owner}")
                elif holder is not None:
                    plugin.fail(
                        f"the {item.kind} name {item.name!r} is taken by {holder.distribution};"
                        f" uninstall one, or choose with SIGZOO_PLUGINS"
                    )
                if plugin.failure:
                    break
            taken.update({(item.kind, item.name): item for item in plugin.provides})

    def provided(self, kind: Kind) -> dict[str, Provided]:
        """Everything of one kind that healthy plugins offer, by name."""
        return {item.name: item for plugin in self.plugins for item in plugin.provides if item.kind == kind}

    def find(self, kind: Kind, name: str) -> type[Any]:
        """Import the class behind a name.

        Raises
        ------
        UnknownNameError
            If no healthy plugin provides it.
        PluginError
            If its target cannot be imported or is not of the right kind.
        """
        known = self.provided(kind)
        if name not in known:
            raise UnknownNameError(kind, name, known, "`sigzoo plugins` shows who provides what.")
        return resolve(known[name])

    def build(self, kind: Kind, name: str, options: dict[str, Any]) -> Any:
        """Build what a name stands for, with the plugin's defaults overridden by `options`.

        Raises
        ------
        UnknownNameError, PluginError
            As `find` does.
        UsageError
            If the class does not take the options.
        """
        target = self.find(kind, name)
        arguments = {**self.provided(kind)[name].defaults, **options}
        try:
            return target(**arguments)
        except (TypeError, ValueError) as error:
            given = ", ".join(f"{key}={value!r}" for key, value in arguments.items()) or "no options"
            raise UsageError(f"The {kind} {name!r} cannot be built with {given}: {error}.") from error


def _origin(entry_point: importlib.metadata.EntryPoint) -> tuple[str, str]:
    distribution = entry_point.dist
    if distribution is None:
        return "unknown", "?"
    return normalise(distribution.name), distribution.version


def normalise(distribution: str) -> str:
    """Spell a distribution's name as the packaging standard does (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _recorder(plugin: Plugin, kind: Kind) -> Callable[..., None]:
    def register(name: str, target: str, /, **defaults: Any) -> None:
        if not isinstance(target, str) or not _TARGET.fullmatch(target):
            raise PluginError(
                f"the target of {kind} {name!r} must look like 'package.module:Name', got {target!r}"
            )
        plugin.provides.append(Provided(kind, name, target, defaults, plugin.distribution))

    return register


def _registry_recorder(plugin: Plugin) -> Callable[[str | Path], None]:
    def register(path: str | Path, /) -> None:
        plugin.registries.append(Path(path))

    return register


def resolve(item: Provided) -> type[Any]:
    """Import a lazy target and check that it is a class of the right kind.

    Raises
    ------
    PluginError
        If it cannot be imported, does not exist or implements another interface.
    """
    from sigzoo import interfaces

    module_name, _, attribute = item.target.partition(":")
    who = f"The {item.kind} {item.name!r} of {item.distribution}"
    try:
        module: ModuleType = importlib.import_module(module_name)
        target = getattr(module, attribute)
    except Exception as error:
        raise PluginError(f"{who} cannot be imported from {item.target}: {error}.") from error
    wanted = {
        "backbone": interfaces.Backbone,
        "preprocessor": interfaces.Preprocessor,
        "loss": interfaces.Loss,
    }
    base: type[Any] = wanted[item.kind]
    if not (isinstance(target, type) and issubclass(target, base)):
        raise PluginError(f"{who}: {item.target} is not a subclass of sigzoo.interfaces.{base.__name__}.")
    return target


def _allowed(entry_points: Iterable[importlib.metadata.EntryPoint]) -> list[importlib.metadata.EntryPoint]:
    """Keep the entry points that `SIGZOO_PLUGINS` allows, by distribution or entry point name."""
    chosen = os.environ.get("SIGZOO_PLUGINS")
    if chosen is None:
        return list(entry_points)
    names = {normalise(name.strip()) for name in chosen.split(",") if name.strip()}
    return [each for each in entry_points if {_origin(each)[0], normalise(each.name)} & names]


def is_strict() -> bool:
    """Whether `SIGZOO_STRICT` asks for an error where a plugin fails."""
    return os.environ.get("SIGZOO_STRICT", "") not in ("", "0")


@cache
def manager() -> PluginManager:
    """The plugins of this process, loaded once.

    A failed plugin is told once, in a line on stderr; `sigzoo plugins` shows it in full.

    Raises
    ------
    PluginError
        If a plugin failed and ``SIGZOO_STRICT=1``.
    """
    from sigzoo.zoo import component_owners

    found = _allowed(importlib.metadata.entry_points(group="sigzoo"))
    loaded = PluginManager(found, component_owners())
    for plugin in loaded.plugins:
        if plugin.failure:
            report(plugin)
    return loaded


def report(plugin: Plugin) -> None:
    """Tell of a failed plugin: one line on stderr, or an error where failures are errors.

    Raises
    ------
    PluginError
        If ``SIGZOO_STRICT=1``.
    """
    line = f"Plugin {plugin.distribution} {plugin.version} was left out: {plugin.failure}."
    if is_strict():
        raise PluginError(f"{line} (SIGZOO_STRICT=1)\n{plugin.details}".rstrip())
    print(f"sigzoo: {line} See `sigzoo plugins {plugin.distribution}`.", file=sys.stderr)


def backbone(name: str, **options: Any) -> Backbone:
    """Build a backbone with random weights: ``sigzoo.backbone("signet")``.

    Raises
    ------
    UnknownNameError
        If no installed plugin provides it; with the nearest names.
    PluginError
        If its plugin is broken.
    UsageError
        If it does not take the options.
    """
    built: Backbone = manager().build("backbone", name, options)
    return built


def preprocessor(name: str, **options: Any) -> Preprocessor:
    """Build a preprocessor: ``sigzoo.preprocessor("signet-2017", canvas=(952, 1360))``.

    Raises
    ------
    UnknownNameError, PluginError, UsageError
        As `backbone` does.
    """
    built: Preprocessor = manager().build("preprocessor", name, options)
    return built


def loss(name: str, **options: Any) -> Loss:
    """Build a loss: ``sigzoo.loss("signet-f", forgery_weight=0.95)``.

    Raises
    ------
    UnknownNameError, PluginError, UsageError
        As `backbone` does.
    """
    built: Loss = manager().build("loss", name, options)
    return built
