"""The addresses of the service (FastAPI), and how each is described in OpenAPI."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query, Request
from starlette.responses import Response

from sigzoo import __version__
from sigzoo.serving import examples
from sigzoo.serving.failures import HANDLERS, json_answer
from sigzoo.serving.metrics import CONTENT_TYPE, CountingMiddleware
from sigzoo.serving.service import Service
from sigzoo.serving.uploads import held_body, read_uploads

__all__ = ["create_app"]

Layer = Annotated[str | None, Query(description="Layer to take features from.", examples=["embedding"])]


def create_app(service: Service) -> FastAPI:
    """Make the application of a service, which is closed when the application ends.

    Parameters
    ----------
    service
        What answers.

    Returns
    -------
    FastAPI
        An ASGI application, for uvicorn or any other server.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with service:
            yield

    app = FastAPI(
        title="sigzoo",
        description=f"Offline handwritten signatures, by the model {service.model.name}.",
        version=__version__,
        exception_handlers=HANDLERS,
        lifespan=lifespan,
        # Their pages load scripts from another host.
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(CountingMiddleware, metrics=service.metrics)
    _add_work(app, service)
    _add_facts(app, service)
    return app


def _add_work(app: FastAPI, service: Service) -> None:
    """The addresses that take images."""

    @app.post("/embed", **_described("Features of images", examples.EMBED, "images"))
    async def embed(
        request: Request,
        layer: Layer = None,
        on_error: Annotated[
            Literal["raise", "skip"], Query(description="Refuse all where one cannot be used, or skip it.")
        ] = "raise",
    ) -> Response:
        """Compute the features of one image or many (PNG, JPEG, TIFF, ...), each with its warnings."""
        async with held_body(request, service.admission, service.limits):
            sent = await read_uploads(request, service.limits, "images")
            return json_answer(await service.embed(sent["images"], layer=layer, on_error=on_error))

    @app.post("/verify", **_described("Is it genuine?", examples.VERIFY, "references", "questioned"))
    async def verify(
        request: Request,
        layer: Layer = None,
        far: Annotated[
            float | None, Query(description="Accept this share of impostors.", examples=[0.01])
        ] = None,
        against: Annotated[
            Literal["skilled", "random"] | None, Query(description="Impostors that are meant.")
        ] = None,
        threshold: Annotated[float | None, Query(description="Accept from this score on.")] = None,
    ) -> Response:
        """Say whether questioned signatures are by the writer of the references.

        `status` is 0 where all are genuine, 3 where one is not, 4 where one is inconclusive or there is no
        threshold.
        """
        async with held_body(request, service.admission, service.limits):
            sent = await read_uploads(request, service.limits, "references", "questioned")
            answer = await service.verify(
                sent["references"],
                sent["questioned"],
                layer=layer,
                threshold=threshold,
                far=far,
                against=against,
            )
            return json_answer(answer)

    @app.post("/find", **_described("Whose is it?", examples.FIND, "questioned"))
    async def find(
        request: Request,
        k: Annotated[int, Query(ge=1, le=1000, description="Candidates in the answer.")] = 10,
    ) -> Response:
        """Rank the writers that the service knows by how well each questioned signature goes with theirs."""
        async with held_body(request, service.admission, service.limits):
            sent = await read_uploads(request, service.limits, "questioned")
            return json_answer(await service.find(sent["questioned"], most=k))


def _add_facts(app: FastAPI, service: Service) -> None:
    """The addresses that tell of the service."""

    @app.get("/health", responses=_example(examples.HEALTH))
    async def health() -> Response:
        """Say that the service answers, and what it has in hand."""
        admission = service.admission
        return json_answer({"status": "ok", "model": service.model.name, "images_in_hand": admission.images})

    @app.get("/model")
    def model() -> Response:
        """Say which model this is: licence, what its features depend on, and the limits of the service."""
        return json_answer(service.describe())

    @app.get("/metrics")
    def metrics() -> Response:
        """Give counts and times in Prometheus's text format."""
        return Response(service.metrics.text(), headers={"Content-Type": CONTENT_TYPE})


def _described(summary: str, example: dict[str, Any], *fields: str) -> dict[str, Any]:
    """How an address that takes images is described."""
    files = {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}}
    schema = {"type": "object", "properties": dict.fromkeys(fields, files), "required": list(fields)}
    body = {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
    errors = {status: {"description": words, **_json(examples.ERROR)} for status, words in _ERRORS.items()}
    return {
        "summary": summary,
        "responses": {**_example(example), **errors},
        "openapi_extra": {"requestBody": body},
    }


_ERRORS: dict[int | str, str] = {
    400: "A value or a field that cannot be used.",
    408: "The request was not sent in time.",
    413: "More bytes or images than a request may have.",
    415: "No multipart/form-data.",
    422: "An image that cannot be used.",
    429: "As much in hand as the service takes; the header Retry-After says when to try again.",
}


def _example(example: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    return {200: _json(example)}


def _json(example: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"example": example}}}
