"""An index finds what scikit-learn and FAISS find; with lists, what it says of its recall holds."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.neighbors import NearestNeighbors

from sigzoo.data.feature_blocks import find_feature_files
from sigzoo.errors import DataError, SigzooError, UsageError
from sigzoo.search import build_index, open_index
from sigzoo.search.nearest import nearest_in_blocks


@pytest.fixture(params=["faiss", "numpy"])
def backend(request: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """With FAISS, and as if it were not installed."""
    if request.param == "numpy":
        monkeypatch.setitem(sys.modules, "faiss", None)
    return request.param


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_an_exact_index_finds_what_scikit_learn_finds(
    write: Any, tmp_path: Path, clusters: np.ndarray, backend: str, metric: str
) -> None:
    parts = [write("a.npz", clusters[:1000]), write("b.parquet", clusters[1000:], 1000)]
    build_index(find_feature_files(parts), tmp_path / "index", metric=metric)
    asked = np.random.default_rng(1).normal(size=(20, 24)).astype(np.float32)
    nearest = NearestNeighbors(n_neighbors=10, metric=metric, algorithm="brute")
    distances, rows = nearest.fit(clusters[:-10].astype(float)).kneighbors(asked.astype(float))
    with open_index(tmp_path / "index") as index:
        found = index.search(asked, 20)
    for one, expected, far in zip(found, rows, distances, strict=True):
        # Copies come next to each other, in the order of the images; scikit-learn's set has none.
        mine = [match for match in one if match.row < 2990][:10]
        assert [match.row for match in mine] == expected.tolist()
        similarity = 1 - far if metric == "cosine" else -far
        assert np.allclose([match.similarity for match in mine], similarity, atol=1e-6)
        assert [match.path for match in mine] == [f"image-{row:04d}.png" for row in expected]
        assert [match.columns["writer"] for match in mine] == [f"w{row % 7}" for row in expected]


def test_with_and_without_faiss_the_matches_are_the_same(
    write: Any, tmp_path: Path, clusters: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = find_feature_files([write("a.npz", clusters)])
    for kind in ("exact", "ivf"):
        build_index(files, tmp_path / kind, kind=kind)
    asked = clusters[::100] + np.float32(0.01)
    found = {}
    for kind in ("exact", "ivf"):
        with open_index(tmp_path / kind) as index:
            found[kind] = index.search(asked, 25)
    monkeypatch.setitem(sys.modules, "faiss", None)
    for kind in ("exact", "ivf"):
        with open_index(tmp_path / kind) as index:
            assert index.search(asked, 25) == found[kind]


def test_copies_come_in_the_order_of_the_images(write: Any, tmp_path: Path, clusters: np.ndarray) -> None:
    build_index(find_feature_files([write("a.npz", clusters)]), tmp_path / "index")
    with open_index(tmp_path / "index") as index:
        for row, matches in enumerate(index.search(clusters[:10], 2)):
            assert [match.row for match in matches] == [row, 2990 + row]


def test_blocks_of_any_size_give_the_same(clusters: np.ndarray, backend: str) -> None:
    asked = clusters[5:9] * np.float32(1.01)
    numbers = np.arange(3000)
    whole = nearest_in_blocks(asked, [(numbers, clusters)], 30, "euclidean")
    for size in (1, 7, 1024):
        parts = [(numbers[at : at + size], clusters[at : at + size]) for at in range(0, 3000, size)]
        found = nearest_in_blocks(asked, parts, 30, "euclidean")
        assert np.array_equal(found[0], whole[0])
        assert np.array_equal(found[1], whole[1])


def test_recall_of_lists_is_what_a_flat_index_of_faiss_says(
    write: Any, tmp_path: Path, clusters: np.ndarray, backend: str
) -> None:
    rows = clusters[:-10]
    built = build_index(
        find_feature_files([write("a.npz", rows)]), tmp_path / "index", kind="ivf", recall=0.9
    )
    assert built.lists == 55
    assert 1 <= built.probes < built.lists
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    flat = faiss.IndexFlatIP(24)
    flat.add(unit)
    asked = np.random.default_rng(8).choice(len(rows), 300, replace=False)
    truth = flat.search(unit[asked], 11)[1]
    with open_index(tmp_path / "index") as index:
        found = index.search(rows[asked], 11)
        exact = index.search(rows[asked], 11, probes=built.lists)
        stated = index.recall()
        assert index.recall(built.lists) == 1.0
    shares, wrong = [], 0
    for own, true, some, all_of in zip(asked, truth, found, exact, strict=True):
        true_others = set(true.tolist()) - {own}
        shares.append(len({match.row for match in some} & true_others) / 10)
        wrong += {match.row for match in all_of} != set(true.tolist())
    assert wrong == 0
    assert stated == built.recall >= 0.9
    # Two samples, of 200 and 300 images: their means differ by chance.
    assert abs(np.mean(shares) - built.recall) < 0.04


def test_all_rows_are_in_lists_once(write: Any, tmp_path: Path, clusters: np.ndarray, backend: str) -> None:
    build_index(find_feature_files([write("a.npz", clusters)]), tmp_path / "i", kind="ivf", lists=40)
    facts = json.loads((tmp_path / "i" / "index.json").read_text())
    rows = np.fromfile(tmp_path / "i" / "rows.i64", "<i8")
    assert np.array_equal(np.sort(rows), np.arange(3000))
    vectors = np.fromfile(tmp_path / "i" / "vectors.f32", "<f4").reshape(3000, 24)
    unit = clusters / np.linalg.norm(clusters, axis=1, keepdims=True)
    assert np.allclose(vectors, unit[rows], atol=1e-6)
    bounds = np.fromfile(tmp_path / "i" / "lists.i64", "<i8")
    centroids = np.fromfile(tmp_path / "i" / "centroids.f32", "<f4").reshape(40, 24)
    own = np.repeat(np.arange(40), np.diff(bounds))
    assert np.array_equal(((vectors[:, None] - centroids) ** 2).sum(axis=2).argmin(axis=1), own)
    assert facts["lists"] == 40
    assert {path.name for path in (tmp_path / "i").iterdir()} == {
        *("index.json", "vectors.f32", "rows.i64", "lists.i64", "centroids.f32"),
        *("entries.jsonl", "entries.i64"),
    }


def test_few_images_and_large_k(write: Any, tmp_path: Path, clusters: np.ndarray, backend: str) -> None:
    for number in (1, 2, 5):
        files = find_feature_files([write(f"{number}.npz", clusters[:number])])
        for kind in ("exact", "ivf"):
            build_index(files, tmp_path / f"{kind}{number}", kind=kind)
            with open_index(tmp_path / f"{kind}{number}") as index:
                (found,) = index.search(clusters[:1], 50, probes=100)
            assert sorted(match.row for match in found) == list(range(number))


def test_the_weights_of_the_models_score_count(run: Any, write: Any, tmp_path: Path) -> None:
    import sigzoo
    from sigzoo.verification.scores import make_score

    model = sigzoo.load()
    rows = np.random.default_rng(3).normal(size=(200, model.feature_dim)).astype(np.float32)
    done = run("index", write("f.parquet", rows), "-o", tmp_path / "index")
    assert done.status == 0, done.err
    weights = model.card.score.options["part_weights"]
    cosine = make_score("mean", part_weights=weights)
    asked = rows[:4] + rows[4:8]
    with open_index(tmp_path / "index") as index:
        found = index.search(asked, 200)
    for one, matches in zip(asked, found, strict=True):
        expected = cosine(one[None], rows)
        assert [match.row for match in matches] == np.argsort(-expected, kind="stable").tolist()
        assert np.allclose([match.similarity for match in matches], np.sort(expected)[::-1], atol=1e-6)


def test_an_index_is_never_written_over(write: Any, tmp_path: Path, clusters: np.ndarray) -> None:
    files = find_feature_files([write("a.npz", clusters[:10])])
    (tmp_path / "index").mkdir()
    with pytest.raises(SigzooError, match="index"):
        build_index(files, tmp_path / "index")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("changed", "said"), [({"layer": "other"}, "layer"), ({"weights_sha256": "0"}, "weights sha256")]
)
def test_features_of_two_kinds_do_not_go_together(
    write: Any, clusters: np.ndarray, changed: dict[str, str], said: str
) -> None:
    paths = [write("a.npz", clusters[:5]), write("b.parquet", clusters[:5], **changed)]
    with pytest.raises(DataError, match=f"of another {said} than those of"):
        find_feature_files(paths)
    with pytest.raises(DataError, match="of another size"):
        find_feature_files([paths[0], write("c.npz", clusters[:5, :7])])


def test_bad_features_are_refused(write: Any, tmp_path: Path, clusters: np.ndarray) -> None:
    rows = clusters[:5].copy()
    rows[3, 1] = np.nan
    for name in ("nan.npz", "nan.parquet"):
        with pytest.raises(DataError, match="not finite"):
            build_index(find_feature_files([write(name, rows)]), tmp_path / "index")
    rows[3] = 0
    with pytest.raises(DataError, match="row of zeros"):
        build_index(find_feature_files([write("zero.npz", rows)]), tmp_path / "index")
    table = pq.read_table(write("x.parquet", clusters[:5]))
    pq.write_table(table.replace_schema_metadata({}), tmp_path / "y.parquet")
    with pytest.raises(DataError, match="does not say what its features depend on"):
        find_feature_files([tmp_path / "y.parquet"])
    pq.write_table(table.drop_columns("features"), tmp_path / "z.parquet")
    with pytest.raises(DataError, match="no column 'features'"):
        find_feature_files([tmp_path / "z.parquet"])
    (tmp_path / "w.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match="no Parquet file, or damaged"):
        find_feature_files([tmp_path / "w.parquet"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"no \.parquet in it"):
        find_feature_files([tmp_path / "empty"])
    assert not (tmp_path / "index").exists()


DAMAGE = {
    "vectors.f32": "vectors.f32: has",
    "entries.i64": "entries.i64: has",
    "entries.jsonl": "entries.jsonl: has",
    "rows.i64": "rows.i64: has",
    "lists.i64": "lists.i64: has",
    "centroids.f32": "centroids.f32: has",
}


@pytest.mark.parametrize("name", DAMAGE)
def test_files_of_another_size_are_refused(
    write: Any, tmp_path: Path, clusters: np.ndarray, name: str
) -> None:
    build_index(find_feature_files([write("a.npz", clusters[:100])]), tmp_path / "index", kind="ivf")
    path = tmp_path / "index" / name
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(DataError, match=DAMAGE[name]):
        open_index(tmp_path / "index")
    path.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        open_index(tmp_path / "index")


def test_hostile_numbers_are_refused(write: Any, tmp_path: Path, clusters: np.ndarray) -> None:
    build_index(find_feature_files([write("a.npz", clusters[:100])]), tmp_path / "good", kind="ivf")

    def changed(name: str, dtype: str, place: int, value: float) -> Path:
        shutil.rmtree(tmp_path / "bad", ignore_errors=True)
        shutil.copytree(tmp_path / "good", tmp_path / "bad")
        numbers = np.fromfile(tmp_path / "bad" / name, dtype)
        numbers[place] = value
        numbers.tofile(tmp_path / "bad" / name)
        return tmp_path / "bad"

    for name, dtype, place, value, said in (
        ("lists.i64", "<i8", 1, 1 << 60, "lists that cannot be"),
        ("lists.i64", "<i8", 0, -5, "lists that cannot be"),
        ("centroids.f32", "<f4", 0, np.nan, "not finite"),
        ("rows.i64", "<i8", 3, 1 << 60, "images that are not there"),
        ("rows.i64", "<i8", 3, -1, "images that are not there"),
        ("vectors.f32", "<f4", 9, np.inf, "not finite"),
        ("entries.i64", "<i8", 50, 1 << 60, "lies where none can be"),
        ("entries.i64", "<i8", 50, -9, "lies where none can be"),
    ):
        with pytest.raises(DataError, match=said), open_index(changed(name, dtype, place, value)) as index:
            index.search(clusters[:3], 100, probes=10)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"format": 2}',
        b"[" * 5000,
        b"\xff\xfe",
        b'{"count": 1e400}',
    ],
)
def test_a_damaged_description_is_refused(
    write: Any, tmp_path: Path, clusters: np.ndarray, content: bytes
) -> None:
    build_index(find_feature_files([write("a.npz", clusters[:10])]), tmp_path / "index")
    (tmp_path / "index" / "index.json").write_bytes(content)
    with pytest.raises(DataError, match=r"index\.json is damaged, or of a newer sigzoo"):
        open_index(tmp_path / "index")


@pytest.mark.parametrize(
    "change", [{"count": 0}, {"count": 1 << 62}, {"size": -1}, {"kind": "faiss"}, {"probes": 99}, {"x": 1}]
)
def test_a_description_that_cannot_be_is_refused(
    write: Any, tmp_path: Path, clusters: np.ndarray, change: dict[str, object]
) -> None:
    build_index(find_feature_files([write("a.npz", clusters[:10])]), tmp_path / "index", kind="ivf")
    path = tmp_path / "index" / "index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(DataError, match=r"index\.json is damaged, or of a newer sigzoo"):
        open_index(tmp_path / "index")


def test_wrong_questions_are_refused(write: Any, tmp_path: Path, clusters: np.ndarray) -> None:
    build_index(find_feature_files([write("a.npz", clusters[:10])]), tmp_path / "index")
    with open_index(tmp_path / "index") as index:
        for k, probes in ((0, None), (1, 0)):
            with pytest.raises(UsageError):
                index.search(clusters[:1], k, probes=probes)
        with pytest.raises(DataError, match="cannot be sought"):
            index.search(clusters[:1, :5])
        with pytest.raises(DataError, match="NaN"):
            index.search(np.full((1, 24), np.nan))
    with pytest.raises(DataError, match="is no index of features"):
        open_index(tmp_path)
    files = find_feature_files([write("b.npz", clusters[:10])])
    for wrong in ({"kind": "hnsw"}, {"recall": 0}, {"kind": "ivf", "lists": 11}):
        with pytest.raises(UsageError):
            build_index(files, tmp_path / "other", **wrong)
