"""Matched local descriptors against plain loops in double precision, and the scores that add them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import sigzoo
from sigzoo.errors import DataError, UsageError
from sigzoo.registry import read_registry
from sigzoo.synthesis import Writer
from sigzoo.verification.local_matching import LocalMatching, as_matching
from sigzoo.verification.plda import PldaArrays
from sigzoo.verification.scores import SCORES, make_score

Array = NDArray[np.float64]

FIRST = 5
SIZE = (3, 4, 6)
FIELDS: dict[str, Any] = {"first": FIRST, "size": SIZE, "reach": (1, 2), "weight": 1.5, "typical": 0.4}
REACHES = [(0, 0), (1, 3), (0, 2), (2, 0), (3, 5), (4, 6), (6, 9), (10**9, 1), (1, 10**30)]
"""The last ones go beyond the sides of the map."""


def drawn(seed: int, count: int, first: int = FIRST, size: Sequence[int] = SIZE) -> Array:
    """Features whose descriptors have something in common, and cells with very different shares."""
    rng = np.random.default_rng(seed)
    whole = rng.normal(size=(count, first)) + 1.0
    cells = (rng.normal(size=(count, *size)) + 0.3) * rng.gamma(0.5, size=(count, 1, *size[1:]))
    return np.concatenate([whole, cells.reshape(count, -1)], axis=1)


def matched(one: Array, other: Array, size: Sequence[int], reach: Sequence[int]) -> float:
    """Local similarity of two maps, as vectors, cell by cell."""
    return (one_way(one, other, size, reach) + one_way(other, one, size, reach)) / 2


def one_way(one: Array, other: Array, size: Sequence[int], reach: Sequence[int]) -> float:
    """Mean over the cells of `one`, by their shares, of the largest cosine within reach."""
    here, there = one.reshape(size), other.reshape(size)
    total, whole = 0.0, 0.0
    for y in range(size[1]):
        for x in range(size[2]):
            best = -2.0
            for row in range(max(y - reach[0], 0), min(y + reach[0] + 1, size[1])):
                for column in range(max(x - reach[1], 0), min(x + reach[1] + 1, size[2])):
                    best = max(best, cosine(here[:, y, x], there[:, row, column]))
            share = float(here[:, y, x] @ here[:, y, x])
            total, whole = total + share * best, whole + share
    return total / whole if whole else 0.0


def cosine(one: Array, other: Array) -> float:
    """Of two descriptors; 0 where one of them is of a cell without share."""
    lengths = float(np.sqrt((one @ one) * (other @ other)))
    return float(one @ other) / lengths if lengths else 0.0


def similarity(features: Array, others: Array, matching: LocalMatching) -> Array:
    """What is tested: local similarities of all to all."""
    one, other = (matching.split(each)[1] for each in (features, others))
    assert len(one) == len(features)
    return one.similarity(other)


def by_loops(features: Array, others: Array, matching: LocalMatching) -> Array:
    """Compute the same in double precision."""
    first, size, reach = matching.first, matching.size, matching.reach
    return np.array([[matched(a[first:], b[first:], size, reach) for b in others] for a in features])


@pytest.mark.parametrize("reach", REACHES, ids=str)
def test_each_cell_is_matched_with_the_most_similar_within_reach_both_ways(reach: tuple[int, int]) -> None:
    matching = LocalMatching(first=FIRST, size=SIZE, reach=reach)
    features, others = drawn(1, 3), drawn(2, 4)
    found = similarity(features, others, matching)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, by_loops(features, others, matching), rtol=0, atol=2e-6)


@pytest.mark.parametrize("size", [(1, 1, 1), (4, 1, 7), (4, 7, 1), (2, 9, 5)], ids=str)
def test_maps_of_any_sides_are_matched(size: tuple[int, int, int]) -> None:
    matching = LocalMatching(first=2, size=size)
    features, others = drawn(3, 2, 2, size), drawn(4, 3, 2, size)
    expected = by_loops(features, others, matching)
    np.testing.assert_allclose(similarity(features, others, matching), expected, rtol=0, atol=2e-6)


def test_a_farther_reach_finds_no_less() -> None:
    features, others = drawn(5, 3), drawn(6, 3)
    found = [
        similarity(features, others, LocalMatching(first=FIRST, size=SIZE, reach=reach))
        for reach in ((0, 0), (0, 1), (1, 1), (1, 3), (3, 5))
    ]
    for nearer, farther in itertools.pairwise(found):
        assert (farther >= nearer - 1e-6).all()
        assert (farther > nearer + 1e-3).any()


def test_cells_without_a_share_weigh_nothing_and_are_like_no_other() -> None:
    matching = LocalMatching(**FIELDS)
    features, others = drawn(7, 4), drawn(8, 4)
    for rows in (features, others):
        cells = rows[:, FIRST:].reshape(-1, *SIZE)
        cells[0, :, 1:3] = 0.0  # some rows
        cells[1, :, :, :5] = 0.0  # all columns but one
        cells[2] = 0.0  # all
    found = similarity(features, others, matching)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, by_loops(features, others, matching), rtol=0, atol=2e-6)
    assert found[2, 2] == 0.0


def test_a_signature_is_wholly_similar_to_itself_and_to_no_other() -> None:
    features = drawn(9, 5)
    for reach in REACHES:
        found = similarity(features, features, LocalMatching(first=FIRST, size=SIZE, reach=reach))
        np.testing.assert_allclose(np.diagonal(found), 1.0, rtol=0, atol=1e-6)
        assert found[~np.eye(5, dtype=bool)].max() < 0.999


def test_the_scale_of_the_descriptors_does_not_matter() -> None:
    matching = LocalMatching(**FIELDS)
    features, others = drawn(10, 2), drawn(11, 2)
    found = similarity(1e-3 * features, 50.0 * others, matching)
    np.testing.assert_allclose(found, similarity(features, others, matching), rtol=0, atol=2e-6)


def test_many_are_compared_as_few_are() -> None:
    """More than are compared at once, of which the last ones are fewer."""
    matching = LocalMatching(**FIELDS)
    features, others = drawn(12, 2), drawn(13, 150)
    found = similarity(features, others, matching)
    np.testing.assert_allclose(found, by_loops(features, others, matching), rtol=0, atol=2e-6)
    assert similarity(features, others[:0], matching).shape == (2, 0)


def test_parts_of_a_set_compare_as_by_themselves_and_each_pair_once(monkeypatch: pytest.MonkeyPatch) -> None:
    features, matching = drawn(21, 12), LocalMatching(**FIELDS)
    _, whole = matching.split(features)
    kind, compared = type(whole), []
    matched_pairs = kind._matched

    def counting(one: Any, other: Any) -> Array:
        compared.append(len(one) * len(other))
        return matched_pairs(one, other)

    monkeypatch.setattr(kind, "_matched", counting)
    rng = np.random.default_rng(3)
    for _ in range(20):
        mine, theirs = rng.permutation(12)[: rng.integers(1, 5)], rng.permutation(12)[: rng.integers(1, 9)]
        found = whole[mine].similarity(whole[theirs])
        alone = [
            [matched(features[i, FIRST:], features[j, FIRST:], SIZE, (1, 2)) for j in theirs] for i in mine
        ]
        np.testing.assert_allclose(found, alone, atol=1e-5)
    whole.similarity(whole)
    before = len(compared)
    _, again = matching.split(features.copy())
    np.testing.assert_array_equal(again[:5].similarity(again[3:]), whole.similarity(whole)[:5, 3:])
    assert before
    assert len(compared) == before
    # Other descriptors, another reach and another shape of the same numbers know nothing of it.
    for change in ({"reach": (0, 1)}, {"size": (3, 6, 4)}):
        _, other = LocalMatching(**{**FIELDS, **change}).split(features)
        other[:1].similarity(other)
    matching.split(features + 1.0)[1].similarity(whole)
    assert len(compared) == before + 3


def test_swapped_signatures_give_the_transpose() -> None:
    features, others = drawn(14, 70), drawn(15, 3)
    for reach in REACHES:
        matching = LocalMatching(first=FIRST, size=SIZE, reach=reach)
        swapped = similarity(others, features, matching).T
        np.testing.assert_allclose(similarity(features, others, matching), swapped, rtol=0, atol=2e-6)


def test_a_strokes_cell_that_moves_is_found_as_far_as_the_reach_goes() -> None:
    features = np.ones((1, FIRST + int(np.prod(SIZE))))
    features[0, FIRST:] = 0.0
    moved = features.copy()
    features[0, FIRST:].reshape(SIZE)[:, 1, 1] = [1.0, 2.0, 3.0]
    moved[0, FIRST:].reshape(SIZE)[:, 2, 4] = [2.0, 4.0, 6.0]
    for reach, expected in (((1, 3), 1.0), ((0, 3), 0.0), ((1, 2), 0.0), ((3, 5), 1.0)):
        matching = LocalMatching(first=FIRST, size=SIZE, reach=reach)
        assert similarity(features, moved, matching)[0, 0] == pytest.approx(expected, abs=1e-6), reach


def summed(a: Array, b: Array) -> float:
    """What scores go by: the cosine of what comes first, and the local similarity beyond the typical."""
    local = matched(a[FIRST:], b[FIRST:], SIZE, FIELDS["reach"])
    return cosine(a[:FIRST], b[:FIRST]) + FIELDS["weight"] * (local - FIELDS["typical"])


def table(references: Array, questioned: Array) -> Array:
    return np.array([[summed(r, q) for q in questioned] for r in references])


def own(references: Array, prior: float, pseudo_count: float) -> Array:
    found = []
    for i, one in enumerate(references):
        others = [summed(one, each) for j, each in enumerate(references) if j != i]
        found.append((sum(others) + pseudo_count * prior) / (len(others) + pseudo_count))
    return np.array(found)


def reference_normalised(references: Array, questioned: Array) -> Array:
    beyond = table(references, questioned) - 0.4 * own(references, 0.6, 2.0)[:, None]
    found: Array = np.log(np.mean(np.exp(5.0 * beyond), axis=0)) / 5.0
    return found


def logistic(references: Array, questioned: Array) -> Array:
    each = table(references, questioned)
    constant = -4.0 * own(references, 0.6, 2.0).mean() + 0.5
    found: Array = 3.0 * each.mean(axis=0) + 2.0 * each.max(axis=0) + each.min(axis=0) + constant
    return found


PLDA = PldaArrays(np.full(FIRST, 0.1), np.eye(FIRST)[:, 1:4] * 3, np.array([3.0, 2.0, 0.5]))
SHRINKING = {"prior": 0.6, "pseudo_count": 2.0}
MATCHING_SCORES: list[tuple[str, dict[str, Any], Callable[[Array, Array], Array]]] = [
    ("mean", {}, lambda r, q: table(r, q).mean(axis=0)),
    ("max", {}, lambda r, q: table(r, q).max(axis=0)),
    ("min", {}, lambda r, q: table(r, q).min(axis=0)),
    (
        "mean-max",
        {"weight": 0.3},
        lambda r, q: 0.7 * table(r, q).mean(axis=0) + 0.3 * table(r, q).max(axis=0),
    ),
    ("reference-norm", {"weight": 0.4, "sharpness": 5.0, **SHRINKING}, reference_normalised),
    ("logistic", {"coefficients": (3.0, 2.0, 1.0, -4.0, 0.5), **SHRINKING}, logistic),
]
OTHER_SCORES: list[tuple[str, dict[str, Any]]] = [
    ("centroid", {}),
    ("euclidean", {}),
    ("plda", {"arrays": PLDA}),
    ("z-norm", {}),
    ("t-norm", {}),
    ("s-norm", {}),
    ("as-norm", {"top": 4}),
]
ALL_SCORES = [*((name, options) for name, options, _ in MATCHING_SCORES), *OTHER_SCORES]


def test_every_score_is_looked_at() -> None:
    assert {name for name, _ in ALL_SCORES} == set(SCORES)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(("name", "options", "formula"), MATCHING_SCORES, ids=[e[0] for e in MATCHING_SCORES])
def test_scores_of_similarities_are_their_formulas_with_the_local_one_added(
    name: str, options: dict[str, Any], formula: Callable[[Array, Array], Array], count: int
) -> None:
    references, questioned = drawn(20, count), drawn(21, 5)
    score = make_score(name, **options, local=FIELDS)
    expected = formula(references, questioned)
    assert score(references, questioned) == pytest.approx(expected, abs=1e-5)
    without = make_score(name, **options)(references[:, :FIRST], questioned[:, :FIRST])
    assert np.abs(without - expected).max() > 0.01


@pytest.mark.parametrize(("name", "options"), OTHER_SCORES, ids=[name for name, _ in OTHER_SCORES])
def test_other_scores_compare_what_comes_before_the_descriptors(name: str, options: dict[str, Any]) -> None:
    references, questioned, cohort = drawn(22, 3), drawn(23, 5), drawn(24, 8)
    found = make_score(name, **options, local=FIELDS)(references, questioned, cohort)
    plain = make_score(name, **options)
    np.testing.assert_array_equal(
        found, plain(references[:, :FIRST], questioned[:, :FIRST], cohort[:, :FIRST])
    )


@pytest.mark.parametrize("width", [FIRST, FIRST + int(np.prod(SIZE)) - 1, FIRST + int(np.prod(SIZE)) + 1])
@pytest.mark.parametrize(("name", "options"), ALL_SCORES, ids=[name for name, _ in ALL_SCORES])
def test_features_of_another_size_are_compared_as_without(
    name: str, options: dict[str, Any], width: int
) -> None:
    references, questioned, cohort = (
        np.random.default_rng(seed).normal(size=(count, width)) + 0.5
        for seed, count in ((25, 3), (26, 5), (27, 8))
    )
    if name == "plda":
        options = {"arrays": PldaArrays(np.zeros(width), np.eye(width)[:, :3], np.array([3.0, 2.0, 0.5]))}
    found = make_score(name, **options, local=FIELDS)(references, questioned, cohort)
    np.testing.assert_array_equal(found, make_score(name, **options)(references, questioned, cohort))


@pytest.mark.parametrize(("name", "options"), ALL_SCORES, ids=[name for name, _ in ALL_SCORES])
def test_what_is_prepared_once_scores_as_what_is_handed_in(name: str, options: dict[str, Any]) -> None:
    features, cohort = drawn(28, 9), drawn(29, 8)
    score = make_score(name, **options, local=FIELDS)
    ready = score.prepare(features, cohort)
    asked, known = np.array([5, 0, 2]), np.array([8, 7])
    direct = score(features[known], features[asked], cohort)
    assert score.compare(ready[known], ready[asked]) == pytest.approx(direct)
    assert score.compare(ready[7:], ready[:3]) == pytest.approx(score(features[7:], features[:3], cohort))


def test_parts_weigh_beside_local_descriptors_as_without_them() -> None:
    """Weights of columns that the descriptors take are those of another layer."""
    references, questioned = drawn(30, 3), drawn(31, 5)
    found = make_score("mean", part_weights=[(2, 0.25), (FIRST, 0.1)], local=FIELDS)(references, questioned)
    factors = np.ones(references.shape[1])
    factors[2:FIRST] = 0.5
    expected = table(references * factors, questioned * factors).mean(axis=0)
    assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", SCORES)
def test_references_and_questioned_of_different_size_are_refused(name: str) -> None:
    score = make_score(name, **dict(ALL_SCORES)[name], local=FIELDS)
    references, questioned, cohort = drawn(32, 3), drawn(33, 5), drawn(34, 8)
    with pytest.raises(DataError, match="different size"):
        score(references, questioned[:, :FIRST], cohort)
    with pytest.raises(DataError, match="different size"):
        score(references[:, :FIRST], questioned, cohort)


@pytest.mark.parametrize("name", SCORES)
def test_what_was_prepared_of_different_sizes_is_refused(name: str) -> None:
    """Though what is compared beside the descriptors is of one size."""
    score = make_score(name, **dict(ALL_SCORES)[name], local=FIELDS)
    features, cohort = drawn(38, 3), drawn(39, 8)
    whole, short = score.prepare(features, cohort), score.prepare(features[:, :FIRST], cohort)
    for references, questioned in ((whole, short), (short, whole)):
        with pytest.raises(DataError, match="different size"):
            score.compare(references, questioned)


@pytest.mark.parametrize("size", [(2**32, 2**32, 1), (2**16, 2**16, 2**32), (10**30, 1, 1)], ids=str)
def test_maps_larger_than_any_memory_fit_no_features(size: tuple[int, int, int]) -> None:
    references, questioned = (each[:, :FIRST] for each in (drawn(40, 3), drawn(41, 5)))
    found = make_score("mean", local={"first": FIRST, "size": size})(references, questioned)
    np.testing.assert_array_equal(found, make_score("mean")(references, questioned))


@pytest.mark.parametrize("name", SCORES)
def test_faults_of_features_are_named_with_local_descriptors_too(name: str) -> None:
    score = make_score(name, **dict(ALL_SCORES)[name], local=FIELDS)
    references, questioned, cohort = drawn(35, 3), drawn(36, 5), drawn(37, 8)
    broken, zero = questioned.copy(), questioned.copy()
    broken[2, -1], zero[3, :FIRST] = np.nan, 0.0
    with pytest.raises(DataError, match="at least one reference"):
        score(references[:0], questioned, cohort)
    with pytest.raises(DataError, match="questioned features hold NaN or infinity .first in row 2."):
        score(references, broken, cohort)
    if name != "euclidean":
        with pytest.raises(DataError, match="questioned features hold a row of zeros .row 3."):
            score(references, zero, cohort)


@pytest.mark.parametrize("name", [name for name in SCORES if name != "plda"])
@pytest.mark.parametrize(
    "local",
    [FIELDS, {"first": 7, "size": [2, 3, 4]}, LocalMatching(**FIELDS)],
    ids=["all fields", "those without a default", "a matching"],
)
def test_a_score_is_made_again_from_its_options(name: str, local: Any) -> None:
    score = make_score(name, part_weights=[(3, 0.5)], local=local)
    kept = json.loads(json.dumps(score.options))
    assert kept == score.options
    assert make_score(name, **kept) == score == make_score(name, **score.options)
    assert hash(make_score(name, **kept)) == hash(score)
    assert score != make_score(name, part_weights=[(3, 0.5)])
    assert score.local == as_matching(local)


def test_without_it_options_name_none() -> None:
    assert "local" not in make_score("mean").options
    assert make_score("mean", local=None) == make_score("mean")
    assert as_matching(None) is None


@pytest.mark.parametrize(
    "change",
    [
        {"first": None},
        {"size": None},
        {"sise": (3, 4, 6)},
        {"first": 0},
        {"first": 2.5},
        {"first": "many"},
        {"size": (3, 4)},
        {"size": (3, 4, 0)},
        {"size": 72},
        {"reach": (-1, 3)},
        {"reach": (1, 3, 5)},
        {"reach": 2},
        {"weight": float("nan")},
        {"weight": float("inf")},
        {"weight": -1.0},
        {"weight": "much"},
        {"weight": [2.0]},
        {"typical": float("nan")},
        {"typical": {}},
    ],
    ids=str,
)
def test_fields_that_cannot_be_are_refused(change: dict[str, Any]) -> None:
    fields = {name: value for name, value in {**FIELDS, **change}.items() if value is not None}
    with pytest.raises(UsageError, match="local: "):
        make_score("mean", local=fields)


@pytest.mark.parametrize("value", ["first", 7, [1, 2], {}, {3: 4}], ids=str)
def test_what_is_no_mapping_of_fields_is_refused(value: Any) -> None:
    with pytest.raises(UsageError, match="local: "):
        make_score("mean", local=value)


CARD = """\
models:
  net:
    summary: a network
    distribution: some-plugin
    backbone: some-net
    preprocessor: plain
    input_scale: 1.0
    weights: {artifact: net-weights, format: safetensors}
    score: {name: max, local: {first: 5, size: [3, 4, 6], reach: [0, 2]}}
    features: {layer: fc, size: 16}
    licence: {code: MIT, weights: MIT, commercial_use: true}
    trained_on: nothing
