"""Distillation: a student network comes to say what a teacher says, of old writers and of new ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigzoo.common.lazy import lazy_names
from sigzoo.settings.distillation_settings import DistillationSettings

if TYPE_CHECKING:
    from sigzoo.learning.distillation.distill import distill

__all__ = ["DistillationSettings", "distill"]

__getattr__ = lazy_names(__name__, {"distill": "distill"})
