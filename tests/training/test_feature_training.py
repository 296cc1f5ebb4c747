"""`kind: features`: R1's idea, a feature network that learned from the data at hand."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from packs import pairs, picture, write_pack
from safetensors.torch import load_file
from trainings import parameters, supervised

from superres.config import Experiment
from superres.errors import ConfigError, DataError, ModelError
from superres.losses.weights import load_features
from superres.training.feature_training import Accuracy, build_classifier, class_names, classes
from superres.training.run import Place, Result, train


def learning(steps: int = 40, **changes: Any) -> Experiment:
    content = {
        "kind": "features",
        "target": "images",
        "model": {"name": "vgg19", "divisor": 16},
        "batch_size": 8,
        "phases": [{"steps": steps, "losses": {"cross_entropy": 1}}],
    }
    return supervised(**(content | changes))


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """A pack of three training pictures of very different brightness, and one to validate with."""
    made = [picture(40, 40) // 4 + level for level in (0, 90, 180)]
    return write_pack(tmp_path / "pairs", 2, {"train": pairs(2, *made), "val": pairs(2, made[0])})


def run(pack: Path, folder: Path, tracker: Any, experiment: Experiment, **options: Any) -> Result:
    name = options.pop("name", "mine")
    on_step = options.pop("on_step", lambda step, steps, latest: None)
    place = Place(pack, folder / "runs", folder / "models")
    return train(name, experiment, parameters(**options), tracker, place, on_step)


def test_it_learns_to_tell_pictures_apart(three: Path, tmp_path: Path, recorder: Any) -> None:
    result = run(three, tmp_path, recorder, learning(120), validate_every=120)
    assert result.metrics["val/accuracy"] > 0.8  # of three: 0.33 by chance
    loss = recorder.of("train/loss")
    assert loss[120] < loss[5] / 2


def test_what_it_leaves_is_what_a_perceptual_loss_takes(
    three: Path, tmp_path: Path, recorder: Any
) -> None:
    result = run(three, tmp_path, recorder, learning(10))
    file = result.model / "features.safetensors"
    network = load_features(file, "vgg19")
    assert network.divisor == 16
    assert network.origin.startswith("mine-")
    assert "from scratch, to tell images of made-here apart" in network.origin
    facts = json.loads((result.model / "features.json").read_text())
    assert facts["metrics"] == result.metrics
    assert facts["weights"] == result.weights
    assert "perceptual.weights" in (result.model / "README.md").read_text()
    assert not (result.model / "model.json").exists()  # no generator to serve

    phases = [{"steps": 4, "losses": {"mse": 1, "vgg19_22": 0.1, "vgg19_conv5_4_l1": 0.1}}]
    params = parameters().model_copy(
        update={"perceptual": parameters().perceptual.model_copy(update={"weights": str(file)})}
    )
    place = Place(three, tmp_path / "runs", tmp_path / "models")
    train("user", supervised(phases=phases), params, recorder, place)
    assert recorder.started[-1].tags["perceptual_weights"] == network.origin


def test_a_killed_run_ends_with_the_same_weights(
    three: Path, tmp_path: Path, recorder: Any
) -> None:
    whole = run(three, tmp_path, recorder, learning(12), name="whole")

    def stop(step: int, steps: int, latest: object) -> None:
        if step == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(three, tmp_path, recorder, learning(12), on_step=stop, state_every=5)
    result = run(three, tmp_path, recorder, learning(12), state_every=5)
    assert result.resumed
    assert result.weights == whole.weights


def test_it_keeps_the_best_accuracy(three: Path, tmp_path: Path, recorder: Any) -> None:
    keep = {"best": {"metric": "accuracy", "mode": "max"}}
    result = run(three, tmp_path, recorder, learning(40, keep=keep), validate_every=10)
    assert result.metrics["val/accuracy"] == max(recorder.of("val/accuracy").values())


def test_classes_are_what_the_target_says(tmp_path: Path) -> None:
    made = pairs(2, *(picture(40, 40, seed) for seed in range(3)))
    pack = write_pack(tmp_path / "pairs", 2, {"train": made})
    assert len(classes(pack, learning())) == 3
    assert class_names(pack, learning(target="sources"), "train") == ["made-here"] * 3
    with pytest.raises(DataError, match="target 'sources' finds 1 classes"):
        classes(pack, learning(target="sources"))
    assert class_names(pack, learning(hr_patch=48), "train") == []


def test_images_are_labelled_in_the_order_the_sampler_counts_them(three: Path) -> None:
    classifier = build_classifier(learning(), three, 1)
    known = classes(three, learning())
    names = class_names(three, learning(), "train")
    assert [known[label] for label in classifier.labels] == names


def test_accuracy_is_always_of_the_same_crops(three: Path) -> None:
    judge = Accuracy(three, learning(), 1, "cpu")
    classifier = build_classifier(learning(), three, 1)
    assert judge.scores(classifier) == judge.scores(classifier)
    assert judge.shown(classifier) == []


def test_it_is_fine_tuned_from_given_weights(
    three: Path, tmp_path: Path, recorder: Any, shared_data: Path
) -> None:
    """ImageNet's VGG16 up to relu2_2; the rest begins at random; its own value range is kept."""
    file = shared_data / "weights" / "vgg16_imagenet_conv1_1_to_conv2_2.npz"
    experiment = learning(1, model={"name": "vgg16"}, init=str(file), batch_size=2)
    given = load_features(file, "vgg16")
    classifier = build_classifier(experiment, three, 1)
    for name, value in given.state_dict().items():
        assert torch.equal(classifier.network.state_dict()[name], value)
    image = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(classifier.network(image, 8), given(image, 8))

    small = learning(2, model={"name": "vgg16", "divisor": 16})
    first = run(three, tmp_path, recorder, small, name="first")
    again = learning(2, model=small.model, init=str(first.model))
    result = run(three, tmp_path, recorder, again, name="again")
    assert (
        "from " + str(first.model)
        in load_features(result.model / "features.safetensors", "vgg16").origin
    )
    begun = build_classifier(again, three, 1).network.state_dict()
    kept = load_file(str(first.model / "features.safetensors"))
    assert all(torch.equal(begun[name], value) for name, value in kept.items())
    with pytest.raises(ModelError, match="divisor 16, the experiment's model 8"):
        build_classifier(
            learning(model={"name": "vgg16", "divisor": 8}, init=str(first.model)), three, 1
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": None}, "needs a 'target': images, sources, folders or clips"),
        ({"discriminator": {"name": "srgan"}}, "has no discriminator"),
        ({"phases": [{"steps": 1, "losses": {"mse": 1}}]}, "the one loss 'cross_entropy'"),
        ({"keep": {"best": {"metric": "psnr"}}}, "metric 'psnr' is not one of kind 'features'"),
    ],
)
def test_half_a_feature_experiment_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        learning(**changes)


def test_a_patch_that_the_packs_scale_does_not_divide_is_refused(
    three: Path, tmp_path: Path, recorder: Any
) -> None:
    with pytest.raises(ConfigError, match="hr_patch 17 is not a multiple of the scale 2"):
        run(three, tmp_path, recorder, learning(hr_patch=17))
    with pytest.raises(ConfigError, match=r"unknown options \['depth'\]"):
        run(three, tmp_path, recorder, learning(model={"name": "vgg19", "depth": 3}))
