"""The published program, where somebody has it; and its weight file behind a server of the test's own."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

CHECKOUT = os.environ.get("SIGZOO_TEST_ASMITKT")
"""A folder: github.com/AsmitKT/Signature-Forgery-Detection at the commit that the card names."""


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The published repository; without it the test is passed over."""
    if not CHECKOUT:
        pytest.skip("SIGZOO_TEST_ASMITKT names no checkout of the published program")
    return Path(CHECKOUT)


Program = Callable[[Path], tuple[NDArray[np.uint8], NDArray[np.float32]]]


@pytest.fixture(scope="session")
def program(checkout: Path) -> Program:
    """What ``detection.py`` makes of an image file: the prepared image, and its features."""
    for module in ("cv2", "sklearn", "matplotlib"):
        pytest.importorskip(module)
    sys.path.insert(0, str(checkout))
    from detection import load_model  # type: ignore[import-not-found]
    from ImagePreProcessing import process_signature  # type: ignore[import-not-found]

    sys.path.remove(str(checkout))
    files = [checkout / name for name in ("signature_cnn.pth", "compare_head.pth", "cls_head.pth")]
    model, _ = load_model(*map(str, files), 128, "cpu")

    def run(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        prepared = process_signature(str(path))
        with torch.no_grad():
            return prepared, model(torch.from_numpy(prepared)[None, None].float())[0].numpy()

    return run


@pytest.fixture
def served(checkout: Path) -> Iterator[str]:
    """The address of a server on loopback that has the checkout's files."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(checkout)))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
