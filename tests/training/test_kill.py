"""A run that is cut off anywhere, by anything, ends with the very bytes of one that was not."""

import errno
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from trainings import adversarial, parameters, supervised

from superres.checkpoint import previous_state, remove_states
from superres.config import Experiment
from superres.errors import StorageError
from superres.training.journal import JsonlTracker, ProgressFile, RunInfo, Trackers
from superres.training.run import Place, Result, train
from superres.training.trainer import Trainer

STEPS = 8
WHOLE: dict[str, Experiment] = {
    "supervised": supervised(
        STEPS,
        ema=0.9,
        schedule={"name": "cosine", "warmup": 0.2},
        keep={"best": {"metric": "psnr", "mode": "max"}},
    ),
    # batch norm in both networks, dropout in the critic, a change of phase in the middle
    "adversarial": adversarial(3, STEPS - 3, ema=0.9, grad_clip=5.0),
}
OFTEN: dict[str, Any] = {"log_every": 2, "validate_every": 3}
MakeTrainer = Callable[..., Trainer]
Weights = dict[str, torch.Tensor]


class Gone(BaseException):
    """Stands for a process that is no more: nothing after it runs."""


def same(one: Weights, other: Weights) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def run(trainer: Trainer, tracker: Any, gone_after: int | None = None) -> Weights:
    def on_step(step: int, latest: dict[str, float]) -> None:
        if step == gone_after:
            raise Gone

    progress = ProgressFile(trainer.setting.state.parent, trainer.experiment.steps)
    return trainer.run(tracker, None, progress, on_step)


@pytest.mark.parametrize("state_every", [1, 3])
@pytest.mark.parametrize("name", WHOLE)
def test_at_every_step_of_a_run(
    make_trainer: MakeTrainer, recorder: Any, name: str, state_every: int
) -> None:
    """For each step: gone after it, resumed from whatever state there is, the same end."""
    often = OFTEN | {"state_every": state_every}
    expected = run(make_trainer(WHOLE[name], **often), recorder)
    for step in range(1, STEPS + 1):
        trainer = make_trainer(WHOLE[name], **often)
        remove_states(trainer.setting.state)
        with pytest.raises(Gone):
            run(trainer, recorder, gone_after=step)
        torch.manual_seed(99)  # another process has other numbers
        again = make_trainer(WHOLE[name], **often)
        assert again.resume() == (step > state_every)
        assert again.standing.step == (step - 1) // state_every * state_every
        assert same(run(again, recorder), expected), f"gone after step {step}"


@pytest.mark.parametrize("name", WHOLE)
def test_after_every_step_in_turn(make_trainer: MakeTrainer, recorder: Any, name: str) -> None:
    """One run in as many lives as it has steps."""
    trainer = make_trainer(WHOLE[name], state_every=100, **OFTEN)
    expected = run(trainer, recorder)
    remove_states(trainer.setting.state)
    for step in range(1, STEPS):
        trainer = make_trainer(WHOLE[name], state_every=100, **OFTEN)
        assert trainer.resume() == (step > 1)
        with pytest.raises(KeyboardInterrupt, match=f"at step {step}; the state is saved"):
            trainer.run(recorder, None, quiet(trainer), lambda *_: os.kill(os.getpid(), 15))
    last = make_trainer(WHOLE[name], state_every=100, **OFTEN)
    assert last.resume()
    assert same(run(last, recorder), expected)


def quiet(trainer: Trainer) -> ProgressFile:
    return ProgressFile(trainer.setting.state.parent, STEPS)


@pytest.fixture
def place(pack: Path, tmp_path: Path) -> Place:
    return Place(pack, tmp_path / "runs", tmp_path / "models")


def trained(place: Place, experiment: Experiment, **options: Any) -> Result:
    params = parameters(**(OFTEN | {"state_every": 2} | options))
    return train("small", experiment, params, JsonlTracker(), place)


