"""A stranger's distribution, from its wheel beside sigzoo's, amid six broken ones: every command works."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save

from sigzoo.testing import images

pytestmark = pytest.mark.wheels

HERE = Path(__file__).parent
OURLAB = HERE / "strokenext-sigzoo"
BROKEN = {
    "crashing-sigzoo": "left out: OSError: libsecret.so.6: cannot open shared object file",
    "outdated-sigzoo": "left out: it was written for version 0 of sigzoo's plugin API",
    "misspelt-sigzoo": "perhaps sigzoo_register_backbones is meant",
    "twin-sigzoo": "name 'strokenext' is taken by strokenext-sigzoo, which was there first",
    "hollow-sigzoo": "the loss 'hollow' was left out: its target hollow_sigzoo.losses:Hollow does not exist",
    "careless-sigzoo": "models.careless.licence: this key is missing",
}


@dataclass
class Host:
    """A web server on this machine alone that holds one file, and counts who asks for what."""

    address: str = ""
    content: bytes = b""
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    served = Host()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            if self.path == "/strokenext.safetensors":
                self.send_response(200)
                self.send_header("Content-Length", str(len(served.content)))
                self.end_headers()
                self.wfile.write(served.content)
            else:
                self.send_error(404)

        def log_message(self, format: str, *arguments: Any) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    served.address = f"http://127.0.0.1:{server.server_address[1]}"
    yield served
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def wheels(
    build: Callable[..., list[Path]], host: Host, tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    """The wheel of the third party, whose registry names the server; then those of the broken plugins."""
    source = tmp_path_factory.mktemp("source") / OURLAB.name
    shutil.copytree(OURLAB, source, ignore=shutil.ignore_patterns("__pycache__"))
    host.content = random_weights(source)
    registry = source / "strokenext_sigzoo" / "registry.yaml"
    text = registry.read_text().replace("@ADDRESS@", host.address)
    text = text.replace("@SHA256@", hashlib.sha256(host.content).hexdigest())
    registry.write_text(text.replace('"@SIZE@"', str(len(host.content))))
    sources = [source, *(HERE / "broken" / name for name in BROKEN)]
    return build(sources, tmp_path_factory.mktemp("third-party-wheels"))


def random_weights(source: Path) -> bytes:
    sys.path.insert(0, str(source))
    try:
        module = import_module("strokenext_sigzoo.backbone")
    finally:
        sys.path.remove(str(source))
        for name in ("strokenext_sigzoo", "strokenext_sigzoo.backbone"):
            sys.modules.pop(name, None)
    torch.manual_seed(8)
    return save(module.StrokeNeXt().state_dict())


def prepared(environment: Any) -> Any:
    environment.variables |= {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    folder = environment.work / "signatures"
    folder.mkdir()
    for writer in range(3):
        page = images.signature(writer, (300, 500 + 60 * writer))
        Image.fromarray(page).save(folder / f"s{writer}.png")
    return environment


@pytest.fixture(scope="module")
def installed(make_environment: Callable[..., Any], wheels: list[Path]) -> Any:
    """An environment with the third party's wheel and, installed after it, all six broken ones."""
    environment = prepared(make_environment(wheels[0]))
    environment.pip("install", *wheels[1:])
    return environment


def expect_each_failure_told_once(stderr: str) -> None:
    for name, reason in BROKEN.items():
        (line,) = [line for line in stderr.splitlines() if f"Plugin {name} " in line]
        assert reason in line
        assert line.endswith(f" See `sigzoo plugins {name}`.")
    assert "Traceback" not in stderr


def test_list_shows_the_model_among_ours(installed: Any) -> None:
    done = installed.sigzoo("list", "--json")
    assert done.returncode == 0
    models = {each["name"]: each for each in json.loads(done.stdout)}
    assert models["strokenext"]["distribution"] == "strokenext-sigzoo"
    assert models["strokenext"]["commercial_use"] is True
    assert {"signet", "signet.pytorch"} < set(models)
    assert "careless" not in models
    expect_each_failure_told_once(done.stderr)


def test_info_tells_the_licence_and_the_paper(installed: Any) -> None:
    done = installed.sigzoo("info", "strokenext.small")
    assert done.returncode == 0
    assert "weights licence CC-BY-4.0" in done.stdout
    assert "A ConvNet for the 2020s" in done.stdout
    assert "stroke-height (height 48)" in done.stdout
    expect_each_failure_told_once(done.stderr)


