"""The session of a download: certificates, credentials that stay with their host, a watchdog."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter

from sigzoo.errors import ArtifactError

__all__ = ["CA_VARIABLES", "Watchdog", "ca_file", "opened_session"]

CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""Where an environment names the certificates to trust; the first that is set counts."""


class Watchdog:
    """Shuts the sockets of a download whose time is over, so that no read of it waits any longer.

    A timeout of a socket begins anew with every byte; a server that sends a byte now and then, in a
    header, a `100 Continue` or a trailer, would hold a read for ever.
    """

    def __init__(self) -> None:
        self.expired = False
        """Whether the time was over since it was last given."""
        self._sockets: list[socket.socket] = []
        self._deadline: float | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def allow(self, seconds: float) -> None:
        """Give that much time from now on."""
        with self._changed:
            self._deadline = time.monotonic() + seconds
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="sigzoo watchdog", daemon=True)
                self._thread.start()
            self._changed.notify()

    def begin(self, seconds: float) -> None:
        """Give that much time to a new request; sockets of an earlier one are let go."""
        with self._changed:
            self._sockets.clear()
            self.expired = False
        self.allow(seconds)

    def watch(self, opened: socket.socket) -> None:
        """Take a socket under watch."""
        with self._changed:
            self._sockets.append(opened)
            if self.expired:
                _shut(opened)

    def close(self) -> None:
        """End the watch."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while not self._closed:
                left = None if self._deadline is None else self._deadline - time.monotonic()
                if left is None or left > 0:
                    self._changed.wait(left)
                    continue
                self._deadline, self.expired = None, True
                for each in self._sockets:
                    _shut(each)


def _shut(opened: socket.socket) -> None:
    # Not the method of an SSL socket, which would take its state from under the thread that reads.
    with suppress(OSError):
        socket.socket.shutdown(opened, socket.SHUT_RDWR)


def _watched_connection(kind: Any, watchdog: Watchdog) -> Any:
    class Watched(kind):  # type: ignore[misc]
        def _new_conn(self) -> Any:
            # Watched from here on as well: a proxy answers before `connect` returns.
            made = super()._new_conn()
            watchdog.watch(made)
            return made

        def connect(self) -> None:
            super().connect()
            watchdog.watch(self.sock)

    Watched.__name__ = kind.__name__  # it stands in messages
    return Watched


class _WatchedAdapter(HTTPAdapter):
    """Makes connections that a watchdog knows of."""

    def __init__(self, watchdog: Watchdog) -> None:
        self._watchdog = watchdog
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self._watch(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        self._watch(manager)
        return manager

    def _watch(self, manager: Any) -> None:
        manager.pool_classes_by_scheme = {
            scheme: type(
                pool.__name__,
                (pool,),
                {"ConnectionCls": _watched_connection(pool.ConnectionCls, self._watchdog)},
            )
            for scheme, pool in manager.pool_classes_by_scheme.items()
        }


class _Session(Session):
    def rebuild_auth(self, prepared_request: PreparedRequest, response: Response) -> None:
        """Keep credentials from any other host; requests would look into ``.netrc`` again for it."""
        asked, next_url = response.request.url, prepared_request.url
        if self.should_strip_auth(asked, next_url):  # type: ignore[no-untyped-call]
            prepared_request.headers.pop("Authorization", None)


def ca_file() -> tuple[str, str] | None:
    """Return the variable that names the certificates to trust, and what it names; `None` without one.

    Raises
    ------
    ArtifactError
        If it names nothing that is there.
    """
    variable = next((name for name in CA_VARIABLES if os.environ.get(name)), None)
    if variable is None:
        return None
    place = os.environ[variable]
    if not Path(place).exists():
        raise ArtifactError(
            f"{variable} is {place!r}, where there are no certificates; name the file of your network's"
            " certificates there, or unset it"
        )
    return variable, place


@contextmanager
def opened_session(watchdog: Watchdog) -> Iterator[Session]:
    """Give a session whose connections the watchdog knows."""
    from sigzoo import __version__

    with _Session() as session:
        for prefix in ("https://", "http://"):
            session.mount(prefix, _WatchedAdapter(watchdog))
        session.headers.update({"User-Agent": f"sigzoo/{__version__}", "Accept-Encoding": "identity"})
        try:
            yield session
        finally:
            watchdog.close()
