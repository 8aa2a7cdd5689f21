"""A pickle interpreter that never imports and never calls: it only describes what a file holds.

A pickle is a program for a small stack machine. This one knows the instructions that a file of
arrays needs and no other. Globals stay names; what "calling" one of them means is decided by the
`Rules` of the format, in code of ours that checks every argument.
"""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sigzoo.errors import WeightsError

MAX_INSTRUCTIONS = 200_000
"""A published file has about a thousand; a network of 2,000 tensors has 60,000."""

MAX_TEXT = 1 << 16
MAX_MARKS = 64


@dataclass(frozen=True)
class Global:
    """The name of something importable, as the file spells it; it is never imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class Rules:
    """What the globals of one format mean; this base class refuses them all.

    The methods raise `ValueError` with the reason; the interpreter adds file and position.
    """

    allowed: frozenset[Global] = frozenset()

    def call(self, function: Global, arguments: tuple[Any, ...]) -> Any:
        """Describe the result of calling an allowed global."""
        raise ValueError(f"calls {function}")

    def build(self, target: Any, state: Any) -> None:
        """Set the state of something that `call` described."""
        raise ValueError(f"sets the state of a {type(target).__name__}")

    def persistent(self, identifier: Any) -> Any:
        """Describe what a persistent id stands for."""
        raise ValueError("refers to a persistent id")


_Value = Any
_MARK = object()


class PickleReader:
    """Interprets one pickle of `data`, from `start` to its STOP instruction.

    Parameters
    ----------
    data
        The file's bytes.
    where
        What messages call the file.
    rules
        The meaning of globals.
    start
        Position of the first byte.
    """

    def __init__(self, data: bytes, where: str, rules: Rules, start: int = 0) -> None:
        self._data = memoryview(data)
        self._where = where
        self._rules = rules
        self._at = start
        self._stack: list[_Value] = []
        self._marks = 0
        self._memo: dict[int, _Value] = {}

    def read(self) -> tuple[Any, int]:
        """Interpret up to STOP.

        Returns
        -------
        tuple
            The value, and the position after STOP. Values are None, bool, int, float, str (text),
            memoryview (Python 2 strings), tuple, list, dict (keys str or int), `Global`, and what
            the rules return.

        Raises
        ------
        WeightsError
            For any instruction, global or size that no weight file needs, with its position.
        """
        for _ in range(MAX_INSTRUCTIONS):
            begin = self._at
            try:
                code = self._take(1)[0]
                if code == _STOP:
                    return self._result(), self._at
                self._step(code)
            except (ValueError, IndexError, TypeError, OverflowError, struct.error) as problem:
                reason = str(problem) if type(problem) is ValueError else f"is damaged ({problem})"
                raise WeightsError(
                    f"{self._where}: refused, nothing in it was run: "
                    f"at byte {begin} the pickle {reason:.300}."
                ) from problem
        raise WeightsError(f"{self._where}: refused: its pickle has over {MAX_INSTRUCTIONS} instructions.")

    def _step(self, code: int) -> None:
        action = _ACTIONS.get(code)
        if action is None:
            known = [op.name for op in pickletools.opcodes if op.code == chr(code)]
            named = f"uses the instruction {known[0]}" if known else f"holds the byte {code:#04x}"
            raise ValueError(f"{named}, which no weight file needs")
        action(self)

    def _result(self) -> _Value:
        if len(self._stack) != 1 or self._marks:
            raise ValueError(f"ends with {len(self._stack)} objects instead of one")
        return self._stack[0]

    def _take(self, count: int) -> memoryview:
        left = len(self._data) - self._at
        if not 0 <= count <= left:
            raise ValueError(f"wants {count} more bytes where {left} are left")
        self._at += count
        return self._data[self._at - count : self._at]

    def _number(self, form: str) -> int:
        number: int = struct.unpack(form, self._take(struct.calcsize(form)))[0]
        return number

    def _text(self, count: int) -> str:
        if count > MAX_TEXT:
            raise ValueError(f"holds a text of {count} bytes")
        return str(self._take(count), "utf-8")

    def _line(self) -> str:
        window = bytes(self._data[self._at : self._at + 256])
        length = window.find(b"\n")
        if length < 0:
            raise ValueError("holds a name without an end")
        self._at += length + 1
        return window[:length].decode("ascii", "backslashreplace")

    def _push(self, value: _Value) -> None:
        self._stack.append(value)

    def _pop(self) -> _Value:
        if not self._stack or self._stack[-1] is _MARK:
            raise ValueError("takes from an empty stack")
        return self._stack.pop()

    def _top(self) -> _Value:
        if not self._stack or self._stack[-1] is _MARK:
            raise ValueError("looks at an empty stack")
        return self._stack[-1]

    def _mark(self) -> None:
        if self._marks == MAX_MARKS:
            raise ValueError(f"is nested over {MAX_MARKS} deep")
        self._marks += 1
        self._stack.append(_MARK)

    def _since_mark(self) -> list[_Value]:
        items: list[_Value] = []
        while self._stack:
            item = self._stack.pop()
            if item is _MARK:
                self._marks -= 1
                items.reverse()
                return items
            items.append(item)
        raise ValueError("closes a group that it never opened")

    def _tuple(self, count: int) -> None:
        items = [self._pop() for _ in range(count)]
        self._push(tuple(reversed(items)))

    def _put(self, index: int) -> None:
        self._memo[index] = self._top()

    def _get(self, index: int) -> None:
        if index not in self._memo:
            raise ValueError(f"recalls number {index}, which it never stored")
        self._push(self._memo[index])

    def _protocol(self) -> None:
        version = self._take(1)[0]
        if version != 2:
            raise ValueError(f"has protocol {version}; weight files have 2")

    def _global(self) -> None:
        found = Global(self._line(), self._line())
        if found not in self._rules.allowed:
            raise ValueError(f"asks for {str(found)!r}, which no weight file of this format needs")
        self._push(found)

    def _reduce(self) -> None:
        arguments, function = self._pop(), self._pop()
        if not isinstance(function, Global) or not isinstance(arguments, tuple):
            raise ValueError(f"calls a {type(function).__name__}")
        self._push(self._rules.call(function, arguments))

    def _build(self) -> None:
        state = self._pop()
        self._rules.build(self._top(), state)

    def _extend(self, items: list[_Value]) -> None:
        target = self._top()
        if type(target) is not list:
            raise ValueError(f"appends to a {type(target).__name__}")
        target.extend(items)

    def _update(self, items: list[_Value]) -> None:
        target = self._top()
        if not isinstance(target, dict) or len(items) % 2:
            raise ValueError(f"sets items of a {type(target).__name__}, or half of one")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if isinstance(key, memoryview):
                key = as_text(key)
            if type(key) not in (str, int):
                raise ValueError(f"uses a {type(key).__name__} as a key")
            if key in target:
                raise ValueError(f"sets the key {key!r:.80} twice")
            target[key] = value

    def _long(self) -> int:
        count = self._take(1)[0]
        if count > 16:
            raise ValueError(f"holds a number of {count} bytes")
        return int.from_bytes(self._take(count), "little", signed=True)

    def _pair(self) -> list[_Value]:
        value, key = self._pop(), self._pop()
        return [key, value]


def as_text(string: object) -> str:
    """Decode a short string of either Python; Python 2's as Latin-1.

    Raises
    ------
    ValueError
        If it is no string, or a long one.
    """
    if isinstance(string, str):
        return string
    if not isinstance(string, memoryview) or len(string) > 256:
        raise ValueError(f"has a {type(string).__name__} where a short name belongs")
    return str(string, "latin-1")


_STOP = ord(".")
_ACTIONS: Mapping[int, Callable[[PickleReader], None]] = {
    0x80: PickleReader._protocol,
    ord("("): PickleReader._mark,
    ord(")"): lambda r: r._push(()),
    ord("]"): lambda r: r._push([]),
    ord("}"): lambda r: r._push({}),
    ord("t"): lambda r: r._push(tuple(r._since_mark())),
    0x85: lambda r: r._tuple(1),
    0x86: lambda r: r._tuple(2),
    0x87: lambda r: r._tuple(3),
    ord("N"): lambda r: r._push(None),
    0x88: lambda r: r._push(True),
    0x89: lambda r: r._push(False),
    ord("K"): lambda r: r._push(r._number("<B")),
    ord("M"): lambda r: r._push(r._number("<H")),
    ord("J"): lambda r: r._push(r._number("<i")),
    0x8A: lambda r: r._push(r._long()),
    ord("G"): lambda r: r._push(r._number(">d")),
    ord("U"): lambda r: r._push(r._take(r._number("<B"))),
    ord("T"): lambda r: r._push(r._take(r._number("<i"))),
    ord("X"): lambda r: r._push(r._text(r._number("<I"))),
    ord("q"): lambda r: r._put(r._number("<B")),
    ord("r"): lambda r: r._put(r._number("<I")),
    ord("h"): lambda r: r._get(r._number("<B")),
    ord("j"): lambda r: r._get(r._number("<I")),
    ord("c"): PickleReader._global,
    ord("R"): PickleReader._reduce,
    ord("b"): PickleReader._build,
    ord("Q"): lambda r: r._push(r._rules.persistent(r._pop())),
    ord("a"): lambda r: r._extend([r._pop()]),
    ord("e"): lambda r: r._extend(r._since_mark()),
    ord("s"): lambda r: r._update(r._pair()),
    ord("u"): lambda r: r._update(r._since_mark()),
}
