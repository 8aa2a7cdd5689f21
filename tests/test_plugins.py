"""Plugins are judged one by one: what is broken is left out and told once, everything else works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

HEAD = "from sigzoo import hookimpl\n\nSIGZOO_API = 1\n\n\n"
HOOK = "@hookimpl\ndef sigzoo_register_{kind}(register):\n    {body}\n\n\n"
NETWORK = """\
import torch
from torch import nn

from sigzoo.interfaces import Backbone


class Net(Backbone):
    layers = ("features",)
    feature_dim = 2
    input_size = (8, 8)

    def __init__(self, *, width=2):
        super().__init__()
        self.fc = nn.Linear(64, width)

    def forward_layers(self, x, names):
        return {name: self.fc(x.flatten(1)) for name in names}


class Faulty(Net):
    def __init__(self):
        raise RuntimeError("the sky is falling")


class NotOne:
    pass
"""
REGISTRY = """\
models:
  {name}:
    summary: a test
    distribution: {distribution}
    backbone: {backbone}
    preprocessor: plain
    input_scale: 1.0
    weights: {{artifact: {name}-weights, format: safetensors}}
    features: {{layer: features, size: 2}}
    licence: {{code: MIT, weights: MIT, commercial_use: true}}
    trained_on: nothing
artifacts:
  {name}-weights:
    summary: weights
    urls: ["https://example.org/w.safetensors"]
    sha256: "{digest}"
    provenance: a test
"""


def hook(kind: str, *lines: str) -> str:
    return HOOK.format(kind=kind, body="\n    ".join(lines))


def backbone(name: str, target: str) -> str:
    return HEAD + hook("backbones", f"register({name!r}, {target!r})")


def models(text: str = "Path(__file__).with_name('registry.yaml')") -> str:
    return "from pathlib import Path\n\n" + HEAD + hook("models", f"register({text})")


def registry(name: str, distribution: str, backbone: str = "net", digest: str = "0" * 64) -> str:
    return REGISTRY.format(name=name, distribution=distribution, backbone=backbone, digest=digest)


HELPERS = """\
sigzoo_version = "1"


class Called:
    sigzoo_impl = 1

    def __call__(self, *args, **options):
        raise SystemExit(9)


anything = Called()


def helper(*args, **options):
    raise SystemExit(9)


"""
LAZY = """\
def __getattr__(name):
    if name == "Heavy":
        raise SystemExit("imported")
    raise AttributeError(name)


def __dir__():
    return ["Heavy"]
