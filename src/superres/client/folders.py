"""Many pictures over HTTP: archives within the service's limits, results back into a folder."""

import json
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from superres.atomic import write_bytes
from superres.errors import InputError, ServiceError
from superres.images import FORMATS

REPORT = "report.json"
SUFFIXES = (*FORMATS, ".gif")

Named = tuple[str, Path]


def pictures_of(source: Path | Sequence[Path]) -> list[Named]:
    """Return (name, file) of the pictures of a folder, or of the files given.

    Raises InputError when there is none, or two files given would have the same name.
    """
    if isinstance(source, Path):
        files = sorted(path for path in source.rglob("*") if path.suffix.lower() in SUFFIXES)
        named = [(path.relative_to(source).as_posix(), path) for path in files if path.is_file()]
    else:
        named = [(Path(path).name, Path(path)) for path in source]
    if not named:
        known = ", ".join(SUFFIXES)
        raise InputError(f"{source}: no picture; accepted: {known}", code="no_pictures")
    names = [name for name, _ in named]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise InputError(f"files of the same name: {', '.join(sorted(twice))}", code="same_names")
    return named


def packs(named: Sequence[Named], most_files: int, most_bytes: int) -> Iterator[list[Named]]:
    """Split files into groups that one archive may hold; a file that is too large goes alone."""
    group: list[Named] = []
    size = 0
    for name, path in named:
        more = path.stat().st_size + 2 * len(name.encode()) + 256
        if group and (len(group) == most_files or size + more > most_bytes):
            yield group
            group, size = [], 0
        group.append((name, path))
        size += more
    if group:
        yield group


def pack(named: Sequence[Named], archive: Path) -> None:
    """Write files into an archive as they are: pictures are compressed already."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as target:
        for name, path in named:
            target.write(path, name)


def count(archive: Path) -> int:
    """Return how many members an archive has; 1 for what is none, which the service refuses."""
    try:
        with zipfile.ZipFile(archive) as source:
            return len(source.namelist())
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return 1


def unpack(archive: Path, folder: Path) -> dict[str, Any]:
    """Write the pictures of an answer below `folder` and return its report.

    Raises ServiceError when the answer is no such archive, or a name leads out of the folder.
    """
    try:
        with zipfile.ZipFile(archive) as source:
            report: dict[str, Any] = json.loads(source.read(REPORT))
            for name in source.namelist():
                path = PurePosixPath(name)
                if path.is_absolute() or ".." in path.parts or "\\" in name:
                    raise ServiceError(f"the answer has a member '{name}' outside the folder")
                if name != REPORT and not name.endswith("/"):
                    write_bytes(folder / path, source.read(name))
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ServiceError(f"the answer is no archive of results: {error!r}") from None
    return report
