"""Every file in experiments/ trains as its demo says, only shorter, and its loss falls."""

from pathlib import Path
from typing import Any

import pytest
import torch
from packs import pairs, picture, write_pack
from safetensors.torch import save_file
from trainings import parameters

from superres.config import Experiment, Phase, load_experiment, resolve_budget
from superres.config.schema import parse
from superres.losses import FeatureNetwork
from superres.losses.lpips import TAPS
from superres.models import build
from superres.training.features import start_widely
from superres.training.run import Place, train

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "experiments").glob("*.yaml"))
SIDE = 64  # HR pixels: both of a training picture and of a crop, so that losses compare
SHORT = {"batch_size": 2, "hr_patch": SIDE, "keep": "last", "early_stopping": None, "demo": None}


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Return a pack for each scale; its one training picture is as large as a crop."""
    made: dict[int, Path] = {}
    for scale in (2, 4):
        own = pairs(scale, *(picture(SIDE, SIDE, seed) for seed in range(4)))
        folder = tmp_path_factory.mktemp("packs") / f"x{scale}"
        made[scale] = write_pack(folder, scale, {"train": own[:3], "val": own[3:]})
    return made


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with narrow networks of random weights: enough for a distance."""
    folder = tmp_path_factory.mktemp("features")
    torch.manual_seed(2)
    for net in ("vgg19", "vgg16"):
        network = FeatureNetwork(16, "a test", net=net)
        start_widely(network)
        save_file(network.state_dict(), str(folder / f"{net}.safetensors"))
    squeeze = FeatureNetwork(16, "a test", net="squeeze")
    start_widely(squeeze)
    save_file(squeeze.state_dict(), str(folder / "squeezenet1_1.safetensors"))
    (folder / "lpips_linear").mkdir()
    widths = [one.shape[1] for one in squeeze.several(torch.rand(1, 3, 64, 64), TAPS["squeeze"])]
    heads = {
        f"lin{at}.model.1.weight": torch.full((1, wide, 1, 1), 1 / wide)
        for at, wide in enumerate(widths)
    }
    torch.save(heads, folder / "lpips_linear" / "squeeze.pth")
    return folder


def short(file: Path, steps: int) -> Experiment:
    """Return the file's demo with `steps` steps of small batches."""
    experiment = resolve_budget(load_experiment(str(file)), "demo")
    phases = tuple(phase.scaled(steps / experiment.steps) for phase in experiment.phases)
    changed = experiment.model_copy(update={**SHORT, "phases": phases})
    return parse(Experiment, changed.model_dump(exclude_unset=True), file)


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_the_loss_of_its_first_phase_falls(
    file: Path, packs: dict[int, Path], features: Path, recorder: Any, tmp_path: Path
) -> None:
    experiment = short(file, steps=36)
    scale = experiment.model.get("scale", 2)
    settings = parameters(log_every=1, validate_every=1000)
    settings = settings.model_copy(
        update={
            "scale": scale,
            "perceptual": settings.perceptual.model_copy(update={"weights": str(features)}),
        }
    )
    result = train(
        file.stem,
        experiment,
        settings,
        recorder,
        Place(packs[scale], tmp_path / "runs", tmp_path / "models"),
    )
    losses = _losses(experiment.phases[0], recorder)
    part = max(1, len(losses) // 4)
    assert sum(losses[-part:]) < sum(losses[:part]), losses
    assert result.steps == experiment.steps


def _losses(phase: Phase, recorder: Any) -> list[float]:
    """Return what the phase minimises, step by step, without what the critic says."""
    if phase.adversarial is None:
        return list(recorder.of("train/loss").values())[: phase.steps]
    terms = {name: weight for name, weight in phase.losses.items() if name != "adversarial"}
    curves = [
        [weight * value for value in recorder.of(f"train/{name}").values()]
        for name, weight in terms.items()
    ]
    return [sum(values) for values in zip(*curves, strict=True)][: phase.steps]


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_its_full_form_is_a_network_that_its_first_lines_explain(file: Path) -> None:
    experiment = load_experiment(str(file))
    lines = file.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    assert experiment.source
    assert experiment.expected
    if experiment.kind == "generator":
        named = 2 if file.stem.endswith("-x2") else 4
        assert experiment.model["scale"] == named, "the name says the scale"
        with torch.device("meta"):
            build(**experiment.model)
