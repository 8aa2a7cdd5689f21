"""Licences of weights: shown once a machine and notice, before the file is fetched, never silently passed."""

from __future__ import annotations

import hashlib
import logging
from contextlib import suppress
from pathlib import Path

from sigzoo.artifacts.home import StorageError, cache_home
from sigzoo.artifacts.json_records import read_record, update_json
from sigzoo.artifacts.spec import ArtifactSpec

__all__ = ["notices_path", "show_once"]

_log = logging.getLogger("sigzoo.artifacts")


def notices_path() -> Path:
    """Return the path of the record: JSON, artifact -> digest of the notice that was shown."""
    return cache_home() / "notices.json"


def show_once(spec: ArtifactSpec) -> bool:
    """Log an artifact's licence on ``sigzoo.artifacts``, unless it has been shown.

    A notice whose words have changed is shown again, and so is one that could not be remembered.

    Returns
    -------
    bool
        Whether it was shown now.

    Raises
    ------
    ArtifactError
        If the record is damaged.
    """
    if spec.licence_notice is None:
        return False
    digest = hashlib.sha256(spec.licence_notice.encode()).hexdigest()
    if read_record(notices_path()).get(spec.name) == digest:
        return False
    _log.warning("sigzoo: licence of %s: %s", spec.name, spec.licence_notice)
    with suppress(StorageError):
        update_json(notices_path(), lambda shown: shown | {spec.name: digest})
    return True
