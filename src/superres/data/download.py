"""Bring one file or archive from the web, checked against its sha256 before it is used."""

import hashlib
import logging
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Final
from urllib.error import URLError
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

from superres.data.catalog import ARCHIVE_SUFFIXES, Dataset, Download
from superres.errors import DataError

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS: Final = 60.0  # without a byte
CHUNK: Final = 1 << 20


def download(dataset: Dataset, origin: Download, folder: Path) -> Path:
    """Fill `folder` with the data set's files, archives unpacked; return the folder.

    Raises DataError when the address does not answer, the checksum differs (naming the file,
    the expected and the found sha256), or the archive is not one.
    """
    name = PurePosixPath(unquote(urlsplit(origin.url).path)).name or dataset.name
    incoming = folder / ".incoming"
    folder.mkdir(parents=True)
    found = _store(origin.url, incoming)
    if found != origin.sha256:
        raise DataError(
            f"{name} of data source '{dataset.name}': wrong checksum, "
            f"expected sha256 {origin.sha256}, found {found} at {origin.url}."
        )
    if not name.lower().endswith(ARCHIVE_SUFFIXES):
        incoming.rename(folder / name)
        return folder
    try:
        for member, stream in _members(incoming, is_zip=name.lower().endswith(".zip")):
            if member.suffix.lower() in dataset.suffixes:
                _unpack(stream, folder, member)
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        RuntimeError,
    ) as error:
        raise DataError(f"{name} of data source '{dataset.name}': {error}.") from None
    incoming.unlink()
    return folder


def _store(url: str, path: Path) -> str:
    digest = hashlib.sha256()
    logger.info("downloading %s", url)
    try:
        with urlopen(url, timeout=TIMEOUT_SECONDS) as answer, path.open("wb") as out:
            while chunk := answer.read(CHUNK):
                digest.update(chunk)
                out.write(chunk)
    except (URLError, OSError, ValueError) as error:
        raise DataError(
            f"{url}: cannot be downloaded ({error}). Check the address and the network, or put "
            "a local copy's path in params.yaml."
        ) from None
    return digest.hexdigest()


def _members(archive: Path, *, is_zip: bool) -> Iterator[tuple[PurePosixPath, IO[bytes]]]:
    """Yield name and content of every plain file; links and devices are left out."""
    if is_zip:
        with zipfile.ZipFile(archive) as opened:
            for entry in opened.infolist():
                if not entry.is_dir():
                    with opened.open(entry) as stream:
                        yield PurePosixPath(entry.filename), stream
        return
    with tarfile.open(archive) as tape:
        for record in tape:
            content = tape.extractfile(record) if record.isfile() else None
            if content is not None:
                yield PurePosixPath(record.name), content


def _unpack(stream: IO[bytes], folder: Path, member: PurePosixPath) -> None:
    if member.is_absolute() or ".." in member.parts:
        raise DataError(f"archive member '{member}' points outside the archive; not unpacked.")
    path = folder / member
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as out:
        shutil.copyfileobj(stream, out, CHUNK)
