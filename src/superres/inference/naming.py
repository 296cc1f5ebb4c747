"""Which files go in and where each result goes."""

import glob
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from superres import images
from superres.errors import ConfigError, InputError
from superres.images.animation import is_animated

PICTURES = {*images.FORMATS, ".gif"}
VIDEOS = {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".flv"}
FIELDS = ("stem", "suffix", "scale", "model")


@dataclass(frozen=True)
class Task:
    """One file to upscale and where the result goes."""

    source: Path
    target: Path

    @property
    def is_video(self) -> bool:
        """Tell from the suffix; any other file is taken for a picture."""
        return self.source.suffix.lower() in VIDEOS


@dataclass(frozen=True)
class Naming:
    """How results in a folder are called.

    `template`: as "{stem}_x{scale}{suffix}"; the fields are stem, suffix, scale and model.
    `picture_suffix`: the format of pictures, whatever they came as. `facts`: scale and model.
    """

    template: str = "{stem}{suffix}"
    picture_suffix: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ConfigError for a template or suffix that cannot be used."""
        try:
            name = self._name("photo", ".png")
        except (KeyError, ValueError, IndexError, AttributeError) as error:
            raise ConfigError(
                f"name '{self.template}': {error!r}; accepted fields: "
                f"{', '.join('{' + name + '}' for name in FIELDS)}."
            ) from None
        if not name or "/" in name or "\\" in name or name.startswith("."):
            raise ConfigError(f"name '{self.template}': expected the name of a file in a folder.")
        if self.picture_suffix is not None and self.picture_suffix not in PICTURES:
            known = ", ".join(sorted(suffix[1:] for suffix in PICTURES))
            raise ConfigError(f"format '{self.picture_suffix[1:]}': accepted: {known}.")

    def target(self, source: Path, place: Path) -> Path:
        """Return where the result of `source` goes; `place` is its own path below the folder."""
        return place.with_name(self._name(place.stem, self._suffix(source)))

    def _name(self, stem: str, suffix: str) -> str:
        known = {"scale": "", "model": "", **self.facts, "stem": stem, "suffix": suffix}
        return self.template.format_map(known)

    def _suffix(self, source: Path) -> str:
        suffix = source.suffix.lower()
        if suffix in VIDEOS:
            from superres import video

            return source.suffix if suffix in video.SUFFIXES else ".mp4"
        if self.picture_suffix is not None:
            return self.picture_suffix
        if suffix in images.FORMATS or (suffix == ".gif" and is_animated(source)):
            return source.suffix
        return ".png"


def collect(inputs: Iterable[Path | str], out: Path, naming: Naming | None = None) -> list[Task]:
    """Return the tasks for files, folders (recursive, mirrored below `out`) and patterns.

    For a single file `out` is the file to write if it has a suffix, else a folder. Results keep
    their name; what cannot be written as it came becomes .png or .mp4. Raises InputError when a
    folder or pattern holds nothing to upscale, or `out` is a file and must be a folder.
    """
    naming = naming or Naming()
    sources = [path for text in inputs for path in _expanded(text)]
    if len(sources) == 1 and not sources[0].is_dir() and out.suffix and not out.is_dir():
        return [Task(sources[0], out)]
    if out.is_file():
        raise InputError(f"{out} is a file; for a folder or several inputs -o must be a folder.")
    found = _files(sources, out.resolve())
    return [Task(file, naming.target(file, out / relative)) for file, relative in found]


def _expanded(text: Path | str) -> list[Path]:
    """Return the files that a pattern names; what exists or has no wildcards stands for itself."""
    path = Path(text)
    if path.exists() or not glob.has_magic(str(text)):
        return [path]
    place = Path(path.anchor)
    found = sorted(place.glob(str(path.relative_to(place))))
    kept = [file for file in found if file.suffix.lower() in PICTURES | VIDEOS]
    if not kept:
        raise InputError(f"{text}: no picture and no video of that pattern.")
    return kept


def _files(sources: list[Path], out: Path) -> Iterator[tuple[Path, Path]]:
    """Yield each file with its path relative to the folder given, `out` itself left out."""
    for source in sources:
        if not source.is_dir():
            yield source, Path(source.name)
            continue
        found = [
            file
            for file in sorted(source.rglob("*"))
            if file.suffix.lower() in PICTURES | VIDEOS
            and not file.name.startswith(".")
            and file.is_file()
            and (out == source.resolve() or not file.resolve().is_relative_to(out))
        ]
        if not found:
            raise InputError(f"{source}: no picture and no video in this folder.")
        for file in found:
            yield file, file.relative_to(source)
