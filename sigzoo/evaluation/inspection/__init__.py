"""A look at a data set before anything is measured on it: files, duplicates, cues that give it away."""

from sigzoo.evaluation.inspection.inspect import Inspection, inspect_signatures

__all__ = ["Inspection", "inspect_signatures"]
