"""data/raw/<name>/source.json: what a fetched data set holds, where it is from, its licence."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from superres.atomic import write_text
from superres.data.splits import Split
from superres.errors import DataError

Kind = Literal["images", "video"]

SOURCE_FILE: Final = "source.json"
VERIFY: Final = "Run `superres fetch` to repair data/raw."


@dataclass(frozen=True)
class RawFile:
    """One fetched file; `clip` names the video or frame sequence it is (part of).

    A picture with an `index` is that frame of its clip, counted from 0.
    """

    file: str  # below data/raw/<name>/, with forward slashes
    sha256: str
    split: Split
    clip: str | None = None
    index: int | None = None
    official: Split | None = None  # the split before params.yaml chose another
    lr_of: str | None = None  # real pairs: the HR file that this is the LR of


@dataclass(frozen=True)
class RawSource:
    """One fetched data set."""

    name: str
    kind: Kind
    licence: str
    homepage: str
    origin: str  # a package, a web address or "local"; never a path of this machine
    files: tuple[RawFile, ...]
    archives: Mapping[str, str] = field(default_factory=dict)  # archive -> sha256 that came
    is_paired: bool = False  # LR is given, not made


def write_source(folder: Path, source: RawSource) -> bool:
    """Write source.json unless it already says the same; return whether it was written."""
    content = json.dumps(_plain(source), indent=2, ensure_ascii=False) + "\n"
    path = folder / SOURCE_FILE
    if path.is_file() and path.read_bytes() == content.encode("utf-8"):
        return False
    write_text(path, content)
    return True


def _plain(source: RawSource) -> dict[str, Any]:
    """Return what is written: what says nothing is left out."""
    content = asdict(source)
    for entry in content["files"]:
        if entry["official"] in (None, entry["split"]):
            del entry["official"]
        for name in ("index", "lr_of"):
            if entry[name] is None:
                del entry[name]
    for name in ("archives", "is_paired"):
        if not content[name]:
            del content[name]
    return content


def read_source(folder: Path) -> RawSource | None:
    """Return what source.json says; None when there is none; DataError when it is damaged."""
    path = folder / SOURCE_FILE
    if not path.is_file():
        return None
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        files = tuple(RawFile(**entry) for entry in content.pop("files"))
        return RawSource(**content, files=files)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{path}: damaged ({error}). Delete it. {VERIFY}") from None


def read_sources(raw: Path) -> list[RawSource]:
    """Return every data set below `raw`, by name; DataError when there is none."""
    folders = sorted(raw.iterdir()) if raw.is_dir() else []
    found = [source for folder in folders if (source := read_source(folder)) is not None]
    if not found:
        raise DataError(f"{raw}: no fetched data set found. Run `superres fetch` first.")
    return found


def clips_of(sources: Sequence[RawSource]) -> Mapping[str, tuple[RawSource, RawFile]]:
    """Return clip -> (data set, video file) for every fetched video."""
    return {
        file.clip: (source, file)
        for source in sources
        if source.kind == "video"
        for file in source.files
        if file.clip is not None
    }
