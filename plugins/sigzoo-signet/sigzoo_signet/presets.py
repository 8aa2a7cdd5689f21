"""How the published SigNets were trained."""

from __future__ import annotations

from sigzoo.interfaces import TrainingPreset

__all__ = ["SIGNET_2017"]

SIGNET_2017 = TrainingPreset(
    command="train",
    summary="SigNet as its successor sigver trains it: SGD, 60 epochs, crops of 150 x 220",
    source="Hafemann, Sabourin, Oliveira, Pattern Recognition 70, 2017; program: luizgh/sigver",
    settings={
        "optimiser": "sgd",
        "learning_rate": 1e-3,
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "weight_decay_on": "all",
        "batch_size": 32,
        "epochs": 60,
        "schedule": "steps",
        "lr_steps": 3,
        "clip_value": 10.0,
        "precision": "float32",
        "augment": (),
        "training_options": {"size": [170, 242]},
        "validation": 0.1,
        "select_by": "auto",
    },
)
"""Backbone, loss and preprocessor are the caller's to name: ``signet``, ``signet-f``; ``sigver``."""
