"""What a pickle of torch tensors declares: storages and views, described and checked, never built."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

from sigzoo.weights.pickles import Global, Rules, as_text

ELEMENT_SIZES = {
    "FloatStorage": 4,
    "DoubleStorage": 8,
    "HalfStorage": 2,
    "BFloat16Storage": 2,
    "LongStorage": 8,
    "IntStorage": 4,
    "ShortStorage": 2,
    "CharStorage": 1,
    "ByteStorage": 1,
    "BoolStorage": 1,
}

MAX_AXES = 8

_ORDERED_DICT = Global("collections", "OrderedDict")
_REBUILD = Global("torch._utils", "_rebuild_tensor_v2")
_STORAGES = frozenset(Global("torch", name) for name in ELEMENT_SIZES)


@dataclass(frozen=True)
class StorageRecord:
    """A block of numbers that the file must hold under `key`."""

    key: str
    type: str
    elements: int

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.elements * ELEMENT_SIZES[self.type]


@dataclass(frozen=True)
class TensorRecord:
    """A view of a storage."""

    storage: StorageRecord
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Size in bytes of a compact copy."""
        return prod(self.shape) * ELEMENT_SIZES[self.storage.type]


class OrderedDictRecord(dict[Any, Any]):
    """An ``OrderedDict`` as the pickle fills it."""


@dataclass
class TorchRules(Rules):
    """Admits state dicts of plain tensors: ``OrderedDict``, views of storages, nothing else.

    `storages` collects what the file must hold, by key.
    """

    allowed = frozenset({_ORDERED_DICT, _REBUILD}) | _STORAGES
    storages: dict[str, StorageRecord] = field(default_factory=dict)
    tensor_bytes: int = 0

    def call(self, function: Global, arguments: tuple[Any, ...]) -> Any:
        """Describe an empty ``OrderedDict``, or a tensor."""
        if function == _ORDERED_DICT:
            if arguments:
                raise ValueError("makes an OrderedDict out of something")
            return OrderedDictRecord()
        if function == _REBUILD:
            record = _tensor(arguments)
            self.tensor_bytes += record.nbytes
            return record
        return super().call(function, arguments)

    def build(self, target: Any, state: Any) -> None:
        """Admit the versions that ``Module.state_dict`` attaches."""
        if not isinstance(target, OrderedDictRecord) or not isinstance(state, dict):
            super().build(target, state)
        if list(state) != ["_metadata"] or not isinstance(state["_metadata"], dict):
            raise ValueError("sets attributes of an OrderedDict")
        for versions in state["_metadata"].values():
            if not isinstance(versions, dict) or any(type(v) not in (int, bool) for v in versions.values()):
                raise ValueError("attaches something to a state dict that is no version number")

    def persistent(self, identifier: Any) -> StorageRecord:
        """Describe a storage."""
        if type(identifier) is not tuple or len(identifier) not in (5, 6):
            raise ValueError("refers to a persistent id that is no storage")
        word, kind, key, location, elements = identifier[:5]
        if as_text(word) != "storage" or kind not in _STORAGES:
            raise ValueError("refers to a persistent id that is no storage of plain numbers")
        if len(identifier) == 6 and identifier[5] is not None:
            raise ValueError("has a storage that is a view of another")
        name = as_text(key)
        as_text(location)
        if not name.isascii() or not name.isalnum():
            raise ValueError(f"names a storage {name!r:.40}")
        if type(elements) is not int or elements < 0:
            raise ValueError(f"declares a storage of {elements!r:.40} elements")
        record = StorageRecord(name, kind.name, elements)
        if self.storages.setdefault(name, record) != record:
            raise ValueError(f"declares storage {name} twice, differently")
        return record


def _tensor(arguments: tuple[Any, ...]) -> TensorRecord:
    if len(arguments) not in (6, 7) or (len(arguments) == 7 and arguments[6] is not None):
        raise ValueError(f"makes a tensor of {len(arguments)} arguments")
    storage, offset, shape, strides, needs_grad, hooks = arguments[:6]
    if not isinstance(storage, StorageRecord) or type(needs_grad) is not bool:
        raise ValueError("makes a tensor of something else than a storage")
    if not isinstance(hooks, dict) or hooks:
        raise ValueError("attaches hooks to a tensor")
    for numbers in (shape, strides, (offset,)):
        if type(numbers) is not tuple or any(type(n) is not int or n < 0 for n in numbers):
            raise ValueError("makes a tensor whose shape, strides or offset are no sizes")
    if len(shape) != len(strides) or len(shape) > MAX_AXES:
        raise ValueError(f"makes a tensor of {len(shape)} axes and {len(strides)} strides")
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if prod(shape) > storage.elements or (prod(shape) and last >= storage.elements):
        raise ValueError(f"makes a tensor of shape {shape} from {storage.elements} elements")
    return TensorRecord(storage, shape)
