"""A plugin may be broken in any way: it is left out, told once, and everything else works."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

HEAD = "from sigzoo import hookimpl\n\nSIGZOO_API = 1\n\n\n"
HOOK = "@hookimpl\ndef sigzoo_register_{kind}(register):\n    {body}\n\n\n"


def hook(kind: str, *lines: str) -> str:
    return HOOK.format(kind=kind, body="\n    ".join(lines))


def backbone(name: str, target: str) -> str:
    return HEAD + hook("backbones", f"register({name!r}, {target!r})")


def models(text: str = "Path(__file__).with_name('registry.yaml')") -> str:
    return "from pathlib import Path\n\n" + HEAD + hook("models", f"register({text})")


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
    "no API version": ("x = 1", "does not declare `SIGZOO_API = 2`"),
    "API version that is no number": ("SIGZOO_API = '1'", "does not declare `SIGZOO_API = 2`"),
    "API version of tomorrow": (
        "SIGZOO_API = 3",
        "written for version 3 of sigzoo's plugin API; this sigzoo takes 1 to 2",
    ),
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
    "hook that is a partial": (
        "import functools\n" + HEAD + "sigzoo_register_backbones = functools.partial(print)",
        "its sigzoo_register_backbones must be a function, and is of the type partial",
    ),
    "hook that is a list": (HEAD + "sigzoo_register_losses = [1]", "and is of the type list"),
    "misspelt hook that is an object": (
        HEAD + "class Called:\n    def __call__(self, register): ...\n\n\n"
        "sigzoo_register_bakbones = Called()",
        "its sigzoo_register_bakbones must be a function",
    ),
    "hook that yields": (
        HEAD + hook("losses", "yield register('x', 'json:loads')"),
        "its sigzoo_register_losses returns an object of the type generator",
    ),
    "hook that is async": (
        HEAD + hook("models", "register('x.yaml')").replace("def ", "async def "),
        "its sigzoo_register_models returns an object of the type coroutine",
    ),
    "hook that returns": (HEAD + hook("losses", "return {'x': 'json:loads'}"), "of the type dict"),
    "hook that is a wrapper": (
        HEAD + hook("losses", "return (yield)").replace("@hookimpl", "@hookimpl(wrapper=True)"),
        "its sigzoo_register_losses is a wrapper",
    ),
    "no hook": (HEAD, "it registers nothing: it has no function marked with `@sigzoo.hookimpl`"),
    "hook that does nothing": (
        HEAD + hook("losses", "pass"),
        "it registers nothing: its sigzoo_register_losses did not call `register`",
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
def all_broken(new_site: Any, tmp_path_factory: pytest.TempPathFactory) -> Together:
    """Every broken plugin at once, and a sound one."""
    site = new_site(tmp_path_factory.mktemp("broken"))
    for fault, (source, _) in BROKEN.items():
        site.add(slug(fault), source)
    site.add("sound", backbone("sound-net", "sound.net:Net"), net_py=site.network)
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


def test_the_full_reason_with_traceback_is_shown_on_request(site: Any) -> None:
    site.add("broken", "def deep():\n    raise RuntimeError('why')\n\n\ndeep()\n")
    done = site.sigzoo("plugins", "broken")
    assert done.returncode == 0
    assert "health       left out: RuntimeError: why" in done.stdout
    assert "line 2, in deep" in done.stdout


def test_a_failure_is_told_once_a_process_and_does_not_stop_other_work(site: Any) -> None:
    site.add("broken", "raise RuntimeError('no')")
    code = "import sigzoo; sigzoo.list_models(); sigzoo.info('signet'); sigzoo.list_models('signet*')"
    done = site.python(code)
    assert done.returncode == 0
    assert done.stderr.count("Plugin broken") == 1
    listed = site.sigzoo("list", "--json")
    assert listed.returncode == 0
    assert "signet" in {each["name"] for each in json.loads(listed.stdout)}


def test_strict_turns_a_failure_into_an_error(site: Any) -> None:
    site.add("broken", "raise RuntimeError('no')")
    done = site.sigzoo("list", SIGZOO_STRICT="1")
    assert (done.returncode, done.stdout) == (1, "")
    told = "sigzoo: Plugin broken 2.5 was left out: RuntimeError: no."
    more = "(SIGZOO_STRICT is set; without that, `sigzoo plugins broken` shows more.)"
    assert done.stderr == f"{told} {more}\n"
    assert site.sigzoo("list", SIGZOO_STRICT="0").returncode == 0


def test_strict_shows_the_traceback_of_the_plugin_with_debug(site: Any) -> None:
    site.add("broken", "def deep():\n    raise RuntimeError('no')\n\n\ndeep()\n")
    done = site.sigzoo("--debug", "list", SIGZOO_STRICT="1")
    assert (done.returncode, "line 2, in deep" in done.stderr) == (1, True)


def test_strict_covers_registries_and_missing_targets(site: Any) -> None:
    site.add("half", backbone("half-net", "half.gone:Net"))
    assert "does not exist" in site.sigzoo("list", SIGZOO_STRICT="1").stderr
    site.add("unread", models())
    done = site.sigzoo("list", SIGZOO_STRICT="1", SIGZOO_PLUGINS="unread")
    assert (done.returncode, "cannot be read" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("damage", "version"),
    [
        (lambda records: (records / "METADATA").unlink(), "2.5"),
        (lambda records: (records / "METADATA").write_text("Metadata-Version: 2.1\nVersion: 7\n"), "7"),
    ],
)
def test_damaged_records_of_an_installation_break_nothing(
    site: Any, damage: Callable[[Path], object], version: str
) -> None:
    site.add("damaged", backbone("net", "damaged.net:Net"), net_py=site.network)
    damage(site.records("damaged"))
    assert site.state()["damaged"]["version"] == version


def test_entry_points_that_cannot_be_read_are_a_failure_of_their_distribution_alone(site: Any) -> None:
    site.add("damaged", backbone("net", "damaged.net:Net"), net_py=site.network)
    (site.records("damaged") / "entry_points.txt").write_text("[sigzoo]\nno equals sign here\n")
    done = site.sigzoo("list")
    assert done.returncode == 0
    assert "Plugin damaged 2.5 was left out: its entry_points.txt cannot be read" in done.stderr


@pytest.fixture
def embed(site: Any, tmp_path: Path) -> Callable[[], Any]:
    """Compute the features of one signature with the default model."""
    image = np.full((220, 330), 255, np.uint8)
    image[80:120, 60:250] = 0
    Image.fromarray(image).save(tmp_path / "ink.png")
    arguments = ("embed", str(tmp_path / "ink.png"), "-o", str(tmp_path / "features.npz"))
    return lambda: site.sigzoo(*arguments, SIGZOO_PLUGINS="*")


DAMAGES = {
    "no equals sign": b"[sigzoo]\nno equals sign here\n",
    "Latin-1": "[sigzoo]\nsigné = damaged\n".encode("latin-1"),
    "UTF-16": "[sigzoo]\ndamaged = damaged\n".encode("utf-16"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_commands_that_need_torch_survive_entry_points_that_cannot_be_read(
    site: Any, embed: Callable[[], Any], damage: str
) -> None:
    site.add("damaged", backbone("net", "damaged.net:Net"), net_py=site.network)
    (site.records("damaged") / "entry_points.txt").write_bytes(DAMAGES[damage])
    assert site.python("import torch").returncode != 0
    done = embed()
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("sigzoo: Plugin damaged 2.5 was left out: its entry_points.txt cannot be read")


def test_the_damage_of_a_distribution_that_is_no_plugin_is_not_told_of(
    site: Any, embed: Callable[[], Any]
) -> None:
    site.add("other", "raise SystemExit('imported')")
    (site.records("other") / "entry_points.txt").write_bytes("[console_scripts]\né = x".encode("latin-1"))
    done = embed()
    assert (done.returncode, done.stderr) == (0, "")


def test_device_backends_of_torch_are_switched_off_by_damage_alone(site: Any) -> None:
    code = (
        "import os; from sigzoo.cli import torch_backends; torch_backends.watch(); import torch;"
        " print(os.environ.get('TORCH_DEVICE_BACKEND_AUTOLOAD'))"
    )
    assert site.python(code).stdout == "None\n"
    site.add("damaged", "")
    (site.records("damaged") / "entry_points.txt").write_text("[sigzoo]\nno equals sign here\n")
    assert site.python(code).stdout == "0\n"
    assert site.python(code, TORCH_DEVICE_BACKEND_AUTOLOAD="no").stdout == "no\n"
