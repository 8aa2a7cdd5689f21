"""All checks of a plugin as one test class, a test for each thing that it provides and each check."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any, ClassVar

from sigzoo.plugins import KINDS, Plugin, normalise
from sigzoo.registry import read_registry
from sigzoo.testing.backbones import BACKBONE, BackboneCase
from sigzoo.testing.backbones import DEFAULT_LIMIT_MB as DEFAULT_WEIGHTS_LIMIT_MB
from sigzoo.testing.distributions import DEFAULT_LIMIT_MB, DISTRIBUTION, DistributionCase, find_plugins
from sigzoo.testing.losses import LOSS
from sigzoo.testing.models import MODEL, ModelCase
from sigzoo.testing.preprocessors import PREPROCESSOR
from sigzoo.testing.presets import PRESET, PresetCase
from sigzoo.testing.registries import REGISTRY, RegistryCase
from sigzoo.testing.suites import Suite
from sigzoo.testing.weight_formats import WEIGHT_FORMAT, WeightFormatCase
from sigzoo.zoo import default_zoo

__all__ = ["PluginConformance"]

Case = tuple[str, Callable[[], None]]

_SUITES: dict[str, Suite[Any]] = {
    "backbone": BACKBONE,
    "preprocessor": PREPROCESSOR,
    "loss": LOSS,
    "weight_format": WEIGHT_FORMAT,
    "preset": PRESET,
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
    """

    distribution: ClassVar[str]
    skip: ClassVar[dict[str, str]] = {}
    limit_mb: ClassVar[float] = DEFAULT_LIMIT_MB
    weights_limit_mb: ClassVar[float] = DEFAULT_WEIGHTS_LIMIT_MB

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Make a test of each case (called by pytest while it collects)."""
        if "conformance_check" in metafunc.fixturenames:
            cases = [(name, check) for name, check in self.cases() if name not in self.skip]
            names = [name for name, _ in cases]
            metafunc.parametrize("conformance_check", [check for _, check in cases], ids=names)

    def test_conforms(self, conformance_check: Callable[[], None]) -> None:
        """One check of one thing that the plugin provides."""
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
                    subject = partial(_subject, cls.weights_limit_mb, kind, each.name)
                    yield from _bound(f"{kind} {each.name}", _SUITES[kind], subject)
        for path in dict.fromkeys(path for plugin in found for path in plugin.registries):
            yield from _bound(f"registry {path.name}", REGISTRY, partial(RegistryCase, path))
        for name in _models(cls.distribution, found):
            yield from _bound(f"model {name}", MODEL, partial(ModelCase, name))


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


@cache
def _subject(limit_mb: float, kind: str, name: str) -> Any:
    if kind == "preset":
        return PresetCase(default_zoo().component(kind, name), default_zoo())
    build = partial(default_zoo().manager.build, kind, name, {})
    if kind == "backbone":
        return BackboneCase(build(), build, limit_mb)
    return WeightFormatCase(build()) if kind == "weight_format" else build()


def _bound(what: str, suite: Suite[Any], subject: Callable[[], Any]) -> Iterator[Case]:
    for name, check in suite.checks.items():
        yield f"{what}: {name}", partial(_run, check, subject)


def _run(check: Callable[[Any], None], subject: Callable[[], Any]) -> None:
    check(subject())
