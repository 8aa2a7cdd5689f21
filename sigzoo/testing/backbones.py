"""What every backbone must do: shapes, layers, independence, gradients, weights, half precision, export."""

from __future__ import annotations

import copy
import tempfile
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from sigzoo.errors import ImageError, UnknownNameError
from sigzoo.interfaces import Backbone, Size
from sigzoo.testing.suites import Suite, expect, expect_error
from sigzoo.weights import load_into, read_weights, save_weights

__all__ = ["BACKBONE", "BackboneCase", "check_backbone"]

MEGABYTE = 2**20
DEFAULT_LIMIT_MB = 512


@dataclass(frozen=True)
class BackboneCase:
    """A backbone under test. It is left as it was found: what trains or loads does so in a copy."""

    backbone: Backbone
    build: Callable[[], Backbone] | None = None
    """Builds another one, with other random weights."""
    limit_mb: float = DEFAULT_LIMIT_MB

    def sizes(self) -> list[Size]:
        """Input sizes to try: the only one, or the smallest and a larger one of another shape."""
        if self.backbone.input_size is not None:
            return [self.backbone.input_size]
        height, width = self.backbone.minimum_size
        return [(height, width), (height + 23, width + 48)]

    def batch(self, count: int = 3, size: Size | None = None) -> Tensor:
        """Random input, float32 ``(count, 1, h, w)`` in 0 .. 1, the same at every call.

        Parameters
        ----------
        count
            How many images.
        size
            Height and width; by default one that the backbone takes.

        Returns
        -------
        Tensor
            On the CPU.
        """
        height, width = size or self.sizes()[-1]
        return torch.rand(count, 1, height, width, generator=torch.Generator().manual_seed(11))

    def features(self, x: Tensor) -> Tensor:
        """Features in evaluation mode.

        Parameters
        ----------
        x
            float32 ``(N, 1, h, w)``.

        Returns
        -------
        Tensor
            ``(N, feature_dim)``, without gradients.
        """
        self.backbone.eval()
        with torch.no_grad():
            result: Tensor = self.backbone(x)
        return result

    def copy(self) -> Backbone:
        """A copy, to do with as one likes."""
        return copy.deepcopy(self.backbone)


BACKBONE: Suite[BackboneCase] = Suite()


def check_backbone(
    backbone: Backbone,
    *,
    build: Callable[[], Backbone] | None = None,
    limit_mb: float = DEFAULT_LIMIT_MB,
    skip: tuple[str, ...] = (),
) -> None:
    """Check that a backbone does what `sigzoo.interfaces.Backbone` promises.

    Parameters
    ----------
    backbone
        Left as it is, but for its mode: it is in evaluation mode afterwards.
    build
        Builds another one with other random weights; finds state that no weight file would hold.
        Without it, buffers that are not in the state dict may not matter to the features, since
        nothing shows that another network would have the same.
    limit_mb
        Largest size of its weights, in 2**20 bytes.
    skip
        Names of checks to leave out: those of ``sigzoo.testing.BACKBONE.checks``.

    Raises
    ------
    ConformanceFailure
        If it does not; a line for each check that failed.
    """
    BACKBONE.run(BackboneCase(backbone, build, limit_mb), type(backbone).__name__, skip)


def _close(one: Tensor, other: Tensor, tolerance: float) -> bool:
    scale = max(1.0, float(one.abs().max()))
    return one.shape == other.shape and float((one - other).abs().max()) <= tolerance * scale


@BACKBONE.check
def declarations(case: BackboneCase) -> None:
    """`layers`, `feature_dim`, `input_size` and `minimum_size` are there and make sense."""
    backbone = case.backbone
    layers = backbone.layers
    expect(
        isinstance(layers, tuple) and layers and all(isinstance(name, str) for name in layers),
        f"`layers` must be a tuple of names, got {layers!r}",
    )
    expect(len(set(layers)) == len(layers), f"`layers` names a layer twice: {layers}")
    expect(
        isinstance(backbone.feature_dim, int) and backbone.feature_dim > 0,
        f"`feature_dim` must be a positive int, got {backbone.feature_dim!r}",
    )
    for name in ("input_size", "minimum_size"):
        size = getattr(backbone, name)
        if name == "input_size" and size is None:
            continue
        expect(
            isinstance(size, tuple)
            and len(size) == 2
            and all(isinstance(side, int) and side > 0 for side in size),
            f"`{name}` must be two positive ints (height, width), got {size!r}",
        )


