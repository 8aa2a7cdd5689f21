"""sigzoo-community passes the checks that any plugin's author can run."""

from __future__ import annotations

from sigzoo.testing import PluginConformance


class TestPlugin(PluginConformance):
    distribution = "sigzoo-community"
