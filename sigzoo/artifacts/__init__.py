"""Files from elsewhere: fetched, verified, kept; torch is never imported here."""

from __future__ import annotations

from sigzoo.artifacts.fetching import fetch, locate
from sigzoo.artifacts.home import cache_home
from sigzoo.artifacts.members import member
from sigzoo.artifacts.retry import Progress, Retry
from sigzoo.artifacts.spec import ArtifactSpec

__all__ = ["ArtifactSpec", "Progress", "Retry", "cache_home", "fetch", "locate", "member"]
