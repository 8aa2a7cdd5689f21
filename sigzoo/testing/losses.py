"""What every loss must do: a finite scalar, finite gradients, honest needs, no regard for order."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from sigzoo.interfaces import Loss, TrainingBatch
from sigzoo.testing.suites import Suite, expect

__all__ = ["LOSS", "check_loss"]

LOSS: Suite[Loss] = Suite()

FIELDS = tuple(field.name for field in fields(TrainingBatch) if field.name not in ("layers", "labels"))
_TRAINED = ("features", "writer_logits", "forgery_logits")
_FEATURES, _WRITERS, _COUNT = 12, 4, 16

Values = dict[str, Tensor]


def check_loss(loss: Loss, *, skip: tuple[str, ...] = ()) -> None:
    """Check that a loss does what `sigzoo.interfaces.Loss` promises.

    Parameters
    ----------
    loss
        Built, not prepared; the checks prepare copies of it.
    skip
        Names of checks to leave out: those of ``sigzoo.testing.LOSS.checks``.

    Raises
    ------
    ConformanceFailure
        If it does not; a line for each check that failed.
    """
    LOSS.run(loss, type(loss).__name__, skip)


def _prepared(loss: Loss) -> Loss:
    torch.manual_seed(0)
    prepared = copy.deepcopy(loss).train()
    if loss.layers or loss.labels:
        prepared.prepare_for_data(
            layers=dict.fromkeys(loss.layers, (_FEATURES,)), labels=dict.fromkeys(loss.labels, _WRITERS)
        )
    prepared.prepare(feature_dim=_FEATURES, writers=_WRITERS)
    return prepared


def _values(loss: Loss) -> Values:
    """Every field: 16 signatures of 4 writers, of each two genuine ones and two forgeries.

    The teacher of a loss that learns new writers does not know the last one.
    """
    random = torch.Generator().manual_seed(7)
    index = torch.arange(_COUNT)
    known = _WRITERS - 1 if "new" in loss.needs else _WRITERS
    return {
        "features": torch.randn(_COUNT, _FEATURES, generator=random),
        "writers": index % _WRITERS,
        "forgery": (index // _WRITERS % 2).float(),
        "writer_logits": torch.randn(_COUNT, _WRITERS, generator=random),
        "forgery_logits": torch.randn(_COUNT, generator=random),
        "teacher_features": torch.randn(_COUNT, _FEATURES, generator=random),
        "teacher_logits": torch.randn(_COUNT, known, generator=random),
        "new": index % _WRITERS >= known,
        "signatures": index,
        **{f"layers.{name}": torch.randn(_COUNT, _FEATURES, generator=random) for name in loss.layers},
        **{f"labels.{name}": index % _WRITERS for name in loss.labels},
    }


def _batch(
    loss: Loss, values: Mapping[str, Tensor], kind: type[TrainingBatch] = TrainingBatch
) -> TrainingBatch:
    """Only what the loss declares; the two fields that always are there hold nonsense otherwise."""
    given: dict[str, Any] = {name: values[name] for name in FIELDS if name in loss.needs}
    given["layers"] = {name: values[f"layers.{name}"] for name in loss.layers}
    given["labels"] = {name: values[f"labels.{name}"] for name in loss.labels}
    given.setdefault("features", torch.full_like(values["features"], float("nan")))
    given.setdefault("writers", torch.full_like(values["writers"], -1))
    return kind(**given)


class _Watched(TrainingBatch):
    """Remembers which fields were read."""

    def __getattribute__(self, name: str) -> Any:
        if name in FIELDS:
            object.__getattribute__(self, "__dict__").setdefault("read", set()).add(name)
        return object.__getattribute__(self, name)


@LOSS.check
def declarations(loss: Loss) -> None:
    """`needs` is a frozenset of fields of `TrainingBatch`."""
    needs = getattr(loss, "needs", None)
    expect(
        isinstance(needs, frozenset) and (needs or loss.layers),
        f"`needs` must be a frozenset of field names, got {needs!r}",
    )
    unknown = sorted(set(loss.needs) - set(FIELDS))
    expect(not unknown, f"`needs` names {', '.join(unknown)}; a TrainingBatch has {', '.join(FIELDS)}")


@LOSS.check
def needs(loss: Loss) -> None:
    """What is declared is read, and nothing else is needed."""
    prepared = _prepared(loss)
    batch = _batch(prepared, _values(prepared), _Watched)
    value = prepared(batch)
    read: set[str] = batch.__dict__.get("read", set())
    idle = sorted(set(prepared.needs) - read)
    expect(not idle, f"declares that it needs {', '.join(idle)}, but never reads it")
    secret = sorted({"features", "writers"} & read - set(prepared.needs))
    expect(not secret, f"reads {', '.join(secret)} without declaring it in `needs`")
    expect(torch.isfinite(value).all(), "is not finite with only the fields that it declares")


@LOSS.check
def scalar(loss: Loss) -> None:
    """The loss is one finite number, float32 for float32 input; the batch is not written into."""
    prepared, values = _prepared(loss), _values(loss)
    given = {name: value.clone() for name, value in values.items()}
    value = prepared(_batch(prepared, values))
    expect(isinstance(value, Tensor), f"gives a {type(value).__name__}, expected a tensor")
    expect(value.shape == (), f"has shape {tuple(value.shape)}, expected a scalar")
    expect(value.dtype == torch.float32, f"is {value.dtype} for float32 input")
    expect(torch.isfinite(value), f"is {value.detach()} for ordinary input")
    changed = [name for name in FIELDS if not torch.equal(values[name], given[name])]
    expect(not changed, f"writes into {', '.join(changed)}")


@LOSS.check
def gradients(loss: Loss) -> None:
    """Some trained quantity gets a gradient, and so does every parameter of the loss's own; all finite."""
    prepared = _prepared(loss)
    found = _gradients(prepared, _values(prepared), "an ordinary batch")
    moved = any(bool(gradient.any()) for gradient in found.values())
    expect(moved, "nothing that is trained gets a gradient: minimising it would change nothing")
    without = [name for name, each in prepared.named_parameters() if each.requires_grad and each.grad is None]
    expect(not without, f"no gradient reaches its own {', '.join(without)}")


