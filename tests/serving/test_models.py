"""Models by name: what is served, what is opened, what is told about it."""

from pathlib import Path

import pytest

from superres.checkpoint import load_model, save_model
from superres.config import ServingParams
from superres.errors import InputError, ModelError
from superres.models import build
from superres.release.export import export_onnx
from superres.serving.limits import serving_params
from superres.serving.models import KEPT_MODELS, Models


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, scale in {
        "champion": 2,
        "runs/first": 2,
        "runs/second": 3,
        "pretrained/a": 4,
    }.items():
        folder = tmp_path / "models" / name
        save_model(folder, build("bicubic", scale=scale), {"version": f"v{scale}"})
    return tmp_path


def test_every_model_folder_and_baseline_is_served(root: Path) -> None:
    models = Models(root, "champion", ServingParams())
    names = [facts["name"] for facts in models.describe()]
    assert names[0] == "champion"
    assert set(names) >= {"first", "second", "a", "bicubic", "nearest"}
    assert [facts["name"] for facts in models.describe() if facts["default"]] == ["champion"]
    assert models.get("second").info.scale == 3
    assert models.get().version == "v2"


def test_a_model_is_opened_once(root: Path) -> None:
    models = Models(root, "champion", ServingParams())
    assert models.get("first") is models.get("first")


def test_the_default_stays_open_when_others_close(root: Path) -> None:
    models = Models(root, "champion", ServingParams())
    default = models.get()
    for name in ("first", "second", "a", "bicubic", "nearest"):
        models.get(name)
    assert len(models._open) == KEPT_MODELS
    assert models.get() is default


def test_what_is_closed_is_not_told_as_loaded(root: Path) -> None:
    from prometheus_client import REGISTRY

    models = Models(root, "champion", ServingParams())
    names = ("champion", "first", "second", "a", "bicubic", "nearest")
    which = {name: models.get(name).which._asdict() for name in names}
    told = {name: REGISTRY.get_sample_value("superres_model_loaded", which[name]) for name in names}
    assert {name for name, loaded in told.items() if loaded} == {*models._open}


def test_a_baseline_is_served_whatever_computes_the_models(root: Path) -> None:
    models = Models(root, "bicubic", ServingParams(backend="onnx"))
    assert models.get().backend.name == "torch"


def test_baselines_upscale_like_the_default(root: Path) -> None:
    models = Models(root, "second", ServingParams())
    assert models.get().info.scale == 3
    assert models.get("nearest").info.scale == 3


def test_the_default_may_lie_elsewhere(root: Path, tmp_path: Path) -> None:
    elsewhere = save_model(tmp_path / "elsewhere" / "mine", build("bicubic", scale=2), {})
    models = Models(root, str(elsewhere), ServingParams())
    assert models.default == "mine"
    assert models.get() is models.get("mine")
    with pytest.raises(InputError):
        models.get(str(elsewhere))


def test_a_damaged_model_is_listed_with_its_fault(root: Path) -> None:
    (root / "models" / "runs" / "first" / "model.json").write_text("{")
    models = Models(root, "champion", ServingParams())
    (facts,) = [facts for facts in models.describe() if facts["name"] == "first"]
    assert "cannot be read" in facts["error"]
    with pytest.raises(ModelError):
        models.get("first")


def test_limits_reach_the_upscaler(root: Path) -> None:
    models = Models(root, "champion", ServingParams(tile=48, backend="torch"))
    assert models.get()._network.tile == 48
    assert models.get().backend.name == "torch"


def test_openvino_computes_where_it_is_asked_for_and_what_auto_finds(root: Path) -> None:
    pytest.importorskip("openvino")
    folder = save_model(root / "models" / "champion", build("fsrcnn", scale=2), {"version": "1"})
    export_onnx(load_model(folder), folder / "model.onnx")
    for backend in ("openvino", "auto"):
        params = serving_params(root, {"SUPERRES_BACKEND": backend})
        assert Models(root, "champion", params).get().backend.name == "openvino"


def test_a_replaced_champion_answers_next_and_the_old_one_can_still_be_asked_for(
    root: Path,
) -> None:
    models = Models(root, "champion", ServingParams())
    old = models.get()
    assert models.refresh() == []
    save_model(root / "models" / "champion", build("bicubic", scale=3), {"version": "new"})
    assert models.get() is old
    assert models.refresh() == ["champion"]
    assert models.get().version == "new"
    assert models.get("champion@new") is models.get()
    assert models.get("champion@v2") is old
    assert models.versions("champion") == [
        {"version": "new", "current": True},
        {"version": "v2", "current": False},
    ]
    assert models.get("nearest").info.scale == 3  # baselines go with the default


def test_a_version_is_found_among_the_other_folders(root: Path) -> None:
    models = Models(root, "champion", ServingParams())
    assert models.get("champion@v3") is models.get("second")
    with pytest.raises(InputError, match=r"no version 'v9'.*known: v2") as refused:
        models.get("champion@v9")
    assert (refused.value.status, refused.value.code) == (404, "unknown_version")


def test_a_champion_that_cannot_be_opened_changes_nothing(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    models = Models(root, "champion", ServingParams())
    old = models.get()
    folder = save_model(root / "models" / "champion", build("fsrcnn", scale=2), {"version": "bad"})
    (folder / "model.safetensors").write_bytes(b"torn")
    assert models.refresh() == []
    assert models.refresh() == []
    assert models.get() is old
    assert [record.levelname for record in caplog.records] == ["ERROR"]  # told once


def test_a_folder_between_two_moves_is_left_alone(root: Path) -> None:
    models = Models(root, "champion", ServingParams())
    old = models.get()
    (root / "models" / "champion").rename(root / "models" / ".champion.previous")
    assert models.refresh() == []
    assert models.get() is old


def test_pretrained_models_go_by_their_name(root: Path) -> None:
    save_model(root / "models" / "pretrained" / "first", build("bicubic", scale=4), {})
    models = Models(root, "champion", ServingParams())
    assert models.get("a").info.scale == 4
    assert models.get("first").info.scale == 2  # one trained here comes first
    assert models.get("pretrained/first").info.scale == 4
