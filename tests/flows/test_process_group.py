"""A command with children is followed line by line and never outlives its caller."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from flows import process_group
from flows.process_group import Command, Follower, run_group


@pytest.fixture(autouse=True)
def _quick_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_group, "POLL_SECONDS", 0.02)


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., Command]:
    """Makes a shell command; `python` is this Python."""

    def make(script: str, keep_open: tuple[int, ...] = ()) -> Command:
        environment = {**os.environ, "python": sys.executable, "folder": str(tmp_path)}
        return Command(["sh", "-c", script], tmp_path, environment, keep_open)

    return make


class Heard:
    """Collects lines; once a line ends with `until`, every tick raises `error`."""

    def __init__(self, until: str = "", error: BaseException | None = None) -> None:
        self.lines: list[str] = []
        self._until = until
        self._error = error

    def follower(self) -> Follower:
        return Follower(self.lines.append, self._tick)

    def _tick(self) -> None:
        if self._error and any(line.endswith(self._until) for line in self.lines):
            raise self._error


def is_running(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


# The shell starts a Python that starts a Python, as dvc starts sh and sh the training.
FAMILY = """
echo "pid $$"
$python -u -c '
import os, signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
def save(number, frame):
    open(os.environ["folder"] + "/state", "w").write("saved")
    sys.exit(1)
signal.signal(signal.SIGTERM, save)
print("pid", child.pid)
print("pid", os.getpid())
print("ready")
time.sleep(60)
'
"""


def pids(lines: list[str]) -> list[int]:
    return [int(line.removeprefix("pid ")) for line in lines if line.startswith("pid ")]


def test_the_exit_code_comes_back(command: Callable[..., Command]) -> None:
    assert run_group(command("exit 0"), Heard().follower()) == 0
    assert run_group(command("exit 3"), Heard().follower()) == 3


def test_lines_arrive_while_the_command_runs(
    command: Callable[..., Command], tmp_path: Path
) -> None:
    heard: list[str] = []

    def on_line(line: str) -> None:
        heard.append(line)
        if line == "waiting":
            (tmp_path / "go").touch()  # the command ends only because its line was seen

    script = "echo waiting; until [ -e go ]; do sleep 0.01; done; echo gone >&2; printf last"
    assert run_group(command(script), Follower(on_line)) == 0
    assert heard == ["waiting", "gone", "last"]


def test_a_progress_bar_is_heard_by_its_last_state(command: Callable[..., Command]) -> None:
    heard = Heard()
    run_group(command(r"printf '1%%\r50%%\r100%%\r\nnext\n\n'"), heard.follower())
    assert heard.lines == ["100%", "next"]


def test_bytes_that_are_no_text_do_not_stop_it(command: Callable[..., Command]) -> None:
    heard = Heard()
    assert run_group(command(r"printf '\377\n'"), heard.follower()) == 0
    assert heard.lines == ["\ufffd"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(143), RuntimeError("bug")])
def test_a_cancellation_ends_the_whole_family_and_lets_it_save(
    command: Callable[..., Command], tmp_path: Path, error: BaseException
) -> None:
    heard = Heard("ready", error)
    with pytest.raises(type(error)):
        run_group(command(FAMILY), heard.follower())
    found = pids(heard.lines)
    assert len(found) == 3
    assert not [pid for pid in found if is_running(pid)]
    assert (tmp_path / "state").read_text() == "saved"


def test_who_ignores_the_signal_is_killed_after_the_grace(
    command: Callable[..., Command],
) -> None:
    deaf = "trap '' TERM; echo pid $$; echo ready; while true; do sleep 0.05; done"
    heard = Heard("ready", KeyboardInterrupt())
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_group(command(deaf), heard.follower(), grace_seconds=0.3)
    assert 0.3 <= time.monotonic() - began < 5
    assert not [pid for pid in pids(heard.lines) if is_running(pid)]


def test_who_is_left_behind_by_a_leader_that_ended_is_ended_too(
    command: Callable[..., Command],
) -> None:
    heard = Heard()
    code = run_group(command("sleep 60 & echo pid $!; exit 5"), heard.follower())
    assert code == 5
    assert len(pids(heard.lines)) == 1
    assert not [pid for pid in pids(heard.lines) if is_running(pid)]


def test_the_group_is_not_ours(command: Callable[..., Command]) -> None:
    heard = Heard()
    run_group(command('$python -c "import os; print(os.getpgid(0))"'), heard.follower())
    assert int(heard.lines[0]) != os.getpgid(0)


def test_a_descriptor_is_inherited_only_when_asked_for(
    command: Callable[..., Command], tmp_path: Path
) -> None:
    with (tmp_path / "held").open("w") as held:
        script = f"[ -e /proc/self/fd/{held.fileno()} ] && exit 7; exit 0"
        assert run_group(command(script), Heard().follower()) == 0
        assert run_group(command(script, (held.fileno(),)), Heard().follower()) == 7
