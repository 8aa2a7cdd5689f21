"""`sigzoo index` and `sigzoo find --index`: the same image is found first, another model is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def indexed(run: Any, tmp_path: Path, signatures: list[Path]) -> Path:
    """An index of four signatures, of a folder of shards with a further column."""
    rows = [f"{path},w{number}" for number, path in enumerate(signatures)]
    (tmp_path / "m.csv").write_text("path,writer\n" + "\n".join(rows))
    shards = f"{tmp_path}/shards/"
    assert run("embed", "--manifest", tmp_path / "m.csv", "-o", shards, "--shard-size", 3).status == 0
    done = run("index", shards, "-o", tmp_path / "index")
    assert done.status == 0, done.err
    assert re.search(r"4 images x 584 -> .*index \(synsig-tiny with_ink; all are compared\)", done.out)
    return tmp_path / "index"


def test_the_image_itself_is_found_first(run: Any, indexed: Path, signatures: list[Path]) -> None:
    done = run("find", signatures[2], "--index", indexed, "-k", 3)
    assert done.status == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].endswith("nearest of 4, by synsig-tiny, layer with_ink")
    assert "w2" in lines[2]
    assert "1.000" in lines[2]
    done = run("find", *signatures[:2], "--index", indexed, "--json")
    told = json.loads(done.out)
    assert (told["compared"], told["recall"]) == (4, 1.0)
    for number, each in enumerate(told["found"]):
        assert each["questioned"] == str(signatures[number])
        assert len(each["matches"]) == 4
        first = each["matches"][0]
        assert (first["row"], first["columns"]) == (number, {"writer": f"w{number}"})
        assert first["similarity"] == pytest.approx(1, abs=1e-5)


def test_lists_say_their_recall(run: Any, tmp_path: Path, indexed: Path, signatures: list[Path]) -> None:
    done = run("index", tmp_path / "shards", "-o", tmp_path / "ivf", "--kind", "ivf", "--json")
    assert done.status == 0, done.err
    told = json.loads(done.out)
    assert told["lists"] == 2
    assert 0 < told["recall"] <= 1
    done = run("find", signatures[0], "--index", tmp_path / "ivf", "--probes", 2, "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out)["recall"] == 1.0


def test_another_model_or_layer_is_refused(run: Any, indexed: Path, signatures: list[Path]) -> None:
    done = run("find", signatures[0], "--index", indexed, "-m", "synsig-base")
    assert done.status == 2
    assert "its features are of another model" in done.err
    path = indexed / "index.json"
    facts = json.loads(path.read_text())
    facts["provenance"]["weights_sha256"] = "0" * 64
    path.write_text(json.dumps(facts))
    done = run("find", signatures[0], "--index", indexed)
    assert done.status == 2
    assert "weights sha256" in done.err


@pytest.mark.parametrize(
    "more", [[], ["--index", "INDEX", "--among", "FOLDER"], ["--among", "FOLDER", "--probes", "3"]]
)
def test_where_to_look_is_said_once(run: Any, indexed: Path, signatures: list[Path], more: list[str]) -> None:
    places = {"INDEX": indexed, "FOLDER": signatures[0].parent}
    done = run("find", signatures[0], *(places.get(each, each) for each in more))
    assert done.status == 2
    assert "--index" in done.err


def test_a_job_that_is_not_finished_is_refused(run: Any, tmp_path: Path, indexed: Path) -> None:
    (tmp_path / "shards" / "_done.json").unlink()
    done = run("index", tmp_path / "shards", "-o", tmp_path / "other")
    assert done.status == 2
    assert "is not finished" in done.err
