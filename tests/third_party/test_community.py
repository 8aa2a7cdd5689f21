"""sigzoo-community from its wheel: its model is fetched by name from a server here, verified, and embeds.

The published file is served where `SIGZOO_TEST_ASMITKT` names a checkout of its repository; else one of
seeded weights in its format.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import sigzoo

pytestmark = pytest.mark.wheels

SOURCE = Path(__file__).parents[2] / "plugins" / "sigzoo-community"
FILE = "signature_cnn.pth"
CHECKOUT = os.environ.get("SIGZOO_TEST_ASMITKT")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address of the server that has its files."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    folder = tmp_path / "site"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def published(folder: Path) -> dict[str, object]:
    """Put a file on the site; what a registry says of it."""
    path = folder / FILE
    if CHECKOUT:
        path.write_bytes((Path(CHECKOUT) / FILE).read_bytes())
        return {}
    torch.manual_seed(0)
    torch.save(sigzoo.backbone("asmitkt-cnn").state_dict(), path)
    content = path.read_bytes()
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    return {"sha256": hashlib.sha256(content).hexdigest(), "git_blob": blob, "size": len(content)}


def test_the_model_is_fetched_by_name_and_embeds(build, make_environment, site, tmp_path):
    folder, address = site
    (wheel,) = build([SOURCE], tmp_path / "wheels")
    environment = make_environment(wheel)
    environment.variables["SIGZOO_PLUGINS"] = "sigzoo-community"
    (registry,) = environment.folder.glob("**/site-packages/sigzoo_community/registry.yaml")
    content = yaml.safe_load(registry.read_text())
    content["artifacts"]["asmitkt-cnn-weights"] |= {"urls": [f"{address}/{FILE}"], **published(folder)}
    registry.write_text(yaml.safe_dump(content))

    assert environment.sigzoo("synth", "-o", "signatures").returncode == 0
    done = environment.sigzoo("embed", "signatures", "-m", "asmitkt-cnn", "-o", "features.npz")
    assert done.returncode == 0, done.stderr
    with np.load(environment.work / "features.npz") as file:
        features = file["features"]
    assert features.shape[1] == 128
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)
    assert "bundled" not in environment.sigzoo("info", "asmitkt-cnn").stdout
    done = environment.sigzoo("plugins", "check", "sigzoo-community")
    assert done.returncode == 0, done.stdout

    done = environment.sigzoo("check", "asmitkt-cnn")
    assert done.returncode == (0 if CHECKOUT else 1), done.stdout + done.stderr
    assert "features of large, small, tall" in done.stdout


def test_a_file_that_is_not_the_pinned_one_is_refused(build, make_environment, site, tmp_path):
    folder, address = site
    (wheel,) = build([SOURCE], tmp_path / "wheels")
    environment = make_environment(wheel)
    (registry,) = environment.folder.glob("**/site-packages/sigzoo_community/registry.yaml")
    text = registry.read_text()
    start = text.index("https://raw.githubusercontent.com/AsmitKT")
    registry.write_text(f"{text[:start]}{address}/{FILE}\n{text[text.index(chr(10), start) + 1 :]}")
    torch.save({"conv1.weight": torch.zeros(32, 1, 3, 3)}, folder / FILE)
    done = environment.sigzoo("fetch", "asmitkt-cnn")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert not list(Path(environment.variables["SIGZOO_HOME"]).rglob(FILE))
