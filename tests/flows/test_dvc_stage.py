"""A stage is brought up to date by `dvc repro`; a busy repository is waited for."""

import sys
from pathlib import Path

import pytest

from flows import process_group
from flows.dvc_stage import StageError, repro
from flows.process_group import Follower

# Stands in for dvc: its nth call does the nth of the scripts in the file `calls`.
FAKE_DVC = """
import os, pathlib, shutil, sys
folder = pathlib.Path(os.environ["FAKE_DVC"])
number = len(list(folder.glob("call-*")))
(folder / f"call-{number}").write_text(" ".join(sys.argv[1:]) + "|" + str(pathlib.Path.cwd()))
exec((folder / "calls").read_text().splitlines()[number])
"""
BUSY = (
    "print(\"ERROR: '/data' is busy, it is being blocked by: (PID 1): dvc repro\"); sys.exit(255)"
)
LOCKED = 'print("ERROR: Unable to acquire lock. Most likely another DVC process"); sys.exit(255)'


class Dvc:
    """The fake, and what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def will(self, *scripts: str) -> None:
        (self.folder / "calls").write_text("\n".join(scripts))

    @property
    def calls(self) -> list[str]:
        return [path.read_text() for path in sorted(self.folder.glob("call-*"))]


@pytest.fixture
def dvc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dvc:
    monkeypatch.setattr(process_group, "POLL_SECONDS", 0.02)
    package = tmp_path / "path" / "dvc"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(FAKE_DVC)
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    monkeypatch.setenv("FAKE_DVC", str(tmp_path))
    return Dvc(tmp_path)


def test_the_stage_runs_in_the_project_and_its_output_is_heard(dvc: Dvc, tmp_path: Path) -> None:
    dvc.will('print("Running stage"); print("step 1", file=sys.stderr)')
    heard: list[str] = []
    repro("train@srgan-mse", tmp_path, Follower(heard.append))
    assert dvc.calls == [f"repro train@srgan-mse|{tmp_path}"]
    assert sorted(heard) == ["Running stage", "step 1"]


def test_a_stage_finds_this_python_and_its_commands_first(dvc: Dvc, tmp_path: Path) -> None:
    dvc.will('print(os.environ["PATH"].split(os.pathsep)[0]); print(shutil.which("python"))')
    heard: list[str] = []
    repro("pairs", tmp_path, Follower(heard.append))
    folder = Path(sys.executable).parent
    assert heard == [str(folder), str(folder / "python")]


def test_a_failed_stage_is_an_error_with_the_end_of_its_output(dvc: Dvc, tmp_path: Path) -> None:
    dvc.will('print("the loss was not finite"); sys.exit(1)')
    with pytest.raises(StageError, match=r"train@x failed with exit code 1:\nthe loss was not"):
        repro("train@x", tmp_path, Follower(lambda line: None))
    assert len(dvc.calls) == 1


@pytest.mark.parametrize("answer", [BUSY, LOCKED])
def test_a_busy_repository_is_waited_for_and_said(dvc: Dvc, tmp_path: Path, answer: str) -> None:
    dvc.will(answer, answer, 'print("done")')
    heard: list[str] = []
    repro("train@x", tmp_path, Follower(heard.append), busy_seconds=0.01)
    assert len(dvc.calls) == 3
    assert heard.count("another DVC command works on these files; trying again in 0.01 s") == 2
    assert heard[-1] == "done"


def test_waiting_for_a_busy_repository_can_be_cancelled(dvc: Dvc, tmp_path: Path) -> None:
    dvc.will(BUSY)

    def cancel_when_waiting(line: str) -> None:
        if "trying again" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        repro("train@x", tmp_path, Follower(cancel_when_waiting), busy_seconds=60)
