"""Writing the skeleton of a plugin, for `sigzoo new-plugin`."""

from sigzoo.scaffold.kinds import KINDS, PluginKind
from sigzoo.scaffold.skeleton import write_plugin

__all__ = ["KINDS", "PluginKind", "write_plugin"]
