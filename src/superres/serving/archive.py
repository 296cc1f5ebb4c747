"""`POST /upscale_batch`: a zip of pictures in, a zip of larger ones and a report out.

The archive is never unpacked on disk: one picture at a time is read, within the limits.
"""

import json
import struct
import zipfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO, Any

from superres.config import ServingParams
from superres.errors import InputError
from superres.serving.errors import explained
from superres.serving.pictures import Encoded

REPORT = "report.json"
PICTURES = "/upscale"  # whose words explain what is wrong with a member
_ACCEPTED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # LZMA asks for memory as the file wants
_IS_ENCRYPTED = 0x1
_END = b"PK\x05\x06"
_END_BYTES = 22
_END_64 = b"PK\x06\x07"
_MOST_COMMENT = 65535
_MOST_DIRECTORY = 1 << 20  # bytes of the list of members, which is read whole
_TIMES = 4  # the content may be so many times as large as an archive may be
_LONGEST = 200  # letters of a member's name
_SUFFIXES = {"jpeg": "jpg", "tiff": "tif"}


class Members:
    """The pictures of an uploaded archive, its list checked before anything is unpacked.

    Raises InputError: 415 for what is no zip, 413 for too many or too large, 422 for a damaged
    list.
    """

    def __init__(self, upload: IO[bytes], params: ServingParams) -> None:
        _check_end(upload)
        try:
            self._archive = zipfile.ZipFile(upload)
            self.infos = [info for info in self._archive.infolist() if _is_wanted(info)]
        except (
            zipfile.BadZipFile,
            OSError,
            ValueError,
            struct.error,
            NotImplementedError,
        ) as error:
            message = f"the list of the archive is damaged: {error}"
            raise InputError(message, code="bad_archive") from None
        self._most = params.max_bytes
        if len(self.infos) > params.max_files:
            message = f"the archive has {len(self.infos)} files, at most {params.max_files} are"
            raise InputError(f"{message} accepted", code="archive_too_large", status=413)
        claimed = sum(info.file_size for info in self.infos)
        if claimed > _TIMES * params.max_video_bytes:
            message = f"the content has {claimed} bytes, at most {_TIMES * params.max_video_bytes}"
            raise InputError(f"{message} are accepted", code="archive_too_large", status=413)

    def read(self, info: zipfile.ZipInfo) -> bytes:
        """Return a member's bytes; InputError when it is damaged, locked or too large."""
        if info.flag_bits & _IS_ENCRYPTED or info.compress_type not in _ACCEPTED:
            message = "the file is encrypted, or packed by another method than deflate"
            raise InputError(message, code="bad_archive", status=415)
        try:
            with self._archive.open(info) as stream:
                content = stream.read(self._most + 1)
        except Exception as error:  # zipfile and zlib raise many kinds for a damaged file
            message = f"the file cannot be unpacked: {error}"
            raise InputError(message, code="bad_archive") from None
        if len(content) > self._most:
            message = f"the file has more than {self._most} bytes, which is the most"
            raise InputError(message, code="too_many_bytes", status=413)
        return content


class Results:
    """The archive of the answer, with a report of every member as its last file."""

    def __init__(self, target: IO[bytes]) -> None:
        self._archive = zipfile.ZipFile(target, "w", zipfile.ZIP_STORED)  # pictures are packed
        self._names: set[str] = {REPORT}
        self._rows: list[dict[str, Any]] = []

    @property
    def done(self) -> int:
        """Pictures that were upscaled."""
        return sum("result" in row for row in self._rows)

    @property
    def failed(self) -> int:
        """Members that were not."""
        return len(self._rows) - self.done

    def put(self, name: str, made: Encoded | Exception) -> None:
        """Add a member's result, or why there is none."""
        row: dict[str, Any] = {"name": name}
        if isinstance(made, Exception):
            self._rows.append({**row, **explained(made, PICTURES)})
            return
        format_name = made.media_type.removeprefix("image/")
        target = self._free(safe_name(name), _SUFFIXES.get(format_name, format_name))
        self._archive.writestr(target, made.content)
        self._rows.append({**row, "result": target, "width": made.width, "height": made.height})

    def close(self, facts: dict[str, Any]) -> None:
        """Write the report and end the archive; does nothing the second time."""
        if self._archive.fp is None:
            return
        content = {**facts, "done": self.done, "failed": self.failed, "files": self._rows}
        self._archive.writestr(REPORT, json.dumps(content, indent=1))
        self._archive.close()

    def _free(self, name: str, suffix: str) -> str:
        stem = name.removesuffix(PurePosixPath(name).suffix)
        found = (f"{stem}{number}.{suffix}" for number in _numbers())
        target = next(each for each in found if each not in self._names)
        self._names.add(target)
        return target


def safe_name(name: str) -> str:
    """Return a name that stays below the folder where the archive is unpacked."""
    parts = (part.strip(" .") for part in name.replace("\\", "/").split("/"))
    clean = (
        "".join(c if c.isprintable() and c not in '<>:"|?*' else "_" for c in p) for p in parts
    )
    return "/".join(part for part in clean if part)[-_LONGEST:].lstrip("/") or "picture"


def _numbers() -> Iterator[str]:
    yield ""
    number = 2
    while True:
        yield f"-{number}"
        number += 1


def _is_wanted(info: zipfile.ZipInfo) -> bool:
    """Leave out folders and what desktops add unasked."""
    name = info.filename
    hidden = PurePosixPath(name).name.startswith(".") or name.startswith("__MACOSX/")
    return not info.is_dir() and not hidden


def _check_end(upload: IO[bytes]) -> None:
    """Look at the end record alone: the list before it may be made of millions of entries."""
    size = upload.seek(0, 2)
    upload.seek(max(0, size - _END_BYTES - _MOST_COMMENT - len(_END_64) - 16))
    tail = upload.read()
    upload.seek(0)
    place = tail.rfind(_END)
    if place < 0 or len(tail) < place + _END_BYTES:
        message = "the content is no zip archive" if size else "the file is empty"
        raise InputError(message, code="bad_archive", status=415 if size else 400)
    (directory,) = struct.unpack("<L", tail[place + 12 : place + 16])
    if directory > _MOST_DIRECTORY or _END_64 in tail[max(0, place - 20) : place]:
        message = f"the list of the archive has more than {_MOST_DIRECTORY} bytes, or is a zip64's"
        raise InputError(message, code="archive_too_large", status=413)
