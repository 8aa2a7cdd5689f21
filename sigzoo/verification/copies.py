"""Whether two images are copies of one signature: cut, scaled or compressed anew, but of the same ink."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sigzoo.imaging.histogram import grey_histogram
from sigzoo.imaging.plausibility import ink_threshold

__all__ = ["COPY", "ink_print"]

COPY = 0.85
"""Prints that correlate more are of one signature.

Of 1,617 images of BHSig260 38 pairs do, all of them the same ink in another crop, and the next reaches 0.846;
of 120 of SigComp2009 the highest is 0.44, of 1,500 of crossmedia 0.59. Copies that are cut or padded, scaled
by 1.5, or compressed as JPEG mostly do; turned or blurred ones mostly do not, nor do small grey scans.
"""

_SIZE = 96, 48
"""Width and height of a print."""


def ink_print(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The ink's box as a small picture, of mean 0 and length 1, so that products are correlations.

    Parameters
    ----------
    image
        uint8 ``(H, W)``, 0 ink and 255 paper.

    Returns
    -------
    array
        float32 ``(4608,)``; zeros for an image of one grey level.
    """
    flat = np.zeros(_SIZE[0] * _SIZE[1], np.float32)
    if image.min() == image.max():
        return flat
    ink = image <= ink_threshold(grey_histogram(image))
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    box = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    small = Image.fromarray(box.astype(np.uint8) * 255).resize(_SIZE, Image.Resampling.BOX)
    values = np.asarray(small, np.float32).ravel()
    values = values - values.mean()
    length = float(np.linalg.norm(values))
    return values / length if length else flat