artifacts:
  net-weights:
    summary: its weights
    urls: ["https://example.org/net.safetensors"]
    sha256: "0000000000000000000000000000000000000000000000000000000000000000"
    provenance: a test
"""


def test_a_card_tells_how_its_local_descriptors_are_matched(tmp_path: Path) -> None:
    (tmp_path / "registry.yaml").write_text(CARD)
    spec = read_registry(tmp_path / "registry.yaml").models["net"].score
    assert spec is not None
    score = make_score(spec.name, **spec.options)
    assert score == make_score("max", local=LocalMatching(first=5, size=(3, 4, 6), reach=(0, 2)))


@pytest.mark.parametrize("name", ["synsig-tiny", "synsig-base"])
def test_the_cards_of_the_bundled_models_say_where_their_descriptors_are(name: str) -> None:
    model = sigzoo.load(name, device="cpu")
    matching = model.score.local
    assert isinstance(matching, LocalMatching)
    scans = [Writer(writer).genuine(number) for writer, number in ((1, 0), (1, 1), (2, 0))]
    features, learnt = (model.embed(scans, layer=layer) for layer in ("with_local", "embedding"))
    assert learnt.shape[1] == matching.first
    assert matching.fits(features.shape[1])
    whole, local = matching.split(features.astype(np.float64))
    lengths = np.linalg.norm(whole, axis=1, keepdims=True)
    np.testing.assert_allclose(whole / lengths, learnt, rtol=0, atol=1e-6)
    own_writer, other_writer = local.similarity(local)[0, 1:]
    assert own_writer > other_writer
    for layer in model.backbone.layers:
        if layer.startswith("with_") and layer != "with_local":
            assert not matching.fits(model.embed(scans[:1], layer=layer).shape[1])
