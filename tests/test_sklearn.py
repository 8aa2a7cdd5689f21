"""The scikit-learn estimators: its own checks, pipelines, searches, tables, pickles."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

import sigzoo
from sigzoo.errors import DataError, ImageError, UnknownNameError, UsageError
from sigzoo.evaluation.kernels import SimilarityKernel
from sigzoo.sklearn import ScoreKernel, SignatureEmbedder, WriterVerifier
from sigzoo.verification.scores import make_score
from tests.conftest import Draw

LAYERS = ["embedding", "with_ink"]


@parametrize_with_checks([WriterVerifier(), WriterVerifier(kernel="linear", scale=False)])  # type: ignore[untyped-decorator]
def test_the_classifier_passes_the_checks_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize(
    "check",
    [
        "check_estimator_cloneable",
        "check_estimator_repr",
        "check_estimator_tags_renamed",
        "check_valid_tag_types",
        "check_no_attributes_set_in_init",
        "check_parameters_default_constructible",
        "check_get_params_invariance",
        "check_set_params",
        "check_mixin_order",
    ],
)
def test_the_embedder_passes_the_checks_that_hand_over_no_table_of_numbers(check: str) -> None:
    # All others fit on random tables of numbers, which are no images: scikit-learn leaves them out by itself
    # for an estimator whose tags say that it takes none.
    getattr(estimator_checks, check)("SignatureEmbedder", SignatureEmbedder())


@pytest.fixture(scope="module")
def images(draw: Draw) -> list[np.ndarray]:
    """Drawn signatures of two writers, four each, with some noise."""
    rng = np.random.default_rng(0)
    found = []
    for writer in (1, 2):
        for _ in range(4):
            drawn = draw(writer).astype(int) + rng.integers(-20, 20, (150, 320))
            found.append(drawn.clip(0, 255).astype(np.uint8))
    return found


LABELS = np.repeat([1, 0], 4)


def test_features_are_those_of_the_model(images: list[np.ndarray], tmp_path: Path) -> None:
    expected = sigzoo.load("synsig-tiny").embed(images, layer="embedding")
    embedder = SignatureEmbedder("synsig-tiny", layer="embedding")
    np.testing.assert_array_equal(embedder.fit_transform(images), expected)
    np.testing.assert_array_equal(embedder.transform(np.stack(images)), expected)
    files = [tmp_path / f"{number}.png" for number in range(len(images))]
    for file, image in zip(files, images, strict=True):
        Image.fromarray(image).save(file)
    np.testing.assert_array_equal(
        SignatureEmbedder("synsig-tiny", layer="embedding").transform(files), expected
    )
    as_column = np.array([[str(file)] for file in files], object)
    np.testing.assert_array_equal(embedder.transform(as_column), expected)


def test_it_is_a_step_of_a_pipeline_whose_layer_is_searched(images: list[np.ndarray]) -> None:
    pipeline = Pipeline([("features", SignatureEmbedder()), ("writer", WriterVerifier())])
    search = GridSearchCV(pipeline, {"features__layer": LAYERS}, cv=StratifiedKFold(2)).fit(images, LABELS)
    assert search.best_params_["features__layer"] in LAYERS
    assert search.predict(images).tolist() == LABELS.tolist()
    assert cross_val_score(pipeline, images, LABELS, cv=2).min() == 1.0


def test_names_of_features_and_tables(images: list[np.ndarray]) -> None:
    embedder = SignatureEmbedder("synsig-tiny").fit(images)
    size = sigzoo.info("synsig-tiny").features.size
    names = embedder.get_feature_names_out()
    assert names.shape == (size,)
    assert names[0] == "synsig-tiny_with_ink_0"
    assert len(set(names)) == size
    pandas = pytest.importorskip("pandas")
    table = clone(embedder).set_output(transform="pandas").fit_transform(images)
    assert isinstance(table, pandas.DataFrame)
    assert table.columns.tolist() == names.tolist()
    paths = pandas.DataFrame({"file": images})
    np.testing.assert_array_equal(embedder.transform(paths), table.to_numpy())


def test_a_pickle_holds_no_weights_and_refuses_others(images: list[np.ndarray]) -> None:
    embedder = SignatureEmbedder("synsig-tiny").fit(images)
    packed = pickle.dumps(embedder)
    assert len(packed) < 10_000
    again = pickle.loads(packed)
    np.testing.assert_array_equal(again.transform(images), embedder.transform(images))
    again.set_params(layer="embedding")
    with pytest.raises(UsageError, match="another layer; fit it again"):
        again.transform(images)
    assert again.fit(images).transform(images).shape == sigzoo.load().embed(images, layer="embedding").shape


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("a.png", "a sequence of images"),
        (np.zeros((3, 5)), "expected images"),
        ([], "no image"),
    ],
)
def test_what_are_no_images_is_told(wrong: Any, message: str) -> None:
    with pytest.raises((UsageError, ImageError), match=message):
        SignatureEmbedder().transform(wrong)


@pytest.mark.parametrize("kernel", ["rbf", "linear"])
def test_the_classifier_is_the_published_one(kernel: str) -> None:
    rng = np.random.default_rng(3)
    own, others = rng.normal(0.3, 1, (12, 40)), rng.normal(0, 2, (80, 40))
    known, y = np.concatenate([own, others]), np.repeat([1, -1], [12, 80])
    questioned = rng.normal(0.2, 1.5, (30, 40))
    # Written from `train_wdclassifier_user` of the published program, github.com/luizgh/sigver.
    published = make_pipeline(
        StandardScaler(with_mean=False), SVC(C=1.0, kernel=kernel, gamma=2**-5, class_weight={1: 80 / 12})
    ).fit(known, y)
    mine = WriterVerifier(kernel=kernel, gamma=2**-5).fit(known, y)
    np.testing.assert_allclose(
        mine.decision_function(questioned), published.decision_function(questioned), atol=1e-9
    )
    labels = np.where(y == 1, "genuine", "other")
    named = WriterVerifier(kernel=kernel, gamma=2**-5, genuine="genuine").fit(known, labels)
    assert named.predict(questioned).tolist() == [
        "genuine" if each == 1 else "other" for each in published.predict(questioned)
    ]


def test_what_cannot_be_learnt_is_told() -> None:
    known = np.eye(4)
    with pytest.raises(ValueError, match="1 class"):
        WriterVerifier().fit(known, [1, 1, 1, 1])
    with pytest.raises(ValueError, match="Only binary classification"):
        WriterVerifier().fit(known, [0, 1, 2, 2])
    with pytest.raises(ValueError, match="not among the labels"):
        WriterVerifier(genuine="yes").fit(known, [0, 1, 0, 1])


def test_without_scikit_learn_the_extra_is_named(tmp_path: Path) -> None:
    code = "import sys; sys.modules['sklearn'] = None\nimport sigzoo\nimport sigzoo.sklearn"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert "pip install 'sigzoo[eval]'" in done.stderr
    assert "UsageError" in done.stderr


def test_a_verifier_learns_the_similarity_of_a_score() -> None:
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(40, 4 + 30)) + 2.0 * np.repeat(rng.normal(size=(2, 34)), 20, axis=0)
    labels = np.repeat([1, 0], 20)
    score = make_score(local={"first": 4, "size": [3, 2, 5], "reach": [1, 2]})
    learnt, asked = np.arange(0, 40, 2), np.arange(1, 40, 2)
    machine = WriterVerifier(kernel=ScoreKernel(score, 1.5), scale=False).fit(rows[learnt], labels[learnt])
    whole = SimilarityKernel(score, rows, np.arange(40), 1.5)
    other = SVC(kernel="precomputed", class_weight={1: 1.0})
    other.fit(whole.matrix(learnt, learnt), labels[learnt])
    wanted = other.decision_function(whole.matrix(asked, learnt))
    np.testing.assert_allclose(machine.decision_function(rows[asked]), wanted, atol=1e-4)
    again = clone(machine).fit(rows[learnt], labels[learnt])
    np.testing.assert_array_equal(again.predict(rows[asked]), machine.predict(rows[asked]))
    assert (machine.predict(rows[asked]) == labels[asked]).mean() > 0.9


def test_a_grid_search_looks_over_the_gamma_of_a_scores_kernel() -> None:
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(40, 12)) + 2.0 * np.repeat(rng.normal(size=(2, 12)), 20, axis=0)
    labels = np.repeat([1, 0], 20)
    gammas = [1e9, 2.0]  # with the first no two signatures are alike
    writer = WriterVerifier(kernel=ScoreKernel("mean"), scale=False)
    search = GridSearchCV(writer, {"kernel__gamma": gammas}, cv=4).fit(rows, labels)
    assert search.best_params_ == {"kernel__gamma": 2.0}
    assert search.best_estimator_.kernel.get_params() == {"score": "mean", "gamma": 2.0}
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(again.decision_function(rows), search.decision_function(rows))


def test_what_a_scores_kernel_cannot_compare_is_said() -> None:
    rows = np.random.default_rng(2).normal(size=(5, 34))
    matching = make_score(local={"first": 4, "size": [3, 2, 5], "reach": [1, 2]})
    for score in (matching, "mean"):
        with pytest.raises(DataError, match="different size"):
            ScoreKernel(score)(rows, rows[:, :4])
    for gamma in (0.0, -1.0, np.nan, "scale"):
        with pytest.raises(UsageError, match="gamma must be a number above 0"):
            ScoreKernel(gamma=gamma)(rows, rows)
    with pytest.raises(UnknownNameError, match="nearest"):
        ScoreKernel("nearest")(rows, rows)


def test_features_are_not_scaled_for_the_kernel_of_a_score() -> None:
    rows, labels = np.random.default_rng(0).normal(size=(8, 4)), np.repeat([0, 1], 4)
    with pytest.raises(ValueError, match="give scale=False"):
        WriterVerifier(kernel=ScoreKernel()).fit(rows, labels)
    assert WriterVerifier(kernel=ScoreKernel(), scale=False).fit(rows, labels).predict(rows).shape == (8,)
