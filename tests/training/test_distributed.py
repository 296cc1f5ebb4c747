"""A run on two processes is the run of one process with the whole batch."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from trainings import adversarial, parameters, small_pack, supervised

from superres.config import Experiment
from superres.data.sampler import Sampler
from superres.errors import ConfigError
from superres.training.distributed import ALONE, Processes, own_device, processes
from superres.training.journal import JsonlTracker
from superres.training.run import Place, train

EMA: dict[str, Any] = {"ema": 0.9, "grad_clip": 1.0, "keep": {"best": {"metric": "psnr"}}}
OFTEN: dict[str, Any] = {"log_every": 2, "validate_every": 4, "state_every": 3}
# Two processes train one run after another, one of them interrupted by a signal to the second.
SCRIPT = """
import json, os, signal, sys
from pathlib import Path
from superres.config import Experiment, Params
from superres.training.distributed import joined, processes
from superres.training.journal import JsonlTracker
from superres.training.run import Place, train

rank = processes().rank
params = Params.model_validate_json(Path("params.json").read_text())

def run(name, file, stop=None):
    experiment = Experiment.model_validate_json(Path(file).read_text())
    if stop is not None and rank == 1:
        from superres.training.trainer import Trainer
        step = Trainer._step
        def stopping(self, *given):
            if self.standing.step == stop:
                os.kill(os.getpid(), signal.SIGTERM)
            step(self, *given)
        Trainer._step = stopping
    try:
        place = Place(Path("pairs"), Path("runs"), Path("models"))
        return train(name, experiment, params, JsonlTracker(), place)
    except KeyboardInterrupt as told:
        return str(told)
    finally:
        if stop is not None and rank == 1:
            Trainer._step = step

with joined("cpu"):
    results = {"supervised": run("supervised", "supervised.json").weights}
    results["whole"] = run("game", "game.json").weights
    results["stopped"] = run("game", "game.json", stop=7)
    results["resumed"] = run("game", "game.json").weights
Path(f"results-{rank}.json").write_text(json.dumps(results))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs of two processes."""
    folder = tmp_path_factory.mktemp("two")
    small_pack(folder / "pairs")
    (folder / "params.json").write_text(parameters(**OFTEN).model_dump_json())
    (folder / "supervised.json").write_text(supervised(9, **EMA).model_dump_json())
    (folder / "game.json").write_text(adversarial(4, 8).model_dump_json())
    (folder / "script.py").write_text(SCRIPT)
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "script.py"]
    told = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    return folder


def results(folder: Path, rank: int) -> dict[str, str]:
    return dict(json.loads((folder / f"results-{rank}.json").read_text()))


def test_two_processes_lead_to_the_weights_of_one_with_the_whole_batch(
    folder: Path, tmp_path: Path
) -> None:
    place = Place(folder / "pairs", tmp_path / "runs", tmp_path / "models")
    train("supervised", supervised(9, **EMA), parameters(**OFTEN), JsonlTracker(), place)
    files = [
        root / "supervised" / "model.safetensors" for root in (folder / "models", place.models)
    ]
    two, one = (load_file(str(file)) for file in files)
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-4, atol=1e-6)
    logs = [root / "supervised" / "log.jsonl" for root in (folder / "runs", place.runs)]
    both, alone = (figures(log) for log in logs)
    assert both.keys() == alone.keys()  # one journal, with every line once
    for key, value in alone.items():
        assert both[key] == pytest.approx(value, rel=1e-3), key


def figures(log: Path) -> dict[tuple[int, str], float]:
    found: dict[tuple[int, str], float] = {}
    for line in log.read_text().splitlines():
        entry = json.loads(line)
        for name, value in entry.get("values", {}).items():
            if name != "seconds":
                assert (entry["step"], name) not in found
                found[entry["step"], name] = value
    return found


def test_all_processes_end_with_the_same_weights(folder: Path) -> None:
    assert results(folder, 0) == results(folder, 1)


def test_a_signal_to_one_process_stops_all_and_the_run_goes_on_bit_for_bit(folder: Path) -> None:
    """Batch norm in both networks, and dropout that is each process's own."""
    told = results(folder, 0)
    assert told["stopped"] == "interrupted at step 8; the state is saved"
    assert told["resumed"] == told["whole"]


def test_shares_of_a_batch_are_the_batch(pack: Path) -> None:
    whole = Sampler(pack, "train", hr_patch=16, seed=3)
    shares = [Sampler(pack, "train", hr_patch=16, seed=3) for _ in range(3)]
    for _ in range(2):
        batch = whole.batch(6)
        parts = [one.batch(6, Processes(rank, 3).share(6)) for rank, one in enumerate(shares)]
        for side in ("lr", "hr", "images"):
            found = torch.cat([getattr(part, side) for part in parts])
            assert torch.equal(found, getattr(batch, side))


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"batch_size 4 cannot be shared by 3 processes"):
        Processes(0, 3).share(4)
    assert Processes(2, 4).share(8) == slice(4, 6)
    assert ALONE.share(5) == slice(0, 5)


def test_processes_are_those_of_torchrun() -> None:
    assert processes({}) == ALONE
    found = processes({"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1"})
    assert (found, found.leads) == (Processes(3, 8, 1), False)
    assert own_device("cuda", found) == "cuda:1"
    assert own_device("cpu", found) == "cpu"
    assert own_device("cuda", ALONE) == "cuda"
    for wrong in ({"RANK": "x"}, {"RANK": "2", "WORLD_SIZE": "2"}):
        with pytest.raises(ConfigError, match="torchrun"):
            processes(wrong)


def test_every_process_draws_for_itself() -> None:
    seeds = {Processes(rank, 4).seed(seed) for rank in range(4) for seed in range(100)}
    assert len(seeds) == 400
    assert ALONE.seed(7) == 7


def test_alone_nothing_is_exchanged(make_trainer: Any) -> None:
    value = torch.ones(3)
    ALONE.average([value])
    ALONE.copy([value])
    assert torch.equal(value, torch.ones(3))
    assert ALONE.gathered(value) == [value]
    assert (ALONE.told("x"), ALONE.any(True), ALONE.any(False)) == ("x", True, False)
    experiment: Experiment = supervised(2)
    assert make_trainer(experiment).processes is ALONE
