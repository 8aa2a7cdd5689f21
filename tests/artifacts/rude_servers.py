"""Servers that answer as no library would: byte by byte, for ever, or not at all."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

Talk = Callable[[socket.socket, threading.Event], None]


@contextmanager
def rude_server(talk: Talk, certificate: Path | None = None) -> Iterator[str]:
    """Let `talk` answer every connection; gives the URL of a file there."""
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)

    def answer(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            secured = context.wrap_socket(connection, server_side=True) if context else connection
            with secured:
                talk(secured, over)

    def serve() -> None:
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    scheme = "https" if certificate else "http"
    try:
        yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/w.bin"
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def trickle(head: bytes, piece: bytes, pause: float = 0.02) -> Talk:
    """Send `head` at once and then `piece` again and again, never long without a byte."""

    def talk(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(1 << 16)
        connection.sendall(head)
        while not over.is_set():
            connection.sendall(piece)
            time.sleep(pause)

    return talk


def mute(connection: socket.socket, over: threading.Event) -> None:
    """Take the connection and say nothing."""
    over.wait(60)


def deaf(connection: socket.socket, over: threading.Event) -> None:
    """Read the request and say nothing."""
    connection.recv(1 << 16)
    over.wait(60)
