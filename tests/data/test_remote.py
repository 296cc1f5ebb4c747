"""A second clone gets data with `dvc pull` and makes nothing anew."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from packs import picture

from superres.data.manifest import data_hash
from superres.images import Picture, write

pytestmark = pytest.mark.e2e
pytest.importorskip("dvc")

PARAMS = """\
scale: 2
experiments: [none]
data:
  sources: [{name: mine, path: album}]
  min_side: 16
"""
STAGES = """\
stages:
  fetch:
    cmd: PYTHON -m superres fetch
    params: [data.sources]
    outs: [data/raw: {persist: true}]
  frames:
    cmd: PYTHON -m superres frames
    deps: [data/raw]
    outs: [data/frames]
  pairs:
    cmd: PYTHON -m superres pairs
    params: [scale, data]
    deps: [data/raw, data/frames]
    outs: [data/pairs]
"""


def run(folder: Path, *line: str) -> str:
    identity = [
        f"GIT_{who}_{what}" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    ]
    environment = {**os.environ, **dict.fromkeys(identity, "a@b"), "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def dvc(folder: Path, *line: str) -> str:
    return run(folder, sys.executable, "-m", "dvc", *line)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository of two pictures and three stages that ran, its data in a remote."""
    project = tmp_path / "project"
    (project / "album").mkdir(parents=True)
    for seed in range(2):
        write(project / f"album/{seed}.png", Picture(np.asarray(picture(40, 48, seed))))
    (project / "params.yaml").write_text(PARAMS)
    (project / "dvc.yaml").write_text(STAGES.replace("PYTHON", sys.executable))
    run(project, "git", "init", "-q")
    dvc(project, "init", "-q")
    dvc(project, "remote", "add", "-q", "-d", "team", str(tmp_path / "remote"))
    assert "Running stage 'pairs'" in dvc(project, "repro")
    dvc(project, "push")
    (project / ".gitignore").write_text("/album\n")
    run(project, "git", "add", "-A")
    run(project, "git", "commit", "-q", "-m", "data")
    return project


def test_a_second_clone_pulls_the_data_and_reproduces_nothing(
    project: Path, tmp_path: Path
) -> None:
    expected = data_hash(project / "data/pairs")
    run(tmp_path, "git", "clone", "-q", str(project), "clone")
    shutil.rmtree(project)  # what the first clone has cannot help
    clone = tmp_path / "clone"
    assert not (clone / "data/pairs").exists()
    dvc(clone, "pull")
    assert data_hash(clone / "data/pairs") == expected
    assert sorted(path.name for path in (clone / "data/raw/mine").glob("*.png")) == [
        "0.png",
        "1.png",
    ]
    reproduced = dvc(clone, "repro")
    assert "Running stage" not in reproduced
    assert "up to date" in reproduced
    assert dvc(clone, "status").strip().endswith("up to date.")
