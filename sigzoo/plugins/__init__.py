"""Plugins: who ships backbones, preprocessors, losses and whatever else, found and loaded one by one.

What is installed is held by a `sigzoo.Zoo`; nothing here remembers anything between two of them.
"""

from sigzoo.plugins.components import Component, Plugin, SkippedComponent, normalise
from sigzoo.plugins.kinds import API_VERSION, KINDS, OLDEST_API, Kind
from sigzoo.plugins.manager import PluginManager

__all__ = [
    "API_VERSION",
    "KINDS",
    "OLDEST_API",
    "Component",
    "Kind",
    "Plugin",
    "PluginManager",
    "SkippedComponent",
    "normalise",
]
