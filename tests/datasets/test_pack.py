"""`pack`: the published npz layout, equal to what the published program itself writes where that is given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sigzoo.cli import run
from sigzoo.data import SignatureData
from sigzoo.datasets import open_data
from sigzoo.datasets.pack import pack
from sigzoo.errors import ImageError, UsageError
from sigzoo.testing import images


@pytest.fixture(scope="module")
def cedar_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three writers' signatures under CEDAR's names, 24 of each kind."""
    place = tmp_path_factory.mktemp("cedar")
    kinds = (("full_org", "original"), ("full_forg", "forgeries"))
    for number, ((folder, kind), writer, each) in enumerate(product(kinds, (1, 2, 3), range(1, 25))):
        (place / folder).mkdir(exist_ok=True)
        Image.fromarray(images.signature(number)).save(place / folder / f"{kind}_{writer}_{each}.png")
    return place


def test_arrays_are_those_of_the_published_layout(cedar_tree, tmp_path):
    done = pack(open_data(str(cedar_tree))[0], tmp_path / "set.npz")
    with np.load(tmp_path / "set.npz", allow_pickle=False) as file:
        found = {name: file[name] for name in file.files}
    assert set(found) == {"x", "y", "yforg", "user_mapping", "filenames"}
    assert (done.signatures, done.writers, done.size, done.left_out) == (144, 3, (730, 1042), 0)
    assert (found["x"].shape, found["x"].dtype) == ((144, 1, 730, 1042), np.uint8)
    assert (found["y"].dtype, found["yforg"].dtype) == (np.int32, np.int32)
    assert found["y"].tolist() == [w for w in range(3) for _ in range(48)]
    assert found["yforg"].tolist() == ([0] * 24 + [1] * 24) * 3
    assert found["user_mapping"].tolist() == ["0001", "0002", "0003"]
    names = [
        f"{kind}_{w}_{n}.png" for w in (1, 2, 3) for kind in ("original", "forgeries") for n in range(1, 25)
    ]
    assert found["filenames"].tolist() == names
    for index in (0, 50, 143):
        folder = "full_org" if "original" in names[index] else "full_forg"
        image = np.asarray(Image.open(cedar_tree / folder / names[index]))
        canvas = found["x"][index, 0]
        top, left = (730 - image.shape[0]) // 2, (1042 - image.shape[1]) // 2
        assert np.array_equal(canvas[top : top + image.shape[0], left : left + image.shape[1]], image)
        assert (canvas == 255).sum() == (image == 255).sum() + canvas.size - image.size


def test_what_is_packed_is_read_back_as_the_same_data_set(cedar_tree, tmp_path):
    pack(open_data(str(cedar_tree))[0], tmp_path / "set.npz")
    opened, found = open_data(str(tmp_path / "set.npz"))
    assert (found.source, found.writers, found.genuine, found.forged) == ("npz", 3, 72, 72)
    assert opened.read(0).shape == (730, 1042)


def test_simple_forgeries_are_marked_and_come_last(write, tmp_path):
    opened, _ = open_data(str(write([f"a001_{n:02d}.png" for n in (1, 2, 41, 42, 51, 52)])))
    pack(opened, tmp_path / "set.npz", canvas=(10, 10))
    with SignatureData(tmp_path / "set.npz") as file:
        assert file.yforg.tolist() == [0, 0, 1, 1, 2, 2]
        assert [name[5:7] for name in file.filenames] == ["01", "02", "51", "52", "41", "42"]
    opened, _ = open_data(str(tmp_path / "set.npz"))
    assert opened.labels["simple"].tolist() == [0, 0, 0, 0, 1, 1]


def test_the_same_data_give_the_same_bytes_and_nothing_is_left_of_a_failure(cedar_tree, tmp_path):
    for name in ("a.npz", "b.npz"):
        pack(open_data(str(cedar_tree))[0], tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UsageError, match=r"more than the canvas of 5 x 5.*--canvas"):
        pack(open_data(str(cedar_tree))[0], tmp_path / "c.npz", canvas=(5, 5))
    with pytest.raises(UsageError, match="one array needs one size"):
        pack(open_data(str(cedar_tree))[0], tmp_path / "c.npz", prepare=_cut)
    assert sorted(tmp_path.iterdir()) == before


def _cut(image: np.ndarray) -> np.ndarray:
    return image[: 3 + int(image.sum()) % 7]


