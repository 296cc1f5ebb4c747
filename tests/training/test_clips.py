"""Training on clips: every part of it, faults by name, and a resume that changes nothing."""

from pathlib import Path
from typing import Any

import pytest
import torch
from trainings import CRITIC, SCALE, parameters, small_pack, supervised
from video_specification import clip

from superres.config import Experiment
from superres.data.manifest import data_hash
from superres.data.sampler import Batch
from superres.errors import ConfigError, ModelError, SuperresError
from superres.models import build
from superres.training.agreement import FREE, run_key
from superres.training.clip_validation import ClipValidation
from superres.training.journal import NullTracker
from superres.training.lineage import digest
from superres.training.networks import Networks
from superres.training.run import Place, Result, train
from superres.training.updates import make_update

MEMORY = {"name": "recurrent", "scale": SCALE, "channels": 4, "layers": 2, "expansion": 2}
GAME = {"objective": "probability"}


def of_clips(steps: int = 12, **changes: Any) -> Experiment:
    content: dict[str, Any] = {"model": MEMORY, "frames": 3, "batch_size": 2}
    return supervised(steps, **(content | changes))


def phase(steps: int = 12, **losses: float) -> dict[str, Any]:
    game = {"adversarial": GAME} if "adversarial" in losses else {}
    return {"steps": steps, "losses": losses, **game}


ALL = {
    "memory": of_clips(ema=0.9, phases=[phase(mse=1, temporal=0.1, warped=0.1)]),
    "window": of_clips(
        model={"name": "volume", "scale": SCALE, "channels": 3, "blocks": 1},
        discriminator={"name": "clip", "channels": 3, "layers": 2, "dropout": 0.2},
        phases=[phase(mse=1, adversarial=0.01, ping_pong=0.1)],
    ),
    "lstm": of_clips(
        model={
            **{"name": "video_srgan", "scale": SCALE, "channels": 4, "blocks": 1},
            **{"recurrent": True, "align": "dis", "smoothing": "exponential"},
        },
        discriminator=CRITIC,
        phases=[phase(mse=1, adversarial=0.01, temporal=0.1)],
    ),
}


def run(folder: Path, experiment: Experiment, stop_at: int | None = None, **more: Any) -> Result:
    def on_step(step: int, *_: object) -> None:
        if step == stop_at:
            raise KeyError("gone")

    place = Place(folder / "data", folder / "runs", folder / "models")
    if not place.pack.is_dir():
        small_pack(place.pack)
    settings = parameters(state_every=5, validate_every=6, log_every=3, **more)
    return train("clips", experiment, settings, NullTracker(), place, on_step)


@pytest.mark.parametrize("name", ALL)
def test_a_run_cut_off_ends_with_the_same_weights(name: str, tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", ALL[name])
    with pytest.raises(KeyError):
        run(tmp_path / "cut", ALL[name], stop_at=7)
    resumed = run(tmp_path / "cut", ALL[name], prefetch=2)
    assert resumed.resumed
    assert resumed.weights == whole.weights
    assert resumed.metrics == whole.metrics
    assert whole.metrics.keys() == {"val/psnr", "val/ssim", "val/mse", "val/flicker"}


def test_the_state_of_a_training_of_pictures_is_not_given_up_for_a_key_it_does_not_know(
    tmp_path: Path,
) -> None:
    pack, params = small_pack(tmp_path / "pack"), parameters()
    pictures = supervised()
    before = {
        "name": "a",
        "experiment": pictures.model_dump(mode="json", exclude={"demo", "frames", "init_layers"}),
        "seed": params.seed,
        "perceptual": params.perceptual.weights,
        "training": params.training.model_dump(exclude=FREE),
        "data": data_hash(pack),
    }
    assert run_key("a", pictures, params, pack) == digest(before)
    assert run_key("a", of_clips(), params, pack) != digest(before)


def test_a_training_can_begin_with_the_weights_of_a_fast_network(tmp_path: Path) -> None:
    from superres.checkpoint import load_model, save_model

    options = {key: MEMORY[key] for key in ("scale", "channels", "layers", "expansion")}
    folder = save_model(tmp_path / "fast", build("fast", **options), {"version": "seven"})
    tiny = of_clips(1, init=str(folder), optimizer={"learning_rate": 1e-8})
    result = run(tmp_path, tiny)
    begun, base = load_model(result.model).generator, load_model(folder).generator
    lr = clip(3, 10, 12)
    torch.testing.assert_close(begun(lr)[0], base(lr[0]), rtol=0, atol=1e-4)


def test_ping_pong_shows_the_generator_the_way_back_and_the_critic_the_way_there() -> None:
    experiment = ALL["window"]
    networks = Networks(experiment, "cpu", 1)
    lengths: dict[str, list[int]] = {"generator": [], "critic": []}

    def noted(who: str) -> Any:
        return lambda _, inputs, __: lengths[who].append(inputs[0].shape[1])

    networks.generator.register_forward_hook(noted("generator"))
    assert networks.discriminator is not None
    networks.discriminator.register_forward_hook(noted("critic"))
    hr = clip(3, 16, 16, count=2)
    lr = torch.nn.functional.avg_pool2d(hr.flatten(0, 1), SCALE).unflatten(0, (2, 3))
    batch = Batch(lr, hr, torch.zeros(2, dtype=torch.int64))
    make_update(networks, experiment.phases[0], None)(lambda: batch)
    assert lengths == {"generator": [3, 5], "critic": [3, 3, 3]}


@pytest.mark.parametrize(
    ("experiment", "error", "told"),
    [
        (supervised(model=MEMORY), ConfigError, "of video, so it needs `frames`"),
        (supervised(frames=3), ConfigError, "`frames` is for networks of video"),
        (supervised(phases=[phase(mse=1, temporal=1)]), ModelError, "temporal: of clips"),
        (
            supervised(discriminator={"name": "clip"}, phases=[phase(mse=1, adversarial=1)]),
            ModelError,
            "discriminator 'clip': of clips",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(
    experiment: Experiment, error: type[SuperresError], told: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=told):
        run(tmp_path, experiment)


def test_validation_sees_flicker_and_does_not_change_from_one_look_to_the_next(
    tmp_path: Path,
) -> None:
    pack = small_pack(tmp_path / "pack")
    torch.manual_seed(2)
    network = build(**MEMORY)
    first, second = (ClipValidation(pack, SCALE, 3, 4, "cpu").scores(network) for _ in range(2))
    assert first == second
    assert first["val/psnr"] > 15

    class Flickering(torch.nn.Module):
        def forward(self, lr: torch.Tensor) -> torch.Tensor:
            sign = torch.tensor([1.0, -1.0, 1.0, -1.0]).view(1, 4, 1, 1, 1)
            sr: torch.Tensor = network(lr) + 0.05 * sign
            return sr

    judge = ClipValidation(pack, SCALE, 3, 4, "cpu")
    assert judge.scores(Flickering())["val/flicker"] > 5e-3 > first["val/flicker"]
    shown = judge.shown(network)
    assert len(shown) == 3
    assert {one.shape for picture in shown for one in vars(picture).values()} == {(40, 40, 3)}