@BACKBONE.check
def shapes(case: BackboneCase) -> None:
    """``(N, 1, h, w)`` gives finite float32 ``(N, feature_dim)``, for one image and for several."""
    for size in case.sizes():
        for count in (1, 3):
            features = case.features(case.batch(count, size))
            expected = (count, case.backbone.feature_dim)
            expect(
                tuple(features.shape) == expected,
                f"{count} images of {size} give shape {tuple(features.shape)}, expected {expected}",
            )
            expect(features.dtype == torch.float32, f"features are {features.dtype}, expected torch.float32")
            expect(torch.isfinite(features).all(), f"features of images of {size} are not all finite")


@BACKBONE.check
def layers(case: BackboneCase) -> None:
    """`forward_layers` gives the layers asked for, alone or together the same; the last is the feature."""
    backbone, x = case.backbone.eval(), case.batch()
    with torch.no_grad():
        together = backbone.forward_layers(x, backbone.layers)
        expect(
            set(together) == set(backbone.layers),
            f"asked for {list(backbone.layers)}, forward_layers gave {list(together)}",
        )
        for name, output in together.items():
            expect(
                output.shape[:1] == x.shape[:1],
                f"layer {name!r}: shape {tuple(output.shape)}, expected {len(x)} as the first axis",
            )
            alone = backbone.forward_layers(x, (name,))
            expect(list(alone) == [name], f"asked for {name!r} alone, got {list(alone)}")
            expect(_close(alone[name], output, 1e-5), f"layer {name!r} differs when it is asked for alone")
        features = together[backbone.layers[-1]]
        expect(_close(features, backbone(x), 1e-5), "the last layer is not what forward gives")


@BACKBONE.check
def refusals(case: BackboneCase) -> None:
    """Unknown layers and images that do not fit are refused with errors that a user understands."""
    backbone, x = case.backbone.eval(), case.batch(2)
    unknown = "no-such-layer"
    expect_error(UnknownNameError, lambda: backbone.forward_layers(x, (unknown,)), f"layer {unknown!r}")
    expect_error(ImageError, lambda: backbone(x.expand(-1, 3, -1, -1)), "a batch of three channels")
    if backbone.input_size is not None:
        height, width = backbone.input_size
        wrong: Size | None = (height + 1, width)
    elif backbone.minimum_size != (1, 1):
        wrong = (max(backbone.minimum_size[0] - 1, 1), max(backbone.minimum_size[1] - 1, 1))
    else:
        wrong = None
    if wrong is not None:
        expect_error(ImageError, lambda: backbone(case.batch(2, wrong)), f"images of {wrong}")


@BACKBONE.check
def determinism(case: BackboneCase) -> None:
    """In evaluation mode the same input gives the same features and changes nothing."""
    x = case.batch()
    given = x.clone()
    before = {key: value.clone() for key, value in case.backbone.state_dict().items()}
    torch.manual_seed(1)
    first = case.features(x)
    torch.manual_seed(2)
    second = case.features(x)
    expect(_close(first, second, 1e-6), "two passes in evaluation mode differ: dropout, or a hidden state?")
    expect(torch.equal(x, given), "it writes into its input")
    after = case.backbone.state_dict()
    changed = [key for key, value in before.items() if not torch.equal(value, after[key])]
    expect(not changed, f"a pass in evaluation mode changes {', '.join(changed[:3])}")


@BACKBONE.check
def batch_independence(case: BackboneCase) -> None:
    """An image's features do not depend on the other images of the batch, nor on its place there."""
    x = case.batch(4)
    together = case.features(x)
    alone = torch.cat([case.features(x[index : index + 1]) for index in range(len(x))])
    expect(
        _close(together, alone, 1e-4),
        f"features differ by {float((together - alone).abs().max()):.3g} between a batch and single images",
    )
    expect(
        _close(together.flip(0), case.features(x.flip(0)), 1e-4), "features depend on the place in the batch"
    )


