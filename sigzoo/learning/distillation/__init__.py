"""Distillation: a student network comes to say what a teacher says, of old writers and of new ones."""

from sigzoo.settings.distillation_settings import DistillationSettings

__all__ = ["DistillationSettings"]
