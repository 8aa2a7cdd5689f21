"""A model as a web service: features, verification and search over HTTP, batched across requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigzoo.common.lazy import lazy_names

if TYPE_CHECKING:
    from sigzoo.serving.app import create_app
    from sigzoo.serving.limits import ServingLimits
    from sigzoo.serving.service import Service

__all__ = ["Service", "ServingLimits", "create_app"]

__getattr__ = lazy_names(__name__, {"Service": "service", "ServingLimits": "limits", "create_app": "app"})
