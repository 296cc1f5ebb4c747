"""A run that is cut off and started again ends with the very bytes of one that was not."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from trainings import adversarial, parameters, small_pack, supervised

from superres.__main__ import main
from superres.checkpoint import load_state, previous_state
from superres.config import Experiment, Params
from superres.training.curve import write_curve, write_result
from superres.training.journal import JsonlTracker, ProgressFile
from superres.training.run import Place, Result, train

STEPS = 90
OFTEN: dict[str, Any] = {"log_every": 2, "validate_every": 4, "state_every": 7}
ALL = {
    "supervised": supervised(
        STEPS,
        ema=0.95,
        schedule={"name": "cosine", "warmup": 0.1},
        keep={"best": {"metric": "psnr", "mode": "max"}},
        early_stopping={"metric": "ssim", "patience": 50},
    ),
    # batch norm in both networks, dropout in the critic, a change of phase in the middle
    "adversarial": adversarial(STEPS // 2, STEPS - STEPS // 2, grad_clip=5.0),
}
MOMENTS = {"supervised": (10, 40), "adversarial": (26, 60)}  # logged steps at which to kill


@dataclass(frozen=True)
class Chain:
    """One experiment trained by processes that were killed, one after another, in `folder`."""

    folder: Path
    codes: list[int]  # how each process ended
    said: str  # what the last one told


def entries(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "log.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def figures(folder: Path) -> list[tuple[int, dict[str, float]]]:
    """Return what was measured at which step, without how long it took."""
    return [
        (entry["step"], {k: v for k, v in entry["values"].items() if k != "seconds"})
        for entry in entries(folder)
        if entry["kind"] == "metrics"
    ]


def start(folder: Path, name: str) -> subprocess.Popen[str]:
    words = ["train", f"{name}.yaml", "--no-track"]
    return subprocess.Popen(
        [sys.executable, "-m", "superres", *words],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(process: subprocess.Popen[str], log: Path, step: int) -> None:
    """Wait until the run has logged `step`, or its process has ended."""
    wanted, latest = f'"step": {step},'.encode(), time.monotonic() + 120
    while process.poll() is None and time.monotonic() < latest:
        if log.is_file() and wanted in log.read_bytes():
            return
        time.sleep(0.001)


def killed_and_continued(folder: Path, name: str) -> Chain:
    prepare(folder, name)
    codes, log = [], folder / "runs" / name / "log.jsonl"
    for step in MOMENTS[name]:
        process = start(folder, name)
        wait_for(process, log, step)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=120)
        codes.append(process.returncode)
    process = start(folder, name)
    said = process.communicate(timeout=120)[1]
    return Chain(folder, [*codes, process.returncode], said)


def prepare(folder: Path, name: str) -> None:
    """Write what `superres train` reads in a project folder."""
    small_pack(folder / "data" / "pairs")
    write_yaml(folder / f"{name}.yaml", ALL[name])
    write_yaml(folder / "params.yaml", parameters(**OFTEN))


def write_yaml(path: Path, content: Experiment | Params) -> None:
    path.write_text(yaml.safe_dump(content.model_dump(mode="json", exclude_none=True)))


@pytest.fixture(scope="module")
def chains(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Chain]:
    """All experiments at once: starting a process takes much longer than its training."""
    folders = {name: tmp_path_factory.mktemp(name) for name in ALL}
    with ThreadPoolExecutor() as pool:
        chains = {name: pool.submit(killed_and_continued, folders[name], name) for name in ALL}
        return {name: chain.result() for name, chain in chains.items()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same experiments, each trained at one go, here."""
    return {name: trained(tmp_path_factory.mktemp(name), name) for name in ALL}


def place(folder: Path) -> Place:
    return Place(folder / "data" / "pairs", folder / "runs", folder / "models" / "runs")


