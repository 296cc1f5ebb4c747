"""The flow `upscale-library`: every picture and video of a folder through a model.

prefect deployment run upscale-library/local -p source=photos -p target=upscaled --watch
"""

import os
import sys
from pathlib import Path

# A script and a Prefect entrypoint both find this folder's files as `flows` from here on.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from flows.environment import ROOT, missing_switches

os.environ.update(missing_switches(os.environ))

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from flows.dvc_stage import StageError, stage_environment
from flows.process_group import Command, Follower, run_group
from flows.slot import device_slot, slot_name
from superres.config import load_params

PARTLY_FAILED = 3


@task(task_run_name="upscale-{source}", cache_policy=NO_CACHE, persist_result=False)
def upscale_folder(source: str, target: str, model: str, device: str) -> None:
    """Run `superres upscale` over a folder; a bad file is named and fails the task at the end."""
    log = get_run_logger()
    words = [sys.executable, "-m", "superres", "upscale", source, "--out", target]
    words += ["--model", model, "--device", device]
    with device_slot(slot_name(device), f"upscale {source}", log.info) as descriptor:
        command = Command(words, ROOT, stage_environment(), (descriptor,))
        code = run_group(command, Follower(log.info))
    if code == PARTLY_FAILED:
        raise StageError(f"some files of {source} could not be upscaled; the log names them.")
    if code:
        raise StageError(f"superres upscale {source} failed with exit code {code}.")


@flow(name="upscale-library", persist_result=False)
def upscale_library(source: str, target: str, model: str = "champion") -> None:
    """Upscale a folder into another one; paths count from the project folder."""
    device = load_params(ROOT / "params.yaml").training.device
    upscale_folder(source, target, model, device)
