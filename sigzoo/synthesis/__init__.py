"""Synthetic signatures: kinematic writers, forgers, pens and scanners."""

from sigzoo.synthesis.conditions import RENDERINGS, conditions, office, varied
from sigzoo.synthesis.generation import Order, SyntheticImage, generate, produce
from sigzoo.synthesis.writer import Writer

__all__ = [
    "RENDERINGS",
    "Order",
    "SyntheticImage",
    "Writer",
    "conditions",
    "generate",
    "office",
    "produce",
    "varied",
]
