"""What a pickle of torch tensors declares: storages and views, described and checked, never built."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

from sigzoo.common.limits import MAX_AXES, MAX_NAME, MAX_PARTS
from sigzoo.common.messages import quoted
from sigzoo.common.pickles import Global, PickleRules, as_text

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

_ORDERED_DICT = Global("collections", "OrderedDict")
_REBUILD = Global("torch._utils", "_rebuild_tensor_v2")
_PARAMETER = Global("torch._utils", "_rebuild_parameter")
_PARAMETER_WITH_STATE = Global("torch._utils", "_rebuild_parameter_with_state")
_SIZE = Global("torch", "Size")
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
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    """In elements, as is `offset`."""

    @property
    def nbytes(self) -> int:
        """Size in bytes of a compact copy."""
        return prod(self.shape) * ELEMENT_SIZES[self.storage.type]


class OrderedDictRecord(dict[Any, Any]):
    """An ``OrderedDict`` as the pickle fills it."""


@dataclass
class TorchRules(PickleRules):
    """Admits plain values and plain tensors: ``OrderedDict``, views of storages, parameters, nothing else.

    `storages` collects what the file must hold, by key.
    """

    allowed = frozenset({_ORDERED_DICT, _REBUILD, _PARAMETER, _PARAMETER_WITH_STATE, _SIZE}) | _STORAGES
    storages: dict[str, StorageRecord] = field(default_factory=dict)
    tensor_bytes: int = 0
    versions_left: int = MAX_PARTS
    """How many version numbers may still be looked at."""
    views: set[TensorRecord] = field(default_factory=set)
    """Every view that was made; `tensor_bytes` counts one as often as it was made."""

    def call(self, function: Global, arguments: tuple[Any, ...]) -> Any:
        """Describe an empty ``OrderedDict``, or a tensor."""
        if function == _ORDERED_DICT:
            if arguments:
                raise ValueError("makes an OrderedDict out of something")
            return OrderedDictRecord()
        if function == _REBUILD:
            record = _tensor(arguments)
            self.tensor_bytes += record.nbytes
            self.views.add(record)
            return record
        if function in (_PARAMETER, _PARAMETER_WITH_STATE):
            return _parameter(arguments, 3 if function == _PARAMETER else 4)
        if function == _SIZE:
            if len(arguments) != 1 or type(arguments[0]) is not tuple:
                raise ValueError("makes a size of something else than a tuple")
            return arguments[0]
        return super().call(function, arguments)

    def build(self, target: Any, state: Any) -> None:
        """Admit the versions that ``Module.state_dict`` attaches."""
        if not isinstance(target, OrderedDictRecord) or not isinstance(state, dict):
            super().build(target, state)
        if list(state) != ["_metadata"] or not isinstance(state["_metadata"], dict):
            raise ValueError("sets attributes of an OrderedDict")
        for versions in state["_metadata"].values():
            if not isinstance(versions, dict):
                raise ValueError("attaches something to a state dict that is no version number")
            # One dict of versions may be attached ten thousand times, in two bytes each.
            self.versions_left -= 1 + len(versions)
            if self.versions_left < 0:
                raise ValueError(f"attaches over {MAX_PARTS} version numbers to state dicts")
            if any(type(v) not in (int, bool) for v in versions.values()):
                raise ValueError("attaches something to a state dict that is no version number")

    def persistent(self, identifier: Any) -> StorageRecord:
        """Describe a storage."""
        if type(identifier) is not tuple or len(identifier) not in (5, 6):
            raise ValueError("refers to a persistent id that is no storage")
        word, kind, key, location, elements = identifier[:5]
        # The class first: what stands here may be of any depth, and must be neither hashed nor compared.
        if as_text(word) != "storage" or not isinstance(kind, Global) or kind not in _STORAGES:
            raise ValueError("refers to a persistent id that is no storage of plain numbers")
        if len(identifier) == 6 and identifier[5] is not None:
            raise ValueError("has a storage that is a view of another")
        name = as_text(key)
        as_text(location)
        if len(name) > MAX_NAME or not name.isascii() or not name.isalnum():
            raise ValueError(f"names a storage {name!r:.40}")
        if type(elements) is not int or elements < 0:
            raise ValueError(f"declares a storage of {quoted(elements)} elements")
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
    if any(n >= 1 << 63 for n in (*shape, *strides, offset)):
        raise ValueError("makes a tensor whose shape, strides or offset are no sizes")
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if prod(shape) > storage.elements or (prod(shape) and last >= storage.elements):
        raise ValueError(f"makes a tensor of shape {shape} from {storage.elements} elements")
    return TensorRecord(storage, offset, shape, strides)


def _parameter(arguments: tuple[Any, ...], count: int) -> TensorRecord:
    """A parameter is its tensor; attributes that someone hung on it are nobody's weights."""
    if len(arguments) != count or not isinstance(arguments[0], TensorRecord):
        raise ValueError("makes a parameter of something else than a tensor")
    if type(arguments[1]) is not bool or not isinstance(arguments[2], dict) or arguments[2]:
        raise ValueError("attaches hooks to a parameter")
    return arguments[0]
