"""What plugins provide is found by name; names, targets and choices are settled before any import."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

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


def test_a_healthy_plugin_is_used_and_nothing_is_said(site: Any) -> None:
    site.add("our-lab", site.backbone("net", "our_lab.net:Net"), net_py=site.network)
    done = site.sigzoo("plugins", "--json")
    (shown,) = site.shown(done.stdout)
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


def test_the_allow_list_goes_by_distribution_or_entry_point(site: Any) -> None:
    site.add("one-lab", site.backbone("one", "json:JSONDecoder"))
    site.add("two-lab", site.backbone("two", "json:JSONDecoder"))
    site.add("broken", "raise RuntimeError('not to be seen')")
    assert set(site.state(SIGZOO_PLUGINS="One_Lab, two-lab-entry")) == {"one-lab", "two-lab"}
    assert site.state(SIGZOO_PLUGINS="") == {}
    assert set(site.names) < set(site.state(SIGZOO_PLUGINS="*"))


def test_a_name_in_the_allow_list_that_nobody_has_is_told(site: Any) -> None:
    site.add("one-lab", site.backbone("one", "json:JSONDecoder"))
    done = site.sigzoo("plugins", "--json", SIGZOO_PLUGINS="one-lab,tow-lab")
    assert "SIGZOO_PLUGINS names 'tow-lab'" in done.stderr
    assert len(site.shown(done.stdout)) == 1


def test_of_two_that_claim_a_name_whoever_was_installed_first_keeps_it(site: Any) -> None:
    """Not the one whose name comes first in the alphabet; the claimant is told who has it."""
    for age, name in enumerate(("zeta-lab", "alpha-lab")):
        module = name.replace("-", "_")
        site.add(name, site.backbone("net", f"{module}.net:Net"), net_py=site.network)
        os.utime(site.records(name) / "METADATA", (1_700_000_000 + age, 1_700_000_000 + age))
    found = site.state()
    assert found["zeta-lab"]["healthy"] is True
    assert "the backbone name 'net' is taken by zeta-lab" in str(found["alpha-lab"]["failure"])
    assert site.state(SIGZOO_PLUGINS="alpha-lab")["alpha-lab"]["healthy"] is True


@pytest.mark.parametrize("target", ["claimant.gone:Net", "claimant:Nothing", "nowhere.at.all:Net"])
def test_a_claim_on_a_name_without_anything_behind_it_takes_nothing(site: Any, target: str) -> None:
    """Even where the claimant was there first."""
    site.add("claimant", site.backbone("net", target))
    os.utime(site.records("claimant") / "METADATA", (1_600_000_000, 1_600_000_000))
    site.add("sound", site.backbone("net", "sound.net:Net"), net_py=site.network)
    found = site.state()
    assert found["sound"]["healthy"] is True
    assert "does not exist" in str(found["claimant"]["left_out"])
    built = site.python("import sigzoo; print(sigzoo.backbone('net', width=5).fc.out_features)")
    assert built.stdout == "5\n"


def test_one_name_may_stand_for_a_backbone_and_a_loss(site: Any) -> None:
    both = site.hook("backbones", "register('x', 'json:JSONDecoder')") + site.hook(
        "losses", "register('x', 'json:loads')"
    )
    site.add("both", site.head + both)
    assert site.state()["both"]["healthy"] is True


def test_what_a_plugin_prints_does_not_spoil_the_output(site: Any) -> None:
    raw = "import os, sys\nprint('hello')\nsys.stdout.flush()\nos.write(1, b'from the plugin\\n')\n"
    entries = site.hook("losses", "print('and again')", "register('x', 'json:loads')")
    site.add("chatty", raw + site.head + entries)
    done = site.sigzoo("plugins", "--json")
    assert len(site.shown(done.stdout)) == 1
    assert done.stderr == "hello\nfrom the plugin\nand again\n"


LEFT_ALONE = """\
import os, sys, threading, warnings
import torch  # its own doings at import are not ours
import sigzoo

before = (sys.stdout, list(sys.meta_path), list(warnings.filters), os.fstat(1).st_ino)
stop, inodes = threading.Event(), set()
def watch():
    while not stop.is_set():
        inodes.add(os.fstat(1).st_ino)
