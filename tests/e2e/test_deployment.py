"""compose.yaml without containers: its commands, variables and health checks, run as they stand."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import numpy as np
import pytest
from deployed import ROOT, command_of, environment_of, services, stages
from served import _free_port as free_port

from superres.checkpoint import save_model
from superres.client import Client
from superres.models import build

pytestmark = pytest.mark.e2e

SECONDS = 150.0


class Machine:
    """One machine that stands for all containers: ports, folders and names are put in place."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {"5000": free_port(), "4200": free_port(), "3000": free_port()}
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def here(self, name: str, text: str) -> str:
        """Return a word of a service as it must be without its container."""
        for old, new in self.ports.items():
            text = re.sub(rf"(?<=[:=]){old}\b|^{old}$", str(new), text)
        if "--allowed-hosts" not in text:  # these must stay as they are
            text = re.sub(r"http://(mlflow|prefect):", "http://127.0.0.1:", text)
        text = text.replace("0.0.0.0", "127.0.0.1")
        places = {"/work": "work", "/app": "app", "/data": f"{name}/data", "/tmp": f"{name}/tmp"}
        inside = "|".join(places)
        return re.sub(
            rf"(?<![\w.])({inside})(?=/|$)", lambda at: str(self.folder / places[at[1]]), text
        )

    def words(self, name: str, words: list[str]) -> list[str]:
        return [self.here(name, word) for word in words]

    def environment(self, name: str) -> dict[str, str]:
        own = {
            key: self.here(name, value) for key, value in environment_of(services()[name]).items()
        }
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {"PATH": path, "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1", **own}

    def cwd(self, name: str) -> Path:
        service = services()[name]
        inside = service.get("working_dir") or stages()[service["build"]["target"]].folder
        return Path(self.here(name, inside))

    def prepare(self, name: str) -> None:
        """Make the folders that an image has in any case: an empty volume over /data hides more."""
        for place in ("data", "tmp"):
            (self.folder / name / place).mkdir(parents=True, exist_ok=True)

    def run(self, name: str, words: list[str], timeout: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.words(name, words), cwd=self.cwd(name), env=self.environment(name),
            capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip

    def start(self, name: str) -> None:
        self.prepare(name)
        with (self.folder / f"{name}.log").open("wb") as log:
            self.running[name] = subprocess.Popen(
                self.words(name, command_of(services()[name])), cwd=self.cwd(name),
                env=self.environment(name), stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def wait_until_healthy(self, name: str) -> None:
        """Run the health check as an engine does, until it succeeds."""
        check = services()[name]["healthcheck"]["test"][1:]
        self.wait(lambda: self.run(name, check, 30).returncode == 0, name)

    def wait(self, happens: Callable[[], bool], name: str) -> None:
        until = time.monotonic() + SECONDS
        while not happens():
            log = (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]
            assert time.monotonic() < until, f"{name}: not in time\n{log}"
            assert self.running[name].poll() is None, f"{name} has ended\n{log}"
            time.sleep(0.5)

    def stop(self) -> None:
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("compose")
    for name in ("flows", "experiments"):
        shutil.copytree(ROOT / name, folder / "work" / name)
    for name in ("prefect.yaml", "params.yaml"):
        shutil.copy(ROOT / name, folder / "work")
    (folder / "work" / "src").symlink_to(ROOT / "src")
    (folder / "app").mkdir()
    shutil.copy(ROOT / "params.yaml", folder / "app")
    save_model(folder / "app" / "models" / "champion", build("bicubic", scale=2), {"version": "7"})
    machine = Machine(folder)
    with ExitStack() as stack:
        stack.callback(machine.stop)
        for name in ("mlflow", "prefect", "service"):
            machine.start(name)
        yield machine


def test_the_service_becomes_healthy_and_upscales(machine: Machine) -> None:
    machine.wait_until_healthy("service")
    address = f"http://127.0.0.1:{machine.ports['3000']}"
    with Client(address) as client:
        # This checkout's models/ are found first; in the image there is only /app.
        made = client.image(np.full((8, 8, 3), 99, np.uint8), model="bicubic")
        assert made.model == "bicubic"
        assert made.pixels.shape[2] == 3
    assert httpx.get(f"{address}/ui/").status_code == 200
    assert (machine.folder / "service/data/jobs").is_dir()
    assert (machine.folder / "service/data/tmp").is_dir()


def test_mlflow_becomes_healthy_and_answers_to_its_name_alone(machine: Machine) -> None:
    machine.wait_until_healthy("mlflow")
    port = machine.ports["5000"]
    ask = f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/search?max_results=1"
    inside = httpx.get(ask, headers={"host": f"mlflow:{port}"}, timeout=30)
    assert inside.status_code == 200, inside.text
    assert httpx.get(ask, headers={"host": "elsewhere.example"}, timeout=30).status_code == 403
    assert (machine.folder / "mlflow/data/mlflow.db").is_file()


def test_prefect_is_healthy_deployed_and_has_a_worker(machine: Machine) -> None:
    machine.wait_until_healthy("prefect")
    machine.prepare("deploy")
    told = machine.run("deploy", command_of(services()["deploy"]), 120)
    assert told.returncode == 0, told.stdout[-2000:] + told.stderr[-2000:]
    machine.start("worker")
    api = f"http://127.0.0.1:{machine.ports['4200']}/api"

    def online() -> bool:
        workers = httpx.post(f"{api}/work_pools/local/workers/filter", json={}, timeout=30).json()
        return any(worker["status"] == "ONLINE" for worker in workers)

    machine.wait(online, "worker")
    found = httpx.post(f"{api}/deployments/filter", json={}, timeout=30).json()
    assert len(found) == 4
    assert {one["work_pool_name"] for one in found} == {"local"}


def test_all_of_them_end_when_they_are_asked_to(machine: Machine) -> None:
    begun = time.monotonic()
    machine.stop()
    assert time.monotonic() - begun < 60
    for name, process in machine.running.items():
        assert process.returncode is not None, name
        assert process.returncode != -9, name
