"""A model's network as a file that needs no sigzoo: ONNX, OpenVINO or `torch.export`, compared with torch."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sigzoo.common.atomic import write_bytes
from sigzoo.common.extras import import_extra
from sigzoo.errors import SigzooError, UsageError

if TYPE_CHECKING:
    from sigzoo.interfaces import Backbone, GreyImage
    from sigzoo.registry import Card

__all__ = ["FORMATS", "TOLERANCE", "Exported", "export_model"]

FORMATS = {"onnx": ".onnx", "openvino": ".xml", "torch-export": ".pt2"}
"""Format -> ending of its file."""

TOLERANCE = 1e-4
"""Largest difference from torch that passes, times the layer's largest number above 1."""

_Batch: TypeAlias = NDArray[np.float32]
_Compute: TypeAlias = Callable[[_Batch], _Batch]


class ExportableModel(Protocol):
    """What is asked of a model; `sigzoo.SignatureModel` is one."""

    card: Card

    @property
    def backbone(self) -> Backbone:
        """The network."""

    def preprocess(self, image: NDArray[np.uint8], /) -> GreyImage:
        """Preprocess one image."""

    def provenance(self, layer: str | None = None) -> dict[str, Any]:
        """What features depend on."""


@dataclass(frozen=True)
class Exported:
    """What was written."""

    files: tuple[Path, ...]
    """The file that was asked for first; OpenVINO's weights lie beside it."""
    format: str
    layer: str
    deviation: float
    """Largest difference from torch on synthetic signatures."""
    metadata: dict[str, str]
    """What the file says of itself."""


def export_model(
    model: ExportableModel,
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    layer: str | None = None,
) -> Exported:
    """Write a model's network, which takes any number of images, and whatever size the network takes.

    Its input is named ``image``: float32 ``(N, 1, h, w)``, the preprocessed image (ink bright on 0) times the
    input scale. Its output has the layer's name. The metadata say what an image must have gone through, and
    under which licence the weights are. Before the file has its name it is read again, run on synthetic
    signatures one by one and in a batch, and compared with torch.

    Parameters
    ----------
    model
        Its network is exported as it is now, changes by hand included; in float32.
    path, format, layer
        As `SignatureModel.export` takes them.

    Returns
    -------
    Exported
        The files, the format, and how far what they compute is from the network in torch.

    Raises
    ------
    UsageError, UnknownNameError, SigzooError
        As `SignatureModel.export` does.
    """
    target = Path(path)
    kind = _format_of(target, format)
    layer = model.card.features.layer if layer is None else layer
    model.backbone.check_layers([layer])
    if not target.absolute().parent.is_dir():
        raise UsageError(f"{target}: the folder {target.parent} does not exist.")
    metadata = _metadata(model, layer)
    with tempfile.TemporaryDirectory(prefix="sigzoo-export-") as place:
        folder = Path(place)
        written = folder / target.name
        compute = _WRITERS[kind](model.backbone, layer, metadata, written)
        deviation = _compared(model, layer, compute, target)
        names = sorted(folder.iterdir(), key=lambda each: each == written)
        for each in names:  # the named file last: whoever sees it finds the rest
            write_bytes(target.with_name(each.name), each.read_bytes())
    files = [target.with_name(each.name) for each in reversed(names)]
    return Exported(tuple(files), kind, layer, deviation, metadata)


def _format_of(target: Path, format: str | None) -> str:
    by_ending = {ending: name for name, ending in FORMATS.items()}
    if format is None:
        format = by_ending.get(target.suffix)
        if format is None:
            raise UsageError(f"{target}: the ending says no format; name one of {', '.join(FORMATS)}.")
    if format not in FORMATS:
        raise UsageError(f"There is no format {format!r} to export: there are {', '.join(FORMATS)}.")
    if target.suffix != FORMATS[format]:
        raise UsageError(f"{target}: a file of the format {format} ends in {FORMATS[format]}.")
    return format


