"""Errors as answers: JSON with our message, and no path or traceback of the machine that serves."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from sigzoo.errors import DataError, ImageError, SigzooError, UnknownNameError, UsageError
from sigzoo.serving.admission import Overloaded

__all__ = ["HANDLERS", "RequestRefused", "error_data", "json_answer"]

_STATUS: list[tuple[type[SigzooError], int]] = [
    (ImageError, 422),
    (UnknownNameError, 400),
    (UsageError, 400),
    (DataError, 422),
]
"""Errors that tell of what the client has sent. All others may tell of this machine's files."""

_WITHIN = "The service could not do this; its log says why."


class RequestRefused(Exception):  # noqa: N818  (an answer)
    """A request that is not as it should be."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def json_answer(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer in JSON; numbers that are not finite are null."""
    return Response(msgspec.json.encode(data), status, headers, media_type="application/json")


def error_data(kind: str, message: str, status: int) -> dict[str, Any]:
    """What went wrong, as `sigzoo --json` tells it."""
    return {"error": {"kind": kind, "message": message, "status": status}}


def _answer(kind: str, message: str, status: int, headers: dict[str, str] | None = None) -> Response:
    return json_answer(error_data(kind, message, status), status, headers)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestRefused)
    # What was not read of the request would be taken for the next one.
    return _answer("RequestRefused", str(error), error.status, {"Connection": "close"})


async def _overloaded(_: Request, error: Exception) -> Response:
    assert isinstance(error, Overloaded)
    return _answer("Overloaded", str(error), 429, {"Retry-After": str(error.seconds)})


async def _sigzoo(request: Request, error: Exception) -> Response:
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return _answer(type(error).__name__, str(error), status)
    return await _unexpected(request, error)


async def _http(_: Request, error: Exception) -> Response:
    status = int(getattr(error, "status_code", 500))
    words = {404: "There is nothing at this address.", 405: "This address takes another method."}
    headers = getattr(error, "headers", None)
    return _answer("RequestRefused", words.get(status, str(getattr(error, "detail", ""))), status, headers)


async def _invalid(_: Request, error: Exception) -> Response:
    found: list[Any] = getattr(error, "errors", list)()
    told = "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in found)
    return _answer("RequestRefused", f"The request has a value that cannot be used: {told}.", 400)


async def _unexpected(_: Request, error: Exception) -> Response:
    return _answer("ServiceError", _WITHIN, 500)


def _handlers() -> dict[Any, Any]:
    from fastapi.exceptions import RequestValidationError
    from starlette.exceptions import HTTPException

    return {
        RequestRefused: _refused,
        Overloaded: _overloaded,
        SigzooError: _sigzoo,
        HTTPException: _http,
        RequestValidationError: _invalid,
        Exception: _unexpected,
    }


HANDLERS = _handlers()
"""What answers an error, by its class."""
