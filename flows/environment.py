"""Settings of Prefect that must stand in the environment before it is imported."""

from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

SWITCHES = {
    "PREFECT_HOME": str(ROOT / ".prefect"),
    # A temporary server takes 13 to 28 seconds to start on two busy cores; the default is 20.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    # Leases in memory are forgotten when the server restarts, and their slots never freed.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
        "prefect.server.concurrency.lease_storage.filesystem"
    ),
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "true",
}


def missing_switches(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the switches that nobody has set."""
    return {name: value for name, value in SWITCHES.items() if name not in environment}
