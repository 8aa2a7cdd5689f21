"""Synthetic signatures: kinematic writers, forgers, pens and scanners."""

from sigzoo.synthesis.conditions import office, varied
from sigzoo.synthesis.writer import SyntheticImage, Writer, generate

__all__ = ["SyntheticImage", "Writer", "generate", "office", "varied"]
