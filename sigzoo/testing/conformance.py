"""All checks of a plugin as one test class, a test for each thing that it provides and each check."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any, ClassVar

from sigzoo.plugins import KINDS, Component, Plugin, normalise
from sigzoo.registry import read_registry
from sigzoo.testing.backbones import BACKBONE, BackboneCase
from sigzoo.testing.backbones import DEFAULT_LIMIT_MB as DEFAULT_WEIGHTS_LIMIT_MB
from sigzoo.testing.commands import COMMAND, CommandCase
from sigzoo.testing.data_sources import DATA_SOURCE, DataSourceCase
from sigzoo.testing.distributions import DEFAULT_LIMIT_MB, DISTRIBUTION, DistributionCase, find_plugins
from sigzoo.testing.losses import LOSS
from sigzoo.testing.models import MODEL, ModelCase
from sigzoo.testing.preprocessors import PREPROCESSOR
from sigzoo.testing.presets import PRESET, PresetCase
from sigzoo.testing.protocols import PROTOCOL
from sigzoo.testing.registries import REGISTRY, RegistryCase
from sigzoo.testing.runtimes import RUNTIME, TOLERANCE, RuntimeCase
from sigzoo.testing.samplers import SAMPLER
from sigzoo.testing.suites import Suite, expect
from sigzoo.testing.weight_formats import WEIGHT_FORMAT, WeightFormatCase, Writer
from sigzoo.zoo import default_zoo

__all__ = ["PluginConformance"]

Case = tuple[str, Callable[[], None]]

_SUITES: dict[str, Suite[Any]] = {
    "backbone": BACKBONE,
    "preprocessor": PREPROCESSOR,
    "loss": LOSS,
    "weight_format": WEIGHT_FORMAT,
    "preset": PRESET,
    "runtime": RUNTIME,
    "data_source": DATA_SOURCE,
    "sampler": SAMPLER,
    "protocol": PROTOCOL,
    "command": COMMAND,
}


class PluginConformance:
    """Everything that an installed distribution provides, checked by pytest.

    In a test module::

        from sigzoo.testing import PluginConformance

        class TestPlugin(PluginConformance):
            distribution = "ourlab-sigzoo"

    Attributes
    ----------
    distribution
        The distribution; it must be installed (``pip install -e .`` will do).
    skip
        Checks to leave out, each with the reason: ``{"backbone tiny: export": "uses an FFT"}``.
    limit_mb
        Largest size of the distribution's files, in 2**20 bytes.
    weights_limit_mb
        Largest size of one backbone's weights, in 2**20 bytes.
    tolerances
        Of runtimes that are not as exact as others, by name: see `check_runtime`.
    places
        For each data source, by name, a small place of its kind: a path or what stands after ``NAME:``.
    writers
        For a weight format, by name, a function ``(path, arrays)`` that writes a file of it.
    """

    distribution: ClassVar[str]
    skip: ClassVar[dict[str, str]] = {}
    limit_mb: ClassVar[float] = DEFAULT_LIMIT_MB
    weights_limit_mb: ClassVar[float] = DEFAULT_WEIGHTS_LIMIT_MB
    tolerances: ClassVar[dict[str, float]] = {}
    places: ClassVar[dict[str, str]] = {}
    writers: ClassVar[dict[str, Writer]] = {}

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Make a test of each case (called by pytest while it collects).

        Parameters
        ----------
        metafunc
            pytest's.
        """
        if "conformance_check" in metafunc.fixturenames:
            cases = [(name, check) for name, check in self.cases() if name not in self.skip]
            names = [name for name, _ in cases]
            metafunc.parametrize("conformance_check", [check for _, check in cases], ids=names)

    def test_conforms(self, conformance_check: Callable[[], None]) -> None:
        """One check of one thing that the plugin provides.

        Parameters
        ----------
        conformance_check
            What the case does.

        Raises
        ------
        ConformanceFailure
            If the plugin does not do what is promised.
        """
        conformance_check()

    def test_skipped_checks_exist(self) -> None:
        """A name in `skip` that no check has would hide a mistake."""
        unknown = set(self.skip) - {name for name, _ in self.cases()}
        assert not unknown, f"`skip` names checks that do not exist: {sorted(unknown)}"

    @classmethod
    def cases(cls) -> Iterator[Case]:
        """Name and body of every check."""
        yield from _bound(
            "distribution", DISTRIBUTION, lambda: DistributionCase(cls.distribution, cls.limit_mb)
        )
        found = find_plugins(cls.distribution)
        provided = [each for plugin in found for each in plugin.provides]
        for kind in KINDS:
            for each in provided:
                if each.kind == kind and kind in _SUITES:
                    subject = cache(partial(cls._subject, each))
                    yield from _bound(f"{kind} {each.name}", _SUITES[kind], subject)
        for path in dict.fromkeys(path for plugin in found for path in plugin.registries):
            yield from _bound(f"registry {path.name}", REGISTRY, partial(RegistryCase, path))
        for name in _models(cls.distribution, found):
            yield from _bound(f"model {name}", MODEL, partial(ModelCase, name))

    @classmethod
    def _subject(cls, each: Component) -> Any:
        """What the suite of a component's kind looks at."""
        zoo = default_zoo()
        build = partial(zoo.build, each.kind, each.name)
        if each.kind == "backbone":
            return BackboneCase(build(), build, cls.weights_limit_mb)
        if each.kind == "runtime":
            return RuntimeCase(zoo.component("runtime", each.name), cls.tolerances.get(each.name, TOLERANCE))
        if each.kind == "data_source":
            expect(each.name in cls.places, f"say in `places` where a small data set of {each.name!r} is")
            return DataSourceCase(build(), cls.places[each.name])
        if each.kind == "weight_format":
            return WeightFormatCase(build(), cls.writers.get(each.name))
        if each.kind == "preset":
            return PresetCase(zoo.component("preset", each.name), zoo)
        if each.kind == "command":
            return CommandCase(zoo.component("command", each.name), each.name, each.target)
        return build()


def _models(distribution: str, found: list[Plugin]) -> list[str]:
    """Models that the plugins register, and those of other registries that are made of their parts."""
    registered = {
        name for plugin in found for path in plugin.registries for name in read_registry(path).models
    }
    return [
        name
        for name, card in default_zoo().catalogue.models.items()
        if name in registered or (found and normalise(card.distribution) == normalise(distribution))
    ]


def _bound(what: str, suite: Suite[Any], subject: Callable[[], Any]) -> Iterator[Case]:
    for name, check in suite.checks.items():
        yield f"{what}: {name}", partial(_run, check, subject)


def _run(check: Callable[[Any], None], subject: Callable[[], Any]) -> None:
    check(subject())
