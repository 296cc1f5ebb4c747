"""Where video jobs lie: one folder per service, found again by the next one, and its quota."""

import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from superres.atomic import opened_alone
from superres.errors import ConfigError
from superres.serving import measures
from superres.serving.errors import UnavailableError

log = logging.getLogger(__name__)

LOCK = ".lock"
RESERVE = 256 << 20  # bytes of the disk that stay free
MOST_SERVICES = 16  # of one project and one user on one machine
MOST_RETRY_SECONDS = 3600


def make_temporary(environment: Mapping[str, str]) -> None:
    """Make the folder that TMPDIR names: an empty volume does not have it yet.

    Without it Python takes /tmp, which in a container is often memory, for uploads as well.
    """
    named = environment.get("TMPDIR")
    if not named:
        return
    try:
        Path(named).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        other = tempfile.gettempdir()
        log.warning("TMPDIR: %s cannot be made (%s); uploads lie in %s", named, error, other)
        return
    tempfile.tempdir = None  # looked for anew: /tmp may have been found before


def own_folder(root: Path) -> Path:
    """Return a folder among the temporary ones that the next service of this project finds again.

    Another one's that runs now is passed over, one of another user is not touched.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    digest = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:8]
    for number in range(1, MOST_SERVICES + 1):
        folder = Path(tempfile.gettempdir()) / f"superres-jobs-{user}-{digest}-{number}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid != user:
            continue
        file = opened_alone(folder / LOCK)
        if file is not None:
            file.close()
            return folder
    raise ConfigError(f"{MOST_SERVICES} services of {root} run already; set SUPERRES_JOBS.")


def locked(folder: Path) -> IO[str]:
    """Hold the folder until the file is closed; ConfigError when another service holds it."""
    file = opened_alone(folder / LOCK)
    if file is None:
        raise ConfigError(
            f"SUPERRES_JOBS: another service uses {folder}; give each its own folder."
        )
    return file


def require_space(folder: Path, most_bytes: int, retry_after: int) -> None:
    """Raise UnavailableError when the jobs have more than `most_bytes`, or the disk is full."""
    used = sum(_bytes(file) for file in folder.rglob("*"))
    free = shutil.disk_usage(folder).free
    if used <= most_bytes and free >= RESERVE:
        return
    measures.refused("quota")
    told = f"videos have {used} bytes on disk, at most {most_bytes} are accepted"
    if free < RESERVE:
        told = f"the disk has {free} bytes left, {RESERVE} are kept free"
    retry_after = min(retry_after, MOST_RETRY_SECONDS)
    raise UnavailableError(told, code="quota", retry_after=retry_after)


def _bytes(file: Path) -> int:
    try:
        return file.stat().st_size if file.is_file() else 0
    except OSError:  # removed meanwhile
        return 0
