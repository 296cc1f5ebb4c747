"""Which files go in and where each result goes."""

import glob
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from superres import images
from superres.errors import ConfigError, InputError
from superres.images.animation import is_animated

PICTURES = {*images.FORMATS, ".gif"}
VIDEOS = {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".flv"}
PIPE = "-"  # stdin or stdout in place of a file
FIELDS = ("stem", "suffix", "scale", "model")


def is_video(path: Path) -> bool:
    """Tell from the suffix; any other file is taken for a picture."""
    return path.suffix.lower() in VIDEOS


@dataclass(frozen=True)
class Task:
    """One file to upscale and where the result goes."""

    source: Path
    target: Path

    @property
    def is_video(self) -> bool:
        """Tell from the suffix; any other file is taken for a picture."""
        return is_video(self.source)


@dataclass(frozen=True)
class Naming:
    """How results in a folder are called.

    `template`: as "{stem}_x{scale}{suffix}"; the fields are stem, suffix, scale and model.
    `suffix`: the format of pictures or the container of videos, whatever they came as. `facts`:
    scale and model. `factor`: says of a file how much larger it becomes, where that is not the
    same for all.
    """

    template: str = "{stem}{suffix}"
    suffix: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    factor: Callable[[Path], float] | None = None

    def __post_init__(self) -> None:
        """Raise ConfigError for a template or suffix that cannot be used."""
        try:
            name = self._name("photo", ".png", {})
        except (KeyError, ValueError, IndexError, AttributeError) as error:
            raise ConfigError(
                f"name '{self.template}': {error!r}; accepted fields: "
                f"{', '.join('{' + name + '}' for name in FIELDS)}."
            ) from None
        if not name or "/" in name or "\\" in name or name.startswith("."):
            raise ConfigError(f"name '{self.template}': expected the name of a file in a folder.")
        if self.suffix is not None and self.suffix not in PICTURES | _containers():
            known = ", ".join(name[1:] for name in [*sorted(PICTURES), *sorted(_containers())])
            raise ConfigError(f"format '{self.suffix[1:]}': accepted: {known}.")

    def target(self, source: Path, place: Path) -> Path:
        """Return where the result of `source` goes; `place` is its own path below the folder."""
        facts = {}
        if self.factor is not None and "{scale" in self.template:
            facts = {"scale": f"{round(self.factor(source), 2):g}"}
        return place.with_name(self._name(place.stem, self._suffix(source), facts))

    def check(self, out: Path) -> None:
        """Raise ConfigError when a file to write is named as another format than is asked for."""
        if self.suffix is not None and _kind(self.suffix) != _kind(out.suffix.lower()):
            raise ConfigError(
                f"format '{self.suffix[1:]}' and the output {out} contradict each other; leave "
                f"--format out or name the output {out.with_suffix(self.suffix).name}."
            )

    def _name(self, stem: str, suffix: str, facts: Mapping[str, str]) -> str:
        known = {"scale": "", "model": "", **self.facts, **facts, "stem": stem, "suffix": suffix}
        return self.template.format_map(known)

    def _suffix(self, source: Path) -> str:
        suffix = source.suffix.lower()
        if suffix in VIDEOS:
            if self.suffix in _containers():
                return str(self.suffix)
            return source.suffix if suffix in _containers() else ".mp4"
        if self.suffix in PICTURES:
            return str(self.suffix)
        if suffix in images.FORMATS or (suffix == ".gif" and is_animated(source)):
            return source.suffix
        return ".png"


def collect(inputs: Iterable[Path | str], out: Path, naming: Naming | None = None) -> list[Task]:
    """Return the tasks for files, folders and patterns.

    Folders are taken with all below them and mirrored below `out`, patterns from their first
    wildcard on. For a single file `out` is the file to write if it has a suffix, else a folder.
    Results keep their name; what cannot be written as it came becomes .png or .mp4. Raises
    InputError when a folder or pattern holds nothing to upscale, or `out` is a file and must be a
    folder, ConfigError when `out` is named as another format than is asked for.
    """
    naming = naming or Naming()
    sources = [found for text in inputs for found in _expanded(text)]
    if len(sources) == 1 and not sources[0][0].is_dir() and out.suffix and not out.is_dir():
        naming.check(out)
        return [Task(sources[0][0], out)]
    if out.is_file():
        raise InputError(f"{out} is a file; for a folder or several inputs -o must be a folder.")
    found = _files(sources, out.resolve())
    return [Task(file, naming.target(file, out / relative)) for file, relative in found]


def _kind(suffix: str) -> str:
    return images.FORMATS.get(suffix, suffix)  # .jpg is .jpeg


def _containers() -> set[str]:
    from superres import video  # PyAV is loaded only where a video is

    return set(video.SUFFIXES)


def _expanded(text: Path | str) -> list[tuple[Path, Path]]:
    """Return the files that a pattern names, each with its path below what is no pattern yet.

    What exists or has no wildcards stands for itself.
    """
    path = Path(text)
    if path.exists() or not glob.has_magic(str(text)):
        return [(path, Path(path.name))]
    first = next(index for index, part in enumerate(path.parts) if glob.has_magic(part))
    place = Path(*path.parts[:first])
    found = sorted(place.glob(str(Path(*path.parts[first:]))))
    kept = [file for file in found if file.suffix.lower() in PICTURES | VIDEOS]
    if not kept:
        raise InputError(f"{text}: no picture and no video of that pattern.")
    return [(file, file.relative_to(place)) for file in kept]


def _files(sources: list[tuple[Path, Path]], out: Path) -> Iterator[tuple[Path, Path]]:
    """Yield each file with its path relative to the folder given, `out` itself left out."""
    for source, relative in sources:
        if not source.is_dir():
            yield source, relative
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
