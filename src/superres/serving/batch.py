"""The address of archives: members one after another through the same threads as all requests."""

import logging
import tempfile
import zipfile
from collections.abc import AsyncIterator
from contextlib import ExitStack
from functools import partial
from typing import IO

from anyio import to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from superres.errors import InputError
from superres.inference.upscaler import CancelledError
from superres.serving.animations import FORMATS, upscale_bytes
from superres.serving.archive import Members, Results
from superres.serving.errors import UnavailableError
from superres.serving.forms import PICTURE_WORDS, Wish, file_of, form_of, wish_of
from superres.serving.pictures import (
    Encoded,
    Question,
    lineage_headers,
    output_format,
)
from superres.serving.runtime import Runtime
from superres.serving.served import Served

log = logging.getLogger(__name__)

CHUNK = 1 << 20


async def upscale_batch(request: Request) -> Response:
    """Multipart field `archive` (zip) -> zip of upscaled pictures and report.json."""
    runtime: Runtime = request.app.state.runtime
    runtime.require_room()
    async with form_of(request) as form:
        upload = file_of(form, "archive", PICTURE_WORDS).file
        wish = wish_of(request, form)
        if wish.format is not None:
            output_format(wish.format, FORMATS)
        with runtime.archives.taken():  # not before: an upload may take minutes, or never end
            upscaler = await runtime.run(lambda cancelled: runtime.models.get(wish.model), request)
            members = await runtime.run(lambda cancelled: Members(upload, runtime.params), request)
            results, target = await _upscaled(members, upscaler, wish, request)
    told = {"X-Superres-Done": str(results.done), "X-Superres-Failed": str(results.failed)}
    size = {"Content-Length": str(target.seek(0, 2))}
    headers = {**lineage_headers(upscaler), **told, **size}
    return StreamingResponse(_chunks(target), media_type="application/zip", headers=headers)


async def _upscaled(
    members: Members, upscaler: Served, wish: Wish, request: Request
) -> tuple[Results, IO[bytes]]:
    """Return the results and the file that holds them, which is the caller's to close."""
    runtime: Runtime = request.app.state.runtime

    def work(info: zipfile.ZipInfo, cancelled: Question) -> Encoded:
        data = members.read(info)
        return upscale_bytes(data, upscaler, wish, runtime.params, cancelled)

    with ExitStack() as stack:
        # Without a name: whatever becomes of this process, nothing stays on disk.
        target = stack.enter_context(tempfile.TemporaryFile())
        results = Results(target)
        stack.callback(results.close, {})
        for info in members.infos:
            made = await _made(partial(work, info), request)
            await to_thread.run_sync(results.put, info.filename, made)
        results.close({**upscaler.which._asdict(), "scale": upscaler.info.scale})
        stack.pop_all()
    return results, target


async def _made(work: partial[Encoded], request: Request) -> Encoded | Exception:
    """Return a member's result, or why there is none: the others' are not lost for it.

    Only a client that has left ends all: ClientDisconnect.
    """
    runtime: Runtime = request.app.state.runtime
    if await request.is_disconnected():  # members that are done at once are never watched
        raise ClientDisconnect
    try:
        return await runtime.run(work, request, is_patient=True)
    except (ClientDisconnect, CancelledError):
        raise ClientDisconnect from None
    except (InputError, UnavailableError) as error:
        return error
    except Exception as error:
        log.error("a member of an archive failed", exc_info=error)
        return error


async def _chunks(source: IO[bytes]) -> AsyncIterator[bytes]:
    with source:
        source.seek(0)
        while chunk := await to_thread.run_sync(source.read, CHUNK):
            yield chunk
