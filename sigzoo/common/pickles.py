"""A pickle interpreter that never imports and never calls: it only describes what a file holds.

A pickle is a program for a small stack machine. This one knows the instructions that a file of
arrays needs, as picklers of Python 2 and 3 write them (protocols 0 to 5), and no other. Globals stay
names; what "calling" one of them means is decided by the `PickleRules` of the format, in code of ours
that checks every argument. What is built is measured as it is built, and never hashed or printed.
"""

from __future__ import annotations

import codecs
import pickletools
import re
import struct
from collections.abc import Callable, Mapping
from typing import Any

from sigzoo.common.limits import MAX_INSTRUCTIONS, MAX_TEXT
from sigzoo.common.messages import quoted
from sigzoo.common.pickle_values import Extents, Global, LongText, as_text
from sigzoo.errors import SigzooError, WeightsError

__all__ = ["Global", "LongText", "PickleReader", "PickleRules", "as_text"]

MAX_MARKS = 64
_INTEGER = re.compile(rb"-?[0-9]{1,40}L?")
_FLOAT = re.compile(rb"[-+0-9.einfa]{1,40}")
_ESCAPED = re.compile(rb"""(?:[^\\]++|\\(?:[\\'"nrt]|x[0-9a-fA-F]{2}))*+""")
"""What Python 2's ``repr`` of a string yields; other escapes would make the decoder warn."""


class PickleRules:
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
    instructions
        How many there may be.
    error
        Class of the error to raise.
    """

    def __init__(
        self,
        data: bytes,
        where: str,
        rules: PickleRules,
        start: int = 0,
        *,
        instructions: int = MAX_INSTRUCTIONS,
        error: type[SigzooError] = WeightsError,
    ) -> None:
        self._bytes, self._data = data, memoryview(data)
        self._limit, self._error = instructions, error
        self._extents = Extents()
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
            `LongText`, memoryview (bytes, Python 2's strings), tuple, list, dict (keys str or int),
            `Global`, and what the rules return.

        Raises
        ------
        SigzooError
            Of class `error`, for any instruction, global or size that no weight file needs, with its
            position.
        """
        for _ in range(self._limit):
            begin = self._at
            try:
                code = self._take(1)[0]
                if code == _STOP:
                    return self._result(), self._at
                self._step(code)
            except (ValueError, IndexError, TypeError, OverflowError, struct.error) as problem:
                reason = str(problem) if type(problem) is ValueError else f"is damaged ({problem})"
                raise self._error(
                    f"{self._where}: refused, nothing in it was run: "
                    f"at byte {begin} the pickle {reason:.300}."
                ) from problem
        raise self._error(f"{self._where}: refused: its pickle has over {self._limit} instructions.")

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

    def _text(self, count: int) -> str | LongText:
        raw = self._take(count)
        return str(raw, "utf-8") if count <= MAX_TEXT else LongText(raw, "utf-8")

    def _line(self, limit: int = 256) -> bytes:
        """The bytes up to the next line feed, which a text protocol ends everything with."""
        end = self._bytes.find(b"\n", self._at, self._at + limit)
        if end < 0:
            raise ValueError("holds a name without an end")
        line = self._bytes[self._at : end]
        self._at = end + 1
        return line

    def _name(self) -> str:
        return self._line().decode("ascii", "backslashreplace")

    def _int_line(self) -> int | bool:
        line = self._line()
        if line in (b"00", b"01"):
            return line == b"01"
        # By a pattern first: turning many digits into a number takes quadratic time.
        if not _INTEGER.fullmatch(line):
            raise ValueError("holds a number that is none, or of over 40 digits")
        return int(line.removesuffix(b"L"))

    def _index_line(self) -> int:
        index = self._int_line()
        if isinstance(index, bool) or index < 0:
            raise ValueError("numbers what it stores by no number")
        return index

    def _float_line(self) -> float:
        line = self._line()
        if not _FLOAT.fullmatch(line):
            raise ValueError("holds a number that is none, or of over 40 digits")
        return float(line)

    def _text_line(self) -> str | LongText:
        line = self._line(len(self._bytes))
        if len(line) > MAX_TEXT:
            return LongText(memoryview(line), "raw-unicode-escape")
        return line.decode("raw-unicode-escape")

    def _string_line(self) -> memoryview:
        """A Python 2 string in quotes, with its escapes."""
        line = self._line(len(self._bytes))
        quotes, inside = line[:1] + line[-1:], line[1:-1]
        if len(line) < 2 or quotes not in (b"''", b'""') or not _ESCAPED.fullmatch(inside):
            raise ValueError("holds a string that is none")
        return memoryview(codecs.escape_decode(inside)[0])

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

    def _tuple(self, items: list[_Value]) -> None:
        made = tuple(items)
        self._extents.add(made, made)
        self._push(made)

    def _last(self, count: int) -> list[_Value]:
        return [self._pop() for _ in range(count)][::-1]

    def _put(self, index: int) -> None:
        self._memo[index] = self._top()

    def _get(self, index: int) -> None:
        if index not in self._memo:
            raise ValueError(f"recalls number {index}, which it never stored")
        self._push(self._memo[index])

    def _protocol(self) -> None:
        version = self._take(1)[0]
        if not 2 <= version <= 5:
            raise ValueError(f"has protocol {version}; there are 2 to 5")

    def _frame(self) -> None:
        size = self._number("<Q")
        if size > len(self._data) - self._at:
            raise ValueError(f"wants {size} more bytes where {len(self._data) - self._at} are left")

    def _stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        self._global(as_text(module), as_text(name))

    def _global(self, module: str, name: str) -> None:
        found = Global(module, name)
        if found not in self._rules.allowed:
            raise ValueError(f"asks for {quoted(str(found))}, which no weight file of this format needs")
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
        self._extents.add(target, items)
        target.extend(items)

    def _update(self, items: list[_Value]) -> None:
        target = self._top()
        if not isinstance(target, dict) or len(items) % 2:
            raise ValueError(f"sets items of a {type(target).__name__}, or half of one")
        self._extents.add(target, items[1::2])
        for key, value in zip(items[::2], items[1::2], strict=True):
            if isinstance(key, memoryview):
                key = as_text(key)
            if type(key) not in (str, int):
                raise ValueError(f"uses a {type(key).__name__} as a key")
            if key in target:
                raise ValueError(f"sets the key {quoted(key)} twice")
            target[key] = value

    def _long(self) -> int:
        count = self._take(1)[0]
        if count > 16:
            raise ValueError(f"holds a number of {count} bytes")
        return int.from_bytes(self._take(count), "little", signed=True)

    def _push_list(self, items: list[_Value]) -> None:
        self._push([])
        self._extend(items)

    def _push_dict(self, items: list[_Value]) -> None:
        self._push({})
        self._update(items)

    def _pair(self) -> list[_Value]:
        value, key = self._pop(), self._pop()
        return [key, value]


