"""A run may begin with the weights of another one."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from trainings import COMPACT, CRITIC, adversarial, parameters, supervised

from superres.checkpoint import load_model, save_model
from superres.errors import ConfigError, ModelError
from superres.models import build
from superres.training.networks import Networks
from superres.training.run import Place, Result, train
from superres.training.starting import start_from


@pytest.fixture
def base(tmp_path: Path) -> Path:
    torch.manual_seed(9)
    return save_model(tmp_path / "base", build(**COMPACT), {"version": "base-1"})


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def test_generator_and_average_begin_with_the_models_weights(base: Path) -> None:
    experiment = supervised(init=str(base), ema=0.9)
    networks = Networks(experiment, "cpu", 1)
    assert start_from(networks, experiment, Path("runs")) == "base-1"
    wanted = load_model(base).generator.state_dict()
    assert same(dict(networks.generator.state_dict()), wanted)
    assert same(dict(networks.ema.state_dict()), wanted)


def test_without_init_nothing_is_changed() -> None:
    experiment = supervised()
    networks, untouched = (Networks(experiment, "cpu", 1) for _ in range(2))
    assert start_from(networks, experiment, Path("runs")) == "none"
    assert same(networks.generator.state_dict(), untouched.generator.state_dict())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"channels": 4}, r"body.0.weight is \(8, 3, 3, 3\), wanted \(4, 3, 3, 3\)"),
        ({"layers": 3}, r"body.4.weight is \(12, 8, 3, 3\), wanted \(8, 8, 3, 3\)"),
    ],
)
def test_a_model_of_other_options_is_refused_with_the_first_differences(
    base: Path, changes: dict[str, Any], message: str
) -> None:
    experiment = supervised(init=str(base), model=COMPACT | changes)
    with pytest.raises(ModelError, match=rf"init: .*base \(base-1\) does not fit.*{message}"):
        start_from(Networks(experiment, "cpu", 1), experiment, Path("runs"))


def test_the_trunk_of_another_scale_is_taken_where_it_fits(
    base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wider = COMPACT | {"scale": 4}
    experiment = supervised(init=str(base), init_layers="shared", model=wider, ema=0.9)
    networks, untouched = (Networks(experiment, "cpu", 1) for _ in range(2))
    told = start_from(networks, experiment, Path("runs"))
    theirs = load_model(base).generator.state_dict()
    ours, fresh = networks.generator.state_dict(), untouched.generator.state_dict()
    other = [name for name in ours if ours[name].shape != theirs[name].shape]
    assert other == ["body.4.weight", "body.4.bias"]
    for name, value in ours.items():
        assert torch.equal(value, fresh[name] if name in other else theirs[name]), name
    assert same(dict(networks.ema.state_dict()), dict(ours))
    whole = sum(value.numel() for value in ours.values())
    taken = whole - sum(ours[name].numel() for name in other)
    assert told == f"base-1 ({taken:,} of {whole:,} values)"
    assert "anew: body.4.weight, body.4.bias" in caplog.text


def test_a_network_that_shares_no_layer_is_refused(base: Path) -> None:
    model = {"name": "srcnn", "scale": 2}
    experiment = supervised(init=str(base), init_layers="shared", model=model)
    with pytest.raises(ModelError, match="no layer of a name and shape"):
        start_from(Networks(experiment, "cpu", 1), experiment, Path("runs"))


def test_shared_layers_need_a_model_to_share_with() -> None:
    with pytest.raises(ConfigError, match="'init_layers: shared' needs an 'init'"):
        supervised(init_layers="shared")


def test_an_unknown_model_is_refused() -> None:
    experiment = supervised(init="nobody")
    with pytest.raises(ModelError, match=r"model 'nobody': no model.json"):
        start_from(Networks(experiment, "cpu", 1), experiment, Path("runs"))


@pytest.fixture
def place(pack: Path, tmp_path: Path) -> Place:
    return Place(pack, tmp_path / "runs", tmp_path / "models")


def run(place: Place, tracker: Any, name: str, experiment: Any) -> Result:
    return train(name, experiment, parameters(), tracker, place)


def test_a_finished_run_leaves_its_discriminator_to_the_next(place: Place, recorder: Any) -> None:
    first = run(place, recorder, "first", adversarial(0, 4))
    kept = load_file(str(place.runs / "first" / "discriminator.safetensors"))
    for named in ("first", str(place.runs / "first")):
        experiment = adversarial(0, 4, init=str(first.model), init_discriminator=named)
        networks = Networks(experiment, "cpu", 5)
        told = start_from(networks, experiment, place.runs)
        assert told.startswith(load_model(first.model).version)
        assert same(dict(networks.discriminator.state_dict()), kept)
    wider = adversarial(0, 4, init_discriminator="first", discriminator={**CRITIC, "channels": 8})
    with pytest.raises(ModelError, match=r"init_discriminator: .*features.0.weight is"):
        start_from(Networks(wider, "cpu", 1), wider, place.runs)
    unknown = adversarial(0, 4, init_discriminator="nobody")
    with pytest.raises(ModelError, match=r"'nobody': no discriminator.safetensors there"):
        start_from(Networks(unknown, "cpu", 1), unknown, place.runs)


def test_a_fine_tuned_model_says_what_it_began_as(place: Place, base: Path, recorder: Any) -> None:
    result = run(place, recorder, "tuned", supervised(4, init=str(base)))
    assert recorder.started[0].tags["init"] == "base-1"
    assert load_model(result.model).provenance["init"] == "base-1"
    scratch = run(place, recorder, "scratch", supervised(4))
    assert load_model(scratch.model).provenance["init"] == "none"
    assert scratch.weights != result.weights


def test_a_resumed_run_goes_on_and_does_not_begin_anew(
    place: Place, base: Path, recorder: Any
) -> None:
    whole = run(place, recorder, "whole", supervised(12, init=str(base)))

    def stop(step: int, steps: int, latest: object) -> None:
        if step == 6:
            raise KeyboardInterrupt

    params = parameters(state_every=4)
    with pytest.raises(KeyboardInterrupt):
        train("cut", supervised(12, init=str(base)), params, recorder, place, stop)
    result = train("cut", supervised(12, init=str(base)), params, recorder, place)
    assert result.resumed
    assert result.weights == whole.weights
    assert recorder.started[-1].tags["init"] == "base-1"