watcher = threading.Thread(target=watch)
watcher.start()
sigzoo.backbone("net")
stop.set(); watcher.join()
assert before[:3] == (sys.stdout, list(sys.meta_path), list(warnings.filters))
assert inodes == {before[3]}, inodes
mask = os.umask(0o137)
sigzoo.list_models()
assert os.umask(mask) == 0o137
"""


def test_a_library_call_leaves_its_host_alone(site: Any) -> None:
    """What other threads print meanwhile stays where it belongs."""
    source = "import time\ntime.sleep(0.2)\n" + site.backbone("net", "slow.net:Net")
    site.add("slow", source, net_py="import time\ntime.sleep(0.2)\n" + site.network)
    done = site.python(LEFT_ALONE)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_a_plugin_sets_for_warnings_does_not_outlast_a_command(site: Any) -> None:
    strict = "import warnings\nwarnings.simplefilter('error')\n"
    source = strict + site.backbone("net", "stern.net:Net")
    site.add("stern", source, net_py=strict + site.network)
    code = (
        "import warnings; from sigzoo.cli import run; run(['plugins', 'check', 'stern', '--json']);"
        "print([each for each in warnings.filters if each[::2] == ('error', Warning, 0)])"
    )
    assert site.python(code).stdout.endswith("\n[]\n")
    filtered = site.python("import warnings; warnings.simplefilter('error');" + code)
    assert "('error', None, <class 'Warning'>, None, 0)" in filtered.stdout


def test_helpers_constants_and_classes_of_a_plugin_are_not_taken_for_hooks(site: Any) -> None:
    site.add("helped", site.head + HELPERS + site.hook("losses", "register('x', 'json:loads')"))
    assert site.state()["helped"]["healthy"] is True


def test_looking_for_hooks_does_not_run_lazy_attributes(site: Any) -> None:
    site.add("lazy", site.head + LAZY + site.hook("losses", "register('x', 'json:loads')"))
    assert site.state()["lazy"]["healthy"] is True


def test_a_missing_target_leaves_out_that_entry_alone(site: Any) -> None:
    entries = site.hook(
        "backbones", "register('good', 'half.net:Net')", "register('bad', 'half.gone:Net')",
        "register('far', 'nowhere.to.be.found:Net')", "register('unnamed', 'half:Net')",
    )  # fmt: skip
    site.add("half", site.head + entries, net_py=site.network)
    done = site.sigzoo("plugins", "--json")
    (shown,) = site.shown(done.stdout)
    assert [each["name"] for each in shown["provides"]] == ["good"]
    assert [each["name"] for each in shown["left_out"]] == ["bad", "far", "unnamed"]
    assert (shown["healthy"], shown["failure"]) == (False, None)
    assert len(done.stderr.splitlines()) == 1
    assert "Plugin half 2.5 was left out in part: the backbone 'bad' was left out: its target" in done.stderr
    asked = site.python(site.caught.format(call="backbone('bad')"))
    assert asked.stdout.startswith("PluginError The backbone 'bad' of half 2.5 was left out")


def test_looking_for_targets_imports_nothing(site: Any) -> None:
    site.add("light", site.backbone("net", "light.deep.net:Net"))
    (site.folder / "light" / "deep").mkdir()
    (site.folder / "light" / "deep" / "__init__.py").write_text("raise SystemExit('imported')")
    (site.folder / "light" / "deep" / "net.py").write_text(site.network)
    assert site.state()["light"]["healthy"] is True
    code = (
        "import sys; from sigzoo.zoo import default_zoo; default_zoo().manager; print('torch' in sys.modules)"
    )
    assert site.python(code).stdout == "False\n"


def test_a_package_that_bends_its_path_keeps_its_targets(site: Any) -> None:
    site.add("bent", site.backbone("net", "bent.outer.net:Net"))
    (site.folder / "bent" / "outer").mkdir()
    (site.folder / "bent" / "outer" / "__init__.py").write_text("__path__.append(__path__[0] + '/../hidden')")
    (site.folder / "bent" / "hidden").mkdir()
    (site.folder / "bent" / "hidden" / "net.py").write_text(site.network)
    assert site.state()["bent"]["healthy"] is True


def test_check_imports_and_builds_everything(site: Any) -> None:
    entries = site.hook(
        "backbones", "register('good', 'tried.net:Net')", "register('faulty', 'tried.net:Faulty')",
        "register('absent', 'tried.net:Absent')", "register('stranger', 'tried.net:NotOne')",
    )  # fmt: skip
    site.add(
        "tried",
        site.models() + site.head + entries,
        net_py=site.network,
        registry_yaml=site.registry("toy", "tried", "good"),
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


def test_check_of_sound_plugins_succeeds(site: Any) -> None:
    site.add("sound", site.backbone("net", "sound.net:Net"), net_py=site.network)
    done = site.sigzoo("plugins", "check")
    assert (done.returncode, done.stderr) == (0, "")
    assert "ok      sound: backbone net\n" in done.stdout
    assert re.search(r"\n\d+ things checked, 0 failed\n$", done.stdout)


def test_wrong_options_are_the_callers_mistake(site: Any) -> None:
    site.add("sound", site.backbone("net", "sound.net:Net"), net_py=site.network)
    code = site.caught.format(call="backbone('net', depth=3)")
    told = "UsageError The backbone 'net' takes no option 'depth'; its options are width=2.\n"
    assert site.python(code).stdout == told
    failing = site.caught.format(call="backbone('net', width='wide')")
    assert "UsageError The backbone 'net' cannot be built with width='wide': " in site.python(failing).stdout


PICKY = """\
from .net import Net


