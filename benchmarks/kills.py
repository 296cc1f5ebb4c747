"""kill -9 again and again during one run: are the final weights those of an untouched run?

python benchmarks/kills.py [KILLS]     without a number fifty

A generator and a discriminator, both with batch norm, dropout, an EMA and two phases, on pictures
made here. Each life is a process of its own; when it is killed is left to chance.
"""

import json
import multiprocessing
import random
import sys
import tempfile
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from trainings import adversarial, parameters, small_pack

from superres.training.journal import JsonlTracker
from superres.training.run import Place, train

OFTEN = {"log_every": 1, "validate_every": 25, "state_every": 4}
STEPS_PER_LIFE = 6  # at most, beyond the state it began with


def run(root: Path, name: str, steps: int) -> str:
    """Train to the end, or until killed; return the digest of the weights."""
    torch.set_num_threads(1)
    experiment = adversarial(steps // 3, steps - steps // 3, ema=0.99, grad_clip=5.0)
    place = Place(root / "pairs", root / name, root / name / "models")
    return train("killed", experiment, parameters(**OFTEN), JsonlTracker(), place).weights


def reached(log: Path) -> int:
    """Return the last step that the journal tells of."""
    try:
        lines = log.read_text(encoding="utf-8").splitlines()
        return max((json.loads(line).get("step", 0) for line in lines[-3:-1]), default=0)
    except (OSError, ValueError):
        return 0


def main() -> None:
    """Kill, go on, compare; exit 1 when the weights differ."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    steps, chance = kills * (STEPS_PER_LIFE + 2), random.Random(7)
    forked = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        small_pack(root / "pairs")
        run(root, "first", 3)  # what a first run imports, the lives then have
        begun, killed_at = time.monotonic(), []
        log = root / "killed" / "killed" / "log.jsonl"
        while len(killed_at) < kills:
            before = reached(log)
            life = forked.Process(target=run, args=(root, "killed", steps))
            life.start()
            goal = before + chance.randrange(STEPS_PER_LIFE)
            latest = time.monotonic() + 20
            while life.is_alive() and reached(log) < goal and time.monotonic() < latest:
                time.sleep(0.002)
            time.sleep(chance.random() * 0.03)
            life.kill()
            life.join()
            if life.exitcode != -9:
                raise SystemExit(f"a life ended with {life.exitcode} before it was killed")
            killed_at.append(reached(log))
        found = run(root, "killed", steps)
        spent = time.monotonic() - begun
        expected = run(root, "whole", steps)
    print(f"{kills} kills (SIGKILL) in a run of {steps} steps, {spent:.0f} s")
    print(f"killed at steps {killed_at}")
    print(f"final weights {found}, of the untouched run {expected}")
    if found != expected:
        raise SystemExit("the weights differ")
    print("identical")


if __name__ == "__main__":
    main()
