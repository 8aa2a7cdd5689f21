"""Pickles that run code, or that exhaust memory, time or the stack, in place of Lasagne weights."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from hostile_weights import Hostile
from hostile_weights.assembler import (
    BUILD,
    MARK,
    NDARRAY,
    RECONSTRUCT,
    REDUCE,
    START,
    STOP,
    array,
    call,
    dtype,
    floats,
    group,
    harmless,
    listed,
    mapping,
    name,
    number,
    string,
    text,
    weights,
)

FORBIDDEN = "which no weight file of this format needs"
NOT_NEEDED = "which no weight file needs"
REFUSED = f"{FORBIDDEN}|{NOT_NEEDED}|calls |refers to|expected|are left|without an end"


def files() -> Iterator[Hostile]:
    for title, make in {**CALLS, **INSTRUCTIONS}.items():
        yield Hostile(
            f"pickle {title}",
            "lasagne",
            make,
            REFUSED,
        )
    for title, (content, says) in SIZES.items():
        yield Hostile(f"pickle {title}", "lasagne", lambda _, content=content: content(), says)


def _function(module: str, attribute: str, *fixed: bytes) -> Callable[[str], bytes]:
    """A pickle that calls a function, with the command as its argument where none is given."""
    return lambda command: weights(call(module, attribute, *(fixed or (string(command.encode()),))))


def _python(module: str, attribute: str) -> Callable[[str], bytes]:
    """A pickle that has a function run Python code."""
    return lambda command: weights(
        call(module, attribute, string(f"__import__('os').system({command!r})".encode()))
    )


def _shell(module: str, attribute: str) -> Callable[[str], bytes]:
    """A pickle that has a function start a program."""
    return lambda command: weights(
        call(module, attribute, listed(string(b"sh"), string(b"-c"), string(command.encode())))
    )


CALLS: dict[str, Callable[[str], bytes]] = {
    "calls os.system": _function("os", "system"),
    "calls posix.system": _function("posix", "system"),
    "calls os.popen": _function("os", "popen"),
    "calls os.execv": _function("os", "execv", string(b"/bin/sh"), listed(string(b"sh"))),
    "calls subprocess.Popen": _shell("subprocess", "Popen"),
    "calls subprocess.check_output": _shell("subprocess", "check_output"),
    "calls pty.spawn": _shell("pty", "spawn"),
    "calls builtins.eval": _python("builtins", "eval"),
    "calls builtins.exec": _python("builtins", "exec"),
    "calls Python 2's eval": _python("__builtin__", "eval"),
    "calls Python 2's execfile": _function("__builtin__", "execfile"),
    "calls builtins.__import__": _function("builtins", "__import__", string(b"antigravity")),
    "calls builtins.open": _function("builtins", "open", string(b"/etc/passwd")),
    "reaches os.system through getattr": lambda command: weights(
        call("builtins", "getattr", call("builtins", "__import__", string(b"os")), string(b"system"))
        + group(string(command.encode()))
        + REDUCE
    ),
    "calls numpy.load": _function("numpy", "load", string(b"/etc/passwd")),
    "calls numpy.fromfile": _function("numpy", "fromfile", string(b"/etc/passwd")),
    "calls numpy.memmap": _function("numpy", "memmap", string(b"/etc/passwd")),
    "calls numpy.lib.npyio.loadtxt": _function("numpy.lib.npyio", "loadtxt", string(b"/etc/passwd")),
    "calls numpy.core.multiarray.fromfile": _function(
        "numpy.core.multiarray", "fromfile", string(b"/etc/passwd")
    ),
    "calls numpy.core.multiarray.scalar on a pickle": _function(
        "numpy.core.multiarray", "scalar", dtype(b"O8"), string(b"cos\nsystem\n.")
    ),
    "calls numpy.testing's runstring": _python("numpy.testing._private.utils", "runstring"),
    "calls numpy.f2py.compile": _function("numpy.f2py", "compile", string(b"end")),
    "calls numpy.distutils' exec_command": _function("numpy.distutils.exec_command", "exec_command"),
    "calls numpy.ctypeslib.load_library": _function(
        "numpy.ctypeslib", "load_library", string(b"x"), string(b"/tmp")
    ),
    "calls copyreg._reconstructor": _function(
        "copyreg", "_reconstructor", name("subprocess", "Popen"), name("builtins", "object"), b"N"
    ),
    "calls Python 2's copy_reg._reconstructor": _function(
        "copy_reg", "_reconstructor", name("os", "error"), name("__builtin__", "object"), b"N"
    ),
    "calls copyreg.add_extension": _function(
        "copyreg", "add_extension", string(b"os"), string(b"system"), number(1)
    ),
    "calls torch.load": _function("torch", "load", string(b"/etc/passwd")),
    "calls torch's nested unpickling": _function("torch.storage", "_load_from_bytes"),
    "calls functools.partial": _function("functools", "partial", name("os", "system")),
    "imports a module for its side effects": lambda _: weights(name("antigravity", "geohash")),
    "calls ndarray itself, with a giant shape": lambda _: weights(
        NDARRAY + group(group(number(2**40))) + REDUCE
    ),
}

INSTRUCTIONS: dict[str, Callable[[str], bytes]] = {
    "uses INST": lambda command: START + MARK + string(command.encode()) + b"ios\nsystem\n" + STOP,
    "uses OBJ": lambda command: START + MARK + name("os", "system") + string(command.encode()) + b"o" + STOP,
    "uses NEWOBJ": lambda _: START + RECONSTRUCT + group(NDARRAY) + b"\x81" + STOP,
    "uses NEWOBJ_EX": lambda _: START + NDARRAY + group() + mapping() + b"\x92" + STOP,
    "uses STACK_GLOBAL": lambda command: (
        START + text("os") + text("system") + b"\x93" + group(string(command.encode())) + REDUCE + STOP
    ),
    "uses a text persistent id": lambda _: START + b"Pid\n" + STOP,
    "uses a binary persistent id": lambda _: START + group(string(b"storage")) + b"Q" + STOP,
    "uses nested persistent ids": lambda _: START + group(string(b"a")) + b"Q" * 40 + STOP,
    "uses extension code 1": lambda _: START + b"\x82\x01" + STOP,
    "uses extension code 4": lambda _: START + b"\x84\x01\x00\x00\x00" + STOP,
    "calls a text": lambda command: (
        START + string(b"os.system") + group(string(command.encode())) + REDUCE + STOP
    ),
    "calls an array": lambda _: weights(array((1,), floats(1)) + group() + REDUCE),
    "reads an out-of-band buffer": lambda _: START + b"\x97" + STOP,
    "makes a bytearray": lambda _: START + b"\x96" + struct.pack("<Q", 1 << 40) + STOP,
    "declares 2**40 bytes in a frame": lambda _: START + b"\x95" + struct.pack("<Q", 1 << 40) + STOP,
    "declares 2**62 bytes of text": lambda _: START + b"\x8d" + struct.pack("<Q", 1 << 62) + STOP,
    "has LONG4 of 2**31 - 1 digits": lambda _: START + b"\x8b" + struct.pack("<i", 2**31 - 1) + STOP,
    "has an INT in text with 100,000 digits": lambda _: START + b"I" + b"9" * 100_000 + b"\n" + STOP,
    "duplicates the stack's top a million times": lambda _: START + b"]" + b"2" * 1_000_000 + STOP,
    "is in protocol 0": lambda command: b"cos\nsystem\n(S" + repr(command).encode() + b"\ntR.",
    "is in protocol 4": lambda command: b"\x80\x04" + call("os", "system", string(command.encode())) + STOP,
}


def _set_state(target: bytes, state: bytes) -> bytes:
    return weights(target + state + BUILD)


def _doubled(levels: int) -> bytes:
    """Tuples of themselves twice: 2**levels leaves in `levels` steps."""
    steps = b"".join(b"q" + bytes([i]) + b"h" + bytes([i]) + b"\x86" for i in range(levels))
    return group() + steps


def _shared(copies: int) -> bytes:
    first = array((250_000,), string(bytes(1_000_000)) + b"q\x01")
    return weights(first, *(array((250_000,), b"h\x01") for _ in range(copies)))


_EMPTY = RECONSTRUCT + group(NDARRAY, group(number(0)), string(b"b")) + REDUCE

SIZES: dict[str, tuple[Callable[[], bytes], str]] = {
    "sets __setstate__ on ndarray itself": (
        lambda: _set_state(NDARRAY, mapping(__setstate__=name("numpy", "dtype"))),
        "sets the state of a Global",
    ),
    "sets the state of a dict": (lambda: _set_state(mapping(), mapping(a=b"N")), "sets the state of a dict"),
    "sets an array's state twice": (
        lambda: weights(
            array((1,), floats(1)) + group(number(1), group(number(1)), dtype(), b"\x89", floats(1)) + BUILD
        ),
        "sets the state of a",
    ),
    "makes an array of another class": (
        lambda: weights(
            array(
                (1,),
                floats(1),
                made=RECONSTRUCT + group(RECONSTRUCT, group(number(0)), string(b"b")) + REDUCE,
            )
        ),
        "unusual way",
    ),
    "reconstructs a giant array": (
        lambda: weights(RECONSTRUCT + group(NDARRAY, group(number(2**40)), string(b"b")) + REDUCE),
        "unusual way",
    ),
    "holds an object array": (
        lambda: weights(array((2,), listed(b"N", b"N"), kind=dtype(b"O8"))),
        "dtype 'O8'",
    ),
    "gives a list for an array's bytes": (lambda: weights(array((2,), listed(b"N", b"N"))), "object array"),
    "has a dtype of 60,000 letters": (
        lambda: weights(array((1,), floats(1), kind=dtype(b"f" + b"9" * 60_000))),
        "short name belongs",
    ),
    "has a dtype of 10**200 bytes": (
        lambda: weights(array((1,), floats(1), kind=dtype(b"S" + b"9" * 200))),
        "weights are f4 or f8",
    ),
    "has a structured dtype": (
        lambda: weights(
            array(
                (1,),
                floats(1),
                kind=dtype(
                    state=group(
                        number(3),
                        string(b"<"),
                        b"N",
                        group(string(b"a")),
                        mapping(),
                        number(-1),
                        number(-1),
                        number(0),
                    )
                ),
            )
        ),
        "fields or subarrays",
    ),
    "has complex numbers": (
        lambda: weights(array((1,), floats(2), kind=dtype(b"c8"))),
        "weights are f4 or f8",
    ),
    "declares 2**40 elements": (lambda: weights(array((2**40,), floats(2))), "declares an array of shape"),
    "declares a product that overflows to 0": (
        lambda: weights(array((2**32, 2**32), string(b""))),
        "declares an array of shape",
    ),
    "declares a product that wraps to the right size": (
        lambda: weights(array((2**62 + 1, 4), floats(4))),
        "declares an array of shape",
    ),
    "has a negative shape": (lambda: weights(array((-2, -3), floats(6))), "a shape that is none"),
    "has an empty axis": (lambda: weights(array((0, 2**40), string(b""))), "a shape that is none"),
    "has a shape of booleans": (
        lambda: weights(array(group(b"\x88", b"\x88"), floats(1))),
        "a shape that is none",
    ),
    "has 33 axes": (lambda: weights(array((1,) * 33, floats(1))), "a shape that is none"),
    "has a shape that is a list": (
        lambda: weights(array(listed(number(1)), floats(1))),
        "a shape that is none",
    ),
    "calls its order 7": (
        lambda: weights(array((2, 3), floats(6), fortran=number(7))),
        "state of another layout",
    ),
    "shares 1 MB among 5,000 arrays": (lambda: _shared(5_000), "repeats bytes of another array"),
    "doubles a tuple 200 times": (
        lambda: START + mapping(params=_doubled(200)) + STOP,
        "an object of over 1000000 parts|nested over",
    ),
    "doubles a tuple 200 times, as a key": (
        lambda: START + b"}" + _doubled(200) + b"Ns" + STOP,
        "an object of over 1000000 parts|nested over",
    ),
    "nests 150,000 tuples": (
        lambda: START + mapping(params=group() + b"\x85" * 150_000) + STOP,
        "nested over",
    ),
    "nests 150,000 lists": (lambda: START + b"]" * 75_000 + b"a" * 74_999 + STOP, "nested over"),
    "opens 100,000 groups": (lambda: START + MARK * 100_000 + b"t" * 100_000 + STOP, "nested over"),
    "holds a list that holds itself": (
        lambda: START + mapping(params=b"]q\x01h\x01a") + STOP,
        "puts an object into itself",
    ),
    "has a million instructions": (lambda: START + b"N" * 1_000_000 + STOP, "instructions"),
    "declares 2 GB in a string": (lambda: START + b"T" + struct.pack("<i", 2**31 - 1) + b"abc", "are left"),
    "declares a negative string": (lambda: START + b"T" + struct.pack("<i", -5) + b"abc", "wants -5"),
    "declares 4 GB of text": (lambda: START + b"X" + struct.pack("<I", 2**32 - 1) + b"abc", "are left"),
    "has a number of 255 bytes": (lambda: START + b"\x8a\xff" + b"\x7f" * 255 + STOP, "a number of 255"),
    "has a name without an end": (lambda: START + b"c" + b"n" * 5_000, "a name without an end"),
    "recalls what it never stored": (lambda: START + b"h\x07" + STOP, "never stored"),
    "recalls the memo's last place": (lambda: START + b"j\xff\xff\xff\xff" + STOP, "never stored"),
    "takes from an empty stack": (lambda: START + b"\x87" + STOP, "empty stack"),
    "takes across a group's start": (lambda: START + b"N(\x85" + STOP, "empty stack"),
    "leaves two objects": (lambda: START + b"NN" + STOP, "ends with 2 objects"),
    "has the key params twice": (
        lambda: START + b"}(" + 2 * (string(b"params") + b"]") + b"u" + STOP,
        "'params' twice",
    ),
    "has something else than arrays": (lambda: weights(b"N"), r"params\[0\] is a nonetype"),
    "is followed by another": (lambda: harmless() + harmless(), "follow the end"),
    "is cut in an array": (lambda: harmless()[:100], "are left"),
    "is cut before its end": (lambda: harmless()[:-1], "wants 1 more"),
    "is an HTML page": (lambda: b"<!DOCTYPE html><html>quota exceeded</html>", "an HTML page"),
    "is empty": (lambda: b"", "an empty file"),
}
