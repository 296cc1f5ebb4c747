"""The finished segments of a film that is being written, in a folder beside it.

`ledger.json` names them, says of which job they are and where the source was left. It is written
after each segment, so that a killed run leaves whole segments and a true ledger.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO

from superres.atomic import opened_alone, write_text
from superres.errors import ConfigError, InputError
from superres.video.reading import Position

_LEDGER = "ledger.json"
_VERSION = 1
_FRACTIONS = ("time_base", "rate", "end")


@dataclass(frozen=True)
class Done:
    """A finished segment: its first frame is shown at `first_pts` * `time_base`.

    `rate`: frames a second of the film. `last`: where the source was left, `end`: the time in the
    source when its last frame is over.
    """

    name: str
    frames: int
    first_pts: int
    time_base: Fraction
    rate: Fraction
    bytes: int
    end: Fraction
    last: Position | None = None


class Parts:
    """The folder of a film's segments, held by one process at a time."""

    def __init__(self, folder: Path, identity: Mapping[str, str], *, resume: bool) -> None:
        """Open or make the folder; what an earlier run left is taken up or cleared.

        Raises ConfigError when it is of another job, InputError 409 when another process works
        on it.
        """
        self.folder = folder
        self.identity = dict(identity)
        self.done: list[Done] = []
        folder.mkdir(exist_ok=True)
        self._lock = _locked(folder / "lock")
        try:
            if resume and (folder / _LEDGER).exists():
                self.done = self._restored()
        except BaseException:
            self._lock.close()
            raise
        known = {"lock", _LEDGER, *(done.name for done in self.done)}
        for file in folder.iterdir():
            if file.name not in known or (not self.done and file.name == _LEDGER):
                file.unlink()

    @property
    def frames(self) -> int:
        """Frames in finished segments."""
        return sum(done.frames for done in self.done)

    @property
    def position(self) -> Position | None:
        """Where the source was left at the end of the last finished segment."""
        return self.done[-1].last if self.done else None

    @property
    def next_path(self) -> Path:
        """File of the segment to come."""
        return self.folder / f"{len(self.done):06d}.mp4"

    def add(self, done: Done) -> None:
        """Enter a segment, whose file is complete, in the ledger."""
        self.done.append(done)
        segments = [
            {**asdict(done), **{key: str(getattr(done, key)) for key in _FRACTIONS}}
            for done in self.done
        ]
        content = {"version": _VERSION, "job": self.identity, "segments": segments}
        write_text(self.folder / _LEDGER, json.dumps(content, indent=1))

    def remove(self) -> None:
        """Delete the folder."""
        self._lock.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def leave(self, *, also_empty: bool) -> None:
        """Let go of the folder for another run to take up; an empty one only if asked for."""
        if not self.done and not also_empty:
            self.remove()
        self._lock.close()

    def _restored(self) -> list[Done]:
        ledger = self.folder / _LEDGER
        content = json.loads(ledger.read_text(encoding="utf-8"))
        of = content["job"]
        names = sorted(of.keys() | self.identity.keys())
        other = [name for name in names if of.get(name) != self.identity.get(name)]
        if content["version"] != _VERSION or other:
            told = ", ".join(f"{n} was {of.get(n)}, is {self.identity.get(n)}" for n in other)
            raise ConfigError(
                f"{self.folder}: what is there to resume is of another job ({told}). Run it as it "
                "was, or without resuming to start anew."
            )
        restored = []
        for entry in content["segments"]:
            last = Position(**entry["last"]) if entry["last"] else None
            times = {key: Fraction(entry[key]) for key in _FRACTIONS}
            done = Done(**{**entry, **times, "last": last})
            file = self.folder / done.name
            if not file.is_file() or file.stat().st_size != done.bytes:
                break  # lost with the power: go on from the one before
            restored.append(done)
        return restored


def _locked(path: Path) -> IO[str]:
    file = opened_alone(path)
    if file is None:
        message = f"{path.parent}: another process is writing this video"
        raise InputError(message, code="busy", status=409)
    return file
