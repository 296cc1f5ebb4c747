"""--compile: what comes again is compiled, and says the same."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from nearest_export import write_nearest
from typer.testing import CliRunner

from superres import images
from superres.checkpoint import Model, load_model, save_model
from superres.commands.upscale import upscale
from superres.errors import ConfigError
from superres.images import Picture
from superres.inference import Upscaler
from superres.inference.backends import TorchBackend, open_backend
from superres.inference.compiling import SHAPES, Compiled, compiled
from superres.models import Generator, build

CPU = torch.device("cpu")


def network(name: str = "compact") -> Generator:
    torch.manual_seed(3)
    return build(name, scale=2, channels=8, layers=2).eval()


def of(size: int) -> torch.Tensor:
    return torch.rand(1, 3, size, size)


@pytest.fixture
def compiling(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """torch.compile that only notes what it is given and asked to compute."""
    noted: list[Any] = []

    def fake(module: torch.nn.Module, **options: Any) -> Any:
        noted.append(options)

        def run(lr: torch.Tensor) -> Any:
            noted.append(tuple(lr.shape[2:]))
            return module(lr)

        return run

    monkeypatch.setattr(torch, "compile", fake)
    yield noted


def test_off_is_the_network_itself(compiling: list[Any]) -> None:
    plain = network()
    assert compiled(plain, "off", CPU) is plain
    assert not compiling


@pytest.mark.parametrize(
    ("how", "device", "mode"),
    [
        ("default", "cpu", "default"),
        ("graphs", "cpu", "default"),
        ("graphs", "cuda", "reduce-overhead"),
    ],
)
def test_graphs_are_for_a_gpu(compiling: list[Any], how: Any, device: str, mode: str) -> None:
    compiled(network(), how, torch.device(device))
    assert compiling == [{"mode": mode, "dynamic": False}]


def test_only_what_comes_again_is_compiled(compiling: list[Any]) -> None:
    run = compiled(network(), "default", CPU)
    for size in (9, 20, 9, 21, 9, 22):  # inner tiles of 9, and those at edges
        run(of(size))
    assert compiling[1:] == [(9, 9), (9, 9)]


def test_of_many_shapes_only_a_few_are_compiled(compiling: list[Any]) -> None:
    run = compiled(network(), "default", CPU)
    for size in range(10, 10 + SHAPES + 3):
        for _ in range(3):
            run(of(size))
    assert len(set(compiling[1:])) == SHAPES


def test_without_a_compiler_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(module: torch.nn.Module, **_: Any) -> Any:
        def run(lr: torch.Tensor) -> Any:
            raise RuntimeError("no C++ compiler\nand a page of how it was looked for")

        return run

    monkeypatch.setattr(torch, "compile", broken)
    plain = network()
    run = Compiled(plain, with_graphs=False)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            made = run(of(8))
    assert made.shape == (1, 3, 16, 16)
    assert [record.message for record in caplog.records] == [
        "torch.compile failed, going on without it: no C++ compiler"
    ]


def test_out_of_memory_is_not_taken_for_a_missing_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(module: torch.nn.Module, **_: Any) -> Any:
        def run(lr: torch.Tensor) -> Any:
            raise RuntimeError("CUDA out of memory")

        return run

    monkeypatch.setattr(torch, "compile", full)
    run = Compiled(network(), with_graphs=False)
    run(of(8))
    with pytest.raises(RuntimeError, match="out of memory"):
        run(of(8))


@pytest.mark.parametrize("name", ["compact", "fast"])
def test_an_upscaler_computes_with_it(compiling: list[Any], name: str) -> None:
    """Also the short way from uint8 to uint8 of the fast networks."""
    generator = network(name)
    model = Model(generator, generator.info, {"version": "1"})
    picture = np.random.default_rng(0).integers(0, 256, (20, 24, 3), np.uint8)
    plain = Upscaler(model, device="cpu").pixels(picture)
    compiling.clear()
    scaler = Upscaler(model, device="cpu", compile="default")
    assert isinstance(scaler.backend, TorchBackend)
    for _ in range(3):
        np.testing.assert_array_equal(scaler.pixels(picture), plain)
    assert compiling.count((20, 24)) == 2


def test_what_torch_does_not_compute_is_not_compiled(tmp_path: Path) -> None:
    folder = save_model(tmp_path / "model", build("nearest", scale=2), {"version": "1"})
    write_nearest(folder / "model.onnx")
    model = load_model(folder)
    assert open_backend(model, "auto", "cpu", compile="default").name == "torch"
    for name in ("onnx", "openvino"):
        with pytest.raises(ConfigError, match="--compile is for torch"):
            open_backend(model, name, "cpu", compile="default")
    film = build("recurrent", scale=2, channels=4, layers=1)
    with pytest.raises(ConfigError, match="networks of pictures"):
        open_backend(Model(film, film.info, {"version": "2"}), compile="graphs")


def test_the_command_line_takes_it(tmp_path: Path, compiling: list[Any]) -> None:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(upscale)
    images.write(tmp_path / "in.png", Picture(np.zeros((9, 9, 3), np.uint8)))
    folder = save_model(tmp_path / "model", build("nearest", scale=2), {"version": "1"})
    write_nearest(folder / "model.onnx")
    words = ["--model", folder, "--compile", "default", "--device", "cpu"]
    given = [str(word) for word in (tmp_path / "in.png", "-o", tmp_path / "out.png", *words)]
    assert CliRunner().invoke(app, given).exit_code == 0
    assert compiling[0] == {"mode": "default", "dynamic": False}
    assert images.read(tmp_path / "out.png").width == 18


@pytest.mark.e2e
def test_torch_compiles_on_a_cpu() -> None:
    generator = network()
    model = Model(generator, generator.info, {"version": "1"})
    picture = np.random.default_rng(0).integers(0, 256, (20, 24, 3), np.uint8)
    plain = Upscaler(model, device="cpu").pixels(picture)
    scaler = Upscaler(model, device="cpu", compile="graphs")
    for _ in range(3):
        found = scaler.pixels(picture)
        assert np.abs(found.astype(int) - plain).max() <= 1
    assert isinstance(scaler.backend, TorchBackend)
    assert isinstance(scaler.backend._run, Compiled)
    assert scaler.backend._run._fast is not None  # it did not give up