def _metadata(model: ExportableModel, layer: str) -> dict[str, str]:
    found = model.provenance(layer)
    licence, size = model.card.licence, model.backbone.input_size
    found["preprocessor_options"] = json.dumps(found["preprocessor_options"], sort_keys=True)
    found["input_scale"] = repr(found["input_scale"])
    return {
        **{key: str(value) for key, value in found.items() if key != "precision"},
        "input": "float32 (N, 1, h, w): the preprocessed uint8 image, ink bright on 0, times input_scale",
        "input_size": "any" if size is None else f"{size[0]} x {size[1]}",
        "licence_code": licence.code,
        "licence_weights": licence.weights,
        "commercial_use": "yes" if licence.commercial_use else "no",
    }


def _write_onnx(backbone: Backbone, layer: str, metadata: dict[str, str], path: Path) -> _Compute:
    from sigzoo.graphs.onnx_export import INPUT, to_onnx

    graph = to_onnx(backbone, [layer])
    import onnx

    model = onnx.load_from_string(graph)
    onnx.helper.set_model_props(model, dict(sorted(metadata.items())))
    path.write_bytes(model.SerializeToString(deterministic=True))
    onnxruntime = import_extra("onnxruntime", "onnx", "The comparison of what is exported")
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    return lambda batch: session.run([layer], {INPUT: batch})[0]


def _write_openvino(backbone: Backbone, layer: str, metadata: dict[str, str], path: Path) -> _Compute:
    from sigzoo.graphs.onnx_export import to_onnx

    openvino = import_extra("openvino", "openvino", "This format")
    core = openvino.Core()
    model = core.read_model(to_onnx(backbone, [layer]))
    for key, value in metadata.items():
        model.set_rt_info(value, ["sigzoo", key])
    openvino.save_model(model, path, compress_to_fp16=False)
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    written = core.read_model(path.read_bytes(), path.with_suffix(".bin").read_bytes())
    compiled = core.compile_model(written, "CPU", exact)
    return lambda batch: np.array(compiled([batch])[0])


def _write_torch(backbone: Backbone, layer: str, metadata: dict[str, str], path: Path) -> _Compute:
    import torch

    from sigzoo.graphs.torch_export import to_program

    program = to_program(backbone, [layer])
    extra = {"sigzoo.json": json.dumps(metadata, indent=2, sort_keys=True)}
    torch.export.save(program, path, extra_files=extra)
    network = program.module()

    def compute(batch: _Batch) -> _Batch:
        with torch.inference_mode():
            found: _Batch = network(torch.from_numpy(batch))[0].numpy()
        return found

    return compute


_WRITERS: dict[str, Callable[[Backbone, str, dict[str, str], Path], _Compute]] = {
    "onnx": _write_onnx,
    "openvino": _write_openvino,
    "torch-export": _write_torch,
}


def _compared(model: ExportableModel, layer: str, compute: _Compute, target: Path) -> float:
    """Largest difference from torch.

    Raises
    ------
    SigzooError
        If it is too large.
    """
    import torch

    worst, largest = 0.0, 1.0
    for batch in _batches(model):
        with torch.inference_mode():
            network = model.backbone.eval()
            wanted = network.forward_layers(torch.from_numpy(batch), [layer])[layer].float().numpy()
        found = compute(batch)
        if found.shape != wanted.shape:
            raise SigzooError(f"{target}: gives {found.shape} where torch gives {wanted.shape}; not written.")
        worst = max(worst, float(np.abs(found - wanted).max()))
        largest = max(largest, float(np.abs(wanted).max()))
    if not worst <= TOLERANCE * largest:
        raise SigzooError(
            f"{target}: what was exported is {worst:.1e} from torch, more than {TOLERANCE * largest:.0e};"
            " it is not written."
        )
    return worst


def _batches(model: ExportableModel) -> Iterator[_Batch]:
    """Preprocessed synthetic signatures: one, three of another, and so on, as the network takes them."""
    from sigzoo.synthesis import Writer

    for seed, count in ((11, 1), (12, 3), (13, 2)):
        image = model.preprocess(Writer(seed).genuine(0))[np.newaxis, np.newaxis]
        yield np.repeat(image * np.float32(model.card.input_scale), count, axis=0)
