"""Images out of a request: multipart, a bounded number of bytes, each with the name that it came with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import PurePosixPath

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from sigzoo.common.messages import listed, shortened
from sigzoo.common.terminal import safe_text
from sigzoo.imaging import EncodedImage
from sigzoo.serving.admission import Admission, Overloaded
from sigzoo.serving.failures import RequestRefused
from sigzoo.serving.limits import ServingLimits

__all__ = ["held_body", "read_uploads"]

_MAX_NAME = 120
"""Letters of a file's name that come back in answers."""

_PASS_SECONDS = 5
"""Time that a client has to send what is refused."""


@asynccontextmanager
async def held_body(request: Request, admission: Admission, limits: ServingLimits) -> AsyncIterator[None]:
    """Have room for a request's bytes during the block; what is too long is refused before it is kept.

    Raises
    ------
    RequestRefused
        If it says that it is longer than a request may be.
    Overloaded
        If there is no room for it now.
    """
    told = request.headers.get("content-length", "")
    length = int(told) if told.isascii() and told.isdigit() and len(told) < 20 else limits.max_bytes
    with ExitStack() as held:
        try:
            if length > limits.max_bytes:
                raise _too_long(limits)
            held.enter_context(admission.hold_bytes(length))
        except (RequestRefused, Overloaded):
            await _pass_over(request, limits)
            raise
        yield


async def _pass_over(request: Request, limits: ServingLimits) -> None:
    """Take a body in and drop it, as far as one may go: a client that is still sending would hear nothing."""
    count = 0
    with suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(_PASS_SECONDS):
            async for part in request.stream():
                count += len(part)
                if count > limits.max_bytes:
                    return


async def read_uploads(
    request: Request, limits: ServingLimits, *fields: str
) -> dict[str, list[EncodedImage]]:
    """Read a request's images, by the fields that they were sent in.

    Parameters
    ----------
    request
        Multipart.
    limits
        Bytes, images and pixels.
    fields
        The fields that there must be, each with one image or more.

    Raises
    ------
    RequestRefused
        If the body is no multipart, has other fields or none, or is beyond a limit.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise RequestRefused(415, f"Send images as multipart/form-data, in the field {' and '.join(fields)}.")
    try:
        async with asyncio.timeout(limits.body_seconds):
            form = await _parsed(request, limits)
    except TimeoutError:
        raise RequestRefused(408, f"The request was not sent within {limits.body_seconds:g} s.") from None
    except ClientDisconnect:
        raise RequestRefused(400, "The client went away.") from None
    try:
        found: dict[str, list[EncodedImage]] = {field: [] for field in fields}
        for field, value in form.multi_items():
            if field not in found or not isinstance(value, UploadFile):
                raise RequestRefused(
                    400, f"There is no field {listed([field])} for files; there is {listed(fields)}."
                )
            name = _name(value.filename, f"{field} {len(found[field])}")
            found[field].append(EncodedImage(name, await value.read(), limits.max_pixels))
    finally:
        await form.close()
    for field, images in found.items():
        if not images:
            raise RequestRefused(400, f"The request has no image in the field {field!r}.")
    return found


async def _parsed(request: Request, limits: ServingLimits) -> FormData:
    """The parts of a request, in memory."""
    parser = MultiPartParser(
        request.headers,
        _bounded(request, limits),
        max_files=limits.max_images,
        max_fields=0,
    )
    parser.spool_max_size = limits.max_bytes + 1  # never on the disk
    try:
        return await parser.parse()
    except MultiPartException as error:
        if error.message.startswith("Too many files"):
            raise RequestRefused(413, f"More than {limits.max_images} images in a request.") from None
        if error.message.startswith("Too many fields"):
            raise RequestRefused(400, "The request has fields that hold no file.") from None
        raise RequestRefused(400, "The body is no multipart/form-data that can be read.") from error


async def _bounded(request: Request, limits: ServingLimits) -> AsyncGenerator[bytes, None]:
    """The bytes of a body, as far as a request may go."""
    count = 0
    async for part in request.stream():
        count += len(part)
        if count > limits.max_bytes:
            raise _too_long(limits)
        yield part


def _too_long(limits: ServingLimits) -> RequestRefused:
    return RequestRefused(413, f"The request is longer than {limits.max_bytes:,} bytes; send fewer images.")


def _name(filename: str | None, otherwise: str) -> str:
    """What a client's file is called in answers: no folders, nothing that steers a terminal."""
    last = PurePosixPath((filename or "").replace("\\", "/")).name
    return shortened(safe_text(last), _MAX_NAME) or otherwise
