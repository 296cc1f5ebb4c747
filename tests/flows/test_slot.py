"""A device trains one model at a time, also when flows are killed."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flows import slot
from flows.slot import file_lock, free_leftover, slot_name

HOLDER = """
import pathlib, subprocess, sys, time
from flows.slot import file_lock
with file_lock(pathlib.Path(sys.argv[1]), "srgan-mse", print) as descriptor:
    if len(sys.argv) > 2:
        stage = subprocess.Popen(["sleep", sys.argv[2]], pass_fds=(descriptor,))
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(slot, "POLL_SECONDS", 0.02)
    return tmp_path / "slots" / "host-cpu.lock"


class Holders:
    """Flows in other processes that hold the lock."""

    def __init__(self) -> None:
        self.started: list[subprocess.Popen[str]] = []

    def start(self, lock: Path, *more: str) -> "subprocess.Popen[str]":
        root = str(Path(__file__).resolve().parents[2])
        words = [sys.executable, "-c", HOLDER, str(lock), *more]
        holder = subprocess.Popen(words, cwd=root, stdout=subprocess.PIPE, text=True)
        self.started.append(holder)
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        return holder


@pytest.fixture
def holders() -> Iterator[Holders]:
    made = Holders()
    yield made
    for holder in made.started:
        holder.kill()
        holder.communicate()


@pytest.mark.parametrize(
    ("device", "visible", "gpu", "expected"),
    [
        ("auto", None, False, "host-cpu"),
        ("auto", None, True, "host-gpu-0"),
        ("auto", "1", True, "host-gpu-1"),
        ("auto", "", True, "host-cpu"),
        ("cpu", None, True, "host-cpu"),
        ("cuda", None, True, "host-gpu-0"),
        ("cuda:3", None, True, "host-gpu-3"),
    ],
)
def test_every_device_of_a_machine_has_a_slot(
    device: str, visible: str | None, gpu: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slot.socket, "gethostname", lambda: "host")
    monkeypatch.setattr(Path, "exists", lambda path: gpu)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert slot_name(device) == expected


def test_a_free_slot_is_taken_without_a_word(lock: Path) -> None:
    said: list[str] = []
    for _ in range(2):
        with file_lock(lock, "srgan-mse", said.append):
            assert lock.read_text().startswith("srgan-mse, process ")
        assert lock.read_text() == ""
    assert said == []


def test_an_occupied_slot_is_waited_for_and_its_holder_named(lock: Path, holders: Holders) -> None:
    holder = holders.start(lock)
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        holder.kill()  # the kernel frees the lock of a killed flow

    with file_lock(lock, "srcnn-mse", say):
        assert lock.read_text().startswith("srcnn-mse")
    assert said == [f"the device is in use by srgan-mse, process {holder.pid}; waiting for it"]


def test_a_training_whose_flow_was_killed_keeps_the_slot(lock: Path, holders: Holders) -> None:
    holder = holders.start(lock, "1.5")
    holder.kill()
    holder.wait()
    began = time.monotonic()
    with file_lock(lock, "srcnn-mse", lambda line: None):
        assert time.monotonic() - began > 0.3  # until the stage, not the flow, had ended


class Server:
    """What a Prefect client says of a server with the given limits."""

    def __init__(self, **active: int) -> None:
        self.active = active

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def read_global_concurrency_limit_by_name(self, name: str) -> Any:
        if name not in self.active:
            raise slot.ObjectNotFound(http_exc=ValueError("404"))
        return SimpleNamespace(active_slots=self.active[name])

    def create_global_concurrency_limit(self, limit: Any) -> None:
        assert limit.limit == 1
        self.active[limit.name] = limit.active_slots

    def update_global_concurrency_limit(self, name: str, change: Any) -> None:
        self.active[name] = change.active_slots


@pytest.mark.parametrize(
    ("active", "url", "expected"),
    [
        ({}, None, {"host": 0}),  # made where it is missing
        ({"host": 1}, None, {"host": 0}),  # temporary server: nobody else can hold it
        ({"host": 1}, "http://server/api", {"host": 1}),  # a server ends the lease itself
    ],
)
def test_a_slot_left_by_a_killed_flow_is_freed(
    active: dict[str, int],
    url: str | None,
    expected: dict[str, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = Server(**active)
    monkeypatch.setattr(slot, "get_client", lambda sync_client: server)
    monkeypatch.setattr(slot, "PREFECT_API_URL", SimpleNamespace(value=lambda: url))
    free_leftover("host", lambda line: None)
    assert server.active == expected
