"""What a fetch would do, and whether the disk is large enough for it; nothing is downloaded."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from superres.config import Source
from superres.data.catalog import CATALOG, resolve
from superres.data.dataset import Dataset, Local, Package, Remote
from superres.data.download import require_room
from superres.data.download_parts import part_of
from superres.data.download_sets import Places, missing_files, told_missing
from superres.data.origins import known
from superres.errors import DataError

Action = Literal["present", "copy", "download", "resume", "unpack", "place by hand"]


@dataclass(frozen=True)
class Step:
    """One file and what fetch would do about it; `bytes` is None where nobody states a size."""

    name: str
    file: str
    action: Action
    bytes: int | None


@dataclass(frozen=True)
class Plan:
    """All steps; `room` are the bytes that the disk must have free, as far as sizes are known."""

    steps: tuple[Step, ...]
    room: int
    free: int

    @property
    def bytes(self) -> int:
        """Known bytes that would be downloaded."""
        return sum(one.bytes or 0 for one in self.steps if one.action in ("download", "resume"))

    def as_json(self) -> dict[str, Any]:
        """Return plain values for a script."""
        steps = [asdict(one) for one in self.steps]
        return {"steps": steps, "bytes": self.bytes, "room": self.room, "free": self.free}


def plan(sources: Sequence[Source], target: Path, places: Places, *, checked: bool = True) -> Plan:
    """Say what `fetch` would do for the sources; DataError as `resolve` raises it.

    Without `checked`, downloads that are there are taken to be right.
    """
    steps: list[Step] = []
    room = 0
    for dataset in map(resolve, sources):
        found = list(_steps(dataset, target / dataset.name, places, checked))
        steps += found
        room += sum(one.bytes or 0 for one in found if one.action in ("download", "copy"))
        if any(one.action in ("download", "resume", "unpack") for one in found):
            room += 0 if dataset.selection.first else dataset.unpacked or 0
    existing = next(one for one in (target, *target.absolute().parents) if one.exists())
    return Plan(tuple(steps), room, shutil.disk_usage(existing).free)


def require_all(sources: Sequence[Source], target: Path, places: Places) -> None:
    """Raise DataError before anything starts: files to be placed by hand, a disk too small."""
    wanted = [
        told
        for dataset in map(resolve, sources)
        if (told := told_missing(dataset, places)) is not None
        and known(dataset, target / dataset.name, checked=False) is None
    ]
    if wanted:
        raise DataError("\n".join(wanted))
    asked = plan(sources, target, places, checked=False)
    if asked.room:
        require_room(target, asked.room, ", ".join(source.name for source in sources))


def _steps(dataset: Dataset, folder: Path, places: Places, checked: bool) -> Iterator[Step]:
    origin = dataset.origin
    if isinstance(origin, Package):
        yield from (
            Step(dataset.name, item.file, _copy_or_not(folder / item.file), None)
            for item in dataset.items
        )
    elif isinstance(origin, Local):
        yield Step(dataset.name, origin.path.name, "copy", _bytes_missing(origin.path, folder))
        if origin.lr is not None and dataset.sides is not None:
            size = _bytes_missing(origin.lr, folder / dataset.sides.lr)
            yield Step(dataset.name, origin.lr.name, "copy", size)
    elif known(dataset, folder, checked=checked) is not None:
        yield Step(dataset.name, "all files", "present", None)
    elif not origin.files:
        path = places.by_hand(dataset)
        action: Action = "copy" if path.is_dir() else "place by hand"
        yield Step(dataset.name, f"{path}/", action, _bytes_missing(path, folder))
    else:
        yield from _remote_steps(dataset, origin, places)


def _remote_steps(dataset: Dataset, origin: Remote, places: Places) -> Iterator[Step]:
    by_hand, incoming = places.by_hand(dataset), places.incoming(dataset)
    missing = missing_files(origin, by_hand)
    for file in origin.files:
        size = file.size or (dataset.size if len(origin.files) == 1 else None) or None
        path = incoming / file.file
        if (by_hand / file.file).is_file() or path.is_file():
            yield Step(dataset.name, file.file, "unpack", size)
        elif file in missing:
            yield Step(dataset.name, str(by_hand / file.file), "place by hand", size)
        elif file.urls:
            action: Action = "resume" if part_of(path).is_file() else "download"
            yield Step(dataset.name, file.file, action, size)


def _copy_or_not(path: Path) -> Action:
    return "present" if path.is_file() else "copy"


def _bytes_missing(path: Path, folder: Path) -> int:
    """Return the bytes of the files below `path` that `folder` does not have in this size."""
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return sum(
        size
        for one, size in ((one, one.stat().st_size) for one in files)
        if not _has(folder / (one.name if one == path else one.relative_to(path)), size)
    )


def _has(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def table() -> list[dict[str, Any]]:
    """Return one row per data set of the catalog, for people and scripts."""
    return [
        {
            "name": dataset.name,
            "title": dataset.title,
            "kind": dataset.kind,
            "holds": dataset.holds,
            "bytes": dataset.size or None,
            "licence": dataset.licence,
            "how": "automatic" if dataset.is_automatic else "manual",
            "homepage": dataset.homepage,
            "place": dataset.place,
            "files": [
                file.model_dump(exclude_defaults=True)
                for file in (dataset.origin.files if isinstance(dataset.origin, Remote) else ())
            ],
            "protocols": sorted(dataset.protocols),
        }
        for dataset in CATALOG.values()
    ]
