"""Objects of absurd depth or size in every place where a weight file has a number, a text or a tuple.

A file of a kilobyte can hold a tuple of itself twice, sixty times over, and one of 200 kB a tuple of
190,000 levels: whoever hashes, compares, prints or walks through them never returns, or has no stack left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hostile_weights.assembler import (
    BUILD,
    NDARRAY,
    RECONSTRUCT,
    REDUCE,
    START,
    STOP,
    call,
    dtype,
    floats,
    group,
    listed,
    mapping,
    name,
    number,
    string,
    text,
    weights,
)
from hostile_weights.torch_files import DICT, FOUR, SYSTEM, legacy, state, storage, tensor, three, zipped


def _laugh(opener: bytes, closer: bytes) -> bytes:
    """A container of itself twice, 60 times over."""
    steps = b"".join(b"q" + bytes([i]) + closer.replace(b"h", b"h" + bytes([i])) for i in range(60))
    return opener + steps


def _deep(closer: bytes, levels: int = 190_000) -> bytes:
    return b")" + closer * levels


OBJECTS: dict[str, bytes] = {
    "a tuple of itself twice": _laugh(b")", b"h\x86"),
    "a list of itself twice, made at once": _laugh(b")", b"((hhl").replace(b"((", b"("),
    "a tuple of 190,000 levels": _deep(b"\x85"),
    "a tuple of 31 levels": _deep(b"\x85", 31),
    "a dict in a dict, 60,000 times": (b"}" + text("k")) * 60_000 + b"N" + b"s" * 60_000,
    "a list that grew after it was put into another": b"]q\x01]q\x02h\x01ah\x01h\x02a",
}


def _torch(program: Callable[[str, bytes], bytes]) -> Callable[[str, bytes], bytes]:
    def made(kind: str, what: bytes) -> bytes:
        content, storages = program(kind, what), {"0": FOUR}
        return zipped(content, storages) if kind == "zip" else legacy(content, storages)

    return made


def _identifier(place: int) -> Callable[[str, bytes], bytes]:
    def program(kind: str, what: bytes) -> bytes:
        parts = [text("storage"), name("torch", "FloatStorage"), text("0"), text("cpu"), number(4)]
        parts += [b"N"] if kind == "legacy" else []
        parts[place] = what
        return three(state(w=tensor(group(*parts) + b"Q", (4,))))

    return program


def _argument(place: int) -> Callable[[str, bytes], bytes]:
    def program(kind: str, what: bytes) -> bytes:
        parts = [storage(kind, 4), number(0), group(number(4)), group(number(1)), b"\x89", DICT]
        parts[place] = what
        return three(state(w=call("torch._utils", "_rebuild_tensor_v2", *parts)))

    return program


def _parameter(place: int) -> Callable[[str, bytes], bytes]:
    def program(kind: str, what: bytes) -> bytes:
        parts = [tensor(storage(kind, 4), (4,)), b"\x89", DICT]
        parts[place] = what
        return three(state(w=call("torch._utils", "_rebuild_parameter", *parts)))

    return program


TORCH: dict[str, Callable[[str, bytes], bytes]] = {
    **{
        f"for a storage's {part}": _torch(_identifier(place))
        for place, part in enumerate(("word", "kind", "key", "location", "count"))
    },
    **{
        f"for a tensor's {part}": _torch(_argument(place))
        for place, part in enumerate(("storage", "offset", "shape", "strides", "flag", "hooks"))
    },
    **{
        f"for a parameter's {part}": _torch(_parameter(place))
        for place, part in enumerate(("tensor", "flag", "hooks"))
    },
    "for a size": _torch(lambda _, what: three(state(w=call("torch", "Size", what)))),
    "for a persistent id": _torch(lambda _, what: three(state(w=what + b"Q"))),
    "for a state dict": _torch(lambda _, what: three(what)),
    "for a head": _torch(lambda kind, what: three(state(w=tensor(storage(kind, 4), (4,))), what)),
    "for a tensor": _torch(lambda _, what: three(state(w=what))),
    "for a tensor's name": _torch(
        lambda kind, what: three(DICT + b"(" + what + tensor(storage(kind, 4), (4,)) + b"u")
    ),
    "for a version": _torch(
        lambda kind, what: three(
            state(w=tensor(storage(kind, 4), (4,)))
            + mapping(_metadata=mapping(a=mapping(version=what)))
            + BUILD
        )
    ),
    "for a function": _torch(lambda _, what: three(state(w=what + group() + REDUCE))),
    "for the arguments": _torch(
        lambda _, what: three(state(w=name("torch._utils", "_rebuild_tensor_v2") + what + REDUCE))
    ),
    "alone": _torch(lambda _, what: START + what + STOP),
    "for a list of three": _torch(lambda _, what: START + listed(what, what, what) + STOP),
    "under a name": _torch(lambda _, what: START + mapping(state_dict=what, epoch=what) + STOP),
}


def _array(place: int) -> Callable[[bytes], bytes]:
    def program(what: bytes) -> bytes:
        parts = [number(1), group(number(4)), dtype(), b"\x89", floats(4)]
        parts[place] = what
        made = RECONSTRUCT + group(NDARRAY, group(number(0)), string(b"b")) + REDUCE
        return weights(made + group(*parts) + BUILD)

    return program


def _dtype(place: int) -> Callable[[bytes], bytes]:
    def program(what: bytes) -> bytes:
        parts = [number(3), string(b"<"), b"N", b"N", b"N", number(-1), number(-1), number(0)]
        parts[place] = what
        made = call("numpy", "dtype", string(b"f4"), number(0), number(1)) + group(*parts) + BUILD
        return weights(
            RECONSTRUCT
            + group(NDARRAY, group(number(0)), string(b"b"))
            + REDUCE
            + group(number(1), group(number(4)), made, b"\x89", floats(4))
            + BUILD
        )

    return program


def _calls(module: str, attribute: str, count: int) -> dict[str, Callable[[bytes], bytes]]:
    return {
        f"for argument {place} of {module}.{attribute}": lambda what, place=place: weights(  # type: ignore[misc]
            call(module, attribute, *(what if place == other else number(1) for other in range(count)))
        )
        for place in range(count)
    }


LASAGNE: dict[str, Callable[[bytes], bytes]] = {
    **{f"for part {place} of an array's state": _array(place) for place in range(5)},
    **{f"for part {place} of a dtype's state": _dtype(place) for place in range(8)},
    **_calls("numpy.core.multiarray", "_reconstruct", 3),
    **_calls("numpy._core.numeric", "_frombuffer", 4),
    **_calls("numpy.core.multiarray", "scalar", 2),
    **_calls("numpy", "dtype", 3),
    **_calls("_codecs", "encode", 2),
    **_calls("collections", "OrderedDict", 1),
    "for an array": lambda what: weights(what),
    "for params": lambda what: START + mapping(params=what) + STOP,
    "for the whole": lambda what: START + what + STOP,
    "for a key": lambda what: START + b"}" + what + b"Ns" + STOP,
    "for an entry": lambda what: START + mapping(params=b"N", img_size=what) + STOP,
    "for a module's name": lambda what: b"\x80\x04" + what + text("x") + b"\x93" + STOP,
}


def files(thing: str) -> Iterator[tuple[str, str, bytes]]:
    """A format, a place, and a file that has the thing of that name there."""
    what = OBJECTS[thing]
    for place, make in TORCH.items():
        for kind in ("zip", "legacy"):
            yield "torch-tuple", f"{place} ({kind})", make(kind, what)
    for part in ("protocol", "system", "keys"):
        yield "torch-tuple", f"for the {part}", _header(part, what)
    for place, program in LASAGNE.items():
        yield "lasagne", place, program(what)


def _header(part: str, what: bytes) -> bytes:
    """A file of torch's older format with something else in place of a pickle around its main one."""
    good = legacy(three(state(w=tensor(storage("legacy", 4), (4,)))), {"0": FOUR})
    old = {"protocol": number(1001), "system": SYSTEM, "keys": b"](" + text("0") + b"e"}[part]
    assert good.count(START + old + STOP) == 1
    return good.replace(START + old + STOP, START + what + STOP)
