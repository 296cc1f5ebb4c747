"""OpenVINO computes an export as torch does the network, in the floats asked for, and is quiet."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from generator_specification import SMALL, redrawn
from hypothesis import given, settings
from hypothesis import strategies as st

from superres.checkpoint import Model, load_model, save_model
from superres.errors import ConfigError, ModelError
from superres.inference import Upscaler, openvino_runtime
from superres.inference.backends import OpenVinoBackend, open_backend
from superres.models import build
from superres.release.export import export_onnx

pytest.importorskip("openvino_telemetry", reason="openvino is not installed")

NAMES = ("srresnet", "span", "fast")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Model]]:
    """Small networks of several kinds, each a model folder with its export."""
    found = {}
    for name in NAMES:
        torch.manual_seed(1)
        folder = tmp_path_factory.mktemp(name)
        network = redrawn(build(name, **SMALL[name])).eval()
        save_model(folder, network, {"version": name})
        export_onnx(load_model(folder), folder / "model.onnx")
        found[name] = load_model(folder)
    yield found


OPENED: dict[tuple[str, str], Upscaler] = {}


def opened(model: Model, backend: Any) -> Upscaler:
    """Return an upscaler of the whole picture, made once: compiling takes longest."""
    key = (model.version, backend)
    if key not in OPENED:
        OPENED[key] = Upscaler(model, backend=backend, device="cpu", tile=0)
    return OPENED[key]


def noise(height: int, width: int) -> np.ndarray:
    random = np.random.default_rng(height * 97 + width)
    return random.integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=12, deadline=None)
@given(height=st.integers(1, 70), width=st.integers(1, 70), tile=st.integers(1, 48))
def test_tiled_equals_whole_in_torch(
    made: dict[str, Model], backend: str, name: str, height: int, width: int, tile: int
) -> None:
    picture = noise(height, width)
    whole = opened(made[name], "torch").pixels(picture).astype(int)
    upscaler = opened(made[name], backend)
    upscaler._network.tile = tile
    tiled = upscaler.pixels(picture).astype(int)
    assert whole.shape == tiled.shape
    assert np.abs(tiled - whole).max() <= 1
    assert (tiled != whole).sum() <= max(3, 1e-4 * whole.size)


def test_float32_is_said_and_bfloat16_only_where_asked(made: dict[str, Model]) -> None:
    model = made["srresnet"]
    assert model.folder is not None
    lr = np.random.default_rng(0).random((2, 3, 40, 50), dtype=np.float32)
    exact = open_backend(model, "torch", "cpu")(lr)
    for precision in ("auto", "float32"):
        np.testing.assert_allclose(
            open_backend(model, "openvino", "cpu", precision)(lr), exact, atol=2e-5
        )
    half = open_backend(model, "openvino", "cpu", "bfloat16")(lr)
    assert np.abs(half - exact).max() < 0.05
    with pytest.raises(ConfigError, match="accepted: auto, float32, bfloat16"):
        open_backend(model, "openvino", "cpu", "float16")


@pytest.mark.parametrize("broken", [np.nan, -1.0])
def test_a_broken_half_precision_is_left_for_float32(
    made: dict[str, Model],
    broken: float,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = made["srresnet"]
    lr = np.random.default_rng(0).random((1, 3, 24, 20), dtype=np.float32)
    backend = open_backend(model, "openvino", "cpu", "bfloat16")
    assert isinstance(backend, OpenVinoBackend)
    made_half = np.full((1, 3, 48, 40), broken, np.float32)
    monkeypatch.setattr(backend, "_network", lambda lr: made_half)
    exact = open_backend(model, "torch", "cpu")(lr)
    np.testing.assert_allclose(backend(lr), exact, atol=2e-5)
    assert "going on in float32" in caplog.text
    caplog.clear()
    np.testing.assert_allclose(backend(lr), exact, atol=2e-5)
    assert caplog.text == ""


def test_threads_do_not_disturb_each_other(made: dict[str, Model]) -> None:
    upscaler = Upscaler(made["span"], backend="openvino", tile=24)
    pictures = [noise(40 + size, 33) for size in range(8)]
    alone = [upscaler.pixels(picture) for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        for one, many in zip(alone, pool.map(upscaler.pixels, pictures), strict=True):
            np.testing.assert_array_equal(one, many)


def test_tiles_are_as_large_as_memory_holds(
    made: dict[str, Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    from superres.inference import exported

    backend = open_backend(made["srresnet"], "openvino", "cpu")
    assert backend.best_tile(4) == exported.CPU_TILE_MOST  # a small network
    monkeypatch.setattr(exported, "ROOMY_BYTES", 1)
    assert backend.best_tile(40) == 12 * 40  # a narrow core in a wide halo computes little else
    monkeypatch.setattr(exported, "free_bytes", lambda: 1 << 20)
    assert backend.best_tile(40) == exported.CPU_TILE


def test_what_is_no_export_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_model(tmp_path / "model", build("nearest", scale=2), {"version": "3"})
    with pytest.raises(ModelError, match=r"backend 'openvino'.*superres export"):
        open_backend(load_model(folder), "openvino", "cpu")
    (folder / "model.onnx").write_bytes(b"not a network")
    with pytest.raises(ModelError, match=r"model\.onnx: OpenVINO cannot load it"):
        open_backend(load_model(folder), "openvino", "cpu")
    monkeypatch.setattr(openvino_runtime, "has_openvino", lambda: False)
    with pytest.raises(ConfigError, match=r"superres\[openvino\]"):
        open_backend(load_model(folder), "openvino", "cpu")


ENDS = """
import gc, os, signal, sys
from superres.checkpoint import load_model
from superres.inference.upscaler import Upscaler
import numpy as np

heard = []
signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
opened = [Upscaler(load_model(sys.argv[1]), backend="openvino") for _ in range(2)]
for one in opened:
    one.pixels(np.zeros((24, 24, 3), np.uint8))
while opened:  # the first to come goes first
    del opened[0], one
    gc.collect()
    one = None
    room = [bytearray(1 << 14) for _ in range(500)]  # what was freed is used anew
    os.kill(os.getpid(), signal.SIGTERM)
assert len(heard) == 2
"""


def test_a_signal_is_heard_after_networks_have_come_and_gone() -> None:
    folder = Path(__file__).resolve().parents[2] / "models" / "pretrained" / "fast-x4"
    words = [sys.executable, "-X", "faulthandler", "-c", ENDS, str(folder)]
    told = subprocess.run(words, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr


def test_openvino_is_imported_without_its_telemetry(tmp_path: Path) -> None:
    """Left alone, its import makes ~/intel with a client id and sends an event."""
    code = (
        "import sys, socket\n"
        "def refuse(*anything, **more): raise AssertionError('a name was looked up')\n"
        "socket.getaddrinfo = socket.create_connection = refuse\n"
        "from superres.inference.openvino_runtime import openvino_runtime\n"
        "openvino_runtime().Core()\n"
        "assert not any(name.startswith('openvino_telemetry.') for name in sys.modules)\n"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={"HOME": str(tmp_path), "PATH": "/usr/bin"}
    )
    assert list(tmp_path.iterdir()) == []
