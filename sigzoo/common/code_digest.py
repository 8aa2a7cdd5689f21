"""Digests of programs, for what is kept of their results."""

from __future__ import annotations

import hashlib
import os
import sys
from importlib.util import find_spec
from pathlib import Path

__all__ = ["code_digest", "package_digest"]


def code_digest(*kinds: type) -> str:
    """A SHA-256 over the source of the packages that classes are defined in, without their tests."""
    found = hashlib.sha256()
    for kind in kinds:
        module = sys.modules[kind.__module__]
        file = Path(module.__file__ or os.devnull)
        programs = sorted(file.parent.glob("*.py")) if file.name != os.devnull else []
        for program in programs or [file]:
            found.update(program.read_bytes())
    return found.hexdigest()


def package_digest(package: str) -> str | None:
    """SHA-256 over the modules of an installed package, not imported for it; `None` where there is none."""
    try:
        found = find_spec(package)
    except (ImportError, ValueError):  # ``__main__``, say, whose code may be anything
        return None
    if found is None:
        return None
    digest = hashlib.sha256()
    try:
        for folder in found.submodule_search_locations or []:
            for path in sorted(Path(folder).rglob("*.py")):
                digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
        if found.origin is not None and not found.submodule_search_locations:
            digest.update(Path(found.origin).read_bytes())
    except OSError:
        return None
    return digest.hexdigest()
