"""What the machine is doing right now: CPU, memory and, where there is one, GPU."""

import importlib
import logging
from typing import Any

log = logging.getLogger(__name__)

MEGABYTE = 1e6


class Machine:
    """Load of the machine and memory of this process, measured when asked.

    The names are those of MLflow's own system metrics, so its page shows them as such.
    Without psutil, NVML or a GPU the respective figures are left out.
    """

    def __init__(self) -> None:
        self._psutil = _optional("psutil")
        self._process = self._psutil.Process() if self._psutil else None
        self._nvml = _optional("pynvml")
        self._gpus = self._open_gpus()
        if self._psutil:
            self._psutil.cpu_percent()  # the first call only sets the reference point

    def sample(self) -> dict[str, float]:
        """Return percentages and megabytes; CPU load is the mean since the last call."""
        values = self._cpu() if self._psutil else {}
        for index, gpu in enumerate(self._gpus):
            values |= self._gpu(index, gpu)
        return {f"system/{name}": round(value, 1) for name, value in values.items()}

    def _cpu(self) -> dict[str, float]:
        assert self._psutil is not None
        assert self._process is not None
        memory = self._psutil.virtual_memory()
        return {
            "cpu_utilization_percentage": self._psutil.cpu_percent(),
            "process_memory_megabytes": self._process.memory_info().rss / MEGABYTE,
            "system_memory_usage_megabytes": memory.used / MEGABYTE,
            "system_memory_usage_percentage": memory.percent,
        }

    def _open_gpus(self) -> list[Any]:
        if self._nvml is None:
            return []
        try:
            self._nvml.nvmlInit()
            count = self._nvml.nvmlDeviceGetCount()
            return [self._nvml.nvmlDeviceGetHandleByIndex(index) for index in range(count)]
        except self._nvml.NVMLError as error:
            log.debug("no GPU figures: %s", error)
            return []

    def _gpu(self, index: int, gpu: Any) -> dict[str, float]:
        assert self._nvml is not None
        try:
            memory = self._nvml.nvmlDeviceGetMemoryInfo(gpu)
            return {
                f"gpu_{index}_utilization_percentage": self._nvml.nvmlDeviceGetUtilizationRates(
                    gpu
                ).gpu,
                f"gpu_{index}_memory_usage_megabytes": memory.used / MEGABYTE,
                f"gpu_{index}_power_usage_watts": self._nvml.nvmlDeviceGetPowerUsage(gpu) / 1000,
            }
        except self._nvml.NVMLError as error:
            log.debug("no figures of GPU %d: %s", index, error)
            return {}


def _optional(name: str) -> Any | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
