"""Who may change a file of the cache: its owner alone, or others as well."""

from __future__ import annotations

import os
import stat
from functools import lru_cache
from pathlib import Path

__all__ = ["is_foreign_link", "others_may_change"]


def others_may_change(path: Path, top: Path) -> bool:
    """Whether another user than this one and root may change a file, or put another in its place.

    Parameters
    ----------
    path
        The file.
    top
        The folder up to which the folders above it are looked at; where the file does not lie below
        it, the file's own folder is.

    Returns
    -------
    bool
        Also `True` where it cannot be told. Always `False` where the system knows no owners.
    """
    if not hasattr(os, "geteuid"):
        return False
    above = [folder for folder in path.parents if folder == top or folder.is_relative_to(top)]
    try:
        return any(_open_to_others(each) for each in (path, *(above or [path.parent])))
    except OSError:
        return True


def is_foreign_link(path: Path) -> bool:
    """Whether a path is a symbolic link that another user than this one and root has made."""
    if not hasattr(os, "geteuid"):
        return False
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISLNK(found.st_mode) and found.st_uid not in {0, os.geteuid()}


def _open_to_others(path: Path) -> bool:
    found = path.stat()
    if is_foreign_link(path) or found.st_uid not in {0, os.geteuid()}:
        return True
    if found.st_mode & stat.S_IWOTH:
        return True
    return bool(found.st_mode & stat.S_IWGRP) and not _is_private_group(found.st_gid, found.st_uid)


@lru_cache(maxsize=64)
def _is_private_group(group: int, user: int) -> bool:
    """Whether a group is the user's own, with nobody else in it, as most Linux systems make it."""
    import grp
    import pwd

    try:
        members, name = grp.getgrgid(group), pwd.getpwuid(user).pw_name
    except KeyError:
        return False
    return members.gr_name == name and set(members.gr_mem) <= {name}
