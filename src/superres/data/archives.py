"""Unpack an archive nobody vouches for: all of it is judged before anything is written.

Refused as a whole: paths that are absolute or lead outside, links that lead outside, devices,
names that occur twice, encryption, too many members, and sizes out of proportion to the file
(decompression bombs). Links that stay inside are left out: no data set needs them.
"""

import errno
import posixpath
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path, PureWindowsPath
from typing import IO, Final

from superres.errors import DataError

CHUNK: Final = 1 << 20
_ABOUT_THE_NEXT: Final = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
Choose = Callable[[Sequence[str]], Collection[str]]


@dataclass(frozen=True)
class ArchiveLimits:
    """What an archive may unpack to."""

    members: int = 3_000_000
    bytes: int = 1 << 40
    ratio: float = 100.0  # unpacked bytes per byte of the archive ...
    harmless_bytes: int = 64 << 20  # ... which nobody minds below this size


DEFAULT_LIMITS: Final = ArchiveLimits()


class NoRoomError(DataError):
    """The disk is too small; the archive may be as good as any."""


class _Header(tarfile.TarInfo):
    """A header whose long name or attributes are not larger than memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Header":
        header = super().frombuf(buf, encoding, errors)
        if header.type in _ABOUT_THE_NEXT and header.size > CHUNK:
            raise DataError(f"an archive header of {header.size} bytes; nothing was unpacked.")
        return header


@dataclass(frozen=True)
class Member:
    """One entry as the archive declares it; `link` is where a link points."""

    name: str
    size: int
    is_folder: bool = False
    is_file: bool = True
    link: str | None = None
    is_encrypted: bool = False


def unpack(
    archive: Path, folder: Path, choose: Choose, limits: ArchiveLimits = DEFAULT_LIMITS
) -> list[str]:
    """Write the members that `choose` picks from all file names below `folder`; return them.

    Raises DataError, with nothing written, for an archive that is damaged in its listing,
    dangerous or larger than the disk; with a damaged member, what came before it is written.
    """
    with _explained(archive):
        sizes = _judged(archive, limits)
        chosen = set(choose(list(sizes)))
        _require_room(archive, folder, sum(sizes[name] for name in chosen))
        for name, stream in _contents(archive, chosen):
            _write(stream, folder / name, sizes[name])
    return sorted(chosen)


def names_in(archive: Path, limits: ArchiveLimits = DEFAULT_LIMITS) -> list[str]:
    """Return the names of all plain files, sorted; DataError as in `unpack`."""
    with _explained(archive):
        return sorted(_judged(archive, limits))


@contextmanager
def _explained(archive: Path) -> Iterator[None]:
    try:
        yield
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
        LZMAError,
        EOFError,
        OSError,
        RuntimeError,
    ) as error:
        is_full = isinstance(error, OSError) and error.errno == errno.ENOSPC
        kind = NoRoomError if is_full else DataError
        raise kind(f"{archive.name}: cannot be unpacked ({error}).") from None


def _judged(archive: Path, limits: ArchiveLimits) -> dict[str, int]:
    """Return name -> size of every plain file, after looking at every member."""
    on_disk = max(1, archive.stat().st_size)
    sizes: dict[str, int] = {}
    total = 0
    for count, member in enumerate(_members(archive), start=1):
        total += member.size
        fault = _fault(member, sizes) or _excess(count, total, on_disk, limits)
        if fault:
            raise DataError(f"{archive.name}: {fault}; nothing was unpacked.")
        if member.is_file:
            sizes[member.name] = member.size
    return sizes


def _fault(member: Member, known: Collection[str]) -> str | None:
    shown = member.name if len(member.name) < 80 else f"{member.name[:77]}..."
    if _leads_outside(member.name):
        return f"archive member '{shown}' points outside the archive"
    if member.link is not None and _leads_outside(member.link):
        return f"archive member '{shown}' is a link that points outside the archive"
    if not (member.is_file or member.is_folder or member.link is not None):
        return f"archive member '{shown}' is a device or a pipe"
    if member.is_encrypted:
        return f"archive member '{shown}' is encrypted"
    if member.is_file and member.name in known:
        return f"archive member '{shown}' occurs twice"
    return None


def _excess(count: int, total: int, on_disk: int, limits: ArchiveLimits) -> str | None:
    if count > limits.members:
        return f"more than {limits.members} members"
    is_bomb = total > limits.harmless_bytes and total > limits.ratio * on_disk
    if total > limits.bytes or is_bomb:
        return (
            f"would unpack to {total} bytes or more from {on_disk} bytes; accepted are "
            f"{limits.bytes} bytes and {limits.ratio:g} times the archive"
        )
    return None


def _leads_outside(name: str) -> bool:
    windows = PureWindowsPath(name)  # also splits at / and knows drives
    is_absolute = name.startswith("/") or bool(windows.drive or windows.root)
    return not name or "\0" in name or is_absolute or ".." in windows.parts


def _members(archive: Path) -> Iterator[Member]:
    if not _is_zip(archive):
        with tarfile.open(archive, tarinfo=_Header) as tape:
            for record in tape:
                yield _tar_member(record)
                vars(tape)["members"].clear()  # else every header stays in memory
        return
    with zipfile.ZipFile(archive) as opened:
        for entry in opened.infolist():
            mode = entry.external_attr >> 16
            link = None
            if stat.S_ISLNK(mode) and not entry.flag_bits & 1:
                with opened.open(entry) as stream:
                    link = _inside(entry.filename, stream.read(4096).decode("utf-8", "replace"))
            is_plain = stat.S_IFMT(mode) in (0, stat.S_IFREG)
            yield Member(
                name=entry.filename,
                size=entry.file_size,
                is_folder=entry.is_dir(),
                is_file=is_plain and not entry.is_dir(),
                link=link,
                is_encrypted=bool(entry.flag_bits & 1),
            )


def _is_zip(archive: Path) -> bool:
    return archive.name.lower().endswith(".zip")


def _tar_member(record: tarfile.TarInfo) -> Member:
    link = None
    if record.issym():
        link = _inside(record.name, record.linkname)
    elif record.islnk():
        link = record.linkname  # a hard link is named from the top of the archive
    return Member(record.name, record.size, record.isdir(), record.isfile(), link)


def _inside(name: str, target: str) -> str:
    """Return where a symbolic link points, seen from the top of the archive."""
    if target.startswith("/"):
        return target
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), target))


def _contents(archive: Path, chosen: Collection[str]) -> Iterator[tuple[str, IO[bytes]]]:
    if _is_zip(archive):
        with zipfile.ZipFile(archive) as opened:
            for entry in opened.infolist():
                if entry.filename in chosen:
                    with opened.open(entry) as stream:
                        yield entry.filename, stream
        return
    with tarfile.open(archive, tarinfo=_Header) as tape:
        for record in tape:
            is_wanted = record.isfile() and record.name in chosen
            content = tape.extractfile(record) if is_wanted else None
            if content is not None:
                yield record.name, content
            vars(tape)["members"].clear()


def _write(stream: IO[bytes], path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as out:
        shutil.copyfileobj(stream, out, CHUNK)
        if out.tell() != size:
            raise DataError(f"{path.name}: {out.tell()} bytes unpacked, {size} declared.")


def _require_room(archive: Path, folder: Path, needed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise NoRoomError(
            f"{archive.name}: unpacking takes {needed} bytes, {free} are free on the disk of "
            f"{folder}. Nothing was unpacked."
        )
