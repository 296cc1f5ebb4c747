"""The flow `release`: evaluate every model, let the gate decide, package what is served.

python flows/release.py                              here and now, with a temporary server
prefect deployment run release/local --watch         on a worker
"""

import os
import signal
import sys
from pathlib import Path

# A script and a Prefect entrypoint both find this folder's files as `flows` from here on.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from flows.environment import ROOT, missing_switches

os.environ.update(missing_switches(os.environ))

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from flows.dvc_stage import repro
from flows.process_group import Follower
from flows.reporting import show_page
from flows.slot import device_slot, slot_name
from superres.config import load_params
from superres.errors import SuperresError

STAGES = ("evaluate", "promote", "package")
PAGES = {"evaluate": "evaluation.md", "promote": "promotion.md"}  # in reports/


@task(task_run_name="{stage}", cache_policy=NO_CACHE, persist_result=False)
def release_stage(stage: str, device: str) -> None:
    """Run one stage of dvc.yaml, and what it needs."""
    log = get_run_logger()
    with device_slot(slot_name(device), stage, log.info) as descriptor:
        repro(stage, ROOT, Follower(log.info), keep_open=(descriptor,))
    if stage in PAGES:
        show_page(f"release-{stage}", ROOT / "reports" / PAGES[stage])


@flow(name="release", persist_result=False)
def release() -> None:
    """Bring evaluation, champion and package up to date, training what is missing."""
    device = load_params(ROOT / "params.yaml").training.device
    for stage in STAGES:
        release_stage(stage, device)


def main() -> None:
    """Run the flow."""
    os.chdir(ROOT)
    # An exit, unlike a death by signal, also ends the temporary server.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        release()
    except SuperresError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
