"""How much memory and how many cores this process may use."""

import math
import os
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")
PLENTY = 4 << 30  # assumed where nothing says how much is free


def free_bytes() -> int:
    """Return the free memory: the machine's, or this container's where that is less."""
    found = [PLENTY]
    if MEMINFO.is_file():
        lines = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines() if ":" in line)
        if "MemAvailable" in lines:
            found = [1024 * int(lines["MemAvailable"].split()[0])]
    limit, used = (_number(CGROUP / f"memory.{name}") for name in ("max", "current"))
    if limit is not None and used is not None:
        found.append(max(0, limit - used))
    return min(found)


def cores() -> int:
    """Return the number of CPU cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def side_for(budget: int, need: float) -> int:
    """Return the side of the largest square whose pixels, at `need` bytes each, fit `budget`."""
    return math.isqrt(int(budget / max(need, 1e-9)))


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # no such file, or "max"
        return None
