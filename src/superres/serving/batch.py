"""The address of archives: members one after another through the same threads as all requests."""

import asyncio
import tempfile
import zipfile
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from typing import IO

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from superres.serving import measures
from superres.serving.archive import Members, Results
from superres.serving.errors import UnavailableError
from superres.serving.forms import file_of, form_of, wish_of
from superres.serving.pictures import (
    Encoded,
    Question,
    lineage_headers,
    output_format,
    upscale_bytes,
)
from superres.serving.runtime import Runtime

MOST = 2  # archives at the same time
CHUNK = 1 << 20


async def upscale_batch(request: Request) -> Response:
    """Multipart field `archive` (zip) -> zip of upscaled pictures and report.json."""
    runtime: Runtime = request.app.state.runtime
    runtime.require_room()
    async with _place(request), form_of(request) as form:
        upload = file_of(form, "archive").file
        wish = wish_of(request, form)
        if wish.format is not None:
            output_format(wish.format)
        upscaler = await runtime.run(lambda cancelled: runtime.models.get(wish.model), request)
        members = await runtime.run(lambda cancelled: Members(upload, runtime.params), request)
        with ExitStack() as stack:
            # Without a name: whatever becomes of this process, nothing stays on disk.
            target = stack.enter_context(tempfile.TemporaryFile())
            results = Results(target)
            stack.callback(results.close, {})

            def work(info: zipfile.ZipInfo, cancelled: Question) -> None:
                def made() -> Encoded:
                    data = members.read(info)
                    return upscale_bytes(data, upscaler, wish, runtime.params, cancelled)

                results.put(info.filename, made)

            for info in members.infos:
                await runtime.run(partial(work, info), request, is_patient=True)
            facts = {"model": upscaler.info.name, "version": upscaler.version}
            results.close({**facts, "scale": upscaler.info.scale})
            stack.pop_all()  # from here on the answer holds the file
    told = {"X-Superres-Done": str(results.done), "X-Superres-Failed": str(results.failed)}
    size = {"Content-Length": str(target.seek(0, 2))}
    headers = {**lineage_headers(upscaler), **told, **size}
    return StreamingResponse(_chunks(target), media_type="application/zip", headers=headers)


@asynccontextmanager
async def _place(request: Request) -> AsyncIterator[None]:
    """Take one of the places for archives; UnavailableError when all are taken."""
    state = request.app.state
    if not hasattr(state, "batches"):
        state.batches = asyncio.Semaphore(MOST)
    if state.batches.locked():
        measures.refused("archives")
        raise UnavailableError(f"{MOST} archives are being worked on, which is the most")
    async with state.batches:
        yield


async def _chunks(source: IO[bytes]) -> AsyncIterator[bytes]:
    with source:
        source.seek(0)
        while chunk := await to_thread.run_sync(source.read, CHUNK):
            yield chunk
