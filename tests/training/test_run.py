"""An experiment becomes a model folder that says what it is and where it comes from."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from packs import pairs, picture, write_pack
from trainings import GAME, adversarial, parameters, supervised

from superres.checkpoint import load_model
from superres.config import Experiment
from superres.data.manifest import data_hash
from superres.errors import ConfigError, DataError, ModelError
from superres.training import features
from superres.training.run import Place, Result, choose_device, train
from superres.training.validation import Validation


@pytest.fixture
def place(pack: Path, tmp_path: Path) -> Place:
    return Place(pack, tmp_path / "runs", tmp_path / "models" / "runs")


def run(place: Place, tracker: Any, experiment: Experiment, **options: Any) -> Result:
    on_step = options.pop("on_step", lambda step, steps, latest: None)
    name = options.pop("name", "small")
    return train(name, experiment, parameters(**options), tracker, place, on_step)


def progress(place: Place) -> dict[str, Any]:
    return dict(json.loads((place.runs / "small" / "progress.json").read_text()))


def test_a_run_leaves_a_model_and_tells_its_tracker(place: Place, recorder: Any) -> None:
    result = run(place, recorder, adversarial(10, 10))
    assert result.model == place.models / "small"
    assert (result.steps, result.resumed) == (20, False)
    assert recorder.started[0].name == "small"
    assert not recorder.started[0].resume
    assert recorder.finished == [("FINISHED", result.model)]
    last, figures = recorder.figures[-1]
    assert last == 20
    assert figures["final/psnr"] == result.metrics["val/psnr"]
    assert progress(place)["status"] == "done"
    assert progress(place)["step"] == 20
    assert not list((place.runs / "small").glob("state.pt*"))


def test_the_figures_are_those_of_the_model_on_the_shelf(place: Place, recorder: Any) -> None:
    result = run(place, recorder, supervised(10, ema=0.9))
    model = load_model(result.model)
    assert Validation(place.pack, 2, 8, "cpu").scores(model.generator) == result.metrics
    assert model.provenance["metrics"] == result.metrics
    assert model.provenance["weights"] == result.weights


def test_the_model_says_where_it_comes_from(place: Place, recorder: Any) -> None:
    result = run(place, recorder, supervised(10), budget=1.0)
    facts = load_model(result.model).provenance
    assert facts["version"] == f"small-{result.weights[:8]}"
    assert facts["experiment"] == "small"
    assert facts["source"] == "a test"
    assert facts["configuration"]["model"]["channels"] == 8
    assert facts["data_sha256"] == data_hash(place.pack)
    assert facts["run_id"] == "run-7"
    assert facts["data"] == {
        "sets": ["made-here"],
        "licences": ["CC0-1.0"],
        "images": 4,
        "pixels": sum(40 * (44 + 2 * seed) for seed in range(4)),
    }
    assert facts["degradation"] == {"kernel": "bicubic", "border": "replicate", "scale": 2}
    assert (facts["seed"], facts["steps"], facts["perceptual_weights"]) == (1, 10, "none")
    card = (result.model / "README.md").read_text()
    for told in (facts["version"], "Intended use", "CC0-1.0", facts["data_sha256"], "run-7"):
        assert told in card


def test_the_tracker_gets_parameters_and_tags(place: Place, recorder: Any) -> None:
    run(place, recorder, supervised(10))
    info = recorder.started[0]
    assert info.folder == place.runs / "small"
    assert info.params["model.name"] == "compact"
    assert info.params["phases.0.losses.mse"] == "1.0"
    assert info.params["seed"] == "1"
    assert info.tags["data_sha256"] == data_hash(place.pack)
    assert {"git_commit", "config", "budget", "source"} <= set(info.tags)


def test_the_same_seed_gives_the_same_weights_and_another_others(
    place: Place, recorder: Any
) -> None:
    def weights(seed: int) -> str:
        params = parameters().model_copy(update={"seed": seed})
        return train("small", adversarial(4, 4), params, recorder, place).weights

    assert weights(1) == weights(1)
    assert weights(1) != weights(2)


def test_the_budget_shortens_the_run(place: Place, recorder: Any) -> None:
    assert run(place, recorder, supervised(40), budget=0.25).steps == 10


def test_the_callers_step_callback_is_told_where_it_is(place: Place, recorder: Any) -> None:
    seen: list[tuple[int, int, bool]] = []
    run(
        place,
        recorder,
        supervised(4),
        validate_every=2,
        on_step=lambda step, steps, latest: seen.append((step, steps, "val/psnr" in latest)),
    )
    assert seen == [(1, 4, False), (2, 4, True), (3, 4, True), (4, 4, True)]


def test_scales_that_do_not_agree_are_refused(place: Place, recorder: Any, tmp_path: Path) -> None:
    params = parameters().model_copy(update={"scale": 4})
    with pytest.raises(ConfigError, match=r"'small' is for scale 2, params.yaml says 4"):
        train("small", supervised(), params, recorder, place)
    other = write_pack(tmp_path / "x4", 4, {"train": pairs(4, picture(40, 40))})
    with pytest.raises(DataError, match=r"x4: pairs for scale 4, wanted 2. Run `superres pairs`"):
        run(Place(other, place.runs, place.models), recorder, supervised())
    assert recorder.started == []


def test_a_missing_pack_says_how_to_make_it(place: Place, recorder: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"pack.json: no such file. Run `superres pairs`"):
        run(Place(tmp_path / "none", place.runs, place.models), recorder, supervised())


def test_the_device_is_what_is_there_or_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for present, auto in ((False, "cpu"), (True, "cuda")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda present=present: present)
        assert choose_device("auto") == auto
        assert choose_device("cpu") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="'cuda:1': no CUDA device here; accepted: auto, cpu"):
        choose_device("cuda:1")


def test_a_run_that_fails_says_so_everywhere(place: Place, recorder: Any) -> None:
    with pytest.raises(ModelError, match="loss 'sharpness' is not known"):
        run(place, recorder, supervised(phases=[{"steps": 3, "losses": {"sharpness": 1}}]))
    assert recorder.finished == [("FAILED", None)]
    assert progress(place)["status"] == "failed"
    assert not place.models.exists()


def test_a_run_that_is_stopped_says_so_and_goes_on_later(place: Place, recorder: Any) -> None:
    def stop(step: int, steps: int, latest: object) -> None:
        if step == 6:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        run(place, recorder, supervised(12), on_step=stop)
    assert recorder.finished == [("KILLED", None)]
    assert progress(place)["status"] == "interrupted"
    result = run(place, recorder, supervised(12))
    assert result.resumed
    assert (recorder.started[1].resume, recorder.started[1].step) == (True, 6)


PERCEPTUAL: list[dict[str, Any]] = [{"steps": 6, "losses": {"mse": 1, "vgg19_22": 0.1}}]


@pytest.fixture
def slim(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "STEPS", 2)


def test_features_trained_here_stand_in_tags_and_card(
    place: Place, recorder: Any, slim: None
) -> None:
    result = run(place, recorder, supervised(phases=PERCEPTUAL))
    origin = recorder.started[0].tags["perceptual_weights"]
    assert origin.startswith("trained-here")
    assert load_model(result.model).provenance["perceptual_weights"] == origin
    assert origin in (result.model / "README.md").read_text()


def test_features_made_or_read_again_lead_to_the_same_weights(
    place: Place, recorder: Any, slim: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    game = {"adversarial": {"objective": "bce"}, "losses": {**GAME, "vgg19_22": 0.1}}
    experiment = adversarial(phases=[{"steps": 6, **game}])  # the critic's dropout draws, too
    first = run(place, recorder, experiment)
    assert len(list((place.runs / "small").glob("features-*.safetensors"))) == 1
    monkeypatch.setattr(features, "_train", None)
    assert run(place, recorder, experiment).weights == first.weights


def test_equal_weights_are_equal_files(place: Place, recorder: Any, tmp_path: Path) -> None:
    other = Place(place.pack, tmp_path / "runs2", tmp_path / "models2")
    one, two = (run(where, recorder, supervised(5)) for where in (place, other))
    assert one.weights == two.weights
    files = [result.model / "model.safetensors" for result in (one, two)]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_lpips_decides_where_the_experiment_says_so(
    place: Place, recorder: Any, shared_data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keep = {"best": {"metric": "lpips", "mode": "min"}}
    monkeypatch.setenv("SUPERRES_SHARED_DATA", str(shared_data))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    phases = [{"steps": 20, "losses": {"mse": 1, "lpips": 0.01, "squeeze_fire2": 0.001}}]
    experiment = supervised(phases=phases, keep=keep, hr_patch=32)
    params = parameters().model_copy(
        update={"perceptual": parameters().perceptual.model_copy(update={"weights": "auto"})}
    )
    monkeypatch.setattr(features, "from_torchvision", not_here)
    result = train("small", experiment, params, recorder, place)
    seen = recorder.of("val/lpips")
    assert sorted(seen) == [10, 20]
    assert result.metrics["val/lpips"] == pytest.approx(min(seen.values()), rel=1e-4)
    told = recorder.started[0].tags["perceptual_weights"]
    assert "lpips_squeeze: lpips squeeze: file (squeezenet1_1_imagenet_fp16.pth)" in told
    assert "; squeeze: file (squeezenet1_1_imagenet_fp16.pth)" in told


def not_here(net: str) -> None:
    raise OSError("no route to host")


def test_lpips_without_its_weights_is_an_error_before_the_first_step(
    place: Place, recorder: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SUPERRES_SHARED_DATA", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(features, "from_torchvision", not_here)
    stop = {"metric": "lpips", "mode": "min", "patience": 2}
    with pytest.raises(ModelError, match=r"LPIPS\(squeeze\) lacks .*no route to host"):
        run(place, recorder, supervised(5, early_stopping=stop))
    assert recorder.started == []
