"""Multipart bodies: one file and a few words."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.datastructures import FormData, QueryParams, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from superres.errors import ConfigError, InputError
from superres.inference.sizing import Wanted, parse_size

FIELDS = 8  # text fields of a form beside its file
FIELD_BYTES = 1 << 10
KIND = "multipart/form-data"
MOST_SCALE = 64.0
PICTURE_WORDS = ("model", "format", "scale", "size")
TASK_WORDS = ("task_id",)
WORDS = {  # of the query, by address; the form of an address with a file takes the same
    "/upscale": PICTURE_WORDS,
    "/upscale_batch": PICTURE_WORDS,
    "/predict": ("model",),
    "/upscale_video/submit": ("model",),
    "/upscale_video/status": TASK_WORDS,
    "/upscale_video/get": TASK_WORDS,
    "/upscale_video/cancel": TASK_WORDS,
    "/models": (),
    "/models/card": ("model",),
    "/models/picture": ("model", "name"),
    "/limits": (),
}
LONGEST_WORD = 40  # letters of an unknown one that are said back


@dataclass(frozen=True)
class Wish:
    """What is asked for beside the picture: which model, what format, what size."""

    model: str | None = None
    format: str | None = None
    wanted: Wanted = field(default_factory=Wanted)


@asynccontextmanager
async def form_of(request: Request) -> AsyncIterator[FormData]:
    """Read the form; its file is gone after the block. InputError 415 for another body."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != KIND:
        message = f"content type '{kind[:40]}': expected {KIND} with the file in a field"
        raise InputError(message, code="unsupported_media_type", status=415)
    parser = MultiPartParser(
        request.headers,
        request.stream(),
        max_files=1,
        max_fields=FIELDS,
        max_part_size=FIELD_BYTES,
    )
    try:
        yield await parser.parse()
    except MultiPartException as error:
        raise HTTPException(400, error.message) from None
    finally:
        # Also of a part that never ended, or an upload that broke off: request.form() leaves
        # those to the garbage collector, and they may be large.
        for file in parser._files_to_close_on_error:
            file.close()


def check_query(path: str, query: bytes) -> None:
    """Raise InputError 400 for a word that the address does not know: it may be a misspelt one."""
    if path in WORDS:
        found = [word for word, _ in QueryParams(query).multi_items()]
        _check_words("query", found, WORDS[path])


def file_of(form: FormData, field: str, words: Sequence[str]) -> UploadFile:
    """Return the file in a field; InputError 400 without it, or for other fields than `words`."""
    found = form.get(field)
    if not isinstance(found, UploadFile):
        kind = "no such field" if found is None else "text"
        message = f"the form needs a file in the field '{field}', found {kind}"
        raise InputError(message, code="missing_field", status=400)
    _check_words("form", [name for name in form if name != field], words)
    return found


def _check_words(where: str, found: Sequence[str], known: Sequence[str]) -> None:
    unknown = [word for word in found if word not in known]
    if unknown:
        accepted = ", ".join(known) or "none"
        message = f"the {where} has '{unknown[0][:LONGEST_WORD]}'; accepted: {accepted}"
        raise InputError(message, code="unknown_word", status=400)


def option_of(request: Request, form: FormData, name: str) -> str | None:
    """Return a word of the query or the form, None when it is in neither."""
    found = request.query_params.get(name) or form.get(name)
    return found if isinstance(found, str) and found else None


def wish_of(request: Request, form: FormData) -> Wish:
    """Return the words `model`, `format`, and `scale` or `size`; InputError 400 for bad ones."""
    scale, size = option_of(request, form, "scale"), option_of(request, form, "size")
    if scale is not None and size is not None:
        raise InputError("scale and size: give one of them", code="bad_size", status=400)
    wanted = Wanted()
    try:
        if size is not None:
            wanted = parse_size(size[:40])
        if scale is not None:
            wanted = Wanted(scale=float(scale))
            if not 0 < float(scale) <= MOST_SCALE:  # NaN is neither
                raise ValueError
    except ConfigError as error:
        raise InputError(str(error), code="bad_size", status=400) from None
    except ValueError:
        message = f"scale '{scale[:40] if scale else ''}': expected a number up to {MOST_SCALE:g}"
        raise InputError(message, code="bad_size", status=400) from None
    return Wish(option_of(request, form, "model"), option_of(request, form, "format"), wanted)
