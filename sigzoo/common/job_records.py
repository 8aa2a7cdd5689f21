"""What a folder is a job of: written down at its beginning, compared when it is gone on with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sigzoo.common.atomic import write_bytes, write_error
from sigzoo.common.bounded_files import read_bounded
from sigzoo.common.terminal import safe_text
from sigzoo.errors import DataError, UsageError

__all__ = ["MAX_RECORD", "begin_or_check", "check_same_job", "record_bytes", "record_of"]

MAX_RECORD = 1 << 20
"""Bytes of a record."""


def record_bytes(identity: Mapping[str, Any]) -> bytes:
    """A record as it is written."""
    return json.dumps(dict(identity), indent=2).encode() + b"\n"


def record_of(content: bytes, name: str) -> dict[str, Any]:
    """What a record says.

    Raises
    ------
    DataError
        If it is damaged; names it.
    """
    try:
        found = json.loads(content)
        if not isinstance(found, dict):
            raise ValueError("no mapping")
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name} does not say what job this is ({error}).") from error
    return found


def check_same_job(there: Mapping[str, Any], wanted: Mapping[str, Any], name: str) -> None:
    """Refuse to go on with another job.

    Raises
    ------
    UsageError
        Names what differs, and how.
    """
    names = [each for each in {**there, **wanted} if there.get(each) != wanted.get(each)]
    if names:
        differing = "; ".join(
            f"{each.replace('_', ' ')} was {_short(there.get(each))} and is {_short(wanted.get(each))}"
            for each in names
        )
        raise UsageError(
            f"{name}: the job here is another one: {differing}. Go on with what it was begun with, or"
            " choose another folder."
        )


def begin_or_check(folder: Path, file: str, identity: Mapping[str, Any]) -> None:
    """Make a folder and write down what it is a job of; where that is there, refuse another job.

    Raises
    ------
    UsageError
        If it is of another job, or holds things and does not say of which job.
    DataError
        If the record is damaged, or the folder cannot be made or read.
    """
    wanted = json.loads(json.dumps(dict(identity)))
    path = folder / file
    try:
        folder.mkdir(parents=True, exist_ok=True)
        there = any(not each.name.startswith(".") for each in folder.iterdir())
        begun = path.exists()
    except OSError as error:
        raise write_error(folder, error, kind=DataError) from error
    if begun:
        content = read_bounded(path, MAX_RECORD, DataError, "no such record is")
        check_same_job(record_of(content, f"{safe_text(folder)}: its {file}"), wanted, safe_text(folder))
    elif there:
        raise UsageError(
            f"{safe_text(folder)}: holds things already, and no {file} that says of which job; choose a"
            " folder that is new or empty."
        )
    else:
        write_bytes(path, record_bytes(wanted))


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return safe_text(text if len(text) <= 60 else f"{text[:24]}...{text[-24:]}")