@BACKBONE.check
def gradient_flow(case: BackboneCase) -> None:
    """In training mode a gradient reaches the image and every parameter that asks for one."""
    network = case.copy().train()
    network.zero_grad(set_to_none=True)
    x = case.batch(4).requires_grad_()
    features = network(x)
    weighting = torch.randn(features.shape, generator=torch.Generator().manual_seed(3))
    (features * weighting).sum().backward()
    expect(
        x.grad is not None and bool((x.grad.flatten(1).abs().sum(1) > 0).all()),
        "the features of an image do not depend on it: no gradient reaches it",
    )
    wanting = {name: each for name, each in network.named_parameters() if each.requires_grad}
    expect(wanting, "no parameter asks for a gradient")
    without = [name for name, each in wanting.items() if each.grad is None]
    expect(not without, f"no gradient reaches {', '.join(without[:5])}")
    broken = [name for name, each in wanting.items() if not torch.isfinite(_gradient(each)).all()]
    expect(not broken, f"the gradient is not finite at {', '.join(broken[:5])}")
    # A bias in front of a batch normalisation rightly gets 0; a matrix never does.
    idle = [name for name, each in wanting.items() if each.ndim > 1 and not _gradient(each).any()]
    expect(not idle, f"the gradient is 0 all over at {', '.join(idle[:5])}")


def _gradient(parameter: nn.Parameter) -> Tensor:
    assert parameter.grad is not None  # checked by the caller
    return parameter.grad


@BACKBONE.check
def state_dict(case: BackboneCase) -> None:
    """A safetensors file of the state dict holds all of the network; nothing needs a pickle."""
    state = case.backbone.state_dict()
    unknown = [key for key, value in state.items() if not isinstance(value, Tensor)]
    expect(not unknown, f"not a tensor, so only a pickle could hold it: {', '.join(unknown[:5])}")
    with tempfile.TemporaryDirectory() as folder:
        path = save_weights(Path(folder) / "weights.safetensors", state)
        stored = read_weights(path, "safetensors").tensors
    expected = case.features(case.batch())

    def restored(other: Backbone) -> Tensor:
        load_into(other, other.adapt_weights(stored, "safetensors"), source="its own state dict")
        with torch.no_grad():
            result: Tensor = other.eval()(case.batch())
        return result

    other = case.build() if case.build is not None else _scrambled(case.copy())
    expect(
        _close(expected, restored(other), 1e-5),
        "a network with the same state dict gives other features: some state is in no buffer or parameter",
    )
    if case.build is None:
        unstored = {name: each for name, each in case.backbone.named_buffers() if name not in state}
        expect(
            _close(expected, restored(_scrambled(case.copy(), unstored)), 1e-5),
            f"its features depend on buffers that no weight file holds: {', '.join(list(unstored)[:5])};"
            " register them as persistent, or give `build` to show that every new network has the same",
        )


def _scrambled(backbone: Backbone, unstored: Iterable[str] = ()) -> Backbone:
    """Put other numbers into the state dict and into some buffers that are not part of it."""
    buffers = dict(backbone.named_buffers())
    generator = torch.Generator().manual_seed(12)
    with torch.no_grad():
        for value in [*backbone.state_dict().values(), *(buffers[name] for name in unstored)]:
            if value.is_floating_point():
                value.copy_(0.5 + torch.rand(value.shape, generator=generator))
        for value in (buffers[name] for name in unstored):
            if not value.is_floating_point():  # indices, say: others of the same range
                value.copy_(value.flatten().roll(1).view(value.shape))
    return backbone


@BACKBONE.check
def half_precision(case: BackboneCase) -> None:
    """In bfloat16 the features keep their direction: cosine to float32 at least 0.98."""
    x = case.batch()
    network = case.copy().eval().to(torch.bfloat16)
    with torch.no_grad():
        half = network(x.to(torch.bfloat16))
    expect(half.dtype == torch.bfloat16, f"a bfloat16 network gives {half.dtype}: it sets a dtype by itself")
    expect(torch.isfinite(half).all(), "features in bfloat16 are not all finite")
    cosine = float(nn.functional.cosine_similarity(half.float(), case.features(x), dim=1).min())
    expect(cosine >= 0.98, f"the cosine between bfloat16 and float32 features is {cosine:.4f}, below 0.98")


@BACKBONE.check
def export(case: BackboneCase) -> None:
    """`torch.export` captures it for any batch size, and what it captures computes the same."""
    backbone = case.backbone.eval()
    x = case.batch(5)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        batch = torch.export.Dim("batch", min=1, max=1024)
        program = torch.export.export(backbone, (x[:2],), dynamic_shapes=({0: batch},), strict=False)
        exported = program.module()(x)
    expect(_close(case.features(x), exported, 1e-4), "the exported network computes something else")


@BACKBONE.check
def size(case: BackboneCase) -> None:
    """The weights are not larger than the limit."""
    total = (
        sum(value.numel() * value.element_size() for value in case.backbone.state_dict().values()) / MEGABYTE
    )
    expect(total <= case.limit_mb, f"its weights take {total:.0f} MB, more than {case.limit_mb:g} MB")
