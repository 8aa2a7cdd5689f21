"""Which distributions a model needs, and what to say where one is missing or broken."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sigzoo.errors import PluginError
from sigzoo.plugins.discovery import discover
from sigzoo.plugins.manager import PluginManager
from sigzoo.registry import Card
from sigzoo.registry.core import component_keys

__all__ = ["missing_distributions", "require_components", "require_distribution"]


def missing_distributions(card: Card, manager: PluginManager, owners: Mapping[str, str]) -> list[str]:
    """Name the distributions that must be installed, or mended, before a card can be loaded."""
    provided = {f"{kind} {name}" for kind in ("backbone", "preprocessor") for name in manager.provided(kind)}
    missing = [owners.get(key, card.distribution) for key in component_keys(card) if key not in provided]
    return list(dict.fromkeys(missing))


def require_components(
    name: str, card: Card, manager: PluginManager, owners: Mapping[str, str], *, chosen: bool
) -> None:
    """Say which distribution a model needs, where it is not there or does not work.

    Parameters
    ----------
    chosen
        Whether plugins were chosen by name, so that one may be installed and not be in use.

    Raises
    ------
    PluginError
        If the plugin of the card's backbone or preprocessor is not installed, or was left out.
    """
    missing = missing_distributions(card, manager, owners)
    if not missing:
        return
    _check_broken(name, card, manager, missing)
    _raise_missing(f"The model {name!r}", missing, chosen)


def require_distribution(what: str, distribution: str, manager: PluginManager, *, chosen: bool) -> None:
    """Say why something that a distribution brings is not there.

    Raises
    ------
    PluginError
        Always, unless the distribution's plugin is there and healthy.
    """
    for plugin in manager.plugins:
        if plugin.distribution == distribution:
            if plugin.failure is not None:
                raise PluginError(f"{what} needs {distribution}, which was left out: {plugin.failure}.")
            return
    _raise_missing(what, [distribution], chosen)


def _raise_missing(what: str, missing: Sequence[str], chosen: bool) -> None:
    installed = {found.distribution for found in discover()} if chosen else set()
    if installed & set(missing):
        raise PluginError(
            f"{what} needs {' and '.join(missing)}, which SIGZOO_PLUGINS does not allow;"
            " add it there, or unset the variable."
        )
    raise PluginError(
        f"{what} needs the distribution {' and '.join(missing)}, which is not installed:"
        f" run `pip install {' '.join(missing)}`."
    )


def _check_broken(name: str, card: Card, manager: PluginManager, missing: Collection[str]) -> None:
    for key in component_keys(card):
        skipped = manager.find_skipped(*key.split(" ", 1))
        if skipped is not None and skipped[0].distribution in missing:
            plugin, entry = skipped
            raise PluginError(
                f"The model {name!r} needs the {entry.component} of {plugin.distribution}, which was left"
                f" out: {entry.reason}. See `sigzoo plugins {plugin.distribution}`."
            )
    for plugin in manager.plugins:
        if plugin.distribution not in missing:
            continue
        if plugin.failure is not None:
            raise PluginError(
                f"The model {name!r} needs {plugin.distribution}, which was left out: {plugin.failure}."
            )
        wanted = " and ".join(component_keys(card))
        raise PluginError(
            f"The model {name!r} needs the {wanted}; {plugin.distribution} {plugin.version} is installed"
            f" but does not provide all of that. See `sigzoo plugins {plugin.distribution}`."
        )
