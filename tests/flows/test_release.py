"""The flows without training: a release in its order, a library, and their deployments."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from flows import release, train, upscale
from flows.dvc_stage import StageError
from flows.environment import ROOT
from flows.process_group import Command, Follower


@contextmanager
def free_slot(name: str, holder: str, say: object) -> Iterator[int]:
    yield 42


@pytest.fixture(autouse=True)
def _no_prefect(monkeypatch: pytest.MonkeyPatch) -> None:
    for flow in (release, upscale):
        monkeypatch.setattr(flow, "device_slot", free_slot)
        monkeypatch.setattr(flow, "get_run_logger", lambda: logging.getLogger("test"))


def test_a_release_runs_its_stages_in_order_and_shows_their_reports(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[str] = []

    def repro(target: str, root: Path, follower: Follower, *, keep_open: tuple[int, ...]) -> None:
        calls.append(f"{target} with {keep_open}")

    monkeypatch.setattr(release, "repro", repro)
    monkeypatch.setattr(release, "show_page", lambda name, file: calls.append(f"{name} {file}"))
    monkeypatch.setattr(release, "release_stage", release.release_stage.fn)
    release.release.fn()
    assert calls == [
        "evaluate with (42,)",
        f"release-evaluate {ROOT / 'reports' / 'evaluation.md'}",
        "promote with (42,)",
        f"release-promote {ROOT / 'reports' / 'promotion.md'}",
        "package with (42,)",
    ]


@pytest.mark.parametrize(
    ("code", "reason"), [(0, None), (3, "some files of photos"), (1, "failed with exit code 1")]
)
def test_a_library_goes_through_the_command_line(
    code: int, reason: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[Command] = []

    def run_group(command: Command, follower: Follower) -> int:
        commands.append(command)
        return code

    monkeypatch.setattr(upscale, "run_group", run_group)
    monkeypatch.setattr(upscale, "upscale_folder", upscale.upscale_folder.fn)
    if reason:
        with pytest.raises(StageError, match=reason):
            upscale.upscale_library.fn("photos", "upscaled", "bicubic")
    else:
        upscale.upscale_library.fn("photos", "upscaled", "bicubic")
    (command,) = commands
    said = " ".join(command.words[1:])
    assert said.startswith("-m superres upscale photos --out upscaled --model bicubic --device ")
    assert command.folder == ROOT
    assert command.keep_open == (42,)


def test_deployments_point_at_flows_that_exist() -> None:
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    modules = {"flows/train.py": train, "flows/release.py": release, "flows/upscale.py": upscale}
    found = {}
    for deployment in deployments:
        path, _, function = deployment["entrypoint"].partition(":")
        module = modules[path]
        flow = getattr(module, function)
        found[f"{flow.name}/{deployment['name']}"] = flow
        assert set(deployment["parameters"]) <= set(flow.parameters.properties)
    names = ("train-srgan", "train-matrix", "release", "upscale-library")
    assert set(found) == {f"{name}/local" for name in names}
