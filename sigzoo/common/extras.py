"""Optional packages: imported when they are needed, and an error that says which extra brings them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from sigzoo.errors import UsageError

__all__ = ["import_extra"]


def import_extra(module: str, extra: str, what: str) -> Any:
    """Import a module of an optional package.

    Parameters
    ----------
    module
        Its name.
    extra
        The extra of sigzoo that installs it.
    what
        What needs it, as the beginning of a sentence: ``"Parquet"``.

    Raises
    ------
    UsageError
        If it is not installed, or cannot be imported; says what to install.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        missing = isinstance(error, ModuleNotFoundError) and error.name == package
        why = "" if missing else f" (it is there, but cannot be imported: {error})"
        raise UsageError(f"{what} needs {package}{why}: run `pip install 'sigzoo[{extra}]'`.") from error