def test_plugins_shows_health_and_full_reasons(installed: Any) -> None:
    done = installed.sigzoo("plugins", "--json")
    assert done.returncode == 0
    shown = {each["distribution"]: each for each in json.loads(done.stdout)}
    healthy = {name for name, each in shown.items() if each["healthy"]}
    assert healthy == {"sigzoo", "strokenext-sigzoo", "sigzoo-signet", "sigzoo-students"}
    assert shown["strokenext-sigzoo"]["models"] == ["strokenext"]
    assert set(shown) == healthy | set(BROKEN)
    assert [item["name"] for item in shown["strokenext-sigzoo"]["provides"]] == [
        "strokenext", "strokenext-deep", "stroke-height", "centres",
    ]  # fmt: skip
    expect_each_failure_told_once(done.stderr)
    full = installed.sigzoo("plugins", "crashing-sigzoo")
    assert 'raise OSError("libsecret.so.6' in full.stdout


def test_check_builds_what_is_healthy_and_fails_for_the_rest(installed: Any) -> None:
    done = installed.sigzoo("plugins", "check", "--json")
    assert done.returncode == 1
    results = json.loads(done.stdout)
    assert {each["distribution"] for each in results if not each["ok"]} == set(BROKEN)
    good = {f"{each['kind']} {each['name']}" for each in results if each["ok"]}
    assert {"backbone strokenext", "backbone strokenext-deep", "loss centres", "model strokenext"} < good
    assert installed.sigzoo("plugins", "check", "strokenext-sigzoo").returncode == 0


def test_embed_fetches_the_weights_once_from_the_mirror_that_has_them(installed: Any, host: Host) -> None:
    for output in ("first.npz", "second.npz"):
        done = installed.sigzoo("embed", "signatures", "-m", "strokenext", "-o", output)
        assert done.returncode == 0, done.stderr
        expect_each_failure_told_once(done.stderr)
    with np.load(installed.work / "first.npz") as first, np.load(installed.work / "second.npz") as second:
        assert first["features"].shape == (3, 48)
        assert first["features"].dtype == np.float32
        assert np.isfinite(first["features"]).all()
        np.testing.assert_array_equal(first["features"], second["features"])
    assert host.asked.count("/strokenext.safetensors") == 1
    assert "/gone/strokenext.safetensors" in host.asked


def test_compare_tells_signatures_apart(installed: Any) -> None:
    done = installed.sigzoo("compare", "signatures", "-m", "strokenext", "--json")
    assert done.returncode == 0, done.stderr
    distances = np.array(json.loads(done.stdout)["distances"])
    assert distances.shape == (3, 3)
    assert (distances[~np.eye(3, dtype=bool)] > 0).all()
    assert (np.diag(distances) == 0).all()
    expect_each_failure_told_once(done.stderr)


def test_training_with_the_signet_loss_and_with_its_own_lowers_both(installed: Any) -> None:
    done = installed.python(HERE / "train_steps.py")
    assert done.returncode == 0, done.stderr
    history = json.loads(done.stdout)
    for name in ("signet", "centres"):
        assert history[name][-1] < 0.9 * history[name][0], (name, history[name])
    expect_each_failure_told_once(done.stderr)


def test_the_third_party_passes_the_conformance_checks(installed: Any) -> None:
    module = installed.work / "test_strokenext.py"
    module.write_text(
        "from sigzoo.testing import PluginConformance\n\n\n"
        'class TestPlugin(PluginConformance):\n    distribution = "strokenext-sigzoo"\n'
    )
    done = installed.python("-m", "pytest", "-q", "-p", "no:cacheprovider", module)
    assert done.returncode == 0, done.stdout


def test_after_uninstalling_nothing_is_left_of_it(
    make_environment: Callable[..., Any], wheels: list[Path]
) -> None:
    environment = prepared(make_environment(wheels[0]))
    assert "strokenext" in environment.sigzoo("list").stdout
    environment.pip("uninstall", "--yes", "strokenext-sigzoo")
    done = environment.sigzoo("list")
    assert (done.returncode, done.stderr) == (0, "")
    assert "strokenext" not in done.stdout
    gone = environment.sigzoo("embed", "signatures", "-m", "strokenext")
    assert gone.returncode == 2
    assert "no model named 'strokenext'" in gone.stderr