def test_a_damaged_image_is_named_and_nothing_written(write, tmp_path):
    place = write([f"{w}/genuine/{n}.png" for w in "ab" for n in (1, 2)])
    (place / "b" / "genuine" / "2.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"b/genuine/2\.png"):
        pack(open_data(str(place))[0], tmp_path / "set.npz")
    assert not (tmp_path / "set.npz").exists()


def test_blank_images_of_the_generator_are_left_out_and_counted(tmp_path):
    def refuse(image):
        if int(image.sum()) % 2:
            raise ImageError("no ink.")
        return image[:20, :20]

    opened, _ = open_data("synth:writers=3,genuine=4")
    done = pack(opened, tmp_path / "set.npz", prepare=refuse)
    odd = sum(int(opened.read(index).sum()) % 2 for index in range(len(opened)))
    assert done.left_out == odd
    assert done.signatures == 12 - odd


def test_the_command_packs_with_the_data_sets_canvas_and_a_preprocessing(cedar_tree, tmp_path, capsys):
    out = tmp_path / "set.npz"
    arguments = ["dataset", "pack", str(cedar_tree), "-o", str(out), "--preprocessor", "sigver", "--json"]
    assert run([*arguments, "--preprocessor-option", "size=none"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["signatures"], told["writers"], told["size"]) == (144, 3, [170, 242])
    assert json.loads(told["preprocessor_options"]) == {"canvas": [730, 1042], "size": None}
    with np.load(out, allow_pickle=False) as file:
        assert str(file["preprocessor"]) == "sigver"
        assert file["x"].shape == (144, 1, 170, 242)
    assert run(["dataset", "pack", str(cedar_tree), "-o", str(out)]) == 2
    assert "--force" in capsys.readouterr().err
    assert run(["dataset", "pack", str(cedar_tree), "-o", str(tmp_path / "set.txt")]) == 2
    assert run(["dataset", "pack", str(cedar_tree), "-o", str(tmp_path / "none" / "set.npz")]) == 2


PUBLISHED = """
import sys
import numpy as np
import skimage
from sigver.datasets.cedar import CedarDataset
from sigver.datasets.util import load_dataset, process_dataset

dataset = CedarDataset(sys.argv[1])
dataset.users = [1, 2, 3]
theirs = process_dataset(dataset, sys.argv[2], (170, 242))
ours = load_dataset(sys.argv[3])
for name, a, b in zip(("x", "y", "yforg"), theirs, ours):
    assert a.dtype == b.dtype and np.array_equal(a.reshape(b.shape), b), name
assert list(theirs[4]) == list(ours[4])
assert [int(ours[3][n]) for n in sorted(theirs[3])] == [theirs[3][n] for n in sorted(theirs[3])]
print("equal")
"""


def test_the_published_program_reads_it_and_would_have_written_the_same(request, cedar_tree, tmp_path):
    peers = [
        *request.config.getoption("--peer", []),
        *os.environ.get("SIGZOO_TEST_PEERS", "").split(os.pathsep),
    ]
    having = [peer for peer in peers if peer and (Path(peer) / "sigver" / "datasets" / "cedar.py").is_file()]
    if not having:
        pytest.skip("no checkout of luizgh/sigver is given (--peer)")
    ours = tmp_path / "ours.npz"
    options = ["--preprocessor", "sigver", "--preprocessor-option", "size=none"]
    assert run(["dataset", "pack", str(cedar_tree), "-o", str(ours), *options]) == 0
    done = subprocess.run(
        [sys.executable, "-c", PUBLISHED, str(cedar_tree), str(tmp_path / "theirs.npz"), str(ours)],
        env={**os.environ, "PYTHONPATH": having[0]},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("equal\n")


GROWTH = """
import resource, sys
from pathlib import Path
import numpy as np
from sigzoo.datasets.pack import pack
from sigzoo.interfaces.data_sources import SignatureSet

class Large(SignatureSet):
    def __init__(self, count):
        self.writers, self.forged = [i % 5 for i in range(count)], np.zeros(count, bool)
    def read(self, index):
        return np.full((500, 1000), index % 256, np.uint8)

pack(Large(20), Path(sys.argv[1]) / "warm.npz")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
pack(Large(400), Path(sys.argv[1]) / "large.npz")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="needs peak memory")
def test_memory_does_not_grow_with_the_data(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", GROWTH, str(tmp_path)], capture_output=True, text=True, check=True
    )
    grown = int(done.stdout) * (1 if sys.platform == "darwin" else 1024)
    assert grown < 40 << 20  # the images are 200 million bytes
