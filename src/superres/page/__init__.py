"""The page for people at /ui: files of our own, no build step, nothing from another host.

It speaks to the service through the public addresses alone, so a client can do all it does.
"""

import mimetypes
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

FOLDER = Path(__file__).parent
SUFFIXES = (".html", ".css", ".js", ".svg")
TYPES = {".js": "text/javascript"}  # what a machine's own table says of .js differs

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' blob:",
        "media-src 'self' blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",  # kept, but asked for again: the files go with the service
}


async def index(request: Request) -> Response:
    """Answer with the page; its addresses are relative, so a proxy may put it under a prefix."""
    if not request.url.path.endswith("/"):
        return RedirectResponse("ui/", 307, HEADERS)
    return _answer(request, FOLDER / "index.html")


async def file(request: Request) -> Response:
    """Answer with one file of the page; 404 for all else."""
    name = request.path_params["name"]
    known = {path.name: path for path in FOLDER.iterdir() if path.suffix in SUFFIXES}
    if name not in known:
        raise HTTPException(404, f"there is nothing at {request.url.path}")
    return _answer(request, known[name])


def _answer(request: Request, path: Path) -> Response:
    kind = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0]
    answer = FileResponse(path, media_type=kind, headers=HEADERS, stat_result=path.stat())
    if request.headers.get("if-none-match") == answer.headers.get("etag"):
        kept = {name: answer.headers[name] for name in ("etag", "cache-control")}
        return Response(status_code=304, headers=kept)
    return answer


ROUTES = (Route("/ui", index), Route("/ui/", index), Route("/ui/{name}", file))
