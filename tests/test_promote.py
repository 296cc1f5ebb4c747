"""Promotion from end to end: what becomes champion, what is refused, and that it is one step."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from small import scene, small_params, write_model, write_pack

from superres import promote as promotion
from superres import registry
from superres.checkpoint import load_model
from superres.errors import ModelError
from superres.promote import Contest, Outcome, promote
from superres.release import promotion as measuring

# dB above bicubic on these pictures: good about 0.35, better 0.7, worse -1.
STRENGTHS = {"good": 0.015, "better": 0.04, "worse": 0.12}
PARAMS = small_params(*STRENGTHS, gate={"max_colour_shift": 99})

Promote = Callable[..., Outcome]


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder with a pack and three trained models, which is the current folder."""
    monkeypatch.chdir(tmp_path)
    write_pack(tmp_path / "data" / "pairs", {f"discs/{seed}": scene(seed) for seed in range(2)})
    for name, strength in STRENGTHS.items():
        write_model(tmp_path / "models" / "runs" / name, strength)
    return tmp_path


def verdict(project: Path) -> dict[str, object]:
    return dict(json.loads((project / "reports" / "promotion.json").read_text()))


def run(project: Path, name: str | None, **options: bool) -> Outcome:
    staging = project / "models" / ".challenger" / "model"
    places = (project / "data/pairs", project / "reports", project / "models/champion", staging)
    try:
        return promote(Contest(PARAMS, *places, **options), name)
    finally:
        assert list((project / "models").glob(".champion*")) == []
        shutil.rmtree(staging.parent, ignore_errors=True)


class Book:
    """A registry in memory, in the place of MLflow's."""

    def __init__(self) -> None:
        self.versions: list[dict[str, bytes]] = []
        self.tags: list[dict[str, str]] = []
        self.metrics: list[dict[str, float]] = []
        self.alias: str | None = None
        self.left: set[str] = set()
        self.fails = ""

    def register(
        self, folder: Path, metrics: dict[str, float], tags: dict[str, str], *, settings: object
    ) -> str:
        self._may_fail("register")
        self.versions.append(content(folder))
        self.tags.append(tags)
        self.metrics.append(metrics)
        return str(len(self.versions))

    def set_champion(self, version: str, *, settings: object) -> None:
        self._may_fail("set_champion")
        self.alias = version

    def champion(self, *, settings: object) -> str | None:
        return self.alias

    def rolled_back(self, *, settings: object) -> set[str]:
        return self.left

    def download(self, version: str, target: Path, *, settings: object) -> Path:
        target.mkdir(parents=True)
        for name, body in self.versions[int(version) - 1].items():
            (target / name).write_bytes(body)
        return target

    def _may_fail(self, what: str) -> None:
        if self.fails == what:
            raise ModelError("the store does not answer")


@pytest.fixture
def book(monkeypatch: pytest.MonkeyPatch) -> Book:
    """An empty registry; the exported form, which takes a second each, is a stand-in."""
    monkeypatch.setattr(measuring, "export_onnx", lambda model, path: path.write_bytes(b"onnx"))
    monkeypatch.setattr(measuring, "export_difference", lambda model, path: 0)
    made = Book()
    for name in ("register", "set_champion", "champion", "rolled_back", "download"):
        monkeypatch.setattr(promotion.registry, name, getattr(made, name))
    return made


