"""The page for who comes from the published programs: its examples run, its names are there."""

from __future__ import annotations

import ast
import gzip
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sigzoo
from sigzoo.compat import sigver, wiwd

pytest.importorskip("sigzoo_signet")
pytest.importorskip("sigzoo_spp")


@pytest.fixture
def page(root: Path) -> str:
    return (root / "docs" / "from-published-programs.md").read_text(encoding="utf-8")


def test_its_examples_run(page: str, root: Path, signatures: list[Path], tmp_path: Path) -> None:
    (tmp_path / "signatures" / "w001_g01.png").write_bytes(signatures[0].read_bytes())
    packed = root / "tests/weights/lasagne/signet_sparse.pkl.gz"
    (tmp_path / "signet.pkl").write_bytes(gzip.decompress(packed.read_bytes()))
    examples = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(examples) == 2
    for code in examples:
        check = code + "\nassert features.shape == (1, 2048) and features.std() > 0"
        done = subprocess.run([sys.executable, "-c", check], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_what_it_calls_the_same_is_there(page: str) -> None:
    _, first, second, _ = re.split(r"^## (?=sigver_wiwd$|sigver$|contrastive)", page, flags=re.MULTILINE)
    for section, module in ((first, wiwd), (second, sigver)):
        rows = [line for line in section.splitlines() if line.startswith("| `") and "| the same" in line]
        names = {name for row in rows for name in re.findall(r"`(\w+)[(`]", row.split("|")[1])}
        assert len(names) >= 7
        there = {*module.__all__, *dir(wiwd.CNNModel), "base_model"}  # the last: a variable of the example's
        assert names <= there


INNER = {"main", "train", "build_architecture", "IterableDataset", "TransformDataset"}
"""Of the published programs: what nothing but their own scripts call."""

PARTS = (
    "sigver/wd",
    "sigver/datasets",
    "sigver/preprocessing",
    "sigver/featurelearning/models",
    "preprocess",
    ".",
)


def test_every_function_and_class_of_the_published_programs_is_named(
    page: str, request: pytest.FixtureRequest
) -> None:
    """``--peer PATH`` (or SIGZOO_TEST_PEERS): checkouts of luizgh/sigver and luizgh/sigver_wiwd."""
    named = [*request.config.getoption("--peer"), *os.environ.get("SIGZOO_TEST_PEERS", "").split(os.pathsep)]
    peers = [Path(each) for each in named if each and (Path(each) / "example.py").is_file()]
    if not peers:
        pytest.skip("needs a checkout of a published program (--peer)")
    for peer in peers:
        files = [path for part in PARTS for path in sorted((peer / part).glob("*.py"))]
        names = {
            node.name
            for path in files
            if not path.name.startswith(("setup", "test", "tf_", "lasagne_to_tf"))
            for node in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
        }
        assert len(names) >= 6, peer
        missing = {name for name in names - INNER if name not in page and not name.endswith("_bn_relu")}
        # `center_crop_multiple` is told as `center_crop` and its `_multiple`.
        assert {name for name in missing if name.removesuffix("_multiple") not in page} == set(), peer


def test_models_components_and_options_it_names_are_there(page: str) -> None:
    zoo = sigzoo.Zoo()
    for name in re.findall(r'sigzoo\.load\("([^"]+)"', page):
        assert sigzoo.info(name)
    assert set(re.findall(r'preprocessor\("([^"]+)"', page)) <= set(zoo.list_components("preprocessor"))
    assert set(re.findall(r"--loss ([\w-]+)", page)) <= set(zoo.list_components("loss"))
    assert set(re.findall(r"--preset ([\w-]+)", page)) <= set(zoo.list_components("preset"))
    assert sigzoo.info("signetf_lambda0.95")
