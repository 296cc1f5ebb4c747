"""A fetch that is killed leaves nothing half written, and the next run finishes it.

SUPERRES_KILLS=50 kills more often, SUPERRES_KILL_LOG=FILE notes what each kill left behind.
"""

import hashlib
import io
import json
import os
import random
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from file_server import Site, serving

from superres.config import Source
from superres.data.download_http import Transfer
from superres.data.fetch import FetchOptions, fetch

KILLS = int(os.environ.get("SUPERRES_KILLS", "5"))
CHUNK = 60_000
FETCHING = """
import os, signal, sys
from pathlib import Path
from superres.config import Source
from superres.data.download_http import Transfer
from superres.data.fetch import FetchOptions, fetch

address, raw, kill_at = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
import superres.data.archives, httpx
events = 0

def watch(event, details):
    global events
    if event in WATCHED and str(raw.parent) in str(details[0]):
        events += 1
        if events == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

WATCHED = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"}
sys.addaudithook(watch)
quick = Transfer(parts=3, chunk=60_000, pause=0.01, bar=False)
fetch([Source(name="mine", path=address)], raw, FetchOptions(transfer=quick))
print(events)
"""
MEMBERS = {f"set/{k:03d}.png": random.Random(k).randbytes(20_000) for k in range(40)}


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as found:
        yield found


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "data" / "raw"


def address_of(site: Site, **faults: object) -> str:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in MEMBERS.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # a fixed date: equal bytes
    content = buffer.getvalue()
    url = site.add("set.zip", content, **faults)
    return f"{url}#sha256={hashlib.sha256(content).hexdigest()}"


def everything_below(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def uninterrupted(address: str, folder: Path) -> dict[str, bytes]:
    quick = Transfer(chunk=CHUNK, bar=False)
    fetch([Source(name="mine", path=address)], folder / "raw", FetchOptions(transfer=quick))
    return everything_below(folder / "raw")


def start(address: str, raw: Path, kill_at: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", FETCHING, address, str(raw), str(kill_at)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def assert_nothing_is_half_written(raw: Path, whole: dict[str, bytes]) -> None:
    for name, content in everything_below(raw).items() if raw.is_dir() else ():
        if not any(part.startswith(".") for part in name.split("/")):
            assert content == whole[name], f"{name} is half written"


def note(raw: Path) -> None:
    """Write down what a kill has left, for a run by hand."""
    log = os.environ.get("SUPERRES_KILL_LOG")
    if log is None:
        return
    incoming = raw.parent / "downloads" / "mine"
    notes = list(incoming.glob("*.part.json"))
    left = {
        "chunks": len(json.loads(notes[0].read_text())["done"]) if notes else 0,
        "part": any(incoming.glob("*.part")),
        "archive": (incoming / "set.zip").is_file(),
        "staged": len(list(raw.glob(".mine.partial/**/*.png"))),
        "final": len(list(raw.glob("mine/**/*.png"))),
    }
    with Path(log).open("a") as out:
        out.write(json.dumps(left) + "\n")


def test_killed_at_random_moments(site: Site, raw: Path) -> None:
    chance = random.Random(3)
    whole = uninterrupted(address_of(site), raw.parent / "whole")
    address = address_of(site, seconds_per_block=0.04)
    killed = 0
    while killed < KILLS:
        process = start(address, raw)
        try:
            process.communicate(timeout=chance.uniform(0.4, 1.6))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        killed += process.returncode == -9
        note(raw)
        assert_nothing_is_half_written(raw, whole)
        if process.returncode == 0:
            for path in chance.sample(sorted((raw / "mine").rglob("*.png")), 5):
                path.unlink()  # else nothing is left to be done
    last = start(address, raw)
    last.communicate()
    assert last.returncode == 0
    assert everything_below(raw) == whole
    assert not list((raw.parent / "downloads").iterdir())


def test_killed_at_steps_of_every_phase(site: Site, raw: Path, tmp_path: Path) -> None:
    """The process kills itself at its n-th touch of a file: no phase is too short to be hit."""
    address = address_of(site)
    whole = uninterrupted(address, raw.parent / "whole")
    steps = int(start(address, tmp_path / "count" / "raw").communicate()[0])
    assert steps > 3 * len(MEMBERS)
    chance = random.Random(4)
    for number in range(KILLS):
        # One moment of each part of the run, then again from what that kill has left.
        place = chance.uniform(number, number + 1) / KILLS
        process = start(address, raw, max(1, int(place * steps)))
        process.communicate()
        assert process.returncode in (-9, 0)
        note(raw)
        assert_nothing_is_half_written(raw, whole)
    last = start(address, raw)
    last.communicate()
    assert last.returncode == 0
    assert everything_below(raw) == whole
    assert not list((raw.parent / "downloads").iterdir())


HOLDING = """
import sys
from pathlib import Path
from superres.config import Source
from superres.data import fetch

def held(*_):
    print("holding", flush=True)
    sys.stdin.read()
    return []

fetch._remove_folders = held
fetch.fetch([Source(name="mine", path=sys.argv[1])], Path(sys.argv[2]))
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process in the middle of a fetch into tmp_path/data/raw."""
    (tmp_path / "album").mkdir()
    (tmp_path / "album/a.png").write_bytes(b"a picture")
    words = [str(tmp_path / "album"), str(tmp_path / "data/raw")]
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "holding\n"
        yield process
        process.kill()


def again(folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "params.yaml").write_text(
        "experiments: [a]\ndata: {sources: [{name: mine, path: album}]}\n"
    )
    return subprocess.run(
        [sys.executable, "-m", "superres", "fetch"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_second_fetch_into_the_folder_names_the_first(
    holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    told = again(tmp_path)
    assert told.returncode == 1
    assert f"process {holder.pid} fetches into data/raw at this moment" in told.stderr
    assert "Traceback" not in told.stderr
    assert not (tmp_path / "data/raw/mine").exists()
    holder.communicate("go on", timeout=60)
    assert holder.returncode == 0
    assert again(tmp_path).returncode == 0


def test_a_dead_process_never_blocks(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    holder.kill()
    holder.wait(timeout=60)
    assert (tmp_path / "data/.raw.lock").read_text() == str(holder.pid), "left behind"
    told = again(tmp_path)
    assert told.returncode == 0, told.stderr
    assert (tmp_path / "data/raw/mine/a.png").read_bytes() == b"a picture"
