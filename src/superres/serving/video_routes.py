"""The addresses of videos: hand in, follow, fetch, stop."""

from functools import partial

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from superres.errors import InputError
from superres.serving.forms import file_of, form_of, option_of
from superres.serving.job import Job
from superres.serving.pictures import Question, check_video, told
from superres.serving.runtime import Runtime


def video_routes() -> list[Route]:
    """Return the routes."""
    return [
        Route("/upscale_video/submit", submit_video, methods=["POST"]),
        Route("/upscale_video/status", video_status),
        Route("/upscale_video/get", video_result),
        Route("/upscale_video/cancel", cancel_video, methods=["PUT", "POST"]),
    ]


async def submit_video(request: Request) -> Response:
    """Multipart field `video` -> a task."""
    runtime = _runtime(request)
    runtime.require_room()
    async with form_of(request) as form:
        upload = file_of(form, "video", ("model",)).file
        name = option_of(request, form, "model")

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
    headers = told({"model": job.model, "version": str(job.version)})
    return FileResponse(job.result, media_type="video/mp4", filename="video.mp4", headers=headers)


async def cancel_video(request: Request) -> Response:
    """Stop a task; the answer comes when it has stopped."""
    runtime = _runtime(request)
    job = await to_thread.run_sync(runtime.jobs.cancel, _task_id(request))
    return _described(runtime, job)


def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


def _described(runtime: Runtime, job: Job) -> Response:
    return JSONResponse(runtime.jobs.describe(job))


def _task_id(request: Request) -> str:
    task_id = request.query_params.get("task_id")
    if not task_id:
        message = "the query parameter 'task_id' is missing"
        raise InputError(message, code="missing_task_id", status=400)
    return task_id
