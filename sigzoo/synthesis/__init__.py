"""Synthetic signatures: kinematic writers, forgers, pens and scanners."""

from sigzoo.synthesis.generation import DatasetSpec, SyntheticImage, generate
from sigzoo.synthesis.scan_conditions import RENDERINGS, Rendering, conditions, office, varied
from sigzoo.synthesis.writer import Writer

__all__ = [
    "RENDERINGS",
    "DatasetSpec",
    "Rendering",
    "SyntheticImage",
    "Writer",
    "conditions",
    "generate",
    "office",
    "varied",
]
