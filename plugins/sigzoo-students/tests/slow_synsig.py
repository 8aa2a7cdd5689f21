"""The preprocessing `synsig`, written plainly: sorts, float32 throughout, every step on the whole image."""

from __future__ import annotations

from itertools import groupby

import numpy as np
from PIL import Image

SIZE, MARGIN, TAIL, WORK = (96, 192), 0.03, 0.003, 720


def slow_synsig(image: np.ndarray) -> np.ndarray | None:
    """What ``SynsigPreprocessor(statistics=True)`` gives, uint8 ``(99, 192)``; `None` for a blank page."""
    small = shrunk(image)
    found = ink(small)
    if found is None:
        return None
    crop, factor = small, image.shape[1] / small.shape[1]
    if small is not image:
        crop, factor = located(image, small, found[1])
        found = ink(crop)
        if found is None:
            return None
    depth, mask, cut = found
    above = np.maximum(depth - 0.3 * cut, 0.0)
    strength = np.percentile(above[mask & (above > 0)], 60)
    even = np.clip(above * (255.0 / strength), 0.0, 255.0).astype(np.float32)
    p = np.pad(mask, 1)
    near = np.zeros_like(mask)
    for i in range(3):
        for j in range(3):
            near |= p[i : i + mask.shape[0], j : j + mask.shape[1]]
    even[~near] = 0.0
    canvas = placed(even, box(mask))
    levels = statistics(depth, factor)
    if set(np.unique(image)) <= {0, 255}:
        levels[2] = 255
    return np.concatenate([canvas, np.repeat(levels[:, None], SIZE[1], axis=1)])


def shrunk(image: np.ndarray) -> np.ndarray:
    longest = max(image.shape)
    if longest <= WORK:
        return image
    height, width = (max(1, round(side * WORK / longest)) for side in image.shape)
    # One axis after the other, as Pillow up to 12 does for all images and 13 for wide ones.
    narrow = Image.fromarray(image).resize((width, image.shape[0]), Image.Resampling.BOX)
    return np.asarray(narrow.resize((width, height), Image.Resampling.BOX))


def located(image: np.ndarray, small: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, float]:
    top, bottom, left, right = box(mask)
    share = 0.06 * max(bottom - top, right - left) + 4
    down, across = image.shape[0] / small.shape[0], image.shape[1] / small.shape[1]
    part = image[
        max(0, int((top - share) * down)) : int((bottom + share) * down) + 1,
        max(0, int((left - share) * across)) : int((right + share) * across) + 1,
    ]
    crop = shrunk(part)
    return crop, part.shape[1] / crop.shape[1]


def ink(image: np.ndarray) -> tuple[np.ndarray, np.ndarray, float] | None:
    grey = image.astype(np.float32)
    low, high = np.percentile(grey, (0.5, 99.5))
    if np.median(grey) < 0.5 * (low + high) - 1.0:
        grey = 255.0 - grey
    depth = np.maximum(paper(grey) - grey, 0.0)
    p = np.pad(depth, 1, mode="edge")
    rows = p[:-2] + 2.0 * p[1:-1] + p[2:]
    smooth = (rows[:, :-2] + 2.0 * rows[:, 1:-1] + rows[:, 2:]) * np.float32(1.0 / 16.0)
    cut, contrast = otsu(smooth)
    mask = smooth > max(min(3.0 * float(np.median(smooth)) + 6.0, cut), 0.6 * cut)
    noise = np.median(np.abs(np.diff(grey, axis=1))) / 0.954 if grey.shape[1] > 1 else 0.0
    shadow = contrast < 24.0 and mask.mean() > 0.22
    if contrast < max(6.0, 1.5 * noise) or shadow or not mask.any():
        return None
    return depth, mask, cut