def trained(folder: Path, name: str) -> Path:
    small_pack(folder / "data" / "pairs")
    result = run(folder, name)
    write_curve(folder / "runs" / name / "log.jsonl", folder / "reports/curves" / f"{name}.csv")
    write_result(result, folder / "reports/train" / f"{name}.json")
    return folder


def run(folder: Path, name: str, on_step: Any = None, **training: Any) -> Result:
    tell = on_step or (lambda step, steps, latest: None)
    params = parameters(**(OFTEN | training))
    return train(name, ALL[name], params, JsonlTracker(), place(folder), tell)


@pytest.mark.parametrize("name", ALL)
def test_killed_processes_lead_to_the_very_same_files(
    chains: dict[str, Chain], whole: dict[str, Path], name: str
) -> None:
    chain = chains[name]
    assert chain.codes == [-signal.SIGKILL, -signal.SIGKILL, 0]
    assert "resumed at step" in chain.said
    for file in (
        f"models/runs/{name}/model.safetensors",
        f"reports/train/{name}.json",
        f"reports/curves/{name}.csv",
    ):
        assert (chain.folder / file).read_bytes() == (whole[name] / file).read_bytes(), file


@pytest.mark.parametrize("name", ALL)
def test_the_journal_of_killed_processes_is_that_of_one_run(
    chains: dict[str, Chain], whole: dict[str, Path], name: str
) -> None:
    found, expected = (folder / "runs" / name for folder in (chains[name].folder, whole[name]))
    assert figures(found) == figures(expected)
    steps = [step for step, values in figures(found) if "train/loss" in values]
    assert steps == list(range(2, STEPS + 1, 2))
    kinds = [entry["kind"] for entry in entries(found)]
    assert kinds == [entry["kind"] for entry in entries(expected)]
    assert kinds.count("start") == kinds.count("finish") == 1
    progress = json.loads((found / "progress.json").read_text())
    assert (progress["status"], progress["step"]) == ("done", STEPS)


class Crash(BaseException):
    """Stands for a process that is gone."""


def crash_at(step: int) -> Any:
    def on_step(now: int, steps: int, latest: object) -> None:
        if now == step:
            raise Crash

    return on_step


@pytest.mark.parametrize("name", ALL)
def test_crashes_at_many_moments_change_nothing(
    whole: dict[str, Path], name: str, tmp_path: Path
) -> None:
    small_pack(tmp_path / "data" / "pairs")
    for step in (3, 7, 8, 20, 44, 46, 47, 89, 90):  # around states, validations, the phases' change
        with pytest.raises(Crash):
            run(tmp_path, name, crash_at(step))
    run(tmp_path, name)
    models = [folder / "models" / "runs" / name for folder in (tmp_path, whole[name])]
    weights = [(model / "model.safetensors").read_bytes() for model in models]
    assert weights[0] == weights[1]
    assert figures(tmp_path / "runs" / name) == figures(whole[name] / "runs" / name)


