"""Protocols as they are written on the command line: a name, and options behind a colon."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sigzoo.cli.values import number_or_word
from sigzoo.errors import UsageError

if TYPE_CHECKING:
    from sigzoo.evaluation.run import ProtocolChoice

__all__ = ["protocol_choices"]


def protocol_choices(written: Sequence[str], references: Sequence[int]) -> list[ProtocolChoice]:
    """Read ``NAME`` or ``NAME:option=value,option=value``, each once for each number of references.

    Raises
    ------
    UsageError
        If an option has no name or no value, or stands twice.
    """
    from sigzoo.evaluation.run import ProtocolChoice

    found = []
    for text in written:
        name, _, rest = text.partition(":")
        options: dict[str, Any] = {}
        for part in filter(None, rest.split(",")):
            key, equals, value = part.partition("=")
            key = key.strip().replace("-", "_")
            if not equals or not key or not value.strip():
                raise UsageError(
                    f"--protocol {text}: options are written NAME:option=value,..., not {part!r}."
                )
            if key in options:
                raise UsageError(f"--protocol {text}: {key} is given twice.")
            options[key] = number_or_word(value.strip())
        if references and "references" not in options:
            found += [ProtocolChoice(name, {"references": number, **options}) for number in references]
        else:
            found.append(ProtocolChoice(name, options))
    return found
