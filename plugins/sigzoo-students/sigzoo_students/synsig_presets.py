"""How the bundled models were trained: settings of `sigzoo train`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sigzoo.interfaces import TrainingPreset

__all__ = ["BASE", "SYNSIG_BASE", "SYNSIG_TINY", "TINY"]

SEED = 2026
DIRECTIONS_WEIGHT = 0.6
INK_WEIGHT = 0.6
"""Chosen by ``training/choose_ink.py``."""
LOCAL_DESCRIPTORS = 24
"""Numbers that describe each cell."""
HELD_OUT = 1_000_000
"""Number of the first family kept for validation."""
NAMED = 5700
"""The head names the first writers of as many families; of all they would not fit into the file."""


def _families(first: int, families: int, genuine: int, sittings: str) -> str:
    return (
        f"synsig-families:families={families},first={first},genuine={genuine},sittings={sittings},seed={SEED}"
    )


def _corpus(conditions: int, sittings: int) -> dict[str, Any]:
    """Families whose images each have a pen of their own, and those whose hands keep one."""
    return {
        "data": _families(0, conditions, 6, "no"),
        "more_data": (_families(conditions, sittings, 6, "yes"),),
    }


_COMMON: Mapping[str, Any] = {
    "backbone_options": {
        "ink_weight": INK_WEIGHT,
        "directions_weight": DIRECTIONS_WEIGHT,
        "local_descriptors": LOCAL_DESCRIPTORS,
    },
    "preprocessor": "synsig",
    "preprocessor_options": {"statistics": True},
    "validation_data": (
        _families(HELD_OUT, 200, 8, "no"),
        _families(HELD_OUT + 200, 200, 8, "yes"),
    ),
    "validation": 0.0,
    # The softmax sees what is learnt alone, so that no class is known by its pen; the verification sees the
    # ink's statistics too, as those who use the features do.
    "loss": "",
    "losses": (
        {
            "loss": "am-softmax",
            "options": {"scale": 24.0, "margin": 0.3},
            "layer": "embedding",
            "label": "hand",
        },
        {
            "loss": "verification",
            "options": {"references": 2},
            "weight": 2.0,
            "batches": ["part-*"],
            "per_kind": True,
        },
    ),
    # Two parts are families; a third, where there is one, is of real names, of which there are few.
    "samplers": (
        {"sampler": "shuffled", "options": {"repeats": [1, 1, 4]}},
        {"sampler": "families", "options": {"repeats": [1, 1, 4]}},
    ),
    "batch_size": 256,
    "optimiser": "adamw",
    "learning_rate": 2e-3,
    "weight_decay": 0.02,
    "weight_decay_on": "network",
    "schedule": "one-cycle",
    "averaged_rate": 7e-4,
    "precision": "bfloat16",
    "select_by": "verification",
    "start_except": ("ink.", "directions.", "local."),
    "store_precision": "float16",
    "seed": SEED,
    "weights_licence": "BSD-3-Clause",
    "commercial_use": True,
}

SYNSIG_TINY: Mapping[str, Any] = MappingProxyType(
    {**_COMMON, **_corpus(4000, 9000), "backbone": "student-tiny", "epochs": 12, "cycles": (4, 3, 5)}
)
"""The default model, from scratch; with crossmedia's names as a third part of the data."""

SYNSIG_BASE: Mapping[str, Any] = MappingProxyType(
    {
        **_COMMON,
        **_corpus(5000, 12000),
        "backbone": "student-base",
        "epochs": 6,
        "cycles": (3, 3),
        "export_outputs": NAMED,
    }
)
"""The larger model, on synthetic signatures alone, with a writer head for distillation."""

TINY = TrainingPreset(
    command="train",
    summary="synsig-tiny from scratch, on synthetic signatures",
    settings=SYNSIG_TINY,
)
BASE = TrainingPreset(
    command="train",
    summary="synsig-base from scratch, on synthetic signatures, with its writer head",
    settings=SYNSIG_BASE,
)