def test_a_run_cut_off_after_its_last_step_only_writes_its_model(
    whole: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "supervised"
    small_pack(tmp_path / "data" / "pairs")
    with monkeypatch.context() as patch:
        patch.setattr("superres.training.run._end", crash_at_end)
        with pytest.raises(Crash):
            run(tmp_path, name)
    seen: list[int] = []
    result = run(tmp_path, name, lambda step, *_: seen.append(step))
    assert seen == []
    assert result.steps == STEPS
    assert figures(tmp_path / "runs" / name) == figures(whole[name] / "runs" / name)


def crash_at_end(trainer: Any, progress: Any, tracker: Any, result: Result) -> None:
    """Write the last figures, then be gone before the state is removed."""
    final = {name.replace("val/", "final/"): value for name, value in result.metrics.items()}
    tracker.metrics(result.steps, {**final, "seconds": 1.0})
    raise Crash


def test_a_damaged_newest_state_gives_way_to_the_one_before(
    whole: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = "adversarial"
    small_pack(tmp_path / "data" / "pairs")
    with pytest.raises(Crash):
        run(tmp_path, name, crash_at(30))
    state = tmp_path / "runs" / name / "state.pt"
    state.write_bytes(state.read_bytes()[:-200])
    with caplog.at_level(logging.WARNING):
        result = run(tmp_path, name)
    assert f"{state}: not a valid state, passed over" in caplog.text
    assert "resumed at step 21 of 90" in caplog.text  # the states were of 28 and 21
    told = json.loads((whole[name] / "reports" / "train" / f"{name}.json").read_text())
    assert result.weights == told["weights"]
    assert figures(tmp_path / "runs" / name) == figures(whole[name] / "runs" / name)


def test_states_that_are_all_damaged_mean_a_new_start(
    whole: dict[str, Path], tmp_path: Path
) -> None:
    name = "adversarial"
    small_pack(tmp_path / "data" / "pairs")
    with pytest.raises(Crash):
        run(tmp_path, name, crash_at(30))
    state = tmp_path / "runs" / name / "state.pt"
    for file in state.parent.glob("state.pt*"):
        file.write_bytes(b"")
    result = run(tmp_path, name)
    assert not result.resumed
    assert figures(tmp_path / "runs" / name) == figures(whole[name] / "runs" / name)


@pytest.mark.parametrize("change", ["nothing", "seed", "experiment", "validation", "data"])
def test_a_state_is_continued_with_the_same_configuration_and_data_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, change: str
) -> None:
    name, seen = "supervised", []
    small_pack(tmp_path / "data" / "pairs")
    with pytest.raises(Crash):
        run(tmp_path, name, crash_at(8))

    experiment, params = ALL[name], parameters(**OFTEN)
    if change == "seed":
        params = params.model_copy(update={"seed": 2})
    if change == "experiment":
        experiment = experiment.model_copy(update={"grad_clip": 1.0})
    if change == "validation":
        params = parameters(**OFTEN, validation_images=1)
    if change == "data":
        file = tmp_path / "data" / "pairs" / "pack.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"sha256": "0" * 64}))

    def first_step(step: int, steps: int, latest: object) -> None:
        seen.append(step)
        raise Crash

    with pytest.raises(Crash):
        train(name, experiment, params, JsonlTracker(), place(tmp_path), first_step)
    assert seen == [8 if change == "nothing" else 1]
    warned = "of another configuration or data version, passed over" in caplog.text
    assert warned == (change != "nothing")


def test_a_stopped_command_ends_with_130_and_a_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "supervised"
    prepare(tmp_path, name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["superres", "train", f"{name}.yaml", "--no-track"])
    monkeypatch.setattr(os, "_exit", sys.exit)

    def stop(self: ProgressFile, step: int, **_: object) -> None:
        if step == 10:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(ProgressFile, "write", stop)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    assert (tmp_path / "runs" / name / "state.pt").is_file()


def test_threads_and_device_may_change_between_start_and_end(tmp_path: Path) -> None:
    name = "supervised"
    small_pack(tmp_path / "data" / "pairs")
    with pytest.raises(Crash):
        run(tmp_path, name, crash_at(15))
    assert run(tmp_path, name, device="auto", threads=0).resumed


def test_a_state_holds_all_that_is_random(tmp_path: Path) -> None:
    name = "adversarial"
    small_pack(tmp_path / "data" / "pairs")
    with pytest.raises(Crash):
        run(tmp_path, name, crash_at(50))
    file = tmp_path / "runs" / name / "state.pt"
    states = [load_state(path, key_of(path)) for path in (file, previous_state(file))]
    newest, older = states
    assert newest["standing"]["step"] == 49
    assert older["standing"]["step"] == 42
    assert (newest["sampler"]["random"] != older["sampler"]["random"]).any()
    assert (newest["random"][0] != older["random"][0]).any()  # dropout has drawn since


def key_of(path: Path) -> str:
    import torch

    return str(torch.load(path, weights_only=True)["key"])
