"""`python -m superres.training EXPERIMENT.yaml`: train where only the training core is installed.

Needs torch, numpy, safetensors, pydantic and PyYAML. From a packed data set and an experiment file
copied there it makes runs/<experiment>, which `superres import-run` brings into MLflow, and
models/runs/<experiment>. On several GPUs: torchrun --nproc-per-node 8 -m superres.training ...
"""

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from superres.errors import SuperresError

if TYPE_CHECKING:
    from superres.config import Params

log = logging.getLogger("superres.training")
EVERY_SECONDS = 30.0


def main(words: Sequence[str] | None = None) -> int:
    """Train one experiment, print its result as JSON; return 0, 1 failed, 130 interrupted."""
    asked = _parser().parse_args(words)
    # Waiting threads sleep: on a busy machine spinning ones are much slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        return _train(asked)
    except KeyboardInterrupt as stop:
        log.warning("%s; the same command goes on from there", stop)
        return 130
    except SuperresError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m superres.training", description=str(__doc__).splitlines()[0]
    )
    parser.add_argument("experiment", help="a YAML file, or a name in experiments/")
    parser.add_argument("--pack", type=Path, default=Path("data/pairs"), help="packed pairs")
    parser.add_argument(
        "--params", type=Path, help="params.yaml; without it: defaults, full budget"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="as training.device=cpu"
    )
    return parser


def _train(asked: argparse.Namespace) -> int:
    from superres.config import load_experiment
    from superres.training.distributed import processes
    from superres.training.journal import JsonlTracker
    from superres.training.run import Place, train

    experiment, name = load_experiment(asked.experiment), Path(asked.experiment).stem
    params = _params(asked, name)
    result = train(name, experiment, params, JsonlTracker(), Place(asked.pack), _telling())
    if processes().leads:
        told = {"experiment": name, "steps": result.steps, "seconds": round(result.seconds, 1)}
        figures = {key.removeprefix("val/"): value for key, value in result.metrics.items()}
        told |= {"model": str(result.model), "weights": result.weights, **figures}
        sys.stdout.write(json.dumps(told) + "\n")
    return 0


def _params(asked: argparse.Namespace, name: str) -> "Params":
    from superres.config import Params, load_params
    from superres.config.params import apply_override
    from superres.config.schema import parse
    from superres.data.manifest import read_pack

    if asked.params is not None:
        return load_params(asked.params, asked.set)
    content = {
        "scale": read_pack(asked.pack)["scale"],
        "budget": "full",
        "experiments": [name],
        "data": {"sources": [{"name": "packed"}]},
    }
    for override in asked.set:
        apply_override(content, override)
    return parse(Params, content, "--set")


def _telling() -> Callable[[int, int, dict[str, float]], None]:
    """Return what says, twice a minute, how far the run is."""
    said = [time.monotonic()]

    def tell(step: int, steps: int, latest: dict[str, float]) -> None:
        if time.monotonic() - said[0] >= EVERY_SECONDS:
            said[0] = time.monotonic()
            figures = ", ".join(f"{key} {value:.4g}" for key, value in latest.items())
            log.info("step %d of %d %s", step, steps, figures)

    return tell


if __name__ == "__main__":
    sys.exit(main())
