"""Two hundred bad files among good ones, and builds killed at any moment: nothing is lost."""

import io
import os
import random
import signal
import struct
import subprocess
import sys
import textwrap
import zlib
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from superres.data.clips import read_quarantine
from superres.data.manifest import load_pair, read_manifest
from superres.data.pairs import build_folder
from superres.data.prepare import PairOptions
from superres.errors import DataError, InputError

GOOD, BAD, KILLS = 12, 200, 10
OPTIONS = PairOptions(scale=2, min_side=16, workers=2)


def encoded(seed: int, form: str = "PNG") -> bytes:
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize((46, 32), Image.Resampling.BICUBIC).save(buffer, form)
    return buffer.getvalue()


def huge_header(width: int, height: int) -> bytes:
    """Return a PNG that says it is width x height and has a few bytes of pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def spoil(path: Path, kind: str, chance: random.Random, outside: Path) -> None:
    """Write a bad file of one kind at `path`."""
    form = chance.choice(["PNG", "WEBP", "BMP", "TIFF"])
    good = encoded(chance.randrange(99), form)
    match kind:
        case "truncated":
            path.write_bytes(good[: chance.randrange(1, len(good) * 2 // 3)])
        case "wrong magic":
            path.write_bytes(chance.randbytes(8) + good[8:])
        case "huge header":
            side = chance.choice([20_000, 65_535, 2**31 - 1])
            path.write_bytes(huge_header(side, side))
        case "zero bytes":
            path.write_bytes(b"")
        case "noise":
            path.write_bytes(chance.randbytes(chance.randrange(1, 5000)))
        case "wrong extension":
            path.write_text("These are notes, not pixels.\n" * 9)
        case "link":
            path.symlink_to(chance.choice([outside, outside.parent, path, Path("nowhere")]))
        case "pipe":
            os.mkfifo(path)
        case "sparse":
            with path.open("wb") as file:
                file.truncate(3 << 30)


KINDS = ["truncated", "wrong magic", "huge header", "zero bytes", "noise", "wrong extension"]
KINDS += ["link", "pipe", "sparse"]


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 12 good files and 200 bad ones, some in folders of their own."""
    folder = tmp_path_factory.mktemp("zoo")
    outside = tmp_path_factory.mktemp("outside") / "private.png"
    outside.write_bytes(encoded(1000))
    chance = random.Random(1)
    for number in range(GOOD):
        path = folder / f"part{number % 3}" / f"good {number:02}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encoded(number))
    (folder / "part0" / "good in disguise.txt").write_bytes(encoded(500))
    for number in range(BAD):
        kind = KINDS[number % len(KINDS)]
        path = (
            folder / f"part{number % 3}" / f"bad {number:03} {kind}.{chance.choice(['png', 'jpg'])}"
        )
        spoil(path, kind, chance, outside)
    return folder


def test_every_good_file_is_packed_and_every_bad_one_named(zoo: Path, tmp_path: Path) -> None:
    report = build_folder(zoo, tmp_path / "pairs", OPTIONS)
    rows = read_manifest(tmp_path / "pairs")
    assert len(rows) == GOOD + 1
    assert {Path(row.path).name.split()[0] for row in rows} == {"good"}
    for row in rows:
        original = np.asarray(Image.open(zoo / row.path))
        np.testing.assert_array_equal(load_pair(tmp_path / "pairs", row)[1], original)
    named = {bad.path for bad in read_quarantine(tmp_path / "pairs")}
    assert len(named) == len(report.quarantined) == BAD
    assert named == {str(path.relative_to(zoo)) for path in zoo.rglob("bad*")}
    assert all(bad.reason for bad in report.quarantined)


def test_the_reasons_say_what_is_wrong(zoo: Path, tmp_path: Path) -> None:
    report = build_folder(zoo, tmp_path / "pairs", OPTIONS)
    expected = {
        "huge header": "pixels, at most|damaged",
        "zero bytes": "empty",
        "wrong extension": "no picture of a known type",
        "link": "links are not followed",
        "pipe": "no regular file",
        "sparse": "bytes, at most",
    }
    for kind, words in expected.items():
        reasons = [bad.reason for bad in report.quarantined if kind in bad.path]
        assert len(reasons) >= BAD // len(KINDS)
        assert all(any(word in reason for word in words.split("|")) for reason in reasons), reasons


def command(*options: str) -> tuple[int, str]:
    from superres.commands.pairs import pairs

    app = typer.Typer()
    app.command()(pairs)
    done = CliRunner().invoke(app, [*options])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stderr


@pytest.fixture
def params(tmp_path: Path) -> str:
    path = tmp_path / "params.yaml"
    path.write_text(
        "scale: 2\nexperiments: [a]\ndata: {sources: [{name: mine, path: x}], min_side: 16}\n"
    )
    return f"--params={path}"