"""
CAUGHT = "import sigzoo\ntry: sigzoo.{call}\nexcept Exception as e: print(type(e).__name__, e)"


class Site:
    """A folder of installed distributions, and processes of `sigzoo` that see them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: list[str] = []

    def add(self, name: str, source: str, **files: str) -> None:
        """Install a distribution with a package of the same name (``-`` as ``_``)."""
        module = name.replace("-", "_")
        package = self.folder / module
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(source)
        for file, content in files.items():
            (package / file.replace("_yaml", ".yaml").replace("_py", ".py")).write_text(content)
        records = self.records(name)
        records.mkdir()
        (records / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.5\n")
        (records / "entry_points.txt").write_text(f"[sigzoo]\n{name}-entry = {module}\n")
        self.names.append(name)

    def records(self, name: str) -> Path:
        return self.folder / f"{name.replace('-', '_')}-2.5.dist-info"

    def python(self, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self._run(["-c", code], environment)

    def sigzoo(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self._run(["-m", "sigzoo", *arguments], environment)

    def _run(self, arguments: list[str], extra: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        chosen = {"SIGZOO_PLUGINS": ",".join(self.names)}
        env = {**os.environ, "PYTHONPATH": str(self.folder), **chosen, **extra}
        if env["SIGZOO_PLUGINS"] == "*":
            del env["SIGZOO_PLUGINS"]
        return subprocess.run(
            [sys.executable, *arguments], env=env, capture_output=True, text=True, check=False
        )

    def state(self, **environment: str) -> dict[str, dict[str, object]]:
        """What `sigzoo plugins --json` says, by distribution."""
        done = self.sigzoo("plugins", "--json", **environment)
        assert done.returncode == 0, done.stderr
        return {each["distribution"]: each for each in json.loads(done.stdout)}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """No plugins yet."""
    return Site(tmp_path / "site")


def test_a_healthy_plugin_is_used_and_nothing_is_said(site: Site) -> None:
    site.add("our-lab", backbone("net", "our_lab.net:Net"), net_py=NETWORK)
    done = site.sigzoo("plugins", "--json")
    (shown,) = json.loads(done.stdout)
    assert done.stderr == ""
    assert (shown["distribution"], shown["version"], shown["api"], shown["healthy"]) == (
        "our-lab",
        "2.5",
        1,
        True,
    )
    assert shown["provides"] == [
        {"kind": "backbone", "name": "net", "target": "our_lab.net:Net", "defaults": {}}
    ]
    built = site.python("import sigzoo; print(sigzoo.backbone('net', width=5).fc.out_features)")
    assert built.stdout == "5\n"


BROKEN = {
    "raises": ("raise RuntimeError('the disk\\nis full')", "RuntimeError: the disk is full"),
    "import error": ("import module_of_nobody", "No module named 'module_of_nobody'"),
    "syntax error": ("def broken(:", "SyntaxError"),
    "sys.exit": ("import sys\nsys.exit(3)", "SystemExit: 3"),
    "base exception": ("class Stop(BaseException): pass\nraise Stop('now')", "Stop: now"),
    "unprintable exception": (
        "class Bad(Exception):\n    def __str__(self): raise KeyError(1)\nraise Bad",
        "Bad: <an exception that cannot be shown>",
    ),
    "no API version": ("x = 1", "does not declare `SIGZOO_API = 1`"),
    "API version that is no number": ("SIGZOO_API = '1'", "does not declare `SIGZOO_API = 1`"),
    "API version of tomorrow": ("SIGZOO_API = 2", "written for version 2 of sigzoo's interfaces; this is 1"),
    "misspelt hook": (
        HEAD + "@hookimpl\ndef sigzoo_register_bakbones(register): ...",
        "a hook 'sigzoo_register_bakbones', which does not exist; perhaps sigzoo_register_backbones is meant",
    ),
    "misspelt hook without the prefix": (
        HEAD + "@hookimpl\ndef register_backbones(register): ...",
        "a hook 'register_backbones', which does not exist",
    ),
    "misspelt hook without the mark": (
        HEAD + "def sigzoo_register_model(register): ...",
        "perhaps sigzoo_register_models is meant",
    ),
    "hook without the mark": (
        HEAD + "def sigzoo_register_models(register): ...",
        "sigzoo_register_models is not marked with `@sigzoo.hookimpl`",
    ),
    "hook with another argument": (
        HEAD + "@hookimpl\ndef sigzoo_register_models(registry): ...",
        "registry",
    ),
    "asks for models at import": (
        "import sigzoo\nsigzoo.list_models()\n" + HEAD,
        "it asks sigzoo for models or plugins while it is being imported itself",
    ),
    "hook that raises": (HEAD + hook("losses", "1 / 0"), "ZeroDivisionError: division by zero"),
    "target that is no target": (backbone("net", "net"), "must look like 'package.module:Name', got 'net'"),
    "name that is no name": (backbone("My Net!", "a.b:C"), "lower-case letters and digits"),
    "one name twice": (
        HEAD
        + hook("backbones", "register('net', 'json:JSONDecoder')", "register('net', 'json:JSONEncoder')"),
        "registers the backbone 'net' twice",
    ),
    "name that the core attributes to another": (
        backbone("signet", "json:JSONDecoder"),
        "the backbone name 'signet' belongs to sigzoo-signet",
    ),
    "registry that is not there": (models(), "registry.yaml: cannot be read"),
    "registry at no path": (models("'a\\0b'"), "null"),
}


@dataclass(frozen=True)
class Together:
    """What `sigzoo plugins --json` gives with all of them installed beside a sound one."""

    shown: dict[str, dict[str, Any]]
    told: list[str]


def slug(fault: str) -> str:
    return "broken-" + fault.replace(" ", "-").replace(".", "-").lower()


@pytest.fixture(scope="module")
def all_broken(tmp_path_factory: pytest.TempPathFactory) -> Together:
    """Every broken plugin at once, and a sound one."""
    site = Site(tmp_path_factory.mktemp("broken"))
    for fault, (source, _) in BROKEN.items():
        site.add(slug(fault), source)
    site.add("sound", backbone("sound-net", "sound.net:Net"), net_py=NETWORK)
    done = site.sigzoo("plugins", "--json")
    assert done.returncode == 0, done.stderr
    shown = {each["distribution"]: each for each in json.loads(done.stdout)}
    return Together(shown, done.stderr.splitlines())


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_plugin_is_left_out_and_told_in_one_line(all_broken: Together, fault: str) -> None:
    name, reason = slug(fault), BROKEN[fault][1]
    (line,) = [
        each for each in all_broken.told if each.startswith(f"sigzoo: Plugin {name} 2.5 was left out: ")
    ]
    assert line.endswith(f" See `sigzoo plugins {name}`.")
    assert reason in line
    shown = all_broken.shown[name]
    assert (shown["healthy"], shown["provides"], shown["registries"]) == (False, [], [])
    assert reason in shown["failure"]


def test_a_sound_plugin_works_beside_any_number_of_broken_ones(all_broken: Together) -> None:
    assert all_broken.shown["sound"]["healthy"] is True
    assert len(all_broken.told) == len(BROKEN)


def test_the_full_reason_with_traceback_is_shown_on_request(site: Site) -> None:
    site.add("broken", "def deep():\n    raise RuntimeError('why')\n\n\ndeep()\n")
    done = site.sigzoo("plugins", "broken")
    assert done.returncode == 0
    assert "health       left out: RuntimeError: why" in done.stdout
    assert "line 2, in deep" in done.stdout


def test_a_failure_is_told_once_a_process_and_does_not_stop_other_work(site: Site) -> None:
    site.add("broken", "raise RuntimeError('no')")
    code = "import sigzoo; sigzoo.list_models(); sigzoo.info('signet'); sigzoo.list_models('signet*')"
    done = site.python(code)
    assert done.returncode == 0
    assert done.stderr.count("Plugin broken") == 1
    listed = site.sigzoo("list", "--json")
    assert listed.returncode == 0
    assert "signet" in {each["name"] for each in json.loads(listed.stdout)}


def test_strict_turns_a_failure_into_an_error(site: Site) -> None:
    site.add("broken", "raise RuntimeError('no')")
    done = site.sigzoo("list", SIGZOO_STRICT="1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Plugin broken 2.5 was left out: RuntimeError: no" in done.stderr
    assert site.sigzoo("list", SIGZOO_STRICT="0").returncode == 0


def test_strict_covers_registries_and_missing_targets(site: Site) -> None:
    site.add("half", backbone("half-net", "half.gone:Net"))
    assert "does not exist" in site.sigzoo("list", SIGZOO_STRICT="1").stderr
    site.add("unread", models())
    done = site.sigzoo("list", SIGZOO_STRICT="1", SIGZOO_PLUGINS="unread")
    assert (done.returncode, "cannot be read" in done.stderr) == (1, True)


def test_the_allow_list_goes_by_distribution_or_entry_point(site: Site) -> None:
    site.add("one-lab", backbone("one", "json:JSONDecoder"))
    site.add("two-lab", backbone("two", "json:JSONDecoder"))
    site.add("broken", "raise RuntimeError('not to be seen')")
    assert set(site.state(SIGZOO_PLUGINS="One_Lab, two-lab-entry")) == {"one-lab", "two-lab"}
    assert site.state(SIGZOO_PLUGINS="") == {}
    assert set(site.names) < set(site.state(SIGZOO_PLUGINS="*"))


def test_a_name_in_the_allow_list_that_nobody_has_is_told(site: Site) -> None:
    site.add("one-lab", backbone("one", "json:JSONDecoder"))
    done = site.sigzoo("plugins", "--json", SIGZOO_PLUGINS="one-lab,tow-lab")
    assert "SIGZOO_PLUGINS names 'tow-lab'" in done.stderr
    assert len(json.loads(done.stdout)) == 1


def test_of_two_that_claim_a_name_the_later_is_left_out_and_both_are_named(site: Site) -> None:
    for name in ("zeta-lab", "alpha-lab"):
        module = name.replace("-", "_")
        site.add(name, backbone("net", f"{module}.net:Net"), net_py=NETWORK)
    found = site.state()
    assert found["alpha-lab"]["healthy"] is True
    assert "the backbone name 'net' is taken by alpha-lab" in str(found["zeta-lab"]["failure"])
    assert site.state(SIGZOO_PLUGINS="zeta-lab")["zeta-lab"]["healthy"] is True


def test_one_name_may_stand_for_a_backbone_and_a_loss(site: Site) -> None:
    both = hook("backbones", "register('x', 'json:JSONDecoder')") + hook(
        "losses", "register('x', 'json:loads')"
    )
    site.add("both", HEAD + both)
    assert site.state()["both"]["healthy"] is True


def test_what_a_plugin_prints_does_not_spoil_the_output(site: Site) -> None:
    site.add("chatty", "print('hello from the plugin')\n" + HEAD + hook("losses", "print('and again')"))
    done = site.sigzoo("plugins", "--json")
    assert len(json.loads(done.stdout)) == 1
    assert "hello from the plugin\nand again" in done.stderr


def test_helpers_constants_and_classes_of_a_plugin_are_not_taken_for_hooks(site: Site) -> None:
    site.add("helped", HEAD + HELPERS + hook("losses", "register('x', 'json:loads')"))
    assert site.state()["helped"]["healthy"] is True


def test_looking_for_hooks_does_not_run_lazy_attributes(site: Site) -> None:
    site.add("lazy", HEAD + LAZY)
    assert site.state()["lazy"]["healthy"] is True


def test_a_missing_target_leaves_out_that_entry_alone(site: Site) -> None:
    entries = hook(
        "backbones", "register('good', 'half.net:Net')", "register('bad', 'half.gone:Net')",
        "register('far', 'nowhere.to.be.found:Net')", "register('unnamed', 'half:Net')",
    )  # fmt: skip
    site.add("half", HEAD + entries, net_py=NETWORK)
    done = site.sigzoo("plugins", "--json")
    (shown,) = json.loads(done.stdout)
    assert [each["name"] for each in shown["provides"]] == ["good"]
    assert [each["name"] for each in shown["left_out"]] == ["bad", "far", "unnamed"]
    assert (shown["healthy"], shown["failure"]) == (False, None)
    assert len(done.stderr.splitlines()) == 1
    assert "Plugin half 2.5 was left out in part: the backbone 'bad': its target half.gone:Net" in done.stderr
    asked = site.python(CAUGHT.format(call="backbone('bad')"))
    assert asked.stdout.startswith("PluginError The backbone 'bad' of half 2.5 was left out")


def test_looking_for_targets_imports_nothing(site: Site) -> None:
    site.add("light", backbone("net", "light.deep.net:Net"))
    (site.folder / "light" / "deep").mkdir()
    (site.folder / "light" / "deep" / "__init__.py").write_text("raise SystemExit('imported')")
    (site.folder / "light" / "deep" / "net.py").write_text(NETWORK)
    assert site.state()["light"]["healthy"] is True
    code = "import sys; from sigzoo import plugins; plugins.manager(); print('torch' in sys.modules)"
    assert site.python(code).stdout == "False\n"


def test_a_package_that_bends_its_path_keeps_its_targets(site: Site) -> None:
    site.add("bent", backbone("net", "bent.outer.net:Net"))
    (site.folder / "bent" / "outer").mkdir()
    (site.folder / "bent" / "outer" / "__init__.py").write_text("__path__.append(__path__[0] + '/../hidden')")
    (site.folder / "bent" / "hidden").mkdir()
    (site.folder / "bent" / "hidden" / "net.py").write_text(NETWORK)
    assert site.state()["bent"]["healthy"] is True


def test_check_imports_and_builds_everything(site: Site) -> None:
    entries = hook(
        "backbones", "register('good', 'tried.net:Net')", "register('faulty', 'tried.net:Faulty')",
        "register('absent', 'tried.net:Absent')", "register('stranger', 'tried.net:NotOne')",
    )  # fmt: skip
    site.add(
        "tried", models() + HEAD + entries, net_py=NETWORK, registry_yaml=registry("toy", "tried", "good")
    )
    done = site.sigzoo("plugins", "check")
    assert done.returncode == 1
    assert "ok      tried: backbone good" in done.stdout
    assert (
        "FAILED  tried: backbone faulty: The backbone 'faulty' of tried cannot be built with no options"
        in done.stdout
    )
    assert "RuntimeError: the sky is falling" in done.stdout
    assert "has no attribute 'Absent'" in done.stdout
    assert "not a subclass of sigzoo.interfaces.Backbone" in done.stdout
    assert "FAILED  tried: model toy:" in done.stdout
    assert "preprocessor plain" in done.stdout
    results = json.loads(site.sigzoo("plugins", "check", "tried", "--json").stdout)
    assert [each["ok"] for each in results if each["kind"] == "backbone"] == [True, False, False, False]
    assert "in __init__" in next(each["details"] for each in results if each["name"] == "faulty")


def test_check_of_sound_plugins_succeeds(site: Site) -> None:
    site.add("sound", backbone("net", "sound.net:Net"), net_py=NETWORK)
    done = site.sigzoo("plugins", "check")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("1 thing checked, 0 failed\n")


def test_wrong_options_are_the_callers_mistake(site: Site) -> None:
    site.add("sound", backbone("net", "sound.net:Net"), net_py=NETWORK)
    code = CAUGHT.format(call="backbone('net', depth=3)")
    assert "UsageError The backbone 'net' cannot be built with depth=3" in site.python(code).stdout


def test_an_unknown_plugin_is_a_wrong_usage(site: Site) -> None:
    site.add("our-lab", backbone("net", "our_lab.net:Net"), net_py=NETWORK)
    done = site.sigzoo("plugins", "our-lap")
    assert (done.returncode, "Did you mean our-lab?" in done.stderr) == (2, True)
    assert site.sigzoo("plugins", "one", "two").returncode == 2


def test_models_of_a_plugin_are_listed_with_their_distribution(site: Site) -> None:
    site.add("our-lab", models(), registry_yaml=registry("toy", "our-lab"))
    code = "import sigzoo; print(sigzoo.info('toy').distribution)"
    assert site.python(code).stdout == "our-lab\n"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("summary: a test", "summery: a test", "models.toy.summery: unknown key"),
        ("  toy:\n", "  signet:\n", "the model name 'signet' is taken by sigzoo"),
        ("artifact: toy-weights", "artifact: signet-models/x", "no artifact 'signet-models/x'"),
        ("artifact: toy-weights", "artifact: hafemann-examples", "is a collection"),
        ("/w.safetensors", "/.w", "cannot be a file's name"),
        ("urls: [", "filename: ../../evil\n    urls: [", "cannot be a file's name"),
    ],
)
def test_a_registry_that_is_not_valid_leaves_the_whole_plugin_out(
    site: Site, old: str, new: str, reason: str
) -> None:
    text = registry("toy", "our-lab")
    assert old in text
    site.add(
        "our-lab",
        models() + hook("losses", "register('x', 'json:loads')"),
        registry_yaml=text.replace(old, new),
    )
    listed = site.sigzoo("list", "--json")
    assert listed.returncode == 0
    assert "toy" not in {each["name"] for each in json.loads(listed.stdout)}
    assert len(listed.stderr.splitlines()) == 1
    assert reason in listed.stderr
    assert site.state()["our-lab"]["provides"] == []


def test_a_second_registry_that_fails_takes_the_first_with_it(site: Site) -> None:
    source = models() + hook("losses", "pass").replace("losses", "preprocessors")
    twice = source.replace(
        "register(Path", "register(Path(__file__).with_name('first.yaml'))\n    register(Path"
    )
    site.add("our-lab", twice, first_yaml=registry("one", "our-lab"), registry_yaml="models: nonsense")
    names = {each["name"] for each in json.loads(site.sigzoo("list", "--json").stdout)}
    assert "one" not in names
    assert "signet" in names


def test_a_model_whose_plugin_was_left_out_says_why(site: Site) -> None:
    source = models() + hook("backbones", "register('net', 'our_lab.gone:Net')")
    site.add("our-lab", source, registry_yaml=registry("toy", "our-lab"))
    code = CAUGHT.format(call="load('toy')")
    told = site.python(code).stdout
    assert (
        "PluginError The model 'toy' needs the backbone 'net' of our-lab, which was left out: its target"
        in told
    )


def test_a_model_whose_installed_plugin_lacks_a_part_is_not_told_to_install_it(site: Site) -> None:
    site.add("our-lab", models(), registry_yaml=registry("toy", "our-lab"))
    code = CAUGHT.format(call="load('toy')")
    told = site.python(code).stdout
    assert "our-lab 2.5 is installed but does not provide all of that" in told


@pytest.mark.parametrize(
    ("damage", "version"),
    [
        (lambda records: (records / "METADATA").unlink(), "2.5"),
        (lambda records: (records / "METADATA").write_text("Metadata-Version: 2.1\nVersion: 7\n"), "7"),
    ],
)
def test_damaged_records_of_an_installation_break_nothing(
    site: Site, damage: Callable[[Path], object], version: str
) -> None:
    site.add("damaged", backbone("net", "damaged.net:Net"), net_py=NETWORK)
    damage(site.records("damaged"))
    assert site.state()["damaged"]["version"] == version


def test_entry_points_that_cannot_be_read_are_a_failure_of_their_distribution_alone(site: Site) -> None:
    site.add("damaged", backbone("net", "damaged.net:Net"), net_py=NETWORK)
    (site.records("damaged") / "entry_points.txt").write_text("[sigzoo]\nno equals sign here\n")
    done = site.sigzoo("list")
    assert done.returncode == 0
    assert "Plugin damaged 2.5 was left out: its entry_points.txt cannot be read" in done.stderr
