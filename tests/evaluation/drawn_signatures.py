"""Folders of drawn signatures: a line of its own for each writer, that is never twice quite the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw


def draw_folder(folder: Path, writers: int, genuine: int, forged: int) -> Path:
    """Write ``w001_g01.png``, ... and ``w001_f01.png``, ... into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    for writer in range(1, writers + 1):
        points = np.random.default_rng(writer).uniform((20, 20), (280, 100), (9, 2))
        for kind, count, jitter in (("g", genuine, 4.0), ("f", forged, 16.0)):
            for number in range(1, count + 1):
                rng = np.random.default_rng([writer, number, ord(kind)])
                line = points + rng.normal(0, jitter, points.shape)
                image = Image.new("L", (300, 120), 250)
                ImageDraw.Draw(image).line([tuple(each) for each in line], fill=30, width=3, joint="curve")
                image.save(folder / f"w{writer:03}_{kind}{number:02}.png")
    return folder