def _gradients(loss: Loss, values: Mapping[str, Tensor], what: str) -> Values:
    """Gradients of what the loss reads and is trained, checked to be finite."""
    trained = [name for name in _TRAINED if name in loss.needs] + [f"layers.{name}" for name in loss.layers]
    leaves = {name: values[name].clone().requires_grad_() for name in trained}
    expect(leaves, f"reads none of {', '.join(_TRAINED)}, nor a layer: nothing could be trained by it")
    loss.zero_grad(set_to_none=True)
    value = loss(_batch(loss, {**values, **leaves}))
    expect(torch.isfinite(value).all(), f"is {value.detach()} for {what}")
    if value.requires_grad:
        value.backward()
    own = {f"its own {name}": each.grad for name, each in loss.named_parameters()}
    found = {**{name: leaf.grad for name, leaf in leaves.items()}, **own}
    kept = {name: gradient for name, gradient in found.items() if gradient is not None}
    broken = [name for name, gradient in kept.items() if not torch.isfinite(gradient).all()]
    expect(not broken, f"the gradient at {', '.join(broken)} is not finite for {what}")
    return kept


def _scaled(factor: float) -> Callable[[Values], Values]:
    def change(values: Values) -> Values:
        return {name: each * factor if each.ndim == 2 else each for name, each in values.items()}

    return change


def _rows(values: Values, rows: Tensor) -> Values:
    return {name: each[rows] for name, each in values.items()}


_HARD: dict[str, Callable[[Values], Values]] = {
    "features that are all alike": lambda values: {
        **values, "features": values["features"][:1].expand(_COUNT, -1).clone()
    },
    "features that are all 0": lambda values: {**values, "features": torch.zeros(_COUNT, _FEATURES)},
    "values a thousand times as large": _scaled(1e3),
    "values a thousandth as large": _scaled(1e-3),
    "a single writer": lambda values: _rows(values, values["writers"] == 0),
    "one signature of each writer": lambda values: _rows(values, torch.arange(_WRITERS)),
    "genuine signatures only": lambda values: _rows(values, values["forgery"] == 0),
    "forgeries only": lambda values: _rows(values, values["forgery"] == 1),
    "a certain and wrong forgery head": lambda values: {
        **values, "forgery_logits": (1 - 2 * values["forgery"]) * 1e4
    },
}  # fmt: skip


@LOSS.check
def hard_batches(loss: Loss) -> None:
    """The loss and its gradients stay finite where distances, norms or whole groups vanish."""
    for what, change in _HARD.items():
        _gradients(_prepared(loss), change(_values(loss)), what)


@LOSS.check
def permutation(loss: Loss) -> None:
    """The order of the signatures in the batch does not matter."""
    values = _values(loss)
    order = torch.randperm(_COUNT, generator=torch.Generator().manual_seed(5))
    results = []
    for each in (values, _rows(values, order)):
        prepared = _prepared(loss)
        torch.manual_seed(1)
        results.append(float(prepared(_batch(prepared, each)).detach()))
    difference = abs(results[0] - results[1])
    expect(
        difference <= 1e-4 * max(1.0, abs(results[0])),
        f"depends on the order of the batch: {results[0]:.6g} and {results[1]:.6g}",
    )
