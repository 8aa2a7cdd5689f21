"""The arrays of the files that commands write, on the page of files: from such files, written now."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import numpy as np

from generators.blocks import run_line
from generators.pages import ROOT, Pages

__all__ = ["add_to"]

PAGE = "reference/files.md"
_MARK = re.compile(r"<!-- arrays: (\S+) -->")

COMMANDS = [
    "sigzoo synth --writers 2 --genuine 2 --forgeries 1 --workers 1 -o signatures",
    "sigzoo synth --writers 2 --genuine 2 --forgeries 1 --workers 1 -o set.npz",
    "sigzoo embed signatures -o features.npz",
    "sigzoo preprocess signatures -o prepared.npz",
]

MEANINGS = {
    "backbone": "name of the network",
    "features": "a row an image",
    "filenames": "of each image",
    "files": "of each image, as it was named",
    "input_scale": "the network's input is the prepared image times this",
    "layer": "that the features are of",
    "model": "its name",
    "precision": "that the network computed in",
    "preprocessing": "name of the model that they are prepared for",
    "preprocessor": "its name",
    "preprocessor_options": "what it was built with (JSON)",
    "sigzoo_version": "that wrote the file",
    "user_mapping": "the writers' own numbers or names, by the number in `y`",
    "weights_sha256": "digest of the weight file",
    "x": "the images",
    "y": "number of the writer; of prepared images that of the image",
    "yforg": "0 genuine, 1 skilled forgery, 2 simple forgery",
}
"""What each array holds."""


def add_to(pages: Pages) -> None:
    """Write such files, and say how the page is filled with tables of their arrays."""
    text = (ROOT / "docs" / PAGE).read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        for line in COMMANDS:
            run_line(line, Path(folder))
        filled = _MARK.sub(lambda found: _table(Path(folder) / found[1]), text)
    pages.fillings[PAGE] = lambda _: filled


def _table(path: Path) -> str:
    lines = ["| array | type | shape | holds |", "|---|---|---|---|"]
    with np.load(path) as file:
        for name in file.files:
            array = file[name]
            kind = "text" if array.dtype.kind == "U" else array.dtype.name
            shape = "one value" if array.shape == () else " x ".join(map(str, array.shape))
            lines.append(f"| `{name}` | {kind} | {shape} | {MEANINGS[name]} |")
    return "\n".join(lines)
