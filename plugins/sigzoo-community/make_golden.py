"""Runs the published program on synthetic signatures, and writes images, features and their digests.

    python make_golden.py CHECKOUT

CHECKOUT holds github.com/AsmitKT/Signature-Forgery-Detection at the commit that the card names. Its
program needs opencv-python-headless, scikit-learn and matplotlib.
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from sigzoo.synthesis import Writer

PACKAGE = Path(__file__).parent / "sigzoo_community"
GOLDEN = PACKAGE / "asmitkt" / "golden"


def images() -> dict[str, np.ndarray]:
    """One that is made smaller, one that is enlarged, and one that stands upright and is turned."""
    large, small, tall = (Writer(number).genuine(0) for number in (1, 2, 3))
    half = Image.fromarray(small).reduce(3)
    return {"large": large, "small": np.asarray(half), "tall": np.rot90(tall)}


def main(checkout: Path) -> None:
    """Write everything."""
    sys.path.insert(0, str(checkout))
    from detection import load_model  # type: ignore[import-not-found]
    from ImagePreProcessing import process_signature  # type: ignore[import-not-found]

    files = [checkout / name for name in ("signature_cnn.pth", "compare_head.pth", "cls_head.pth")]
    model, device = load_model(*map(str, files), 128, "cpu")
    GOLDEN.mkdir(exist_ok=True)
    features = []
    for name, image in images().items():
        path = GOLDEN / f"{name}.png"
        Image.fromarray(image).save(path)
        prepared = torch.from_numpy(process_signature(str(path)))[None, None].float()
        with torch.no_grad():
            features.append(model(prepared.to(device))[0].numpy())
    np.save(GOLDEN / "features.npy", np.stack(features))
    state_digests()


def state_digests() -> None:
    """Write what the files are into the registry."""
    lines = []
    for path in sorted(GOLDEN.iterdir()):
        content = path.read_bytes()
        lines.append(
            f"      {path.name}: {{sha256: {hashlib.sha256(content).hexdigest()}, size: {len(content)}}}\n"
        )
    registry = PACKAGE / "registry.yaml"
    stated = re.compile(r"(asmitkt/golden/\n    files:).*?(?=    provenance)", re.DOTALL)
    text, found = stated.subn(
        lambda match: f"{match[1]}\n{''.join(lines)}", registry.read_text(encoding="utf-8")
    )
    if found != 1:
        raise SystemExit(f"{registry}: asmitkt-golden has no `files` where they were expected.")
    registry.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
