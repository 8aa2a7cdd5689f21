"""Files that must be refused: what they are, which format they claim, what the message says of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Hostile:
    """One hostile file.

    `make` is given a shell command that leaves a canary and returns the bytes; where the file can
    call something, it calls that. `says` is a pattern that the error's message must contain.
    """

    name: str
    format: str
    make: Callable[[str], bytes]
    says: str
    member: str | None = None

    def __str__(self) -> str:
        return self.name


def every_file() -> Iterator[Hostile]:
    """All hostile files of all formats."""
    from hostile_weights import archives, npz, pickles, safetensors, torch_files

    for module in (pickles, torch_files, archives, npz, safetensors):
        yield from module.files()
