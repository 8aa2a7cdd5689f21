"""Inversion: images that a trained network takes for its writers', out of the network alone.

DeepInversion and Adaptive DeepInversion of Yin et al., *Dreaming to Distill*, CVPR 2020
(arXiv 1912.08795).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigzoo.common.lazy import lazy_names
from sigzoo.settings.inversion_settings import InversionSettings

if TYPE_CHECKING:
    from sigzoo.learning.inversion.inversion_results import BatchResult, InversionResult

__all__ = ["BatchResult", "InversionResult", "InversionSettings"]

__getattr__ = lazy_names(
    __name__,
    {
        "BatchResult": "inversion_results",
        "InversionResult": "inversion_results",
    },
)
