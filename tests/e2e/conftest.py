"""A clone of this checkout with a tiny budget, in which the whole line has run once."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
EXPERIMENTS = ("compact-mse", "srgan-mse")
TINY = {
    "compact-mse": {"steps": 150, "batch_size": 8, "hr_patch": 64, "learning_rate": 2.0e-3},
    "srgan-mse": {
        "steps": 60,
        "batch_size": 4,
        "hr_patch": 64,
        "model": {"blocks": 1, "channels": 16, "norm": False, "skip": "bicubic"},
        "discriminator": {"channels": 8, "dense": 32},
    },
}


@dataclass(frozen=True)
class Project:
    """The clone, and how commands run in it."""

    folder: Path
    environment: dict[str, str]

    def run(self, *words: str, timeout: float = 280) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        return subprocess.run(
            words,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def python(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run this Python with arguments."""
        return self.run(sys.executable, *words)

    def edit(self, file: str, **changes: object) -> None:
        """Change top-level keys of a YAML file."""
        path = self.folder / file
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        path.write_text(yaml.safe_dump(content | changes, sort_keys=False), encoding="utf-8")


def clone(folder: Path) -> Project:
    """Copy what git knows of this checkout, without results, into a repository of its own."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        source, target = ROOT / name, folder / name
        if source.is_file() and not name.startswith(("reports/", "dvc.lock")):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(folder / "src"),
        "PREFECT_HOME": str(folder / ".prefect"),
        "BENTOML_HOME": str(folder / ".bentoml"),
        "DO_NOT_TRACK": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "BENTOML_DO_NOT_TRACK": "True",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DVC_NO_ANALYTICS": "1",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    }
    made = Project(folder, environment)
    assert made.run("git", "init", "-q").returncode == 0
    return made


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    made = clone(tmp_path_factory.mktemp("line") / "project")
    made.edit("params.yaml", experiments=list(EXPERIMENTS))
    for name, demo in TINY.items():
        made.edit(f"experiments/{name}.yaml", demo=demo)
    line = made.run("dvc", "repro")
    assert line.returncode == 0, line.stdout[-3000:] + line.stderr[-3000:]
    yield made
