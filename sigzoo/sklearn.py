"""scikit-learn estimators (the extra ``eval``): images to features, and a classifier for one writer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sigzoo.errors import ImageError, UsageError
from sigzoo.evaluation.kernels import SIMILARITY_GAMMA, checked_gamma, gaussian, squared_distances
from sigzoo.verification.scores import Score, make_score

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise UsageError(
        "sigzoo.sklearn needs scikit-learn 1.6 or later: run `pip install 'sigzoo[eval]'`."
    ) from error

__all__ = ["ScoreKernel", "SignatureEmbedder", "WriterVerifier"]


class SignatureEmbedder(TransformerMixin, BaseEstimator):
    """Turn images into a model's features; the first step of a pipeline.

    It learns nothing: `fit` only loads the model, and `transform` works without it. A pickle or a clone holds
    the parameters, not the weights: what is fitted remembers which weights it was, and refuses others.

    Parameters
    ----------
    model
        A name that `sigzoo list` knows, or the folder of a run; by default the bundled model.
    layer
        The layer that features are taken from; the card's by default. A grid search may look over them.
    batch_size, device, weights
        As for `sigzoo.load` and `SignatureModel.embed`.
    check_images
        Whether to warn of what does not look like one signature on paper.

    Attributes
    ----------
    provenance_
        What the features depend on (`SignatureModel.provenance`).
    n_features_out_
        How many numbers an image gives.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        layer: str | None = None,
        batch_size: int = 32,
        device: str = "auto",
        weights: str | None = None,
        check_images: bool = True,
    ) -> None:
        self.model = model
        self.layer = layer
        self.batch_size = batch_size
        self.device = device
        self.weights = weights
        self.check_images = check_images

    def fit(self, X: Iterable[Any], y: Any = None) -> SignatureEmbedder:
        """Load the model and see what features it gives.

        Parameters
        ----------
        X
            Images, as for `transform`; the first is embedded.
        y
            Not looked at.

        Returns
        -------
        SignatureEmbedder
            This one.

        Raises
        ------
        SigzooError
            As `sigzoo.load` and `SignatureModel.embed` do.
        """
        loaded = self._load(again=True)
        first = _images(X)[:1]
        self.provenance_ = loaded.provenance(self.layer)
        self.n_features_out_ = int(self._embed(loaded, first).shape[1])
        return self

    def transform(self, X: Iterable[Any]) -> NDArray[np.float32]:
        """Compute features.

        Parameters
        ----------
        X
            N images: paths, arrays of grey pixels, PIL images (`sigzoo.imaging.read_image` says which), as a
            list, an array of them, or a table with one column of paths.

        Returns
        -------
        array
            float32 ``(N, n_features_out_)``.

        Raises
        ------
        ImageError
            If an image cannot be used; names it.
        UsageError
            If the weights are no longer those of `fit`.
        """
        images = _images(X)
        loaded = self._load()
        found = self._embed(loaded, images)
        if not hasattr(self, "n_features_out_"):
            self.n_features_out_ = int(found.shape[1])
        return found

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Names of the features, an array of text: the model, the layer and a number each.

        Parameters
        ----------
        input_features
            Not looked at: images have no named columns.

        Returns
        -------
        array
            Texts, ``(D,)``.
        """
        check_is_fitted(self, "n_features_out_")
        known = self.provenance_ if hasattr(self, "provenance_") else self._load().provenance(self.layer)
        return np.array(
            [f"{known['model']}_{known['layer']}_{number}" for number in range(self.n_features_out_)], object
        )

    def _embed(self, loaded: Any, images: Sequence[Any]) -> NDArray[np.float32]:
        found = loaded.embed(
            images, layer=self.layer, batch_size=self.batch_size, check_images=self.check_images
        )
        flat: NDArray[np.float32] = found.reshape(len(found), -1)
        return flat

    def _load(self, again: bool = False) -> Any:
        """The model, loaded once for its parameters, which `set_params` may change."""
        import sigzoo

        wanted = (self.model, self.device, self.weights)
        held = self.__dict__.get("_loaded")
        if held is None or held[0] != wanted:
            held = wanted, sigzoo.load(self.model, device=self.device, weights=self.weights)
            self._loaded = held
        if not again and hasattr(self, "provenance_"):
            differing = _differences(self.provenance_, held[1].provenance(self.layer))
            if differing:
                raise UsageError(
                    f"This SignatureEmbedder was fitted with another {' and '.join(differing)}; fit it again."
                )
        return held[1]

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        state.pop("_loaded", None)
        return state

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.no_validation = True
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def _differences(fitted: dict[str, Any], now: dict[str, Any]) -> list[str]:
    keys = ("model", "layer", "weights_sha256", "preprocessor", "preprocessor_options", "input_scale")
    return [key.replace("_", " ") for key in keys if fitted[key] != now[key]]


def _images(X: Iterable[Any]) -> list[Any]:
    """A list of images of what scikit-learn users hand over."""
    if isinstance(X, str | bytes) or not isinstance(X, Iterable):
        raise UsageError(f"X is a sequence of images, such as a list of paths; got {type(X).__name__}.")
    if hasattr(X, "to_numpy"):  # a table or a column
        X = X.to_numpy()
    if isinstance(X, np.ndarray):
        if X.ndim == 0 or (X.ndim == 2 and X.dtype.kind in "fiub"):
            raise UsageError(
                f"X is an array of shape {X.shape}; expected images (N, height, width), or paths (N,)."
            )
        if X.ndim == 2 and X.shape[1] == 1:
            X = X[:, 0]
    images = list(X)
    if not images:
        raise ImageError("X holds no image.")
    return images


class ScoreKernel(BaseEstimator):
    """A kernel for `WriterVerifier` or any ``sklearn.svm.SVC``: of the similarity by which a score compares.

    ``exp(-gamma * d^2)`` with ``d^2 = s(a, a) + s(b, b) - 2 s(a, b)``. The similarity s is the cosine or,
    where the score matches local descriptors and features hold such (those of a bundled model's layer
    ``with_local``, with its own score), the mean of the cosine and of their similarity, which weighs as much
    as the score says. It takes features as they are, not divided by their deviations.

    Parameters
    ----------
    score
        A score, as ``sigzoo.load(...).score``, or a name of one; the default one if `None`. Scores by name
        match no local descriptors.
    gamma
        How fast the kernel falls. A grid search over `WriterVerifier` calls it ``kernel__gamma``.
    """

    def __init__(self, score: Score | str | None = None, gamma: float = SIMILARITY_GAMMA) -> None:
        self.score = score
        self.gamma = gamma

    def __call__(self, X: ArrayLike, Y: ArrayLike) -> NDArray[np.float64]:
        """Compare every signature with every other.

        Parameters
        ----------
        X, Y
            float ``(N, D)`` and ``(M, D)``, features of the same model and layer.

        Returns
        -------
        array
            float64 ``(N, M)``, from 0 to 1.

        Raises
        ------
        UnknownNameError
            If there is no score of that name.
        UsageError
            If gamma is no number above 0.
        DataError
            If features are not finite or zero, sizes differ, or the score needs a cohort.
        """
        gamma = checked_gamma(self.gamma)
        score = self.score if isinstance(self.score, Score) else make_score(self.score)
        return gaussian(squared_distances(score.prepare(X), score.prepare(Y)), gamma)


class WriterVerifier(ClassifierMixin, BaseEstimator):
    """A writer-dependent classifier: an SVM that tells one writer's signatures from others.

    As in Hafemann, Sabourin, Oliveira, Learning features for offline handwritten signature verification
    using deep convolutional neural networks, Pattern Recognition 70, 2017: features are divided by their
    deviations, and an error on a genuine signature weighs as many times more as there are fewer of them.

    Parameters
    ----------
    C
        What an error costs, against a wide margin.
    kernel
        ``"rbf"`` or ``"linear"``, as published; or what gives the matrix of two arrays of features, as
        `ScoreKernel` does, with ``scale=False``.
    gamma
        Of the RBF kernel, as in `sklearn.svm.SVC`; the published one is 2 to the power of -11, for the 2,048
        features of SigNet, which is about what ``"scale"`` gives there.
    genuine
        The label of the writer's own signatures; by default the second of both in order (1 of 0 and 1).
    scale
        Whether to divide features by their deviations.

    Attributes
    ----------
    classes_
        Both labels.
    svm_
        The fitted pipeline.
    n_features_in_
        Numbers of a signature.
    """

    def __init__(
        self,
        C: float = 1.0,
        *,
        kernel: str | Callable[[ArrayLike, ArrayLike], NDArray[np.float64]] = "rbf",
        gamma: float | str = "scale",
        genuine: Any = None,
        scale: bool = True,
    ) -> None:
        self.C = C
        self.kernel = kernel
        self.gamma = gamma
        self.genuine = genuine
        self.scale = scale

    def fit(self, X: ArrayLike, y: ArrayLike) -> WriterVerifier:
        """Learn one writer's signatures.

        Parameters
        ----------
        X
            float ``(N, D)``: features of the writer's signatures and of others' (random forgeries, and
            skilled ones where there are some).
        y
            ``(N,)``: two labels, whose genuine and whose not.

        Returns
        -------
        WriterVerifier
            This one.

        Raises
        ------
        ValueError
            If there are not two labels, `genuine` is none of them, X is no finite array, or it would be
            scaled for a `ScoreKernel`; as scikit-learn's own classifiers do.
        """
        X, y = validate_data(self, X, y)
        labels: NDArray[Any] = np.asarray(y)
        check_classification_targets(labels)
        self.classes_ = np.unique(labels)
        if len(self.classes_) != 2:
            found = len(self.classes_)
            raise ValueError(
                f"Only binary classification is supported: a writer's signatures and others'. y has {found}"
                f" class{'es' * (found != 1)}."
            )
        genuine = self.classes_[1] if self.genuine is None else self.genuine
        if genuine not in self.classes_:
            raise ValueError(f"genuine={genuine!r} is not among the labels {list(self.classes_)}.")
        if self.scale and isinstance(self.kernel, ScoreKernel):
            raise ValueError("a ScoreKernel compares features as they are: give scale=False.")
        own = int(np.count_nonzero(labels == genuine))
        machine = SVC(
            C=self.C, kernel=self.kernel, gamma=self.gamma, class_weight={genuine: (len(labels) - own) / own}
        )
        steps = [StandardScaler(with_mean=False), machine] if self.scale else [machine]
        self.svm_ = make_pipeline(*steps).fit(X, labels)
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Distance from the margin, float ``(N,)``: above 0 for the second of `classes_`.

        Parameters
        ----------
        X
            float ``(N, D)``.

        Returns
        -------
        array
            float64 ``(N,)``.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        found: NDArray[np.float64] = self.svm_.decision_function(X)
        return found

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The label of each signature, ``(N,)``.

        Parameters
        ----------
        X
            float ``(N, D)``.

        Returns
        -------
        array
            ``(N,)``, values of `classes_`.
        """
        second = self.decision_function(X) > 0
        found: NDArray[Any] = self.classes_[second.astype(int)]
        return found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags
