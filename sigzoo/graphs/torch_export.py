"""A network as a program of `torch.export`."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from contextlib import nullcontext

import torch

from sigzoo.errors import SigzooError
from sigzoo.graphs.folding import fold_batch_norms, probe
from sigzoo.graphs.onnx_export import Tapped, any_size, free_axes
from sigzoo.interfaces import Backbone

__all__ = ["to_program"]


def to_program(backbone: Backbone, layers: Sequence[str]) -> torch.export.ExportedProgram:
    """Export a network, batch normalisation folded, in float32 on the CPU, for any number of images.

    Raises
    ------
    SigzooError
        If torch cannot express it.
    """
    network = fold_batch_norms(copy.deepcopy(backbone).float().cpu())
    image = probe(network, count=2)
    # The setting for any size makes a single image a special one, which a network of one size need not bear.
    sizes = any_size() if network.input_size is None else nullcontext()
    try:
        with sizes, warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            return torch.export.export(
                Tapped(network, layers).eval(), (image,), dynamic_shapes=(free_axes(network),), strict=False
            )
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise SigzooError(f"{type(backbone).__name__} cannot be exported: {reason}.") from error
