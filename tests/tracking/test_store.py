"""Where runs go: the URI that is used, and what of it may be shown."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from superres.config import TrackingParams
from superres.tracking.machine import Machine
from superres.tracking.store import Store, brief, tracking_uri, without_password


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        (None, "sqlite:///{root}/mlflow.db"),
        ("sqlite:///runs.db", "sqlite:///{root}/runs.db"),
        ("sqlite:////data/runs.db", "sqlite:////data/runs.db"),
        ("http://tracking:5000", "http://tracking:5000"),
    ],
)
def test_a_relative_database_lies_in_the_project(
    uri: str | None, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_uri(TrackingParams(uri=uri), tmp_path) == expected.format(root=tmp_path)


def test_the_environment_counts_when_params_say_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking:5000")
    assert tracking_uri(TrackingParams(), tmp_path) == "http://tracking:5000"
    assert tracking_uri(TrackingParams(uri="http://other"), tmp_path) == "http://other"


def test_passwords_are_not_shown() -> None:
    assert without_password("http://user:secret@host:5000/x") == "http://host:5000/x"
    error = ConnectionError("POST http://user:secret@host/api: " + "again and " * 100)
    assert "secret" not in brief(error)
    assert len(brief(error)) < 200
    assert brief(TimeoutError()) == "TimeoutError"


def test_only_a_server_has_pages(store: Store) -> None:
    assert store.link("abc") is None
    served = Store(store.client, "7", "http://user:secret@host:5000/")
    assert served.link("abc") == "http://host:5000/#/experiments/7/runs/abc"


def test_the_load_of_cpu_memory_and_gpu_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = SimpleNamespace(
        NVMLError=RuntimeError,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: 1,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetMemoryInfo=lambda gpu: SimpleNamespace(used=2e9),
        nvmlDeviceGetUtilizationRates=lambda gpu: SimpleNamespace(gpu=87),
        nvmlDeviceGetPowerUsage=lambda gpu: 350_000,
    )
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    sample = Machine().sample()
    assert sample["system/gpu_0_utilization_percentage"] == 87
    assert sample["system/gpu_0_memory_usage_megabytes"] == 2000
    assert sample["system/gpu_0_power_usage_watts"] == 350
    assert sample["system/process_memory_megabytes"] > 10


def test_a_machine_without_meters_has_no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("psutil", "pynvml"):
        monkeypatch.setitem(sys.modules, name, None)
    assert Machine().sample() == {}
