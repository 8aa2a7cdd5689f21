"""Plugins that break the interpreter or end it: what can be contained is, and the rest is told by name."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

BAD_EXCEPTION = """\
class Bad(BaseException):
    def __str__(self):
        raise SystemExit(7)
    __repr__ = __str__
raise Bad()
"""
RAISING = {
    "keyboard-interrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "keyboard-deep": ("def f():\n    raise KeyboardInterrupt('me')\nf()", "KeyboardInterrupt: me"),
    "reraised": ("try:\n    raise KeyboardInterrupt\nfinally:\n    x = 1", "KeyboardInterrupt"),
    "generator-exit": ("raise GeneratorExit", "GeneratorExit"),
    "system-exit": ("raise SystemExit(0)", "SystemExit"),
    "unshowable": (BAD_EXCEPTION, "an exception that cannot be shown"),
    "recursion": ("def f(): f()\nf()", "RecursionError"),
    "memory": ("raise MemoryError", "MemoryError"),
}
SOUND = "from sigzoo import hookimpl\nSIGZOO_API = 1\n"
REGISTER = "@hookimpl\ndef sigzoo_register_losses(register):\n    register('x', 'json:loads')\n"
BREAKING = {
    "clears-path": ("import sys\nsys.path.clear()\n", "sys.path"),
    "replaces-path": ("import sys\nsys.path[:] = ['/nowhere']\n", "sys.path"),
    "clears-finders": ("import sys\ndel sys.meta_path[:]\n", "sys.meta_path"),
    "clears-hooks": ("import sys\nsys.path_hooks.clear()\n", "sys.path_hooks"),
    "replaces-open": ("import builtins\nbuiltins.open = None\n", "builtins.open"),
    "deletes-len": ("import builtins\ndel builtins.len\n", "builtins.len"),
    "replaces-json": ("import json\njson.loads = lambda text: {}\n", "json.loads"),
    "deletes-json": ("import json\ndel json.dumps\n", "json.dumps"),
    "moves-away": ("import os\nos.chdir('/')\n", "the working folder"),
    "lowers-files": (
        "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (16, 1024))\n",
        "the limit of open files",
    ),
}


def test_whatever_a_plugin_raises_is_its_own_failure(site: Any) -> None:
    for name, (source, _) in RAISING.items():
        site.add(name, source)
    site.add("sound", site.backbone("net", "sound.net:Net"), net_py=site.network)
    shown = site.state()
    for name, (_, reason) in RAISING.items():
        assert reason in str(shown[name]["failure"]), name
    assert shown["sound"]["healthy"] is True


@pytest.mark.parametrize("name", BREAKING)
def test_what_a_plugin_takes_from_the_interpreter_is_put_back_and_told(site: Any, name: str) -> None:
    source, what = BREAKING[name]
    site.add(name, source + SOUND + REGISTER)
    site.add("zz-sound", site.backbone("net", "zz_sound.net:Net"), net_py=site.network)
    shown = site.state()
    assert f"its code changed {what}, which was put back" in str(shown[name]["failure"])
    assert shown["zz-sound"]["healthy"] is True
    code = "import sigzoo; sigzoo.backbone('net'); import wave; print(len([open]))"
    assert site.python(code).stdout == "1\n"


def test_a_thread_that_keeps_the_process_from_ending_is_told_by_its_plugin(site: Any) -> None:
    start = "from threading import Thread\nimport time\nThread(target=time.sleep, {}).start()\n"
    sources = {
        "endless": start.format("name='endless', args=(20,)"),
        "daemonic": start.format("daemon=True, args=(600,)"),
        "pooled": "from concurrent.futures import ThreadPoolExecutor as P\nP(1).submit(len, '').result()\n",
    }
    for name, source in sources.items():
        site.add(name, source + SOUND + REGISTER.replace("'x'", repr(name)))
    shown = site.state()
    assert "started the thread 'endless', without whose end" in str(shown["endless"]["failure"])
    assert shown["pooled"]["healthy"] is True
    assert shown["daemonic"]["healthy"] is True


def test_what_a_plugin_adds_to_the_interpreter_stays(site: Any) -> None:
    """Libraries do so for good reasons."""
    adding = "import builtins, sys\nsys.path.append('/more')\nbuiltins.more = 1\n"
    site.add("adding", adding + SOUND + REGISTER)
    assert site.state()["adding"]["healthy"] is True


ENDING = {
    "exits": ("import os\nos._exit(0)\n", "with status 0"),
    "exits-odd": ("import os\nos._exit(41)\n", "with status 41"),
    "kills": ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n", "with signal 9"),
    "crashes": ("import ctypes\nctypes.string_at(0)\n", "with signal 11"),
}


@pytest.mark.parametrize("name", ENDING)
def test_check_names_a_plugin_that_ends_the_process(site: Any, name: str) -> None:
    source, how = ENDING[name]
    site.add("good", SOUND + REGISTER)
    site.add(name, source)
    done = site.sigzoo("plugins", "check")
    assert done.returncode == 1
    assert done.stderr.startswith(f"sigzoo: {name}: it ends the process that imports it, {how}.")
    assert "good" not in done.stderr


def test_check_names_a_plugin_that_stalls(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from sigzoo.plugins.discovery import Found
    from sigzoo.plugins.probe import probe

    site.add("stalls", "import time\ntime.sleep(3600)\n")
    site.add("good", SOUND + REGISTER)
    monkeypatch.setenv("PYTHONPATH", str(site.folder))
    found = [Found(None, "stalls", "1"), Found(None, "good", "1")]
    problems = probe(found[:1], seconds=5.0)
    assert problems == {"stalls": "it was still being imported after 5 seconds"}
    assert probe(found[1:], seconds=240.0) == {}


THREAD = """\
import threading
import sigzoo
raised = []
def ask():
    try:
        sigzoo.list_models()
    except Exception as error:
        raised.append(str(error))