def test_promotion_refusal_and_rollback_with_mlflow(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    champion, settings = project / "models" / "champion", PARAMS.tracking

    assert run(project, "good").text == "good-v is champion, version 1 of 'superres'"
    first = content(champion)
    assert first.keys() == {"model.safetensors", "model.json", "README.md", "model.onnx"}
    assert registry.champion(settings=settings) == "1"

    outcome = run(project, "worse")
    assert outcome.text.startswith("worse-v is refused; good-v stays champion:\n")
    assert not outcome.failed
    assert content(champion) == first
    assert registry.champion(settings=settings) == "1"

    run(project, "better")
    assert load_model(champion).version == "better-v"
    assert registry.champion(settings=settings) == "2"
    second = content(champion)

    assert registry.rollback(target=champion, settings=settings) == "1"
    assert content(champion) == first
    refused = run(project, "better")
    assert refused.text.splitlines()[1:] == [
        "  was not rolled back: found rolled back, accepted no, or promote --again"
    ]
    assert content(champion) == first

    assert "version 2" in run(project, "better", again=True).text  # the same content
    assert content(champion) == second
    assert registry.champion(settings=settings) == "2"
    assert registry.rolled_back(settings=settings) == frozenset()


def test_a_promotion_is_recorded_with_figures_lineage_card_and_verdict(
    project: Path, book: Book
) -> None:
    run(project, "better")
    assert book.alias == "1"
    assert book.tags == [
        {
            "model_version": "better-v",
            "experiment": "better",
            "data_sha256": "d" * 64,
            "git_commit": "c" * 40,
        }
    ]
    assert book.metrics[0]["discs.psnr_y"] > 40
    assert content(project / "models" / "champion") == book.versions[0]
    card = book.versions[0]["README.md"].decode()
    assert card.startswith("# better\n")
    assert "## Gate" in card
    found = verdict(project)
    assert (found["outcome"], found["passed"]) == ("promoted as version 1", True)
    assert "# better-v: promoted as version 1" in (project / "reports/promotion.md").read_text()


def test_without_a_name_the_best_evaluated_experiment_is_the_challenger(
    project: Path, book: Book
) -> None:
    with pytest.raises(ModelError, match=r"evaluation\.json.*superres evaluate"):
        run(project, None)
    scores = {"worse": 60.0, "better": 50.0, "good": 49.0, "bicubic": 70.0}
    evaluated = {name: {"discs": {"psnr_y": value}} for name, value in scores.items()}
    (project / "reports").mkdir()
    (project / "reports" / "evaluation.json").write_text(json.dumps(evaluated))
    assert run(project, None).text.startswith("worse-v is refused; there is no champion")
    del evaluated["worse"]
    (project / "reports" / "evaluation.json").write_text(json.dumps(evaluated))
    assert run(project, None).text.startswith("better-v is champion")


@pytest.mark.parametrize("damage", ["{", "[1]", ""])
def test_a_damaged_evaluation_is_a_clear_error(project: Path, book: Book, damage: str) -> None:
    (project / "reports").mkdir()
    (project / "reports" / "evaluation.json").write_text(damage)
    with pytest.raises(ModelError, match="superres evaluate"):
        run(project, None)


def test_a_refusal_without_a_champion_is_a_failure(project: Path, book: Book) -> None:
    outcome = run(project, "worse")
    assert outcome.failed
    assert verdict(project)["outcome"] == "refused"
    assert not (project / "models" / "champion").exists()
    assert (book.alias, book.versions) == (None, [])


def test_the_champion_is_not_promoted_twice(project: Path, book: Book) -> None:
    run(project, "better")
    before = content(project / "models" / "champion")
    outcome = run(project, "better")
    assert (outcome.text, outcome.failed) == ("better-v is the champion already", False)
    assert len(book.versions) == 1
    assert content(project / "models" / "champion") == before


def test_a_dry_run_judges_and_changes_nothing(project: Path, book: Book) -> None:
    outcome = run(project, "good", dry_run=True)
    assert (outcome.text, outcome.failed) == ("good-v would be promoted", False)
    assert verdict(project)["outcome"] == "would be promoted (dry run)"
    assert (book.alias, book.versions) == (None, [])
    assert not (project / "models" / "champion").exists()


@pytest.mark.parametrize("step", ["register", "set_champion"])
def test_a_failure_leaves_alias_and_folder_as_they_were(
    project: Path, book: Book, step: str
) -> None:
    run(project, "good")
    before = content(project / "models" / "champion")
    book.fails = step
    with pytest.raises(ModelError, match="does not answer"):
        run(project, "better")
    assert content(project / "models" / "champion") == before
    assert book.alias == "1"
    book.fails = ""
    assert "better-v is champion" in run(project, "better").text


def test_without_the_folder_the_registrys_champion_defends(project: Path, book: Book) -> None:
    run(project, "better")
    champion = project / "models" / "champion"
    before = content(champion)
    for dry_run in (True, False):
        shutil.rmtree(champion, ignore_errors=True)
        outcome = run(project, "good", dry_run=dry_run)
        assert outcome.text.startswith("good-v is refused; better-v stays champion")
        assert not outcome.failed
        assert champion.exists() != dry_run
    assert content(champion) == before
    assert book.alias == "1"


def test_a_rolled_back_model_comes_back_only_when_asked(project: Path, book: Book) -> None:
    book.left = {"better-v"}
    outcome = run(project, "better")
    assert "was not rolled back: found rolled back" in outcome.text
    assert book.alias is None
    run(project, "better", again=True)
    assert book.alias == "1"


def test_baselines_and_unknown_names_are_refused(project: Path, book: Book) -> None:
    with pytest.raises(ModelError, match="'bicubic' is a baseline"):
        run(project, "bicubic")
    with pytest.raises(ModelError, match="'nobody'"):
        run(project, "nobody")


def test_models_of_another_scale_are_named(project: Path, book: Book) -> None:
    write_model(project / "models" / "runs" / "four", 0.04, scale=4)
    with pytest.raises(ModelError, match=r"four-v is for scale 4, params\.yaml says 2"):
        run(project, "four")
    write_model(project / "models" / "champion", 0.04, scale=4)
    with pytest.raises(ModelError, match=r"champion: champion-v is for scale 4"):
        run(project, "good")
