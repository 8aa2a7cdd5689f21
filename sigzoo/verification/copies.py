"""Whether two images are copies of one signature: cut, scaled or compressed anew, but of the same ink."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sigzoo.imaging.histogram import grey_histogram, ink_threshold

__all__ = ["COPY", "PICTURE_SIZE", "groups_of_copies", "ink_picture", "ink_print"]

COPY = 0.85
"""Prints that correlate more are of one signature.

Of 1,617 images of BHSig260 38 pairs do, all of them the same ink in another crop, and the next reaches 0.846;
of 120 of SigComp2009 the highest is 0.44, of 1,500 of crossmedia 0.59. Copies that are cut or padded, scaled
by 1.5, or compressed as JPEG mostly do; turned or blurred ones mostly do not, nor do small grey scans.
"""

PICTURE_SIZE = 48, 96
"""Height and width of a picture of the ink."""


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
    (found,) = _prints(ink_picture(image)[np.newaxis])
    return np.asarray(found, np.float32)


def ink_picture(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The ink's box as a small picture, uint8 `PICTURE_SIZE`; zeros for an image of one grey level.

    Parameters
    ----------
    image
        uint8 ``(H, W)``, 0 ink and 255 paper.
    """
    if image.min() == image.max():
        return np.zeros(PICTURE_SIZE, np.uint8)
    ink = image <= ink_threshold(grey_histogram(image))
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    box = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.asarray(
        Image.fromarray(box.astype(np.uint8) * 255).resize(PICTURE_SIZE[::-1], Image.Resampling.BOX)
    )


def _prints(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    values = pictures.reshape(len(pictures), -1).astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    found: NDArray[np.float32] = np.divide(values, lengths, out=np.zeros_like(values), where=lengths > 0)
    return found


def groups_of_copies(
    pictures: NDArray[np.uint8] | Sequence[NDArray[np.uint8]], writers: Sequence[object]
) -> list[tuple[int, ...]]:
    """Which images hold the same ink as another one of the same writer, genuine or forged.

    Parameters
    ----------
    pictures
        uint8 ``(N, 48, 96)``: of each image its `ink_picture`.
    writers
        Of each image the writer; those of different ones are not compared.

    Returns
    -------
    list
        Places of the images of each group, in their order; images without a copy are in none.
    """
    places: dict[object, list[int]] = {}
    for place, writer in enumerate(writers):
        places.setdefault(writer, []).append(place)
    found = []
    for own in places.values():
        prints = _prints(np.stack([pictures[place] for place in own]))
        alike = prints @ prints.T > COPY
        left = list(range(len(own)))
        while left:
            group, new = {left[0]}, [left[0]]
            while new:  # copies of a copy are of the group too
                new = [each for each in np.flatnonzero(alike[new].any(axis=0)).tolist() if each not in group]
                group.update(new)
            left = [each for each in left if each not in group]
            if len(group) > 1:
                found.append(tuple(own[each] for each in sorted(group)))
    return sorted(found)
