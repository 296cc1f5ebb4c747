"""The service as a process: started, asked, killed, started again."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import numpy as np
from numpy.typing import NDArray

from superres import images
from superres.images import Picture

NO_NETWORK = {"BENTOML_DO_NOT_TRACK": "True", "PYTHONNOUSERSITE": "1"}
SERVICE = "superres.service:SuperRes"


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return the environment of a server that writes below `home` only."""
    kept = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}
    own = {"HOME": str(home), "BENTOML_HOME": str(home / "bentoml"), "TMPDIR": str(home)}
    return {**kept, **NO_NETWORK, "OMP_NUM_THREADS": "1", **own, **more}


class Server:
    """`bentoml serve` in a folder; `client` speaks to it."""

    def __init__(
        self, python: Path | str, target: str, cwd: Path, env: dict[str, str], port: int = 0
    ) -> None:
        self.port = port or _free_port()
        self._log = (cwd / "server.log").open("a+")
        command = [str(python), "-m", "bentoml", "serve", target, "--port", str(self.port)]
        self.process = subprocess.Popen(
            command, cwd=cwd, env=env, stdout=self._log, stderr=self._log, start_new_session=True
        )
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60)

    @property
    def log(self) -> str:
        """What it wrote."""
        return Path(self._log.name).read_text()

    def wait(self) -> None:
        """Wait until /readyz is 200."""
        for _ in range(600):
            assert self.process.poll() is None, self.log
            with suppress(httpx.TransportError):
                if self.client.get("/readyz").status_code == 200:
                    return
            time.sleep(0.1)
        raise AssertionError(f"not ready in time: {self.log}")

    def pids(self) -> list[int]:
        """Return the processes: BentoML's own and its worker, which has a group of its own."""
        own = self.process.pid
        children = Path(f"/proc/{own}/task/{own}/children")
        with suppress(OSError):
            return [own, *(int(pid) for pid in children.read_text().split())]
        return [own]

    def cpu_seconds(self) -> float:
        """Return the processor time that all processes have used."""
        ticks = 0
        for pid in self.pids():
            with suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory_mib(self) -> float:
        """Return the memory that all processes hold."""
        kib = 0
        for pid in self.pids():
            with suppress(OSError):
                lines = Path(f"/proc/{pid}/status").read_text().splitlines()
                kib += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
        return kib / 1024

    def kill(self) -> None:
        """End it as a power failure does."""
        for pid in reversed(self.pids()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.close()

    def stop(self) -> int:
        """Ask it to end; return its exit code."""
        pids = self.pids()
        self.process.terminate()
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()
        self.close()
        return self.process.returncode

    def close(self) -> None:
        """Let go of the connections and the log."""
        self.client.close()
        self._log.close()


@contextmanager
def started(
    cwd: Path,
    env: dict[str, str],
    python: Path | str = sys.executable,
    target: str = SERVICE,
) -> Iterator[Server]:
    """Run a server until the block ends; it is ready."""
    server = Server(python, target, cwd, env)
    try:
        server.wait()
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()
        server.close()  # also of one that ended by itself


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def png_of(pixels: NDArray[np.uint8]) -> bytes:
    """Return the file of a picture."""
    return images.encode(Picture(pixels))


def noise(height: int, width: int) -> NDArray[np.uint8]:
    """Return a picture that nothing makes small."""
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