_STOP = ord(".")
_ACTIONS: Mapping[int, Callable[[PickleReader], None]] = {
    0x80: PickleReader._protocol,
    0x95: PickleReader._frame,
    ord("("): PickleReader._mark,
    ord(")"): lambda r: r._push(()),
    ord("]"): lambda r: r._push([]),
    ord("}"): lambda r: r._push({}),
    ord("l"): lambda r: r._push_list(r._since_mark()),
    ord("d"): lambda r: r._push_dict(r._since_mark()),
    ord("t"): lambda r: r._tuple(r._since_mark()),
    0x85: lambda r: r._tuple(r._last(1)),
    0x86: lambda r: r._tuple(r._last(2)),
    0x87: lambda r: r._tuple(r._last(3)),
    ord("N"): lambda r: r._push(None),
    0x88: lambda r: r._push(True),
    0x89: lambda r: r._push(False),
    ord("K"): lambda r: r._push(r._number("<B")),
    ord("M"): lambda r: r._push(r._number("<H")),
    ord("J"): lambda r: r._push(r._number("<i")),
    0x8A: lambda r: r._push(r._long()),
    ord("G"): lambda r: r._push(r._number(">d")),
    ord("I"): lambda r: r._push(r._int_line()),
    ord("L"): lambda r: r._push(r._int_line()),
    ord("F"): lambda r: r._push(r._float_line()),
    ord("S"): lambda r: r._push(r._string_line()),
    ord("U"): lambda r: r._push(r._take(r._number("<B"))),
    ord("T"): lambda r: r._push(r._take(r._number("<i"))),
    ord("C"): lambda r: r._push(r._take(r._number("<B"))),
    ord("B"): lambda r: r._push(r._take(r._number("<I"))),
    0x8E: lambda r: r._push(r._take(r._number("<Q"))),
    0x96: lambda r: r._push(r._take(r._number("<Q"))),
    ord("V"): lambda r: r._push(r._text_line()),
    0x8C: lambda r: r._push(r._text(r._number("<B"))),
    ord("X"): lambda r: r._push(r._text(r._number("<I"))),
    0x8D: lambda r: r._push(r._text(r._number("<Q"))),
    ord("p"): lambda r: r._put(r._index_line()),
    ord("g"): lambda r: r._get(r._index_line()),
    0x94: lambda r: r._put(len(r._memo)),
    ord("q"): lambda r: r._put(r._number("<B")),
    ord("r"): lambda r: r._put(r._number("<I")),
    ord("h"): lambda r: r._get(r._number("<B")),
    ord("j"): lambda r: r._get(r._number("<I")),
    ord("c"): lambda r: r._global(r._name(), r._name()),
    0x93: PickleReader._stack_global,
    ord("R"): PickleReader._reduce,
    ord("b"): PickleReader._build,
    ord("Q"): lambda r: r._push(r._rules.persistent(r._pop())),
    ord("a"): lambda r: r._extend([r._pop()]),
    ord("e"): lambda r: r._extend(r._since_mark()),
    ord("s"): lambda r: r._update(r._pair()),
    ord("u"): lambda r: r._update(r._since_mark()),
}
