"""Licences of weights: shown once a machine and notice, before the file is fetched, never silently passed."""

from __future__ import annotations

import hashlib
import logging
from contextlib import suppress
from pathlib import Path

from sigzoo.artifacts.home import StorageError, cache_home
from sigzoo.artifacts.json_records import read_record, update_json
from sigzoo.artifacts.spec import ArtifactSpec
from sigzoo.common.terminal import safe_text

__all__ = ["notices_path", "remember", "show_once"]

_log = logging.getLogger("sigzoo.artifacts")

_shown: set[tuple[Path, str, str]] = set()
"""What this process has shown: record, artifact, digest of the notice."""


def notices_path() -> Path:
    """Return the path of the record: JSON, artifact -> digest of the notice that was shown."""
    return cache_home() / "notices.json"


def show_once(spec: ArtifactSpec) -> bool:
    """Log an artifact's licence on ``sigzoo.artifacts``, unless it has been shown.

    A notice whose words have changed is shown again, and so is one of a file that was not had then.

    Returns
    -------
    bool
        Whether it was shown now.

    Raises
    ------
    ArtifactError
        If the record is damaged.
    """
    if spec.licence_notice is None or _is_remembered(spec):
        return False
    key = (notices_path(), spec.name, _digest(spec))
    if key in _shown:
        return False
    _shown.add(key)
    _log.warning("sigzoo: licence of %s: %s", spec.name, safe_text(spec.licence_notice))
    return True


def remember(spec: ArtifactSpec) -> None:
    """Write down that an artifact's licence was shown and its file was had, where that can be written.

    Raises
    ------
    ArtifactError
        If the record is damaged.
    """
    if spec.licence_notice is not None and not _is_remembered(spec):
        digest = _digest(spec)
        with suppress(StorageError):
            update_json(notices_path(), lambda shown: shown | {spec.name: digest})


def _is_remembered(spec: ArtifactSpec) -> bool:
    return read_record(notices_path()).get(spec.name) == _digest(spec)


def _digest(spec: ArtifactSpec) -> str:
    return hashlib.sha256((spec.licence_notice or "").encode()).hexdigest()