def entries(place: Place) -> list[dict[str, Any]]:
    lines = (place.runs / "small" / "log.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_a_worker_killed_again_and_again(place: Place, pack: Path, tmp_path: Path) -> None:
    """SIGKILL at whatever moment, six times; benchmarks/kills.py does it fifty times."""
    experiment = WHOLE["adversarial"].model_copy(update={"phases": adversarial(15, 30).phases})
    forked = multiprocessing.get_context("fork")  # torch is imported already
    for life in range(6):
        process = forked.Process(target=trained, args=(place, experiment))
        process.start()
        time.sleep(0.1 + 0.07 * life)
        process.kill()
        process.join()
    assert (
        trained(place, experiment).weights
        == trained(Place(pack, tmp_path / "runs2", tmp_path / "models2"), experiment).weights
    )
    steps = [entry["step"] for entry in entries(place) if "train/loss" in entry.get("values", {})]
    assert steps == [*range(2, 45, 2), 45]


def full_at(moment: int, call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that finds the disk full at one call, counted from 1."""
    calls: list[int] = []

    def write(*given: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) == moment:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return call(*given, **named)

    return write


def test_a_disk_that_is_full_when_the_state_is_saved(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = trained(place, WHOLE["supervised"]).weights
    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full_at(3, torch.save))
        with pytest.raises(StorageError, match=r"state.pt, is whole. Make room and start the same"):
            trained(place, WHOLE["supervised"])
    kept = {file.name for file in (place.runs / "small").glob("*state.pt*")}
    assert kept == {"state.pt", "state.pt.previous"}
    assert entries(place)[-1] | {"time": 0} == {
        "kind": "finish",
        "time": 0,
        "status": "FAILED",
        "model": None,
    }
    result = trained(place, WHOLE["supervised"])
    assert result.resumed
    assert result.weights == expected


def test_a_disk_that_is_full_for_the_journal_and_the_model(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = trained(place, WHOLE["supervised"]).weights
    (place.runs / "small" / "log.jsonl").unlink()
    opened = Path.open

    def no_log(path: Path, mode: str = "r", *given: Any, **named: Any) -> Any:
        stream = opened(path, mode, *given, **named)
        if path.name == "log.jsonl" and mode == "a" and path.stat().st_size > 400:
            os.write(stream.fileno(), b'{"kind": "met')
            stream.close()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return stream

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", no_log)
        with pytest.raises(StorageError, match=r"log.jsonl: the journal cannot be written"):
            trained(place, WHOLE["supervised"])
    assert all(entry["kind"] for entry in entries(place))  # no torn line
    with monkeypatch.context() as patch:
        patch.setattr("superres.checkpoint.save", full_at(1, lambda *_: None))
        with pytest.raises(StorageError, match=r"models/small: the model cannot be written"):
            trained(place, WHOLE["supervised"])
    result = trained(place, WHOLE["supervised"])
    assert result.resumed  # from the state of the last step, which the model's failure left
    assert result.weights == expected


def test_a_progress_file_that_cannot_be_written_stops_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = trained(place, WHOLE["supervised"]).weights
    monkeypatch.setattr(ProgressFile, "_replace", full_progress(ProgressFile._replace))
    assert trained(place, WHOLE["supervised"]).weights == expected


def full_progress(replace: Callable[..., None]) -> Callable[..., None]:
    def full(progress: ProgressFile, status: str) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("superres.training.journal.write_text", full_at(1, lambda *_: None))
            replace(progress, status)

    return full


class Dead:
    """A tracking server that refuses everything a Tracker may refuse: nothing is raised."""

    run_id: str | None = None

    def start(self, run: RunInfo) -> None: ...

    def metrics(self, step: int, values: Any) -> None: ...

    def image(self, step: int, name: str, png: bytes) -> None: ...

    def tag(self, step: int, name: str, value: str) -> None: ...

    def finish(self, status: str, model_folder: Path | None) -> None: ...


def test_every_tracker_hears_the_end_also_after_one_that_fails(tmp_path: Path) -> None:
    heard: list[str] = []

    class Full(Dead):
        def finish(self, status: str, model_folder: Path | None) -> None:
            raise StorageError("no room")

    class Listening(Dead):
        def finish(self, status: str, model_folder: Path | None) -> None:
            heard.append(status)

    with pytest.raises(StorageError, match="no room"):
        Trackers(Full(), Listening()).finish("FAILED", None)
    assert heard == ["FAILED"]


def test_older_states_stand_in_for_damaged_ones(place: Place) -> None:
    expected = trained(place, WHOLE["adversarial"]).weights
    with pytest.raises(Gone):
        train(
            "small",
            WHOLE["adversarial"],
            parameters(**OFTEN, state_every=1, keep_states=4),
            JsonlTracker(),
            place,
            gone_at(6),
        )
    state = place.runs / "small" / "state.pt"
    state.write_bytes(b"")
    first = previous_state(state)
    first.write_bytes(first.read_bytes()[:-300])
    result = trained(place, WHOLE["adversarial"])
    assert result.resumed
    assert result.weights == expected


def gone_at(step: int) -> Callable[[int, int, Any], None]:
    def on_step(now: int, steps: int, latest: Any) -> None:
        if now == step:
            raise Gone

    return on_step


def test_a_second_signal_does_not_wait(make_trainer: MakeTrainer, recorder: Any) -> None:
    """Whoever asks twice means it; the state of before is whole."""
    trainer = make_trainer(WHOLE["supervised"], state_every=2)

    def twice(step: int, latest: dict[str, float]) -> None:
        if step == 5:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        trainer.run(recorder, None, quiet(trainer), twice)
    again = make_trainer(WHOLE["supervised"], state_every=2)
    assert again.resume()
    assert again.standing.step == 4