def test_the_command_exits_with_3_and_names_them(zoo: Path, tmp_path: Path, params: str) -> None:
    code, words = command(params, f"--folder={zoo}", f"--out={tmp_path / 'pairs'}")
    assert code == 3
    assert words.count("WARNING: left out ") == BAD
    assert f"bad files: {BAD}," in words


def test_the_command_exits_with_0_when_all_are_good(tmp_path: Path, params: str) -> None:
    folder = tmp_path / "good"
    folder.mkdir()
    (folder / "a.png").write_bytes(encoded(1))
    (folder / ".hidden").write_bytes(b"passed over")
    assert command(params, f"--folder={folder}", f"--out={tmp_path / 'pairs'}")[0] == 0


def test_a_folder_without_pictures_or_with_the_target_inside_is_an_error(
    tmp_path: Path, params: str
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no usable picture"):
        command(params, f"--folder={tmp_path / 'empty'}", f"--out={tmp_path / 'pairs'}")
    with pytest.raises(DataError, match="no such folder of pictures"):
        command(params, f"--folder={tmp_path / 'absent'}", f"--out={tmp_path / 'pairs'}")
    with pytest.raises(InputError, match=r"lies in --folder .*beside it"):
        command(params, f"--folder={tmp_path}", f"--out={tmp_path / 'pairs'}")
    assert not (tmp_path / "pairs").exists()


BUILD = textwrap.dedent("""
    import sys
    from pathlib import Path
    from superres.data.pairs import build_folder
    from superres.data.prepare import PairOptions
    options = PairOptions(scale=2, min_side=16, workers=2, shard_bytes=20000)
    build_folder(Path(sys.argv[1]), Path(sys.argv[2]), options)
""")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells the peak")
def test_bad_files_take_no_memory(zoo: Path, tmp_path: Path) -> None:
    # The process's own peak: what getrusage says includes the parent's before exec.
    code = BUILD + "\nprint(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"
    line = [sys.executable, "-c", code, zoo, tmp_path / "pairs"]
    peak = int(subprocess.run(line, check=True, capture_output=True, text=True).stdout)
    assert peak < 300 * 1024, f"{peak // 1024} MB; one sparse file alone has 3 GB"


# Forks, so that the imports are paid once; the fork is killed after a random while.
KILLED = BUILD.replace(
    "build_folder(Path(sys.argv[1]), Path(sys.argv[2]), options)",
    """
import os, random, signal, time
source, target = Path(sys.argv[1]), Path(sys.argv[2])
begun = time.monotonic()
build_folder(source, target, options)
whole = time.monotonic() - begun
chance = random.Random(int(sys.argv[4]))
for _ in range(int(sys.argv[3])):
    child = os.fork()
    if child == 0:
        build_folder(source, target, options)
        os._exit(0)
    time.sleep(chance.uniform(0, 1.3 * whole))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    there = target.is_dir() and len(list(target.iterdir()))
    aside = sorted(path.name for path in target.parent.iterdir() if path.name.startswith("."))
    print(there, *aside)
""",
)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_build_killed_at_any_moment_is_repaired_by_the_next(zoo: Path, tmp_path: Path) -> None:
    kills = os.environ.get("SUPERRES_KILLS", str(KILLS))
    build_folder(zoo, tmp_path / "expected", PairOptions(2, min_side=16, shard_bytes=20_000))
    expected = content(tmp_path / "expected")
    target = tmp_path / "made/pairs"
    line = [sys.executable, "-c", KILLED, zoo, target, kills, "7"]
    done = subprocess.run(line, check=True, capture_output=True, text=True)
    states = done.stdout.splitlines()
    assert len(states) == int(kills)
    assert any(".pairs.partial" in state for state in states), "none was killed in the middle"
    for state in states:  # a whole folder, or none between two moves: never half a one
        assert state.split()[0] in (str(len(expected)), "False")
    build_folder(zoo, target, PairOptions(2, min_side=16, shard_bytes=20_000))
    assert content(target) == expected
    assert [path.name for path in target.parent.iterdir()] == ["pairs"]


def test_a_build_that_is_interrupted_leaves_nothing(zoo: Path, tmp_path: Path) -> None:
    target = tmp_path / "made/pairs"
    # A process started in the background of a shell inherits that SIGINT is ignored.
    heard = "import signal, sys, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    slow = BUILD.replace("import sys\n", heard) + "\n"
    slow = slow.replace(
        "options =",
        "import superres.data.pairs as module\n"
        "kept = module.prepare\n"
        "def late(one, options):\n"
        "    print('begun', flush=True)\n"
        "    time.sleep(0.2)\n"
        "    return kept(one, options)\n"
        "module.prepare = late\n"
        "options =",
    )
    line = [sys.executable, "-c", slow, zoo, target]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert process.returncode != 0
    assert list(target.parent.iterdir()) == []
