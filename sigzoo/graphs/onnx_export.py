"""A network as an ONNX graph for images in any number and, where it takes any size, of any size."""

from __future__ import annotations

import copy
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sigzoo.errors import SigzooError, UsageError
from sigzoo.graphs.folding import fold_batch_norms, probe
from sigzoo.interfaces import Backbone

__all__ = ["INPUT", "OPSET", "Tapped", "any_size", "free_axes", "to_onnx"]

INPUT = "image"
"""Name of a graph's input: float32 ``(N, 1, h, w)``, multiplied by the card's input scale."""

OPSET = 20


class Tapped(nn.Module):
    """A backbone as a module that gives some of its layers, in this order."""

    def __init__(self, backbone: Backbone, layers: Sequence[str]) -> None:
        super().__init__()
        self.backbone, self.names = backbone, tuple(layers)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Compute the layers of a batch."""
        found = self.backbone.forward_layers(image, self.names)
        return tuple(found[name] for name in self.names)


def free_axes(backbone: Backbone) -> dict[int, Any]:
    """Axes of the input that a graph leaves open: how many images, and their size where any will do."""
    names = {0: "batch"} if backbone.input_size is not None else {0: "batch", 2: "height", 3: "width"}
    return dict.fromkeys(names, torch.export.Dim.DYNAMIC)


def to_onnx(backbone: Backbone, layers: Sequence[str]) -> bytes:
    """Write a network as ONNX, batch normalisation folded; the weights are in the file.

    Parameters
    ----------
    backbone
        Any place and precision; the graph is made of a copy in float32 on the CPU.
    layers
        Outputs of the graph, under their own names.

    Raises
    ------
    UsageError
        If the packages for it are not installed; says which extra is.
    SigzooError
        If torch cannot express the network in ONNX.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"Writing ONNX needs the packages onnx and onnxscript ({error}): pip install 'sigzoo[onnx]'."
        ) from error
    from sigzoo.graphs.onnx_pooling import translations

    network = fold_batch_norms(copy.deepcopy(backbone).float().cpu())
    image = probe(network, count=2)
    try:
        with _quietly(), any_size():
            made = torch.onnx.export(
                Tapped(network, layers).eval(),
                (image,),
                dynamo=True,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=list(layers),
                dynamic_shapes=(free_axes(network),),
                custom_translation_table=translations(),
                verbose=False,
            )
            assert made is not None
            with tempfile.TemporaryDirectory(prefix="sigzoo-onnx-") as folder:
                path = Path(folder) / "network.onnx"
                made.save(path, external_data=False)
                return _without_notes(path.read_bytes())
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise SigzooError(f"{type(backbone).__name__} cannot be written as ONNX: {reason}.") from error


def _without_notes(graph: bytes) -> bytes:
    """The same graph without what the exporter noted of its making: lines of code, paths, counters.

    They tell of this machine, and differ from one making to the next.
    """
    import onnx

    model = onnx.load_from_string(graph)
    parts = [model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer]
    for part in [*parts, *model.graph.input, *model.graph.output]:
        part.doc_string = ""
        del part.metadata_props[:]
    content: bytes = model.SerializeToString(deterministic=True)
    return content


@contextmanager
def any_size() -> Iterator[None]:
    """Let torch take no size for special: a graph made from one size then holds for all.

    Without it the graph of SigNet-SPP takes no image below 73 x 73, though the network does.
    """
    from torch.fx.experimental import _config

    if not hasattr(_config, "backed_size_oblivious"):
        yield
        return
    with _config.patch(backed_size_oblivious=True):  # type: ignore[attr-defined]
        yield


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep to itself what the exporter tells its own authors: packages that are not there, old names."""
    log = logging.getLogger("torch.onnx._internal.exporter._registration")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(before)
