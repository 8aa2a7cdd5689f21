"""Preprocessing and features are those of the published program, in every clone: golden.npz needs no licence.

`make.py` beside made it by running github.com/luizgh/sigver on synthetic signatures, weights from a seed.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

import sigzoo
from sigzoo.compat import sigver

pytest.importorskip("sigzoo_signet")

HERE = Path(__file__).parent
COUNT = 5
CANVAS = (952, 1360)


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(HERE / "golden.npz") as file:
        found = dict(file)
    assert len(found) == 3 * COUNT
    return found


@pytest.mark.parametrize("number", range(COUNT))
def test_preprocessing_is_that_of_the_published_program(golden, number: int) -> None:
    image, expected = golden[f"image-{number}"], golden[f"prepared-{number}"]
    assert expected.any()
    np.testing.assert_array_equal(sigver.preprocess_signature(image, CANVAS), expected)
    np.testing.assert_array_equal(sigzoo.preprocessor("sigver", canvas=CANVAS)(image), expected)


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    """SigNet with the weights that the published program computed with."""
    specification = importlib.util.spec_from_file_location("make_golden", HERE / "make.py")
    assert specification is not None
    assert specification.loader is not None
    make = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(make)
    made = sigzoo.backbone("signet").eval()
    made.load_state_dict(make.weights(made))
    return made


@pytest.mark.parametrize("number", range(COUNT))
def test_features_are_those_of_the_published_program(golden, network: torch.nn.Module, number: int) -> None:
    prepared = torch.from_numpy(golden[f"prepared-{number}"])
    with torch.no_grad():
        found = network(prepared[None, None].float() / 255)[0].numpy()
    expected = golden[f"features-{number}"]
    assert expected.std() > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
