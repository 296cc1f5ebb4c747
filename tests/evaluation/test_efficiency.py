"""What a model costs: measured side by side, and None where a machine does not tell."""

from pathlib import Path

import numpy as np
import pytest
import torch

from superres.checkpoint import Model, load_model
from superres.evaluation import efficiency
from superres.evaluation.efficiency import CLIP, frames_of, interleaved, milliseconds, spent_by
from superres.images import Picture
from superres.inference.upscaler import Upscaler
from superres.models import build, recurrent
from superres.models.motion import motion


def test_works_take_turns_and_the_first_round_warms_up(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    clock = {"now": 0.0}
    takes = {"a": iter((9, 1, 2)), "b": iter((90, 10, 20))}  # milliseconds

    def work(name: str) -> None:
        order.append(name)
        clock["now"] += next(takes[name]) / 1000

    monkeypatch.setattr("time.perf_counter", lambda: clock["now"])
    found = interleaved({name: lambda name=name: work(name) for name in "ab"}, 2)
    assert order == ["a", "b"] * 3
    assert found["a"] == pytest.approx([1, 2])
    assert found["b"] == pytest.approx([10, 20])


def test_a_network_of_video_is_timed_over_a_clip_flow_and_memory_included(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = build("recurrent", scale=2, channels=4, layers=1).eval()
    asked = []

    def counted(here: torch.Tensor, there: torch.Tensor, method: str) -> torch.Tensor:
        asked.append(method)
        return motion(here, there, method)

    monkeypatch.setattr(recurrent, "motion", counted)
    film = Upscaler(Model(network, network.info))
    picture = Upscaler(load_model("bicubic", scale=2))
    lr = Picture(np.zeros((24, 32, 3), np.uint8))
    found = milliseconds({"film": film, "picture": picture}, lr, 1)
    assert (frames_of(film), frames_of(picture)) == (CLIP, 1)
    assert len(asked) == 2 * (CLIP - 1)
    assert min(found.values()) > 0


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory: needs Linux")
def test_memory_is_the_peak_above_what_was_used_before() -> None:
    held = np.ones(50 << 17)  # 50 MiB that do not count
    spent = spent_by(lambda: np.ones(200 << 17).sum())
    assert spent.memory is not None
    assert 190 < spent.memory / 2**20 < 260
    assert held.sum() == 50 << 17


def test_what_a_machine_does_not_tell_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("STATUS", "CLEAR", "POWER"):
        monkeypatch.setattr(efficiency, name, tmp_path / "nowhere" / name)
    spent = spent_by(lambda: None)
    assert (spent.memory, spent.joules) == (None, None)


def test_energy_is_the_sum_of_all_cpu_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        (tmp_path / f"intel-rapl:{number}").mkdir()
        (tmp_path / f"intel-rapl:{number}" / "energy_uj").write_text("1000000\n")
    monkeypatch.setattr(efficiency, "POWER", tmp_path)
    used = iter(["3000000", "5500000"])

    def work() -> None:
        (tmp_path / "intel-rapl:1" / "energy_uj").write_text(next(used))

    assert spent_by(work).joules == pytest.approx(2.5)
