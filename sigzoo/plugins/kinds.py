"""The kinds of things that a plugin can add: hook, interface, and since which version of the plugin API."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["API_VERSION", "KINDS", "MODELS_HOOK", "OLDEST_API", "Kind", "kind_of_hook"]

API_VERSION = 2
"""Version of the interfaces and hooks of this core."""

OLDEST_API = 1
"""Oldest version whose plugins still work; a plugin declares the one it was written for as `SIGZOO_API`."""

MODELS_HOOK = "sigzoo_register_models"
"""The hook whose registrations are files, not names."""


@dataclass(frozen=True)
class Kind:
    """A kind of component.

    Attributes
    ----------
    name
        As it stands in messages, and in `Zoo.build` and `Zoo.component`: ``"weight format"`` is
        ``"weight_format"`` there.
    plural
        As it stands in the hook's name.
    interface
        Lazy target of the class that a component is a subclass, or for `is_object` an instance, of.
    since
        Version of the plugin API that brought the hook.
    is_object
        Whether a target is a finished object (a preset, a command) and not a class to be built.
    needs_arguments
        Whether it cannot be built from its options alone: a runtime takes a backbone.
    """

    name: str
    plural: str
    interface: str
    since: int = 2
    is_object: bool = False
    needs_arguments: bool = False

    @property
    def hook(self) -> str:
        """Name of the hook that registers components of this kind."""
        return f"sigzoo_register_{self.plural}"

    @property
    def label(self) -> str:
        """The kind as one reads it."""
        return self.name.replace("_", " ")


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("backbone", "backbones", "sigzoo.interfaces.backbones:Backbone", since=1),
        Kind("preprocessor", "preprocessors", "sigzoo.interfaces.preprocessors:Preprocessor", since=1),
        Kind("loss", "losses", "sigzoo.interfaces.losses:Loss", since=1),
        Kind("runtime", "runtimes", "sigzoo.interfaces.runtimes:Runtime", needs_arguments=True),
        Kind("weight_format", "weight_formats", "sigzoo.interfaces.weight_formats:WeightFormat"),
        Kind("data_source", "data_sources", "sigzoo.interfaces.data_sources:DataSource"),
        Kind("sampler", "samplers", "sigzoo.interfaces.samplers:Sampler"),
        Kind("preset", "presets", "sigzoo.interfaces.presets:TrainingPreset", is_object=True),
        Kind("protocol", "protocols", "sigzoo.interfaces.protocols:EvaluationProtocol"),
        Kind("command", "commands", "click:Command", is_object=True),
    )
}
"""Every kind by its name, in the order in which `sigzoo plugins` lists them."""


def kind_of_hook(hook: str) -> Kind | None:
    """The kind that a hook registers; `None` for `MODELS_HOOK` and for one that this core does not know."""
    return next((kind for kind in KINDS.values() if kind.hook == hook), None)
