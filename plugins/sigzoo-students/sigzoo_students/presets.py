"""The losses that a distillation has where none is named."""

from __future__ import annotations

from sigzoo.interfaces import TrainingPreset

__all__ = ["KD", "KD_CONTINUAL"]

KD = TrainingPreset(
    command="distill",
    summary="A student comes to give the teacher's softmax output",
    source="Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015 (arXiv 1503.02531)",
    settings={"loss": "kd-kl"},
    default=True,
)

KD_CONTINUAL = TrainingPreset(
    command="distill",
    summary="A student of the teacher learns new writers beside those that the teacher knows",
    source="program: continual_sigver, distill.py",
    settings={"loss": "continual"},
    default=True,
    needs=("continual",),
)
