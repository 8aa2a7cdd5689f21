"""Files from elsewhere: fetched, verified, kept; torch is never imported here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigzoo.common.lazy import lazy_names

if TYPE_CHECKING:
    from sigzoo.artifacts.download_bar import fetch_with_bar
    from sigzoo.artifacts.fetching import fetch, locate
    from sigzoo.artifacts.home import cache_home
    from sigzoo.artifacts.members import extract_member
    from sigzoo.artifacts.retry import Progress, Retry
    from sigzoo.artifacts.spec import ArtifactSpec, Member
    from sigzoo.artifacts.zoo_cache import ZooCache

__all__ = [
    "ArtifactSpec",
    "Member",
    "Progress",
    "Retry",
    "ZooCache",
    "cache_home",
    "extract_member",
    "fetch",
    "fetch_with_bar",
    "locate",
]

__getattr__ = lazy_names(
    __name__,
    {
        "ArtifactSpec": "spec",
        "Member": "spec",
        "Progress": "retry",
        "Retry": "retry",
        "ZooCache": "zoo_cache",
        "cache_home": "home",
        "extract_member": "members",
        "fetch": "fetching",
        "fetch_with_bar": "download_bar",
        "locate": "fetching",
    },
)
