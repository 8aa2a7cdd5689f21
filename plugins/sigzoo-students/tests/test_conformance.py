"""sigzoo-students passes the checks that any plugin's author can run."""

from __future__ import annotations

from typing import ClassVar

from sigzoo.testing import DATA_SOURCE, PluginConformance


class TestPlugin(PluginConformance):
    distribution = "sigzoo-students"
    places: ClassVar[dict[str, str]] = {"synsig-families": "families=4,genuine=3,sittings=no,seed=1"}
    skip: ClassVar[dict[str, str]] = {
        f"data_source synsig-names: {check}": "reads a data set that is not shipped"
        for check in DATA_SOURCE.checks
    }
