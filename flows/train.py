"""Flows that train: `train-srgan` one experiment, `train-matrix` several.

python flows/train.py --experiment srgan-mse     here and now, with a temporary server
python flows/train.py --serve                    waits for runs from a Prefect server
prefect deployment run train-srgan/local -p experiment=srgan-mse --watch     on a worker
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# A script and a Prefect entrypoint both find this folder's files as `flows` from here on.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from flows.environment import ROOT, missing_switches

os.environ.update(missing_switches(os.environ))

from prefect import flow, serve, task
from prefect.cache_policies import NO_CACHE
from prefect.deployments.runner import RunnerDeployment
from prefect.logging import get_run_logger
from prefect.settings import PREFECT_API_URL

from flows.dvc_stage import StageError, repro
from flows.process_group import Follower
from flows.reporting import Progress, result_row, show_table
from flows.slot import device_slot, slot_name
from superres.config import Params, load_params
from superres.errors import ConfigError, SuperresError

RETRIES = 2
RETRY_SECONDS = 10


@task(
    task_run_name="train-{experiment}",
    retries=RETRIES,
    retry_delay_seconds=RETRY_SECONDS,
    cache_policy=NO_CACHE,  # DVC knows what is up to date
    persist_result=False,
)
def train_stage(experiment: str, device: str) -> dict[str, Any]:
    """Run the stage train@<experiment> and return its row of results.

    A retry calls DVC again; the training continues from its saved state.
    """
    log = get_run_logger()
    with device_slot(slot_name(device), experiment, log.info) as descriptor:
        progress = Progress(experiment, ROOT / "runs")
        follower = Follower(log.info, progress.tick)
        repro(f"train@{experiment}", ROOT, follower, keep_open=(descriptor,))
        progress.done()
    return result_row(experiment, ROOT)


@flow(name="train-srgan", flow_run_name="train-{experiment}", persist_result=False)
def train_srgan(experiment: str = "srgan-mse", retries: int = RETRIES) -> dict[str, Any]:
    """Train one experiment of params.yaml."""
    params = _params([experiment])
    row = train_stage.with_options(retries=retries)(experiment, params.training.device)
    show_table(f"result-{experiment}", [row], f"Validation metrics of {experiment}")
    return row


@flow(name="train-matrix", persist_result=False)
def train_matrix(
    experiments: list[str] | None = None, retries: int = RETRIES
) -> list[dict[str, Any]]:
    """Train several experiments, without names all of params.yaml; one failing stops no other."""
    params = _params(experiments or [])
    rows, failed = [], []
    for experiment in experiments or params.experiments:
        state = train_stage.with_options(retries=retries)(
            experiment, params.training.device, return_state=True
        )
        if state.is_completed():
            rows.append(state.result())
        else:
            failed.append(experiment)
    if rows:
        show_table("result-matrix", rows, "Validation metrics of the trained experiments")
    if failed:
        raise StageError(f"not trained: {', '.join(failed)}; their logs say why.")
    return rows


def _params(experiments: Sequence[str]) -> Params:
    params = load_params(ROOT / "params.yaml")
    unknown = [name for name in experiments if name not in params.experiments]
    if unknown:
        raise ConfigError(
            f"params.yaml has no experiment {', '.join(unknown)}; "
            f"it has: {', '.join(params.experiments)}."
        )
    return params


def _serve() -> None:
    if PREFECT_API_URL.value() is None:
        raise ConfigError(
            "--serve needs a server: run `prefect server start` and set "
            "PREFECT_API_URL=http://127.0.0.1:4200/api."
        )
    flows = (train_srgan, train_matrix)
    serve(*(RunnerDeployment.from_flow(each, name="served") for each in flows), limit=1)


def main() -> None:
    """Parse the command line and run a flow."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--experiment", help="train this experiment of params.yaml")
    what.add_argument("--matrix", action="store_true", help="train all experiments of params.yaml")
    what.add_argument("--serve", action="store_true", help="wait for runs from a Prefect server")
    parser.add_argument("--retries", type=int, default=RETRIES, help="per experiment")
    chosen = parser.parse_args()
    os.chdir(ROOT)
    # An exit, unlike a death by signal, also ends the temporary server.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        _params([chosen.experiment] if chosen.experiment else [])  # before a server is started
        if chosen.serve:
            _serve()
        elif chosen.matrix:
            train_matrix(retries=chosen.retries)
        else:
            train_srgan(chosen.experiment, retries=chosen.retries)
    except SuperresError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
