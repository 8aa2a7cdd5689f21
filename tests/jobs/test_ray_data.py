"""The steps for Ray Data on batches as Ray gives them; no Ray is needed for it."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sigzoo
from sigzoo.errors import ImageError, UsageError
from sigzoo.jobs import EmbedPrepared, EmbedSettings, PrepareImages


def column(*values: object) -> np.ndarray:
    """A column of a batch, of any objects."""
    made = np.empty(len(values), object)
    made[:] = values
    return made


def test_paths_and_contents_give_the_models_features_and_other_columns_stay(scans: list[Path]) -> None:
    settings = EmbedSettings(check_images=False)
    wanted = sigzoo.load().embed(scans[:3], check_images=False)
    paths = np.array([str(path) for path in scans[:3]])
    by_path = {"path": paths, "branch": np.arange(3)}
    by_content = {"bytes": column(*(path.read_bytes() for path in scans[:3])), "path": paths}
    for batch, options in ((by_path, {}), (by_content, {"column": "bytes", "name": "path"})):
        prepare = pickle.loads(pickle.dumps(PrepareImages(settings, **options)))
        found = EmbedPrepared(settings)(prepare(batch))
        assert set(found) == {"error", "features", "warnings"} | set(batch) - {"bytes"}
        assert found["features"].dtype == np.float32
        np.testing.assert_allclose(found["features"], wanted, rtol=0, atol=1e-6)
        assert list(found["path"]) == list(paths)
    assert list(EmbedPrepared(settings)(PrepareImages(settings)(by_path))["branch"]) == [0, 1, 2]


def test_an_image_that_cannot_be_used(scans: list[Path]) -> None:
    batch = {"scan": column(scans[0].read_bytes(), b"no image"), "path": np.array(["a.png", "b.png"])}
    skipping = EmbedSettings(on_error="skip")
    found = EmbedPrepared(skipping)(PrepareImages(skipping, "scan", "path")(batch))
    assert found["error"][0] == ""
    assert "b.png: not an image" in found["error"][1]
    assert np.isfinite(found["features"][0]).all()
    assert np.isnan(found["features"][1]).all()
    with pytest.raises(ImageError, match="b.png: not an image"):
        PrepareImages(EmbedSettings(), "scan", "path")(batch)
    nothing = {name: values[1:] for name, values in batch.items()}  # a batch without any features
    assert np.isnan(
        EmbedPrepared(skipping)(PrepareImages(skipping, "scan", "path")(nothing))["features"]
    ).all()


def test_what_there_is_to_say_of_an_image_is_in_a_column(tmp_path: Path, draw: Any) -> None:
    path = tmp_path / "inverted.png"
    Image.fromarray(255 - draw(0)).save(path)
    found = PrepareImages(EmbedSettings())({"path": np.array([str(path)])})
    assert "inverted.png: does not look like one signature" in found["warnings"][0]


@pytest.mark.parametrize(
    ("step", "columns"),
    [
        (PrepareImages, "path"),
        (lambda settings: PrepareImages(settings, "x", "name"), "name"),
        (EmbedPrepared, "prep"),
    ],
)
def test_a_column_that_is_not_there_is_named(step: Any, columns: str) -> None:
    with pytest.raises(UsageError, match=columns):
        step(EmbedSettings())({"x": np.array(["a"])})
