"""`sigzoo serve`: a model as a web service."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sigzoo.cli.among import index_option, load_for_index, open_gallery
from sigzoo.cli.embedding_options import EmbeddingOptions, embedding_options
from sigzoo.cli.help_pages import ExpertOption, HelpfulCommand
from sigzoo.cli.output import echo
from sigzoo.errors import UsageError

if TYPE_CHECKING:
    from sigzoo.verification.gallery import Gallery

_F = TypeVar("_F", bound=Callable[..., Any])

_CONNECTIONS = 1024
"""Connections at a time; more are answered by 503."""

_GRACE = 60
"""Seconds that requests in hand have after the service was told to end."""


def _limit(name: str, kind: Any, default: float, words: str) -> Callable[[_F], _F]:
    return click.option(
        name,
        cls=ExpertOption,
        group="What is taken on",
        type=kind,
        default=default,
        show_default=True,
        help=words,
    )


@click.command(cls=HelpfulCommand, examples=["sigzoo serve --among signatures --port 8000"])
@embedding_options
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Port to listen at; 0 takes a free one.",
)
@click.option(
    "--among",
    type=click.Path(exists=True, path_type=Path),
    help="Whose signatures /find looks among: a folder, or an .npz of features, as for `sigzoo find`.",
)
@index_option
@click.option(
    "--calibration",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A calibration file of your own for /verify, in place of the model's.",
)
@_limit("--max-bytes", click.IntRange(min=1), 32 << 20, "Bytes of a request.")
@_limit("--max-pixels", click.IntRange(min=1), 40_000_000, "Pixels of an image.")
@_limit("--max-images", click.IntRange(min=1), 64, "Images of a request.")
@_limit("--max-queue", click.IntRange(min=1), 256, "Images in hand; beyond them requests are refused (429).")
@_limit(
    "--max-wait", click.FloatRange(min=0), 10, "Milliseconds that an image waits for others in preparation."
)
def serve(
    options: EmbeddingOptions,
    host: str,
    port: int,
    among: Path | None,
    index_folder: Path | None,
    calibration: Path | None,
    max_bytes: int,
    max_pixels: int,
    max_images: int,
    max_queue: int,
    max_wait: float,
) -> None:
    """Answer over HTTP what embed, verify and find answer.

    The addresses are /embed, /verify, /find; /model, /health, /metrics; /openapi.json describes them.
    SIGTERM or Ctrl-C ends it, after what was taken has been answered. There is no authentication: listen
    at an address that others can reach only behind a server that has some.
    """
    try:
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import python_multipart  # noqa: F401
        import uvicorn
    except ImportError as error:
        raise UsageError(
            f"Serving needs {error.name}, which is not installed: run `pip install 'sigzoo[serve]'`."
        ) from error
    from sigzoo.imaging.npz_images import ImageInputs
    from sigzoo.serving import Service, ServingLimits, create_app
    from sigzoo.verification import read_calibration

    limits = ServingLimits(
        max_bytes=max_bytes,
        max_pixels=max_pixels,
        max_images=max_images,
        max_queue=max_queue,
        max_held_bytes=max(ServingLimits.max_held_bytes, max_bytes),
        batch_size=options.batch_size or ServingLimits.batch_size,
        max_wait=max_wait / 1000,
    )
    if among is not None and index_folder is not None:
        raise UsageError("/find looks in one of --among and --index.")
    nothing = ImageInputs([])
    gallery = index = None
    if among is not None:
        model, _, gallery = open_gallery(among, options, nothing)
        gallery = _without_folders(gallery, among)
    elif index_folder is not None:
        from sigzoo.search import open_index

        index = click.get_current_context().with_resource(open_index(index_folder))
        model, _ = load_for_index(index, options, nothing)
    else:
        model = options.load(nothing)
    file = calibration or model.calibration_file
    service = Service(
        model,
        limits,
        layer=options.layer,
        calibration=None if file is None else read_calibration(file),
        gallery=gallery,
        index=index,
        check_images=options.image_check,
        grey_range=options.grey_range,
        workers=options.workers,
    )
    settings = uvicorn.Config(
        create_app(service),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=_GRACE,
        lifespan="on",
    )
    with _listening(host, port) as listener, _ended_by_signals():
        address = listener.getsockname()
        if not ipaddress.ip_address(address[0].split("%")[0]).is_loopback:
            echo(
                f"sigzoo: {address[0]} can be reached by others, and there is no authentication: whoever"
                " reaches it may use the service.",
                err=True,
            )
        place = f"[{address[0]}]" if ":" in address[0] else address[0]
        echo(f"Serving {model.name} at http://{place}:{address[1]} (Ctrl-C ends it)")
        uvicorn.Server(settings).run(sockets=[listener])
    echo("Ended; all that was taken has been answered.")


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """Listen at an address.

    Raises
    ------
    UsageError
        If that is not possible.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # With the protocol: asyncio leaves Nagle's algorithm on without it, and answers wait for 40 ms.
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UsageError(f"--host {host}: there is no such address ({error.strerror or error}).") from error
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen(2048)
        except OSError as error:
            raise UsageError(
                f"Port {port} of {host} cannot be had ({error.strerror or error}); --port 0 takes a free one."
            ) from error
        yield listener


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and Ctrl-C be the ordinary end of the block: uvicorn raises them again when it is done."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda *_: None) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _without_folders(gallery: Gallery, among: Path) -> Gallery:
    """The same, its files named from the folder on: what lies above is nothing that clients are told."""
    from sigzoo.verification.ranking import group_files

    folders = [str(Path(each).parent) for each in gallery.files]
    root = str(among) if among.is_dir() else os.path.commonpath(folders)
    files = [os.path.relpath(each, root) for each in gallery.files]
    return replace(gallery, files=files, groups=group_files(files, ""))
