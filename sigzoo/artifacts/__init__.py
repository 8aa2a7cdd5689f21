"""Files from elsewhere: fetched, verified, kept; torch is never imported here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigzoo.common.lazy import lazy_names

if TYPE_CHECKING:
    from sigzoo.artifacts.download_bar import fetch_with_bar
    from sigzoo.artifacts.fetching import fetch, locate
    from sigzoo.artifacts.home import cache_home
    from sigzoo.artifacts.members import member
    from sigzoo.artifacts.retry import Progress, Retry
    from sigzoo.artifacts.spec import ArtifactSpec

__all__ = ["ArtifactSpec", "Progress", "Retry", "cache_home", "fetch", "fetch_with_bar", "locate", "member"]

__getattr__ = lazy_names(
    __name__,
    {
        "ArtifactSpec": "spec",
        "Progress": "retry",
        "Retry": "retry",
        "cache_home": "home",
        "fetch": "fetching",
        "fetch_with_bar": "download_bar",
        "locate": "fetching",
        "member": "members",
    },
)
