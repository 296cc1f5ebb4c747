"""Versions of the registered model, the champion, and the way back."""

import itertools
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as some

from superres import registry
from superres.config import TrackingParams
from superres.errors import ModelError
from superres.registry import ConflictError, ledger
from superres.registry.ledger import PROMOTED, ROLLED_BACK, Entry
from superres.registry.versions import versions
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


def test_history_lists_every_change(project: Project) -> None:
    project.crown(*(project.register(name) for name in ("first", "second")))
    project.rollback()
    found = registry.history(settings=project.settings, root=project.root)
    assert [(entry.version, entry.action) for entry in found] == [
        ("1", PROMOTED),
        ("2", PROMOTED),
        ("1", ROLLED_BACK),
    ]
    assert found[0].time <= found[1].time <= found[2].time


def test_a_champion_that_was_judged_against_another_is_refused(project: Project) -> None:
    for name in ("first", "second", "third"):
        project.register(name)
    project.crown("1")
    judged = registry.standing(settings=project.settings, root=project.root)
    assert (judged.champion, judged.recorded, judged.head) == ("1", "1", 1)
    registry.set_champion("2", judged=judged, settings=project.settings, root=project.root)
    with pytest.raises(ConflictError, match=r"champion is version 2 by now"):
        registry.set_champion("3", judged=judged, settings=project.settings, root=project.root)
    assert project.champion() == "2"


def test_of_two_entries_after_the_same_one_the_first_holds(project: Project) -> None:
    """What two machines do that both read the history before either wrote."""
    for name in ("first", "second", "third"):
        project.register(name)
    project.crown("1")
    store = connect(project.settings, project.root)
    ledger.append(store, "2", PROMOTED, 1)
    with pytest.raises(ConflictError, match=r"another process made version 2 champion \(promote\)"):
        ledger.append(store, "3", PROMOTED, 1)
    assert [entry.version for entry in ledger.read(store)] == ["1", "2"]
    ledger.append(store, "3", PROMOTED, ledger.head(store))  # judged again, after the void one
    assert [entry.version for entry in ledger.read(store)] == ["1", "2", "3"]


def test_an_alias_that_cannot_be_moved_leaves_no_entry(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.crown(project.register("first"))
    project.register("second")

    def fail(*words: object) -> None:
        raise sqlite3.OperationalError("disk full")

    monkeypatch.setattr(registry, "point", fail)
    with pytest.raises(sqlite3.OperationalError):
        project.crown("2")
    monkeypatch.undo()
    assert project.champion() == "1"
    found = registry.history(settings=project.settings, root=project.root)
    assert [entry.version for entry in found] == ["1"]
    project.crown("2")
    assert project.champion() == "2"


def test_the_list_of_an_older_registry_is_gone_on_with(project: Project) -> None:
    for name in ("first", "second", "third"):
        project.register(name)
    store = connect(project.settings, project.root)
    store.client.set_registered_model_tag("superres", "champions", '["1", "2"]')
    store.client.set_registered_model_alias("superres", "champion", "2")
    project.crown("3")
    assert [project.rollback(), project.rollback()] == ["2", "1"]


VERSIONS = some.sampled_from(["1", "2", "3", "4"])
CHANGES = some.lists(some.tuples(some.sampled_from([PROMOTED, ROLLED_BACK]), VERSIONS), max_size=12)


@given(CHANGES)
@example([(PROMOTED, "1"), (PROMOTED, "2"), (ROLLED_BACK, "1"), (PROMOTED, "2")])
def test_the_way_back_follows_from_the_entries(changes: list[tuple[str, str]]) -> None:
    entries = [Entry(n, version, action, float(n)) for n, (action, version) in enumerate(changes)]
    stack = ledger.champions(entries)
    assert stack[-1:] == [version for _, version in changes][-1:]
    assert set(stack) <= {version for _, version in changes}
    assert all(one != two for one, two in itertools.pairwise(stack))
    for version in set(stack):
        assert ledger.until([*stack], version) == stack[: len(ledger.until(stack, version))]


STEPS = some.lists(
    some.one_of(
        some.tuples(some.just("promote"), VERSIONS),
        some.tuples(some.just("rollback"), VERSIONS),
        some.tuples(some.just("rollback"), some.none()),
        some.tuples(some.just("late"), VERSIONS),
    ),
    max_size=8,
)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(STEPS)
def test_no_sequence_of_promotions_and_rollbacks_loses_history(
    project: Project, steps: list[tuple[str, str | None]]
) -> None:
    """Whatever happens, entries are only added, and alias and last entry agree."""
    known = set(versions(connect(project.settings, project.root)))
    for name in ("first", "second", "third", "fourth"):
        if len(known) < 4:
            project.register(name)
    late = registry.standing(settings=project.settings, root=project.root)
    before = registry.history(settings=project.settings, root=project.root)
    for step, version in steps:
        try:
            if step == "promote":
                assert version is not None
                project.crown(version)
            elif step == "late":
                assert version is not None
                registry.set_champion(
                    version, judged=late, settings=project.settings, root=project.root
                )
            else:
                project.rollback(version)
            moved = True
        except ModelError:
            moved = False
        after = registry.history(settings=project.settings, root=project.root)
        assert after[: len(before)] == before
        assert len(after) == len(before) + moved
        assert project.champion() == (after[-1].version if after else None)
        before = after
