"""What the service counts, for Prometheus."""

from __future__ import annotations

import time
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sigzoo.serving.admission import Admission

__all__ = ["CONTENT_TYPE", "CountingMiddleware", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """The counters of one service, in a registry of their own."""

    def __init__(self, admission: Admission) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "sigzoo_requests", "Requests answered.", ["path", "status"], registry=self._registry
        )
        self.seconds = Histogram(
            "sigzoo_request_seconds",
            "Time from a request's first byte to its answer.",
            ["path"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.images = Counter(
            "sigzoo_images",
            "Images embedded, and those that could not be.",
            ["outcome"],
            registry=self._registry,
        )
        self.batches = Histogram(
            "sigzoo_batch_images",
            "Images that went through the network together.",
            buckets=_SIZES,
            registry=self._registry,
        )
        for name, words in (("images", "Images"), ("bytes", "Bytes of requests")):
            gauge = Gauge(f"sigzoo_{name}_in_hand", f"{words} in hand.", registry=self._registry)
            gauge.set_function(partial(getattr, admission, name))

    def text(self) -> bytes:
        """All of it in Prometheus's text format."""
        return bytes(generate_latest(self._registry))


class CountingMiddleware:
    """Counts requests by the address that answered them, and times them."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, and count it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.monotonic(), 500

        async def seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, seen)
        finally:
            # By route: addresses that anyone may make up would be labels without end.
            path = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(path, str(status)).inc()
            self._metrics.seconds.labels(path).observe(time.monotonic() - start)
