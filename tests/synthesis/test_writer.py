"""Writers: deterministic, different from each other, and forged the way a forger forges."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from sigzoo.synthesis import DatasetSpec, Writer, generate, varied
from sigzoo.synthesis.text import SCRIPTS


def ink_map(image: np.ndarray) -> np.ndarray:
    """Blurred ink of the box around it, at a common size: a crude measure of shape."""
    rows, columns = np.nonzero(image < 160)
    box = Image.fromarray(image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1])
    small = 255.0 - np.asarray(box.resize((48, 16), Image.Resampling.BOX), dtype=float)
    return (small - small.mean()) / small.std()


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    return float((ink_map(a) * ink_map(b)).mean())


def digest() -> str:
    sha = hashlib.sha256()
    for item in generate(DatasetSpec(2, 2, 2, seed=11, rendering=varied)):
        sha.update(item.image.tobytes())
    return sha.hexdigest()


def test_the_same_seed_gives_the_same_images_in_another_process():
    code = (
        "import hashlib; from sigzoo.synthesis import DatasetSpec, generate, varied; s = hashlib.sha256();"
        "[s.update(i.image.tobytes()) for i in generate(DatasetSpec(2, 2, 2, seed=11, rendering=varied))];"
        "print(s.hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == digest()


def test_a_larger_set_contains_the_smaller_one():
    small = {(i.writer, i.kind, i.index): i.image for i in generate(DatasetSpec(1, 2, 1, seed=3))}
    large = {(i.writer, i.kind, i.index): i.image for i in generate(DatasetSpec(2, 3, 2, seed=3))}
    assert len(large) == 10
    for key, image in small.items():
        np.testing.assert_array_equal(image, large[key])


def test_samples_of_a_writer_are_never_twice_the_same():
    writer = Writer(5)
    assert not np.array_equal(writer.genuine(1), writer.genuine(2))
    assert not np.array_equal(writer.forgery(1), writer.forgery(2))


@pytest.mark.parametrize("script", SCRIPTS)
def test_ink_lies_inside_white_paper(script):
    for seed in range(4):
        image = Writer(seed, script=script).genuine(1)
        assert image.dtype == np.uint8
        assert image.ndim == 2
        ink = image < 128
        assert 0.002 < ink.mean() < 0.5
        border = np.concatenate(
            [image[:5].ravel(), image[-5:].ravel(), image[:, :5].ravel(), image[:, -5:].ravel()]
        )
        assert border.min() > 200


def test_a_writer_resembles_itself_more_than_another():
    writers = [Writer((1, n)) for n in range(8)]
    own = [likeness(w.genuine(1), w.genuine(2)) for w in writers]
    other = [likeness(a.genuine(1), b.genuine(2)) for a in writers for b in writers if a is not b]
    assert np.median(own) > np.percentile(other, 95)


def test_a_forgery_resembles_its_target_more_than_another_writer_but_less_than_the_writer():
    writers = [Writer((2, n)) for n in range(12)]
    genuine = np.mean([likeness(w.genuine(1), w.genuine(i)) for w in writers for i in (2, 3)])
    forged = np.mean([likeness(w.genuine(1), w.forgery(i)) for w in writers for i in (1, 2)])
    other = np.mean([likeness(a.genuine(1), b.genuine(1)) for a in writers for b in writers if a is not b])
    assert other + 0.2 < forged < genuine


def test_namesakes_share_the_text_and_nothing_else():
    writers = [Writer((4, n), script="latin") for n in range(10)]
    others = [writer.same_text(1) for writer in writers]
    for writer, other in zip(writers, others, strict=True):
        assert other.text == writer.text
        assert other.hand != writer.hand
    own = [likeness(w.genuine(1), w.genuine(2)) for w in writers]
    other = [likeness(w.genuine(1), o.genuine(1)) for w, o in zip(writers, others, strict=True)]
    assert np.mean(own) > np.mean(other) + 0.2


def test_careful_forgers_are_slower_than_writers():
    from sigzoo.synthesis.forgery import Forger, forge
    from sigzoo.synthesis.performance import vary

    writer = Writer(9)
    rng = np.random.default_rng(0)
    forger = Forger(Writer(10).hand, care=1.0, eye=1.0)
    seen = vary(writer.plan, writer.hand, rng)
    forged = forge(seen, writer.hand, forger, 1, rng)
    assert len(forged.points) > 1.3 * len(writer.trace(1).points)


def test_an_unknown_script_is_an_error_that_names_the_known_ones():
    from sigzoo.errors import UnknownNameError

    with pytest.raises(UnknownNameError, match="latin"):
        Writer(1, script="latn")


def test_signatures_are_of_a_size_that_a_hand_can_write():
    sizes = np.array([size(Writer((6, n), script="paraph", variation=1.9)) for n in range(150)])
    assert sizes.max() < 250.0
    assert 10.0 < np.median(sizes[:, 0]) < 60.0


def size(writer: Writer) -> np.ndarray:
    """Width and height in millimetres."""
    trace = writer.trace(0)
    return np.ptp(trace.points[trace.down], axis=0)
