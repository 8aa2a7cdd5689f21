"""Files in torch's two formats whose pickle or whose sizes are hostile."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator

from hostile_weights import Hostile
from hostile_weights.assembler import (
    BUILD,
    START,
    STOP,
    call,
    group,
    listed,
    mapping,
    name,
    number,
    text,
)

Record = tuple[bytes, dict[str, bytes]]
"""The main pickle, and the storages by key."""

SYSTEM = (
    b"}("
    + text("protocol_version")
    + number(1001)
    + text("little_endian")
    + b"\x88"
    + text("type_sizes")
    + b"}"
    + b"u"
)
DICT = call("collections", "OrderedDict")


def files() -> Iterator[Hostile]:
    for title, (program, says) in PROGRAMS.items():
        for kind, packed in (("zip", zipped), ("legacy", legacy)):
            yield Hostile(
                f"torch {kind} file {title}",
                "torch-tuple",
                lambda command, kind=kind, program=program, packed=packed: packed(*program(kind, command)),
                says,
            )
    for title, (content, says) in CONTAINERS.items():
        yield Hostile(f"torch file {title}", "torch-tuple", lambda _, content=content: content(), says)


def zipped(program: bytes, storages: dict[str, bytes], **changes: bytes | None) -> bytes:
    """A zip file as torch writes it; `changes` replace members (`None` leaves one out)."""
    members = {"data.pkl": program, "byteorder": b"little"}
    members |= {f"data/{key}": raw for key, raw in storages.items()} | {"version": b"3\n"}
    members |= changes
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for member, content in members.items():
            if content is not None:
                archive.writestr(f"archive/{member}", content)
    return file.getvalue()


def legacy(program: bytes, storages: dict[str, bytes], *, size: int = 4, system: bytes = SYSTEM) -> bytes:
    """A file as torch wrote it before 2020."""
    keys = b"](" + b"".join(text(key) for key in storages) + b"e"
    pickles = (
        START + number(0x1950A86A20F9469CFC6C) + STOP,
        START + number(1001) + STOP,
        START + system + STOP,
    )
    blocks = (struct.pack("<q", len(raw) // size) + raw for raw in storages.values())
    return b"".join(pickles) + program + START + keys + STOP + b"".join(blocks)


def storage(kind: str, elements: int, key: str = "0", *, type_name: str = "FloatStorage") -> bytes:
    """A reference to a storage, as each of the formats has it."""
    rest = (b"N",) if kind == "legacy" else ()
    return (
        group(text("storage"), name("torch", type_name), text(key), text("cpu"), number(elements), *rest)
        + b"Q"
    )


def tensor(source: bytes, shape: tuple[int, ...], strides: tuple[int, ...] = (1,), offset: int = 0) -> bytes:
    sizes, steps = (group(*(number(n) for n in numbers)) for numbers in (shape, strides))
    return call("torch._utils", "_rebuild_tensor_v2", source, number(offset), sizes, steps, b"\x89", DICT)


def state(**entries: bytes) -> bytes:
    """A state dict."""
    return DICT + b"(" + b"".join(text(key) + value for key, value in entries.items()) + b"u"


def three(first: bytes, second: bytes = DICT, third: bytes = DICT) -> bytes:
    return START + group(first, second, third) + STOP


FOUR = bytes(range(16))


def harmless(kind: str) -> Record:
    """What both formats take without complaint."""
    return three(state(w=tensor(storage(kind, 4), (4,)))), {"0": FOUR}


def _call(module: str, attribute: str, *arguments: bytes) -> Callable[[str, str], Record]:
    """A state dict in which a function is called, with the command where no argument is given."""
    return lambda _, command: (
        three(state(w=call(module, attribute, *(arguments or (text(command),))))),
        {},
    )


def _python(module: str, attribute: str) -> Callable[[str, str], Record]:
    return lambda _, command: (
        three(state(w=call(module, attribute, text(f"__import__('os').system({command!r})")))),
        {},
    )


def _sized(
    elements: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...] = (1,),
    offset: int = 0,
    raw: bytes = FOUR,
    type_name: str = "FloatStorage",
) -> Callable[[str, str], Record]:
    return lambda kind, _: (
        three(state(w=tensor(storage(kind, elements, type_name=type_name), shape, strides, offset))),
        {"0": raw},
    )


def _whole(
    program: Callable[[str], bytes], storages: dict[str, bytes] | None = None
) -> Callable[[str, str], Record]:
    return lambda kind, _: (program(kind), {"0": FOUR} if storages is None else storages)


def _weight(kind: str) -> bytes:
    return state(w=tensor(storage(kind, 4), (4,)))


_ASKS = "which no weight file of this format needs"
PROGRAMS: dict[str, tuple[Callable[[str, str], Record], str]] = {
    "calls os.system": (_call("os", "system"), _ASKS),
    "calls posix.system": (_call("posix", "system"), _ASKS),
    "calls builtins.eval": (_python("builtins", "eval"), _ASKS),
    "calls builtins.exec": (_python("builtins", "exec"), _ASKS),
    "calls builtins.getattr": (
        _call("builtins", "getattr", name("torch", "FloatStorage"), text("dtype")),
        _ASKS,
    ),
    "calls subprocess.Popen": (_call("subprocess", "Popen"), _ASKS),
    "calls numpy.load": (_call("numpy", "load", text("/etc/passwd")), _ASKS),
    "unpickles within, by torch.storage": (_call("torch.storage", "_load_from_bytes"), _ASKS),
    "calls torch.load": (_call("torch.serialization", "load", text("/etc/passwd")), _ASKS),
    "calls torch.hub.load": (_call("torch.hub", "load", text("x")), _ASKS),
    "makes a bytearray of 2**40": (_call("builtins", "bytearray", number(2**40)), _ASKS),
    "calls _codecs.encode": (_call("_codecs", "encode", text("x")), _ASKS),
    "rebuilds a numpy-backed tensor": (_call("torch._utils", "_rebuild_device_tensor_from_numpy"), _ASKS),
    "rebuilds a subclass of Tensor": (_call("torch._tensor", "_rebuild_from_type_v2"), _ASKS),
    "rebuilds a sparse tensor": (_call("torch._utils", "_rebuild_sparse_tensor"), _ASKS),
    "calls a storage type": (_call("torch", "FloatStorage", number(2**40)), "calls torch.FloatStorage"),
    "makes an OrderedDict of something": (
        _call("collections", "OrderedDict", listed()),
        "an OrderedDict out of something",
    ),
    "sets __class__ on an OrderedDict": (
        _whole(lambda _: three(DICT + mapping(__class__=name("torch", "FloatStorage")) + BUILD)),
        "sets attributes",
    ),
    "attaches a hidden tensor to a state dict": (
        _whole(lambda kind: three(_weight(kind) + mapping(_metadata=mapping(a=_weight(kind))) + BUILD)),
        "no version number",
    ),
    "attaches hooks to a tensor": (
        _whole(
            lambda kind: three(
                state(
                    w=call(
                        "torch._utils",
                        "_rebuild_tensor_v2",
                        storage(kind, 4),
                        number(0),
                        group(number(4)),
                        group(number(1)),
                        b"\x89",
                        state(hook=b"N"),
                    )
                )
            )
        ),
        "attaches hooks",
    ),
    "declares a storage of 2**40 elements": (_sized(2**40, (4,)), "declares .* (bytes|elements)"),
    "declares a storage of 2**63 elements": (_sized(2**63, (4,)), "declares .* (bytes|elements)"),
    "declares more than it holds": (_sized(1000, (1000,)), "declares .* (bytes|elements)"),
    "declares less than it holds": (_sized(3, (3,)), "declares .* (bytes|elements)"),
    "declares a negative storage": (_sized(-4, (4,)), "a storage of -4"),
    "makes a tensor larger than its storage": (_sized(4, (2**40,)), "from 4 elements"),
    "makes a tensor beyond its storage": (_sized(4, (4,), offset=1), "from 4 elements"),
    "strides beyond its storage": (_sized(4, (2,), (2**40,)), "from 4 elements"),
    "has a negative shape": (_sized(4, (-1,)), "no sizes"),
    "has a negative stride": (_sized(4, (4,), (-1,)), "no sizes"),
    "has a negative offset": (_sized(4, (4,), offset=-4), "no sizes"),
    "expands one element to 2**40": (_sized(4, (2**40,), (0,)), "from 4 elements"),
    "has more strides than axes": (_sized(4, (4,), (1, 1)), "1 axes and 2 strides"),
    "has quantised numbers": (_sized(4, (4,), type_name="QInt8Storage"), _ASKS),
    "repeats a storage in 5,000 tensors": (
        _whole(lambda kind: three(state(**{f"w{i}": tensor(storage(kind, 4), (4,)) for i in range(5_000)}))),
        "tensors overlap",
    ),
    "declares a storage twice, differently": (
        _whole(
            lambda kind: three(
                state(
                    a=tensor(storage(kind, 4), (4,)),
                    b=tensor(storage(kind, 2, type_name="DoubleStorage"), (2,)),
                )
            )
        ),
        "twice, differently",
    ),
    "names a storage by a path": (
        _whole(lambda kind: three(state(w=tensor(storage(kind, 4, "../data"), (4,)))), {}),
        "names a storage",
    ),
    "refers to a module": (
        _whole(
            lambda _: three(
                group(text("module"), name("torch", "FloatStorage"), text("a"), text("b"), text("c")) + b"Q"
            )
        ),
        "no storage",
    ),
    "refers to a number": (_whole(lambda _: three(number(3) + b"Q")), "no storage"),
    "nests 150,000 lists": (
        _whole(lambda _: START + b"]" * 75_000 + b"a" * 74_999 + STOP),
        "nested over",
    ),
    "holds two state dicts": (_whole(lambda kind: START + group(_weight(kind), DICT) + STOP), "a tuple of 2"),
    "holds a bare tensor": (
        _whole(lambda kind: START + tensor(storage(kind, 4), (4,)) + STOP),
        "found a tensor of shape",
    ),
    "holds a number among its tensors": (
        _whole(lambda _: three(state(w=number(3)))),
        "'w' of the features is a int",
    ),
    "holds a head of other names": (
        _whole(lambda kind: three(_weight(kind), state(v=tensor(storage(kind, 4), (4,))))),
        "expected weight and bias",
    ),
    "holds nothing": (_whole(lambda _: three(DICT), {}), "the first is empty"),
}


def _members(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for member, content in members:
            archive.writestr(member, content)
    return file.getvalue()


def _deflated_bomb() -> bytes:
    bomb = b"\0" * (80 << 20)
    return _members(("archive/data.pkl", bomb), ("archive/data/0", FOUR), method=zipfile.ZIP_DEFLATED)


def _tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for member in ("storages", "tensors", "pickle"):
            info = tarfile.TarInfo(member)
            info.size = 4
            archive.addfile(info, io.BytesIO(b"\x80\x02N."))
    return file.getvalue()


CONTAINERS: dict[str, tuple[Callable[[], bytes], str]] = {
    "is the tar format that torch ran code from": (_tar, "unknown kind"),
    "is a TorchScript program": (
        lambda: zipped(*harmless("zip"), **{"constants.pkl": b"\x80\x02)."}),
        "TorchScript",
    ),
    "is of a big-endian machine (zip)": (lambda: zipped(*harmless("zip"), byteorder=b"big"), "big-endian"),
    "is of a big-endian machine (legacy)": (
        lambda: legacy(*harmless("legacy"), system=SYSTEM.replace(b"\x88", b"\x89")),
        "not little-endian",
    ),
    "lacks a storage (zip)": (lambda: zipped(harmless("zip")[0], {}), "no member 'archive/data/0'"),
    "lacks a storage (legacy)": (lambda: legacy(harmless("legacy")[0], {}), "list of storages"),
    "has two pickles": (
        lambda: _members(("archive/data.pkl", b""), ("other/data.pkl", b"")),
        "not as torch writes it",
    ),
    "has the same pickle twice": (
        lambda: zipped(*harmless("zip")).replace(b"archive/byteorder", b"archive/data.pkl\0"),
        "control characters|occurs twice",
    ),
    "inflates 80 KB to 80 MB": (_deflated_bomb, "would inflate"),
    "has a wrong checksum": (
        lambda: zipped(*harmless("zip")).replace(FOUR, FOUR[::-1]),
        "is damaged",
    ),
    "goes on after its last storage": (
        lambda: legacy(*harmless("legacy")) + b"more",
        "follow the last storage",
    ),
    "goes on after its pickle (zip)": (
        lambda: zipped(harmless("zip")[0] + b"\x80\x02N.", harmless("zip")[1]),
        "follow the end",
    ),
    "is cut in its storages": (lambda: legacy(*harmless("legacy"))[:-3], "ends early"),
    "is cut in its directory": (lambda: zipped(*harmless("zip"))[:-30], "damaged zip archive"),
    "has a wrong magic number": (
        lambda: legacy(*harmless("legacy")).replace(b"\x6c\xfc\x9c\x46", b"\x6c\xfc\x9c\x47", 1),
        "Python 2 pickle",
    ),
}
