"""Model folders appear whole, load exactly or say why not; states survive being cut off."""

import json
import logging
import os
import random
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from superres.checkpoint import (
    load_model,
    load_state,
    previous_state,
    remove_states,
    save_model,
    save_state,
)
from superres.errors import ModelError, StorageError
from superres.models import BASELINES, Generator, build


def network(seed: int = 1) -> Generator:
    torch.manual_seed(seed)
    return build("srresnet", scale=2, blocks=1, channels=4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_model(tmp_path / "models" / "mine", network(), {"version": "mine-1"}, "# Card\n")


def test_a_model_folder_holds_weights_facts_and_card(folder: Path) -> None:
    assert {file.name for file in folder.iterdir()} == {
        "model.safetensors",
        "model.json",
        "README.md",
    }
    content = json.loads((folder / "model.json").read_text())
    assert content["info"]["options"]["blocks"] == 1
    assert content["provenance"] == {"version": "mine-1"}
    assert (folder / "README.md").read_text() == "# Card\n"


def test_a_loaded_model_is_ready_to_use(folder: Path) -> None:
    model = load_model(folder)
    assert model.folder == folder
    assert model.version == "mine-1"
    assert not model.generator.training
    for name, value in network().state_dict().items():
        assert torch.equal(model.generator.state_dict()[name], value), name


def test_equal_weights_are_equal_bytes(tmp_path: Path) -> None:
    one, two = (save_model(tmp_path / name, network(), {}) for name in ("one", "two"))
    assert (one / "model.safetensors").read_bytes() == (two / "model.safetensors").read_bytes()


def test_saving_again_replaces_the_whole_folder(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"of the old weights")
    save_model(folder, network(2), {"version": "mine-2"})
    assert load_model(folder).version == "mine-2"
    assert not (folder / "model.onnx").exists()
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]


def test_a_save_that_fails_leaves_the_old_folder(folder: Path) -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        save_model(folder, network(2), {"version": object()})
    assert load_model(folder).version == "mine-1"
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]


def test_everyone_may_read_a_model_folder(folder: Path) -> None:
    assert folder.stat().st_mode & 0o055 == 0o755 & ~_umask() & 0o055
    for file in folder.iterdir():  # a service runs as another user than the training
        assert file.stat().st_mode & 0o044 == 0o644 & ~_umask() & 0o044, file.name


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_is_a_model_without_a_folder(name: str) -> None:
    model = load_model(name, scale=3)
    assert (model.version, model.info.scale, model.folder) == (name, 3, None)


def test_a_trained_experiment_and_the_champion_go_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_model(Path("models/runs/srgan-mse"), network(), {"version": "trained"})
    save_model(Path("models/champion"), network(), {"version": "served"})
    assert load_model("srgan-mse").version == "trained"
    assert load_model("champion").version == "served"


def test_an_unknown_name_is_refused_with_what_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=r"'nothing': no model.json .*'champion'.*bicubic.*folder"):
        load_model("nothing")
    with pytest.raises(ModelError, match=r"'champion'.*after 'superres promote'"):
        load_model("champion")


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("info"),
        lambda content: content.update(format=2),
        lambda content: content.update(info=["srresnet"]),
        lambda content: content["info"].update(colour="blue"),
    ],
)
def test_a_damaged_model_json_is_refused_by_name(folder: Path, change: Any) -> None:
    file = folder / "model.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    with pytest.raises(ModelError, match=r"model.json: cannot be read"):
        load_model(folder)
    file.write_text("{")
    with pytest.raises(ModelError, match=r"model.json: cannot be read"):
        load_model(folder)


def test_weights_that_are_torn_missing_or_of_another_network_are_refused(folder: Path) -> None:
    file = folder / "model.safetensors"
    whole = file.read_bytes()
    for content in (whole[:-7], b"", b"not a safetensors file"):
        file.write_bytes(content)
        with pytest.raises(ModelError, match=r"model.safetensors: cannot be loaded"):
            load_model(folder)
    weights = load_file_of(whole, file)
    weights.pop("tail.bias")
    save_file(weights, str(file))
    with pytest.raises(ModelError, match=r"(?s)cannot be loaded .*tail.bias"):
        load_model(folder)
    file.unlink()
    with pytest.raises(ModelError, match=r"model.safetensors: cannot be loaded"):
        load_model(folder)


def load_file_of(content: bytes, file: Path) -> dict[str, torch.Tensor]:
    file.write_bytes(content)
    return dict(load_file(str(file)))


def test_weights_that_are_not_finite_are_refused(folder: Path) -> None:
    broken = network()
    with torch.no_grad():
        broken.tail.bias[1] = torch.nan
    save_model(folder, broken, {})
    with pytest.raises(ModelError, match=r"NaN or infinite values in \['tail.bias'\]"):
        load_model(folder)


def state(step: int, key: str = "this") -> dict[str, Any]:
    return {"key": key, "step": step, "random": torch.get_rng_state(), "best": None}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "mine" / "state.pt"


def test_the_newest_state_comes_back_and_the_one_before_is_kept(file: Path) -> None:
    assert load_state(file, "this") is None
    for step in (1, 2, 3):
        save_state(file, state(step))
    assert load_state(file, "this")["step"] == 3
    assert torch.load(previous_state(file), weights_only=True)["step"] == 2
    assert sorted(path.name for path in file.parent.iterdir()) == ["state.pt", "state.pt.previous"]


def damage_cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def damage_flipped(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)


def damage_emptied(file: Path) -> None:
    file.write_bytes(b"")


def damage_replaced(file: Path) -> None:
    torch.save([1, 2], file)


