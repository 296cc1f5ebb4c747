"""Where models lie on disk, under which names, and whether one was replaced."""

import json
from pathlib import Path
from typing import Any

GROUPS = ("runs/", "pretrained/")  # folders whose models go by their own name; the first one wins


def folders_below(root: Path) -> dict[str, Path]:
    """Return the model folders below `root` by name, hidden ones left out.

    Those of `runs` and `pretrained` go by their name alone; where two share it, the pretrained
    one is "pretrained/NAME".
    """
    found: dict[str, Path] = {}
    places = (file.parent for file in sorted(root.glob("**/model.json")))
    for folder in sorted(places, key=lambda place: not place.is_relative_to(root / "runs")):
        name = folder.relative_to(root).as_posix()
        if any(part.startswith(".") for part in Path(name).parts):
            continue
        short = name
        for group in GROUPS:
            short = short.removeprefix(group)
        found[name if short in found else short] = folder
    return found


def stamp_of(folder: Path | None) -> object:
    """Return what changes when a model folder is replaced; None while it is not there."""
    if folder is None:
        return None
    try:
        facts = [(folder / name).stat() for name in ("model.json", "model.safetensors")]
    except OSError:
        return None
    return tuple((each.st_ino, each.st_mtime_ns, each.st_size) for each in facts)


def provenance_of(folder: Path) -> dict[str, Any]:
    """Return what model.json says of the origin, nothing when it cannot be read."""
    try:
        content = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        return dict(content["provenance"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}
