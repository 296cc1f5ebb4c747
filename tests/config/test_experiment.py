"""experiments/*.yaml: what is written is what is trained, and nonsense does not start."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from superres.config import Experiment, load_experiment, resolve_budget
from superres.config.schema import parse
from superres.errors import ConfigError
from superres.losses import is_loss
from superres.losses.adversarial import OBJECTIVES, objective
from superres.losses.feature_network import FeatureNetwork
from superres.models import build, build_discriminator

ROOT = Path(__file__).parents[2] / "experiments"
NAMES = sorted(file.stem for file in ROOT.glob("*.yaml"))
GAME: dict[str, Any] = {
    "steps": 30,
    "losses": {"mse": 1, "adversarial": 0.001},
    "adversarial": {"objective": "bce"},
}


def experiment(**changes: Any) -> Experiment:
    content: dict[str, Any] = {
        "source": "a test",
        "expected": "nothing",
        "model": {"name": "compact", "scale": 4},
        "phases": [{"steps": 100, "losses": {"mse": 1}}],
    }
    return parse(Experiment, content | changes, "small.yaml")


def fault(**changes: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        experiment(**changes)
    return str(caught.value)


@pytest.mark.parametrize("budget", ["demo", "full", 0.01])
@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_of_this_project_resolves(name: str, budget: Any) -> None:
    written = load_experiment(name, ROOT)
    resolved = resolve_budget(written, budget)
    if written.kind == "features":
        assert FeatureNetwork(int(resolved.model.get("divisor", 1)), net=resolved.model["name"])
        return
    assert build(**resolved.model).info.scale == written.model["scale"]
    if resolved.discriminator is not None:
        dense = {"dense": 2} if resolved.discriminator["name"] == "srgan" else {}
        build_discriminator(**{**resolved.discriminator, "channels": 2, **dense})
    for phase in resolved.phases:
        assert all(is_loss(loss) for loss in phase.losses)
        assert phase.adversarial is None or objective(phase.adversarial.objective)


@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_says_its_source_and_what_to_expect(name: str) -> None:
    assert (ROOT / f"{name}.yaml").read_text(encoding="utf-8").startswith("# ")
    written = load_experiment(name, ROOT)
    assert written.source
    assert written.expected


def test_an_experiment_is_found_by_name_and_by_path() -> None:
    assert load_experiment("srgan-mse", ROOT) == load_experiment(str(ROOT / "srgan-mse.yaml"))


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'srgan': no file .*known: compact-mse, .*srgan-mse"):
        load_experiment("srgan", ROOT)


def test_an_unknown_key_in_a_file_is_named_with_the_file(tmp_path: Path) -> None:
    content = yaml.safe_load((ROOT / "compact-mse.yaml").read_text(encoding="utf-8"))
    content["optimizer"]["learnig_rate"] = 1
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError) as caught:
        load_experiment(str(file))
    assert str(caught.value) == (
        f"{file}: unknown key 'learnig_rate' in 'optimizer'; accepted: betas, learning_rate, "
        "name, weight_decay. Did you mean 'learning_rate'?"
    )


def test_the_adversarial_loss_and_its_section_need_each_other() -> None:
    critic = {"name": "srgan"}
    loss_alone = {"steps": 1, "losses": {"adversarial": 1}}
    section_alone = {"steps": 1, "losses": {"mse": 1}, "adversarial": {}}
    for phase in (loss_alone, section_alone):
        message = fault(phases=[phase], discriminator=critic)
        assert "needs the section 'adversarial: {objective: ...}'" in message
        assert message.startswith("small.yaml: key 'phases.0'")


def test_an_adversarial_phase_needs_a_discriminator() -> None:
    assert "needs a 'discriminator'" in fault(phases=[GAME])
    assert experiment(phases=[GAME], discriminator={"name": "srgan"}).phases[0].adversarial


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"scale": 4}}, "'model' needs a 'name'"),
        ({"model": {"name": "compact"}}, "'model' needs an integer 'scale'"),
        ({"model": {"name": "compact", "scale": 0}}, "'model' needs an integer 'scale' from 1"),
        ({"hr_patch": 98}, "hr_patch 98 is not a multiple of the model's scale 4"),
        ({"phases": []}, "key 'phases': Tuple should have at least 1 item"),
        ({"phases": [{"steps": 0, "losses": {"mse": 1}}]}, "key 'phases.0.steps'"),
        ({"phases": [{"steps": 1, "losses": {}}]}, "key 'phases.0.losses'"),
        ({"phases": [{"steps": 1, "losses": {"mse": 0}}]}, "key 'phases.0.losses.mse'"),
        ({"optimizer": {"betas": [0.9]}}, "key 'optimizer.betas.1' is missing"),
        ({"ema": 1.0}, "key 'ema': Input should be less than 1"),
        ({"keep": "first"}, "key 'keep': Input should be 'last'; found 'first'"),
    ],
)
def test_nonsense_is_refused_with_its_key(changes: dict[str, Any], message: str) -> None:
    assert message in fault(**changes)


def test_a_fault_inside_a_choice_is_told_once_and_in_the_words_of_the_file() -> None:
    assert fault(keep={"best": {"metrik": "psnr"}}) == (
        "small.yaml: unknown key 'metrik' in 'keep.best'; accepted: metric, mode. "
        "Did you mean 'metric'?"
    )


@pytest.mark.parametrize(
    ("metric", "mode"), [("psnr", "min"), ("ssim", "min"), ("mse", "max"), ("lpips", "max")]
)
def test_the_worse_direction_of_a_metric_is_refused(metric: str, mode: str) -> None:
    watched = {"metric": metric, "mode": mode}
    assert f"metric '{metric}' needs mode" in fault(keep={"best": watched})
    assert f"metric '{metric}' needs mode" in fault(early_stopping=watched)


def test_the_full_budget_is_the_file_as_written() -> None:
    written = experiment(demo={"steps": 5})
    assert resolve_budget(written, "full") == written


def test_a_fraction_shortens_every_phase_to_at_least_a_step() -> None:
    written = experiment(
        phases=[{"steps": steps, "losses": {"mse": 1}} for steps in (1000, 500, 3)],
    )
    resolved = resolve_budget(written, 0.1)
    assert [phase.steps for phase in resolved.phases] == [100, 50, 1]
    assert resolved.model_copy(update={"phases": written.phases}) == written


def test_demo_without_a_section_is_a_hundredth() -> None:
    assert resolve_budget(experiment(), "demo").steps == 1


def test_demo_replaces_what_its_section_names_and_nothing_else() -> None:
    written = experiment(
        model={"name": "srresnet", "scale": 4, "blocks": 16, "norm": True},
        discriminator={"name": "srgan", "dropout": 0.5},
        optimizer={"name": "adamw", "learning_rate": 1e-4, "betas": [0.5, 0.9]},
        phases=[{"steps": 300, "losses": {"mse": 1}}, {**GAME, "steps": 700}],
        keep={"best": {"metric": "ssim", "mode": "max"}},
        demo={
            "steps": 100,
            "batch_size": 2,
            "hr_patch": 48,
            "learning_rate": 1e-3,
            "model": {"blocks": 2},
            "discriminator": {"channels": 8},
        },
    )
    demo = resolve_budget(written, "demo")
    assert demo.model == {"name": "srresnet", "scale": 4, "blocks": 2, "norm": True}
    assert demo.discriminator == {"name": "srgan", "dropout": 0.5, "channels": 8}
    assert (demo.batch_size, demo.hr_patch) == (2, 48)
    assert demo.optimizer.model_dump() == {
        "name": "adamw",
        "learning_rate": 1e-3,
        "betas": (0.5, 0.9),
        "weight_decay": 0.0,
    }
    assert [phase.steps for phase in demo.phases] == [30, 70]
    assert [phase.losses for phase in demo.phases] == [phase.losses for phase in written.phases]
    assert (demo.keep, demo.source) == (written.keep, written.source)
    assert written.model["blocks"] == 16


def test_a_demo_that_makes_the_experiment_inconsistent_is_refused() -> None:
    with pytest.raises(ConfigError, match="budget demo: hr_patch 50 is not a multiple"):
        resolve_budget(experiment(demo={"steps": 5, "hr_patch": 50}), "demo")


def game(**changes: Any) -> dict[str, Any]:
    critic = {"name": "srgan"}
    section = {"objective": "bce", **changes}
    return {"phases": [{**GAME, "adversarial": section}], "discriminator": critic}


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_an_experiment_can_name_every_objective_there_is(name: str) -> None:
    assert experiment(**game(objective=name)).phases[0].adversarial.objective == name
    assert "key 'phases.0.adversarial.objective'" in fault(**game(objective="gan"))


@pytest.mark.parametrize("name", ["hinge", "wgan", "wgan-gp", "probability"])
def test_labels_are_smoothed_where_there_are_labels(name: str) -> None:
    assert "has no labels to smooth" in fault(**game(objective=name, label_smoothing=0.1))
    assert experiment(**game(objective="lsgan", label_smoothing=0.1))


def test_a_critic_that_learns_alone_to_the_end_is_refused() -> None:
    assert "d_warmup 30 leaves none of the phase's 30 steps" in fault(**game(d_warmup=30))


def test_warmup_and_ramp_keep_their_share_of_the_phase() -> None:
    played = game(d_warmup=10, ramp={"steps": 8, "shape": "cosine"})
    for share, warmup, ramp in ((0.5, 5, 4), (0.1, 1, 1), (1.0, 10, 8)):
        resolved = resolve_budget(experiment(**played), share).phases[0].adversarial
        assert (resolved.d_warmup, resolved.ramp.steps) == (warmup, ramp)
    shortest = resolve_budget(experiment(**played), 0.001).phases[0]
    assert (shortest.steps, shortest.adversarial.d_warmup) == (1, 0)
    demo = resolve_budget(experiment(**played, demo={"steps": 15}), "demo").phases[0]
    assert (demo.steps, demo.adversarial.d_warmup, demo.adversarial.ramp.steps) == (15, 5, 4)


def test_what_decides_is_what_is_measured() -> None:
    keep = {"best": {"metric": "lpips", "mode": "min"}}
    stop = {"metric": "ssim"}
    assert experiment(keep=keep, early_stopping=stop).watched == {"lpips", "ssim"}
    assert experiment().watched == set()
    accuracy = {"best": {"metric": "accuracy"}}
    assert "metric 'accuracy' is not one of kind 'generator'" in fault(keep=accuracy)


def test_what_belongs_to_features_or_critics_is_refused_without_them() -> None:
    assert "'target' is for 'kind: features' only" in fault(target="images")
    assert "'init_discriminator' needs a 'discriminator'" in fault(init_discriminator="srgan-mse")
    assert experiment(init="champion").init == "champion"


def test_a_feature_experiment_needs_no_scale_and_resolves() -> None:
    written = experiment(
        kind="features",
        target="folders",
        model={"name": "vgg19"},
        init="torchvision",
        phases=[{"steps": 100, "losses": {"cross_entropy": 1}}],
        keep={"best": {"metric": "accuracy"}},
        demo={"steps": 5, "model": {"divisor": 8}},
    )
    demo = resolve_budget(written, "demo")
    assert demo.model == {"name": "vgg19", "divisor": 8}
    assert demo.steps == 5


def test_a_demo_of_a_smaller_network_may_begin_from_scratch() -> None:
    written = experiment(init="champion", demo={"steps": 5, "from_scratch": True})
    assert resolve_budget(written, "demo").init is None
    assert resolve_budget(written, "full").init == "champion"
    assert resolve_budget(experiment(init="champion", demo={"steps": 5}), "demo").init == "champion"
