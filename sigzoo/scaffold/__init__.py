"""Writing the skeleton of a plugin, for `sigzoo new-plugin`."""

from sigzoo.scaffold.skeleton import KINDS, PluginKind, write_plugin

__all__ = ["KINDS", "PluginKind", "write_plugin"]
