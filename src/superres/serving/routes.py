"""The addresses of the service: parse, call one function, answer. Knows Starlette, not BentoML."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from superres import images, page
from superres.errors import InputError, SuperresError
from superres.serving import cards, measures
from superres.serving import predict as arrays
from superres.serving.animations import upscale_bytes
from superres.serving.batch import upscale_batch
from superres.serving.door import Door
from superres.serving.errors import on_error
from superres.serving.forms import PICTURE_WORDS, file_of, form_of, wish_of
from superres.serving.limits import BodyLimit
from superres.serving.openapi import INDEX, document
from superres.serving.pictures import (
    about_pixels,
    check_output,
    counted,
    lineage_headers,
)
from superres.serving.pool import Question
from superres.serving.runtime import Runtime
from superres.serving.video_routes import video_routes

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
JSON_BYTES = 60  # of a pixel's three numbers, about
PROBES = ("/livez", "/readyz", "/metrics")  # BentoML's own
TOLD = (
    "max_bytes",
    "max_pixels",
    "max_output_pixels",
    "max_video_bytes",
    "max_frames",
    "max_seconds",
    "max_files",
    "timeout_seconds",
    "result_ttl_seconds",
)


async def upscale(request: Request) -> Response:
    """Multipart field `image` -> the upscaled picture."""
    runtime = _ready(request)
    async with form_of(request) as form:
        data = await file_of(form, "image", PICTURE_WORDS).read()
        wish = wish_of(request, form)

    def work(cancelled: Question) -> Response:
        upscaler = runtime.models.get(wish.model)
        done = upscale_bytes(data, upscaler, wish, runtime.params, cancelled)
        return Response(done.content, media_type=done.media_type, headers=done.headers)

    return await runtime.run(work, request, pixels=about_pixels(data))


async def predict(request: Request) -> Response:
    """{"instances": (batch, height, width, 3) in [0, 1]} -> {"predictions": ...}."""
    runtime = _ready(request)
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    if kind.lower() != "application/json":
        message = f"content type '{kind[:40]}': expected application/json"
        raise InputError(message, code="unsupported_media_type", status=415)
    body = await request.body()
    asked = request.query_params.get("model")

    def work(cancelled: Question) -> Response:
        lr, named = arrays.parse(body)
        upscaler = runtime.models.get(asked or named)
        check_output(lr.size // 3, upscaler.info.scale, runtime.params)
        question = counted(cancelled, upscaler)
        sr = upscaler.tensor(lr.transpose(0, 3, 1, 2), cancelled=question)
        measures.made(upscaler.which, "array", lr.size // 3, sr.size // 3)
        answer = arrays.answer(sr, upscaler)
        return Response(answer, media_type="application/json", headers=lineage_headers(upscaler))

    return await runtime.run(work, request, pixels=len(body) // JSON_BYTES)


async def models(request: Request) -> Response:
    """List every model that ?model= accepts."""
    known = await to_thread.run_sync(_runtime(request).models.describe)
    return JSONResponse({"default": _runtime(request).models.default, "models": known})


async def versions(request: Request) -> Response:
    """List the versions of a model that ?model=name@version accepts."""
    name = request.path_params["name"]
    known = await to_thread.run_sync(_ready(request).models.versions, name)
    return JSONResponse({"name": name, "versions": known})


async def limits(request: Request) -> Response:
    """Say what is accepted, for clients that want to know before they send."""
    params = _runtime(request).params
    told = {name: getattr(params, name) for name in TOLD}
    formats = [suffix.removeprefix(".") for suffix in images.FORMATS]
    return JSONResponse({**told, "formats": formats})


async def describe(request: Request) -> Response:
    """Answer with the OpenAPI document."""
    return JSONResponse(document())


async def index(request: Request) -> Response:
    """Answer with the page that shows it."""
    return HTMLResponse(INDEX)


async def unknown(request: Request) -> Response:
    """Refuse an address or method that does not exist, in the form of every other error."""
    path = request.url.path
    routes = [
        route
        for route in request.app.routes
        if isinstance(route, Route)
        and not isinstance(route, Otherwise)
        and route.path_regex.match(path)
    ]
    allowed = sorted(method for route in routes for method in route.methods or ())
    allowed = allowed or ["GET"] * (path in PROBES)
    if not allowed:
        raise HTTPException(404, f"there is nothing at {path[:100]}")
    accepted = ", ".join(allowed)
    message = f"{path} does not take {request.method}, it takes {accepted}"
    raise HTTPException(405, message, {"Allow": accepted})


class Otherwise(Route):
    """Every address that neither this application nor BentoML itself serves."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match all but BentoML's own assets, which come after this application."""
        if str(scope.get("path", "")).startswith("/static_content/"):
            return Match.NONE, {}
        return super().matches(scope)


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    """Stop the running video at the end, so that the process can end."""
    yield
    await to_thread.run_sync(app.state.runtime.close)


def create_app() -> Starlette:
    """Make the application; its `state.runtime` must be set before the first request."""
    handled = (SuperresError, HTTPException, ClientDisconnect)
    return Starlette(
        routes=_routes(),
        middleware=[Middleware(Door), Middleware(BodyLimit)],
        exception_handlers=dict.fromkeys(handled, on_error),
        lifespan=_lifespan,
    )


def _routes() -> list[BaseRoute]:
    return [
        Route("/upscale", upscale, methods=["POST"]),
        Route("/upscale_batch", upscale_batch, methods=["POST"]),
        Route("/predict", predict, methods=["POST"]),
        Route("/models", models),
        Route("/models/{name:path}/versions", versions),
        Route("/limits", limits),
        *video_routes(),
        *cards.ROUTES,
        *page.ROUTES,
        Route("/docs.json", describe),
        Route("/", index),
        Otherwise("/{path:path}", unknown, methods=METHODS),
    ]


def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


def _ready(request: Request) -> Runtime:
    runtime = _runtime(request)
    runtime.require_ready()
    return runtime
