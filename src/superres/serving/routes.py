"""The addresses of the service: parse, call one function, answer. Knows Starlette, not BentoML."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from anyio import to_thread
from starlette.applications import Starlette
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Match, Route
from starlette.types import Scope

from superres.errors import InputError, SuperresError
from superres.serving import predict as arrays
from superres.serving.errors import on_error
from superres.serving.job import Job
from superres.serving.limits import BodyLimit
from superres.serving.openapi import INDEX, document
from superres.serving.pictures import check_output, check_video, lineage_headers, upscale_bytes
from superres.serving.runtime import Question, Runtime

FIELDS = 8  # text fields of a form beside its file
FIELD_BYTES = 1 << 10
FORMS = "multipart/form-data"


async def upscale(request: Request) -> Response:
    """Multipart field `image` -> the upscaled picture."""
    runtime = _ready(request)
    async with _form(request) as form:
        data = await _file(form, "image").read()
        name, format_name = _option(request, form, "model"), _option(request, form, "format")

    def work(cancelled: Question) -> Response:
        upscaler = runtime.models.get(name)
        done = upscale_bytes(data, upscaler, format_name, runtime.params, cancelled)
        return Response(done.content, media_type=done.media_type, headers=done.headers)

    return await runtime.run(work, request)


async def predict(request: Request) -> Response:
    """{"instances": (batch, height, width, 3) in [0, 1]} -> {"predictions": ...}."""
    runtime = _ready(request)
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    if kind != "application/json":
        message = f"content type '{kind}': expected application/json"
        raise InputError(message, code="unsupported_media_type", status=415)
    body = await request.body()
    asked = request.query_params.get("model")

    def work(cancelled: Question) -> Response:
        lr, named = arrays.parse(body)
        upscaler = runtime.models.get(asked or named)
        check_output(lr.shape[0] * lr.shape[1] * lr.shape[2], upscaler.info.scale, runtime.params)
        sr = upscaler.tensor(lr.transpose(0, 3, 1, 2), cancelled=cancelled)
        answer = arrays.answer(sr, upscaler)
        return Response(answer, media_type="application/json", headers=lineage_headers(upscaler))

    return await runtime.run(work, request)


async def models(request: Request) -> Response:
    """List every model that ?model= accepts."""
    known = await to_thread.run_sync(_runtime(request).models.describe)
    return JSONResponse({"default": _runtime(request).models.default, "models": known})


async def submit_video(request: Request) -> Response:
    """Multipart field `video` -> a task."""
    runtime = _ready(request)
    async with _form(request) as form:
        upload, name = _file(form, "video").file, _option(request, form, "model")

        def work(cancelled: Question) -> Job:
            scale = runtime.models.get(name).info.scale
            check = partial(check_video, scale=scale, params=runtime.params)
            return runtime.jobs.submit(upload, name or runtime.models.default, check)

        return _described(runtime, await runtime.run(work))


async def video_status(request: Request) -> Response:
    """Status, percentage and seconds left of a task."""
    runtime = _runtime(request)
    return _described(runtime, runtime.jobs.get(_task_id(request)))


async def video_result(request: Request) -> Response:
    """The upscaled video of a completed task."""
    job = _runtime(request).jobs.get(_task_id(request))
    if job.status == "failed":
        return JSONResponse({"error": job.error}, 422)
    if job.status != "completed":
        message = f"task '{job.task_id}' is {job.status}"
        raise InputError(message, code="not_finished", status=409)
    headers = {"X-Superres-Model": job.model}
    return FileResponse(job.result, media_type="video/mp4", filename="video.mp4", headers=headers)


async def cancel_video(request: Request) -> Response:
    """Stop a task; the answer comes when it has stopped."""
    runtime = _runtime(request)
    job = await to_thread.run_sync(runtime.jobs.cancel, _task_id(request))
    return _described(runtime, job)


async def describe(request: Request) -> Response:
    """Answer with the OpenAPI document."""
    return JSONResponse(document())


async def index(request: Request) -> Response:
    """Answer with the page that shows it."""
    return HTMLResponse(INDEX)


async def unknown(request: Request) -> Response:
    """Refuse an address or method that does not exist, in the form of every other error."""
    path = request.url.path
    routes = [r for r in request.app.routes if isinstance(r, Route) and r.path == path]
    allowed = sorted(method for route in routes for method in route.methods or ())
    if not allowed:
        raise HTTPException(404, f"there is nothing at {path}")
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
    routes = [
        Route("/upscale", upscale, methods=["POST"]),
        Route("/predict", predict, methods=["POST"]),
        Route("/models", models),
        Route("/upscale_video/submit", submit_video, methods=["POST"]),
        Route("/upscale_video/status", video_status),
        Route("/upscale_video/get", video_result),
        Route("/upscale_video/cancel", cancel_video, methods=["PUT", "POST"]),
        Route("/docs.json", describe),
        Route("/", index),
        Otherwise("/{path:path}", unknown, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
    ]
    handled = (SuperresError, HTTPException, ClientDisconnect, Exception)
    return Starlette(
        routes=routes,
        middleware=[Middleware(BodyLimit)],
        exception_handlers=dict.fromkeys(handled, on_error),
        lifespan=_lifespan,
    )


def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


def _ready(request: Request) -> Runtime:
    runtime = _runtime(request)
    runtime.require_ready()
    return runtime


def _described(runtime: Runtime, job: Job) -> Response:
    position = runtime.jobs.position(job)
    return JSONResponse({**job.describe(), "queue_position": position})


def _task_id(request: Request) -> str:
    task_id = request.query_params.get("task_id")
    if not task_id:
        message = "the query parameter 'task_id' is missing"
        raise InputError(message, code="missing_task_id", status=400)
    return task_id


@asynccontextmanager
async def _form(request: Request) -> AsyncIterator[FormData]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if kind != FORMS:
        message = f"content type '{kind}': expected {FORMS} with the file in a field"
        raise InputError(message, code="unsupported_media_type", status=415)
    async with request.form(max_files=1, max_fields=FIELDS, max_part_size=FIELD_BYTES) as form:
        yield form


def _file(form: FormData, field: str) -> UploadFile:
    found = form.get(field)
    if not isinstance(found, UploadFile):
        kind = "no such field" if found is None else "text"
        message = f"the form needs a file in the field '{field}', found {kind}"
        raise InputError(message, code="missing_field", status=400)
    return found


def _option(request: Request, form: FormData, name: str) -> str | None:
    found = request.query_params.get(name) or form.get(name)
    return found if isinstance(found, str) and found else None
