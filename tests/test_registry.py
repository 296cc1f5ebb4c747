"""Versions of the registered model, the champion, and the way back."""

from collections.abc import Callable
from pathlib import Path

import pytest

from superres import registry
from superres.config import TrackingParams
from superres.errors import ModelError
from superres.tracking.store import connect


class Project:
    """A registry of the test's own, with models to register."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.settings = TrackingParams()

    def model(self, name: str, run_id: str | None = None) -> Path:
        folder = self.root / name
        folder.mkdir(exist_ok=True)
        quoted = f'"{run_id}"' if run_id else "null"
        provenance = f'{{"version": "{name}", "experiment": "{name}", "run_id": {quoted}}}'
        (folder / "model.json").write_text(f'{{"provenance": {provenance}}}')
        (folder / "model.safetensors").write_bytes(name.encode() * 100)
        return folder

    def register(self, name: str) -> str:
        tags = {"model_version": name}
        return registry.register(
            self.model(name), {"psnr": 28.25}, tags, settings=self.settings, root=self.root
        )

    def crown(self, *versions: str) -> None:
        for version in versions:
            registry.set_champion(version, settings=self.settings, root=self.root)

    def champion(self) -> str | None:
        return registry.champion(settings=self.settings, root=self.root)

    def rollback(self, to: str | None = None, target: Path | None = None) -> str:
        return registry.rollback(to, target=target, settings=self.settings, root=self.root)

    def rolled_back(self) -> frozenset[str]:
        return registry.rolled_back(settings=self.settings, root=self.root)

    def download(self, version: str, target: Path) -> Path:
        return registry.download(version, target, settings=self.settings, root=self.root)


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database as MLflow makes it, once: that takes seconds."""
    root = tmp_path_factory.mktemp("template")
    connect(TrackingParams(experiment="unused"), root)
    return (root / "mlflow.db").read_bytes()


@pytest.fixture
def project(tmp_path: Path, empty_database: bytes) -> Project:
    (tmp_path / "mlflow.db").write_bytes(empty_database)
    return Project(tmp_path)


def test_a_version_is_the_model_folder_byte_for_byte(project: Project, tmp_path: Path) -> None:
    version = project.register("first")
    target = project.download(version, tmp_path / "models" / "copy")
    assert content(target) == content(tmp_path / "first")


def test_a_version_carries_figures_and_tags(project: Project) -> None:
    version = project.register("first")
    store = connect(project.settings, project.root)
    tags = store.client.get_model_version("superres", version).tags
    assert tags["metric.psnr"] == "28.25"
    assert tags["model_version"] == "first"


def test_a_version_belongs_to_the_run_that_trained_it(project: Project) -> None:
    store = connect(project.settings, project.root)
    run = store.create("first", 1000.0, {})
    folder = project.model("first", run.run_id)
    version = registry.register(folder, {}, {}, settings=project.settings, root=project.root)
    assert store.client.get_model_version("superres", version).run_id == run.run_id


def test_the_same_content_is_registered_once(project: Project) -> None:
    assert project.register("first") == project.register("first") == "1"
    assert project.register("second") == "2"


def test_a_folder_that_is_no_model_is_refused(project: Project, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model\.json"):
        registry.register(tmp_path, {}, {}, settings=project.settings, root=project.root)


def test_the_champion_is_the_version_last_crowned(project: Project, tmp_path: Path) -> None:
    assert project.champion() is None
    first, second = project.register("first"), project.register("second")
    project.crown(first, second)
    assert project.champion() == second
    assert content(project.download("champion", tmp_path / "c")) == content(tmp_path / "second")


@pytest.mark.parametrize(
    "call",
    [
        lambda project: project.crown("7"),
        lambda project: project.rollback("7"),
        lambda project: project.download("7", project.root / "x"),
    ],
)
def test_an_unknown_version_is_named_with_the_known(
    project: Project, call: Callable[[Project], object]
) -> None:
    project.crown(project.register("first"))
    with pytest.raises(ModelError, match=r"version '7'.*registered: 1\."):
        call(project)
    assert project.champion() == "1"


def test_downloading_without_a_champion_says_how_to_make_one(
    project: Project, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="superres promote"):
        project.download("champion", tmp_path / "x")


def test_rolling_back_returns_to_the_champion_before_and_further(
    project: Project, tmp_path: Path
) -> None:
    project.crown(*(project.register(name) for name in ("first", "second", "third")))
    champion = tmp_path / "models" / "champion"
    assert project.rollback(target=champion) == project.champion() == "2"
    assert content(champion) == content(tmp_path / "second")
    assert project.rollback(target=champion) == project.champion() == "1"
    assert content(champion) == content(tmp_path / "first")
    with pytest.raises(ModelError, match=r"no earlier champion.*champion now: 1"):
        project.rollback(target=champion)
    assert content(champion) == content(tmp_path / "first")


def test_rolling_back_with_no_history_is_a_clear_error(project: Project) -> None:
    with pytest.raises(ModelError, match=r"champion now: none; registered: none.*--to"):
        project.rollback()


def test_a_champion_crowned_twice_is_passed_over_once(project: Project) -> None:
    first, second = project.register("first"), project.register("second")
    project.crown(first, second, second, first)
    assert project.rollback() == second
    assert project.rollback() == first


def test_rolling_back_to_a_named_version(project: Project) -> None:
    for name in ("first", "second", "never"):
        project.register(name)
    project.crown("1", "2")
    assert project.rollback("3") == project.champion() == "3"
    assert project.rollback() == "2"


def test_a_deleted_version_is_skipped(project: Project) -> None:
    project.crown(*(project.register(name) for name in ("first", "second", "third")))
    store = connect(project.settings, project.root)
    store.client.delete_model_version("superres", "2")
    assert project.rollback() == "1"


def test_what_was_rolled_back_is_remembered_until_it_is_crowned_again(project: Project) -> None:
    project.crown(*(project.register(name) for name in ("first", "second", "third")))
    assert project.rolled_back() == frozenset()
    project.rollback("1")
    assert project.rolled_back() == {"second", "third"}
    project.crown("3")
    assert project.rolled_back() == {"second"}


def test_damaged_files_change_neither_folder_nor_champion(project: Project, tmp_path: Path) -> None:
    project.crown(project.register("first"), project.register("second"))
    champion = project.download("champion", tmp_path / "champion")
    before = content(champion)
    (stored,) = (
        path
        for path in (tmp_path / "mlartifacts").rglob("model.safetensors")
        if b"first" in path.read_bytes()
    )
    stored.write_bytes(b"something else")
    with pytest.raises(ModelError, match="not those that were registered"):
        project.rollback(target=champion)
    assert project.champion() == "2"
    assert content(champion) == before
    assert [path.name for path in tmp_path.glob(".champion*")] == []