@pytest.mark.parametrize(
    "damage", [damage_cut, damage_flipped, damage_emptied, damage_replaced, Path.unlink]
)
def test_a_damaged_newest_state_gives_way_to_the_one_before(
    file: Path, damage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for step in (1, 2):
        save_state(file, state(step))
    damage(file)
    with caplog.at_level(logging.WARNING):
        assert load_state(file, "this")["step"] == 1
    if damage is not Path.unlink:
        assert f"{file}: " in caplog.text
        assert "passed over" in caplog.text


def test_a_state_of_another_configuration_is_passed_over(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for step in (1, 2):
        save_state(file, state(step, "another"))
    with caplog.at_level(logging.WARNING):
        assert load_state(file, "this") is None
    assert caplog.text.count("of another configuration or data version, passed over") == 2


def test_a_state_cannot_run_code(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    file.parent.mkdir(parents=True)
    torch.save({"key": "this", "where": Path("/")}, file)
    assert load_state(file, "this") is None
    assert "not a valid state" in caplog.text


class Killed(BaseException):
    """Stands for SIGKILL: nothing after it runs."""


@pytest.mark.parametrize("moment", ["while writing", "before keeping", "between keeping and new"])
def test_a_save_killed_at_any_moment_leaves_a_valid_state(
    file: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in (1, 2):
        save_state(file, state(step))
    replace, moved = Path.replace, []

    def save_half(content: object, stream: Any) -> None:
        stream.write(b"PK\x03\x04 half")
        raise Killed

    def move(source: Path, target: Path) -> Path:
        moved.append(target)
        if len(moved) > ("before keeping", "between keeping and new").index(moment):
            raise Killed
        return replace(source, target)

    with monkeypatch.context() as patch:
        if moment == "while writing":
            patch.setattr(torch, "save", save_half)
        else:
            patch.setattr(Path, "replace", move)
        with pytest.raises(Killed):
            save_state(file, state(3))
    assert load_state(file, "this")["step"] == 2
    save_state(file, state(4))
    assert load_state(file, "this")["step"] == 4
    assert {path.name for path in file.parent.iterdir()} == {"state.pt", "state.pt.previous"}


def test_the_last_ones_are_kept_and_no_more(file: Path) -> None:
    for step in range(1, 8):
        save_state(file, state(step), keep=4)
    kept = [torch.load(previous_state(file, age), weights_only=True) for age in range(4)]
    assert [one["step"] for one in kept] == [7, 6, 5, 4]
    assert len(list(file.parent.iterdir())) == 4
    save_state(file, state(8), keep=2)  # params.yaml now says 2
    assert {path.name for path in file.parent.iterdir()} == {"state.pt", "state.pt.previous"}
    save_state(file, state(9), keep=1)
    assert [path.name for path in file.parent.iterdir()] == ["state.pt"]
    remove_states(file)
    assert list(file.parent.iterdir()) == []


def test_the_newest_of_the_valid_ones_is_taken(file: Path) -> None:
    for step in range(1, 5):
        save_state(file, state(step), keep=4)
    for left, damage in enumerate((damage_cut, damage_flipped, damage_emptied)):
        damage(previous_state(file, left))
        assert load_state(file, "this")["step"] == 3 - left
    damage_replaced(previous_state(file, 3))
    assert load_state(file, "this") is None


@pytest.mark.parametrize("moves", range(4))
def test_a_save_killed_between_any_two_moves_loses_nothing(
    file: Path, moves: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in (1, 2, 3):
        save_state(file, state(step), keep=3)
    replace, made = Path.replace, []

    def move(source: Path, target: Path) -> Path:
        if len(made) == moves:
            raise Killed
        made.append(target)
        return replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", move)
        if moves < 3:
            with pytest.raises(Killed):
                save_state(file, state(4), keep=3)
        else:
            save_state(file, state(4), keep=3)
    assert load_state(file, "this")["step"] == (4 if moves == 3 else 3)
    save_state(file, state(5), keep=3)
    assert load_state(file, "this")["step"] == 5


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


def test_a_flipped_bit_anywhere_is_noticed_or_without_effect(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Every bit of such a file was flipped once by hand: 0 of 18,000 changed what was loaded."""
    caplog.set_level(logging.CRITICAL)
    whole = state(2) | {"weights": {str(index): torch.randn(40) for index in range(6)}}
    save_state(file, state(1))
    save_state(file, whole)
    content, chance = file.read_bytes(), random.Random(3)
    passed = 0
    for _ in range(300):
        changed = bytearray(content)
        changed[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        file.write_bytes(changed)
        found = load_state(file, "this")
        passed += found["step"] == 1
        assert same(found, whole if found["step"] == 2 else state(1) | {"random": found["random"]})
    assert passed > 100


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Let the system refuse what makes any file longer than `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [0, 100, 2000])
def test_a_full_disk_is_said_and_leaves_the_older_states(file: Path, size: int) -> None:
    for step in (1, 2):
        save_state(file, state(step))
    large = state(3) | {"weights": torch.zeros(5000)}
    with full_disk(size), pytest.raises(StorageError) as caught:
        save_state(file, large)
    assert f"{file}: the training state cannot be written" in str(caught.value)
    assert "the state before it, state.pt, is whole. Make room" in str(caught.value)
    assert {path.name for path in file.parent.iterdir()} == {"state.pt", "state.pt.previous"}
    assert load_state(file, "this")["step"] == 2
    save_state(file, large)
    assert load_state(file, "this")["step"] == 3


def test_a_full_disk_leaves_the_older_model(folder: Path) -> None:
    with full_disk(100), pytest.raises(StorageError, match=r"mine: the model cannot be written"):
        save_model(folder, network(2), {"version": "mine-2"})
    assert load_model(folder).version == "mine-1"
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]