def paper(grey: np.ndarray) -> np.ndarray:
    block = max(8, -(-max(grey.shape) // 24))
    rows, columns = (-(-side // block) for side in grey.shape)
    padded = np.pad(
        grey, ((0, rows * block - grey.shape[0]), (0, columns * block - grey.shape[1])), mode="edge"
    )
    blocks = padded.reshape(rows, block, columns, block).swapaxes(1, 2).reshape(rows, columns, -1)
    bright = np.sort(blocks, axis=2)[:, :, int(0.8 * block * block)]
    bright = neighbours(bright).max(axis=0)
    bright = neighbours(bright).mean(axis=0)
    full = Image.fromarray(bright).resize((columns * block, rows * block), Image.Resampling.BILINEAR)
    return np.asarray(full)[: grey.shape[0], : grey.shape[1]]


def neighbours(values: np.ndarray) -> np.ndarray:
    p = np.pad(values, 1, mode="edge")
    return np.stack([p[i : i + values.shape[0], j : j + values.shape[1]] for i in range(3) for j in range(3)])


def otsu(depth: np.ndarray) -> tuple[float, float]:
    """Level by level, from the sorted pixels of both classes."""
    levels = np.sort(depth.astype(np.uint8).ravel()).astype(np.float64)
    sums = np.cumsum(levels)
    best, found = -1.0, (255.0, 0.0)
    for level in range(int(levels[0]), int(levels[-1])):
        under = int(np.searchsorted(levels, level, side="right"))
        over = levels.size - under
        apart = (sums[-1] - sums[under - 1]) / over - sums[under - 1] / under
        if under * over * apart**2 > best * (1 + 1e-12):
            best, found = under * over * apart**2, (level + 1.0, apart)
    return found


def box(mask: np.ndarray) -> tuple[float, float, float, float]:
    ends: list[float] = []
    for axis in (1, 0):
        places = np.repeat(np.arange(mask.shape[1 - axis]), mask.sum(axis=axis))
        low = places[min(int(np.floor(TAIL * places.size)), places.size - 1)]
        high = places[int(np.ceil((1.0 - TAIL) * places.size)) - 1] + 1
        spare = max(0.0, 4.0 - (high - low)) / 2.0
        ends += [low - spare, high + spare]
    return ends[0], ends[1], ends[2], ends[3]


def placed(even: np.ndarray, found: tuple[float, float, float, float]) -> np.ndarray:
    (height, width), (top, bottom, left, right) = SIZE, found
    free = 1.0 - 2.0 * MARGIN
    scale = min(free * height / (bottom - top), free * width / (right - left))
    tall, wide = height / scale, width / scale
    y, x = 0.5 * (top + bottom - tall), 0.5 * (left + right - wide)
    pad = [max(0, int(np.ceil(v))) + 1 for v in (-y, y + tall - even.shape[0], -x, x + wide - even.shape[1])]
    page = Image.fromarray(np.pad(even, ((pad[0], pad[1]), (pad[2], pad[3]))))
    part = (x + pad[2], y + pad[0], x + pad[2] + wide, y + pad[0] + tall)
    small = np.asarray(page.resize((width, height), Image.Resampling.BILINEAR, box=part))
    inked = small[small > 32.0]
    strength = np.percentile(inked, 75) if inked.size else 255.0
    return (small * (255.0 / strength) + 0.5).clip(0, 255).astype(np.uint8)


def statistics(depth: np.ndarray, factor: float) -> np.ndarray:
    """Length, width and darkness: the runs counted one after the other, in float64."""
    mask = depth >= otsu(depth)[0]
    runs = max(1, sum(map(runs_of, mask)), sum(map(runs_of, mask.T)))
    width, length = max(1, mask.sum()) / runs * factor, runs * factor
    dark = depth[mask].mean(dtype=np.float64) if mask.any() else 0.0
    levels = np.array([255 / 12 * np.log(length), 255 / 6 * (np.log(width) + 1.0), dark])
    return (levels + 0.5).clip(0, 255).astype(np.uint8)


def runs_of(line: np.ndarray) -> int:
    """Number of unbroken stretches of True."""
    return sum(value for value, _ in groupby(line.tolist()))
