"""Our own trained models that come with the repository: `fast-x4`, `quality-x4` and the like.

They are model folders as all others, below models/pretrained: of the current folder, of the
checkout or bento that this package runs from, or of the installed wheel.
"""

import json
import sys
from pathlib import Path

FOLDER = Path("models/pretrained")
PREFIX = "pretrained/"
INSTALLED = Path("share/superres/pretrained")  # below sys.prefix, see data-files in pyproject.toml
# Which kind is taken where none is named: the best that a picture can have, then the fastest.
ORDER = ("quality", "fast", "photo", "srgan", "srunet")
DEFAULT_SCALE = 4


def folders() -> dict[str, Path]:
    """Return the model folder of every shipped name, the best kinds first."""
    found: dict[str, Path] = {}
    for place in _places():
        found = _in(place) | found  # the nearer place has the say
    return dict(sorted(found.items(), key=lambda one: (_rank(one[0]), one[0])))


def find(name: str) -> Path | None:
    """Return the folder of a shipped model, `fast-x4` or `pretrained/fast-x4`; None: no such."""
    return folders().get(name.removeprefix(PREFIX))


def default(scale: int = DEFAULT_SCALE, within: Path | None = None) -> Path | None:
    """Return the shipped model to use for a scale where nobody has chosen one.

    `within`: look in this folder only.
    """
    known = folders() if within is None else _in(within)
    of_scale = [place for place in known.values() if scale_of(place) == scale]
    return min(of_scale, key=lambda place: (_rank(place.name), place.name), default=None)


def scale_of(folder: Path) -> int | None:
    """Return the scale that model.json states; None when it cannot be read."""
    try:
        content = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        return int(content["info"]["scale"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _in(place: Path) -> dict[str, Path]:
    files = sorted(place.glob("*/model.json"))
    return {file.parent.name: file.parent for file in files if file.parent.name[0] != "."}


def _places() -> list[Path]:
    package = Path(__file__).resolve().parent
    return [
        FOLDER,
        *(above / FOLDER for above in package.parents[:2]),
        Path(sys.prefix) / INSTALLED,
    ]


def _rank(name: str) -> int:
    kind = name.rpartition("-x")[0]
    return ORDER.index(kind) if kind in ORDER else len(ORDER)