thread = threading.Thread(target=ask)
thread.start()
thread.join()
print('the thread got', raised)
"""


def test_a_plugin_that_waits_for_a_thread_that_asks_for_plugins_goes_on(site: Any) -> None:
    """The thread would wait for the plugins, and the plugins for the thread."""
    site.add("waiting", THREAD + SOUND + REGISTER)
    code = "import sigzoo.installed; sigzoo.installed._PATIENCE = 1.0; print(len(sigzoo.list_models()) > 5)"
    done = site.python(code)
    assert done.returncode == 0
    assert "waiting has been loading for 1 seconds; `sigzoo plugins check` tells why" in done.stdout
    assert done.stdout.endswith("True\n")


def test_a_plugin_that_loads_for_long_is_named_while_it_does(site: Any) -> None:
    site.add("slow", "import time\ntime.sleep(3)\n" + SOUND + REGISTER)
    code = "import sigzoo.plugins.loader as l; l._SLOW = 0.5; import sigzoo; sigzoo.list_models()"
    assert "the plugin slow has been loading for 0 seconds" in site.python(code).stderr


def test_ctrl_c_while_a_plugin_loads_ends_the_command(site: Any) -> None:
    """A real interrupt is the user's, and no plugin's failure."""
    site.add("slow", "print('here', flush=True)\nimport time\ntime.sleep(600)\n")
    environment = {**os.environ, "PYTHONPATH": str(site.folder), "SIGZOO_PLUGINS": "slow"}
    process = subprocess.Popen(
        [sys.executable, "-m", "sigzoo", "list"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever runs the tests in the background may have them ignore interrupts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "here\n"  # what plugins print goes to stderr
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=240)
    assert (process.returncode, err.strip()) == (130, "sigzoo: interrupted.")


@pytest.mark.parametrize("where", ["plugin", "user"])
def test_a_registry_that_is_no_file_is_told_and_waited_for_by_nobody(site: Any, where: str) -> None:
    site.add("piped", site.models() if where == "plugin" else SOUND + REGISTER)
    pipe = site.folder / "piped" / "registry.yaml"
    os.mkfifo(pipe)
    extra = {"SIGZOO_REGISTRY": str(pipe)} if where == "user" else {}
    done = site.sigzoo("list", **extra)
    assert done.returncode == (1 if where == "user" else 0)
    assert re.search(r"registry\.yaml: is .*not a file", done.stderr)
