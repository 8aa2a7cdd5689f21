"""Maps of embeddings against scikit-learn's, and which signatures are on them."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA

from sigzoo.evaluation.report.projection import chosen_rows, principal_components, project

RNG = np.random.default_rng(1)


def test_principal_components_are_scikit_learns_but_for_their_signs() -> None:
    values = RNG.normal(size=(60, 12)) * np.arange(1, 13)
    scores, shares = principal_components(values, 3)
    theirs = PCA(3).fit(values)
    np.testing.assert_allclose(np.abs(scores), np.abs(theirs.transform(values)), atol=1e-9)
    np.testing.assert_allclose(shares, theirs.explained_variance_ratio_)


def test_writers_far_apart_are_apart_on_the_map_and_it_is_the_same_each_time() -> None:
    centres = RNG.normal(size=(4, 30)) * 20
    values = np.concatenate([centre + RNG.normal(size=(15, 30)) for centre in centres])
    method, points = project(values)
    assert method == "t-SNE"
    assert np.array_equal(points, project(values)[1])
    writer = np.repeat(np.arange(4), 15)
    distance = np.linalg.norm(points[:, None] - points, axis=2)
    np.fill_diagonal(distance, np.inf)
    assert (writer[distance.argmin(axis=1)] == writer).all()


def test_few_signatures_and_equal_ones_have_a_map() -> None:
    method, points = project(RNG.normal(size=(5, 3)))
    assert method.startswith("PCA")
    assert points.shape == (5, 2)
    assert np.isfinite(project(np.ones((30, 8)))[1]).all()
    assert np.isfinite(project(np.ones((3, 1)))[1]).all()


def test_signatures_on_the_map_are_of_writers_spread_over_all() -> None:
    writers = [f"w{n // 80:03d}" for n in range(80 * 100)]
    forged = [n % 2 == 1 for n in range(80 * 100)]
    rows = chosen_rows(writers, forged)
    found = {writers[row] for row in rows}
    assert len(found) == 24
    assert {"w000", "w099"} <= found
    assert len(rows) == 24 * 60