class Needy(Net):
    def __init__(self, depth, *, width=2):
        super().__init__(width=width)


class PassesOn(Net):
    def __init__(self, **options):
        super().__init__(**options)


class Bare(Net):
    def __init__(self):
        super().__init__()
"""


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("backbone('needy')", "The backbone 'needy' needs depth; its options are depth, width=5."),
        (
            "backbone('needy', d=1)",
            "The backbone 'needy' takes no option 'd'; its options are depth, width=5.",
        ),
        ("backbone('bare', d=1)", "The backbone 'bare' takes no option 'd'; it has no options."),
        (
            "backbone('passing', d=1)",
            "The backbone 'passing' cannot be built with d=1: got an unexpected keyword argument 'd'.",
        ),
    ],
)
def test_a_wrong_option_is_told_with_the_options_there_are_and_no_class(
    site: Any, call: str, told: str
) -> None:
    entries = site.hook(
        "backbones", "register('needy', 'picky.all:Needy', width=5)",
        "register('passing', 'picky.all:PassesOn')", "register('bare', 'picky.all:Bare')",
    )  # fmt: skip
    site.add("picky", site.head + entries, net_py=site.network, all_py=PICKY)
    assert site.python(site.caught.format(call=call)).stdout == f"UsageError {told}\n"


USER_REGISTRY = """\
models:
  sound:
    summary: s
    distribution: sound
    backbone: {name: net, width: 2}
    preprocessor: plain
    input_scale: 1.0
    weights: {artifact: my-weights, format: safetensors}
    features: {layer: features, size: 2}
    licence: {code: MIT, weights: MIT, commercial_use: true}
    trained_on: nothing
artifacts:
  my-weights: {summary: w, urls: ["file:w.safetensors"], unpinned: true, provenance: a test}
"""
PLAIN = """\
import numpy as np

from sigzoo.interfaces import Preprocessor


class Plain(Preprocessor):
    output_size = (8, 8)
    input_scale = 1.0

    def stages(self, image):
        return {"result": np.zeros((8, 8), np.uint8)}


class Larger(Plain):
    output_size = (9, 8)
"""


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("width: 2", "width: 2", None),
        ("width: 2", "depth: 3", "takes no option 'depth'"),
        ("input_scale: 1.0", "input_scale: 2.0", "input_scale 2 does not belong"),
        ("preprocessor: plain", "preprocessor: larger", "takes images of (8, 8) (h, w)"),
        ("name: net", "name: nit", "nit"),
    ],
)
def test_check_tries_the_models_of_a_users_registry(
    site: Any, tmp_path: Path, old: str, new: str, reason: str | None
) -> None:
    assert old in USER_REGISTRY
    entries = site.hook(
        "preprocessors", "register('plain', 'sound.cut:Plain')", "register('larger', 'sound.cut:Larger')"
    ) + site.hook("backbones", "register('net', 'sound.net:Net')")
    site.add("sound", site.head + entries, net_py=site.network, cut_py=PLAIN)
    registry = tmp_path / "mine.yaml"
    registry.write_text(USER_REGISTRY.replace(old, new).replace("  sound:\n", "  mine:\n"))
    done = site.sigzoo("--registry", str(registry), "plugins", "check")
    model = f"{registry}: model mine"
    if reason is None:
        assert (done.returncode, done.stderr) == (0, "")
        assert f"ok      {model}\n" in done.stdout
    else:
        assert done.returncode == 1
        (line,) = [each for each in done.stdout.splitlines() if each.startswith("FAILED")]
        assert line.startswith(f"FAILED  {model}: ")
        assert reason in line
    alone = site.sigzoo("plugins", "check", "sound", SIGZOO_REGISTRY=str(registry))
    assert (alone.returncode, model in alone.stdout) == (0, False)


def test_an_unknown_plugin_is_a_wrong_usage(site: Any) -> None:
    site.add("our-lab", site.backbone("net", "our_lab.net:Net"), net_py=site.network)
    done = site.sigzoo("plugins", "our-lap")
    assert (done.returncode, "Did you mean our-lab?" in done.stderr) == (2, True)
    assert site.sigzoo("plugins", "one", "two").returncode == 2
