"""What a model folder says of itself: facts for GET /models, its card and its pictures."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from superres.errors import InputError

CARD = "README.md"
WEIGHTS = "model.safetensors"
PICTURES = (".png", ".jpg", ".webp")
KEPT = ("parameters", "created", "experiment", "source", "degradation", "budget", "metrics")
CACHE = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}

Scores = dict[str, dict[str, dict[str, float]]]


def facts(folder: Path) -> dict[str, Any]:
    """Return what model.json and the card say: sizes, data and its licences, figures, pictures.

    `scores` is set -> model -> figure of the card's table of figures. What is missing is left out.
    """
    try:
        provenance = json.loads((folder / "model.json").read_text(encoding="utf-8"))["provenance"]
        found = {key: provenance[key] for key in KEPT if provenance.get(key)}
        data = provenance.get("data") or {}
        found |= {key: data[key] for key in ("sets", "licences", "images") if data.get(key)}
        weights = folder / WEIGHTS
        if weights.is_file():
            found["bytes"] = weights.stat().st_size
        card = _card(folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}  # what is wrong with it, GET /models says already
    scores = _scores(card or "")
    found |= {"scores": scores} if scores else {}
    return {**found, "card": card is not None, "pictures": [*_pictures(folder)]}


async def card(request: Request) -> Response:
    """Answer GET /models/card?model=NAME with the model's card, in Markdown."""
    text = _card(await _folder(request))
    if text is None:
        raise InputError("the model has no card", code="no_card", status=404)
    return PlainTextResponse(text, media_type="text/markdown", headers=CACHE)


async def picture(request: Request) -> Response:
    """Answer GET /models/picture?model=NAME&name=PICTURE with a picture that the model lists."""
    folder = await _folder(request)
    name = request.query_params.get("name", "")
    if name not in _pictures(folder):  # a name from outside is looked up, it never makes a path
        message = f"the model has no picture '{name}'; GET /models lists them"
        raise InputError(message, code="no_picture", status=404)
    return FileResponse(folder / name, headers=CACHE)


ROUTES = (Route("/models/card", card), Route("/models/picture", picture))


async def _folder(request: Request) -> Path:
    models = request.app.state.runtime.models
    name = request.query_params.get("model") or models.default
    folder: Path | None = await to_thread.run_sync(models.folder, name)
    if folder is None:
        raise InputError(
            f"'{name}' is no trained model, it has no card", code="no_card", status=404
        )
    return folder


def _card(folder: Path) -> str | None:
    path = folder / CARD
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None


def _pictures(folder: Path) -> Iterator[str]:
    for path in sorted((*folder.glob("*"), *folder.glob("*/*"))):
        name = path.relative_to(folder).as_posix()
        if path.suffix.lower() in PICTURES and not name.startswith(".") and path.is_file():
            yield name


def _scores(card: str) -> Scores:
    """Read the first table with the columns `set`, `model` and figures."""
    lines = [_cells(line) for line in card.splitlines() if line.lstrip().startswith("|")]
    found: Scores = {}
    titles: list[str] = []
    for cells in lines:
        if cells[:2] == ["set", "model"]:
            if found:
                break
            titles = cells[2:]
        elif titles and len(cells) == len(titles) + 2:
            figures = zip(titles, map(_number, cells[2:]), strict=True)
            known = {title: value for title, value in figures if value is not None}
            if known:
                found.setdefault(cells[0], {})[cells[1]] = known
        elif titles and found:
            break
    return found


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", text) else None
