"""Promotion from end to end: what becomes champion, what is refused, and that it is one step."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from small import scene, small_params, write_model, write_pack

from superres import promote as promotion
from superres import registry
from superres.checkpoint import Model, load_model
from superres.config import Params
from superres.errors import ModelError
from superres.promote import Contest, Outcome, promote
from superres.registry import ConflictError, Standing
from superres.release import promotion as measuring
from superres.release.promotion import Ground, Judged
from superres.release.verdict import explain

# dB above bicubic on these pictures: good about 0.35, better 0.7, worse -1.
STRENGTHS = {"good": 0.015, "better": 0.04, "worse": 0.12}
PARAMS = small_params(*STRENGTHS, gate={"max_colour_shift": 99})

Promote = Callable[..., Outcome]


def content(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder with a pack and three trained models, which is the current folder."""
    monkeypatch.chdir(tmp_path)
    write_pack(tmp_path / "data" / "pairs", {f"discs/{seed}": scene(seed) for seed in range(2)})
    for name, strength in STRENGTHS.items():
        write_model(tmp_path / "models" / "runs" / name, strength)
    return tmp_path


def verdict(project: Path) -> dict[str, Any]:
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
        self.hashes: list[str] = []
        self.alias: str | None = None
        self.recorded: str | None = None
        self.head = 0
        self.left: set[str] = set()
        self.fails = ""

    def register(
        self, folder: Path, metrics: dict[str, float], tags: dict[str, str], *, settings: object
    ) -> str:
        self._may_fail("register")
        self.versions.append(content(folder))
        self.hashes.append(registry.content_hash(folder))
        self.tags.append(tags)
        self.metrics.append(metrics)
        return str(len(self.versions))

    def set_champion(self, version: str, *, judged: Standing, settings: object) -> None:
        self._may_fail("set_champion")
        if judged.head != self.head:
            raise ConflictError(f"version {self.alias} is champion by now")
        self.alias = self.recorded = version
        self.head += 1

    def standing(self, *, settings: object) -> Standing:
        known = self.hashes[int(self.alias) - 1] if self.alias else None
        return Standing(self.alias, self.recorded, self.head, known)

    def rolled_back(self, *, settings: object) -> set[str]:
        return self.left

    def download(self, version: str, target: Path, *, settings: object) -> Path:
        shutil.rmtree(target, ignore_errors=True)
        for name, body in self.versions[int(version) - 1].items():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
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
    for name in ("register", "set_champion", "standing", "rolled_back", "download"):
        monkeypatch.setattr(promotion.registry, name, getattr(made, name))
    return made


def test_promotion_refusal_and_rollback_with_mlflow(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    champion, settings = project / "models" / "champion", PARAMS.tracking

    assert run(project, "good").text == "good-v is champion, version 1 of 'superres'"
    first = content(champion)
    pictures = {"failures/discs-0.png", "failures/discs-1.png"}
    files = {"model.safetensors", "model.json", "README.md", "model.onnx"}
    assert first.keys() == files | pictures
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


def test_perfect_pictures_do_not_fail_the_gate(project: Path, book: Book) -> None:
    """A flat picture is reproduced without error: its PSNR is infinite."""
    pack = project / "data" / "pairs"
    shutil.rmtree(pack)
    flat = np.full((48, 64, 3), 90, np.uint8)
    write_pack(pack, {f"discs/{seed}": scene(seed) for seed in range(6)} | {"discs/flat": flat})
    assert run(project, "good").text.startswith("good-v is champion")
    assert run(project, "better").text.startswith("better-v is champion")
    found = verdict(project)["figures"]["champion"]["pictures"]["discs"]
    assert found["discs/flat"]["psnr_y"] is None  # infinite: strict JSON has no word for it


def test_nan_weights_are_refused_with_a_verdict(project: Path, book: Book) -> None:
    run(project, "good")
    weights = project / "models" / "runs" / "better" / "model.safetensors"
    tensors = load_file(weights)
    tensors["body.0.weight"][0, 0, 1, 1] = float("nan")
    save_file(tensors, weights)
    outcome = run(project, "better")
    assert outcome.text.startswith("better is refused; good-v stays champion:\n")
    assert "NaN or infinite values in ['body.0.weight']" in outcome.text
    assert verdict(project)["outcome"] == "refused"
    assert book.alias == "1"


def test_a_report_of_other_data_refuses(project: Path, book: Book) -> None:
    """The best of evaluation.json may have been chosen on pictures that are no longer the test."""
    known = {"data_sha256": "e" * 64, "mean_psnr_y": {"better": {"mean": 50.0}}}
    (project / "reports").mkdir()
    (project / "reports" / "comparison.json").write_text(json.dumps(known))
    outcome = run(project, "better")
    assert "the report is of the same data: found eeeeeeeeeeee and " in outcome.text
    assert run(project, "good").text.startswith("good-v is champion")  # which it does not name


def test_an_export_that_differs_is_refused(
    project: Path, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "export_difference", lambda model, path: 7)
    outcome = run(project, "better")
    assert outcome.text.splitlines()[1:] == [
        "  exported equals torch: found 7 grey levels, accepted <= 1"
    ]


def test_a_card_with_gaps_is_refused(project: Path, book: Book) -> None:
    file = project / "models" / "runs" / "better" / "model.json"
    content = json.loads(file.read_text())
    del content["provenance"]["data"]
    file.write_text(json.dumps(content))
    outcome = run(project, "better")
    assert "card complete: found it does not say: training data, licences" in outcome.text


def test_a_model_trained_outside_a_git_checkout_may_win_and_its_card_says_so(
    project: Path, book: Book
) -> None:
    file = project / "models" / "runs" / "better" / "model.json"
    content = json.loads(file.read_text())
    content["provenance"]["git_commit"] = "unknown"
    file.write_text(json.dumps(content))
    assert run(project, "better").text.startswith("better-v is champion")
    assert "The code's commit is not known" in book.versions[0]["README.md"].decode()


def test_a_champion_moved_on_another_machine_defends(project: Path, book: Book) -> None:
    """The folder here is the former champion: the registry's is fetched and judged against."""
    run(project, "good")
    elsewhere = content(project / "models" / "champion")
    run(project, "better")
    shutil.rmtree(project / "models" / "champion")
    for name, body in elsewhere.items():
        file = project / "models" / "champion" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)
    outcome = run(project, "worse")
    assert outcome.text.startswith("worse-v is refused; better-v stays champion")
    assert content(project / "models" / "champion") == book.versions[1]
    (told,) = (
        check["found"] for check in verdict(project)["checks"] if "registry's" in check["rule"]
    )
    assert told == "taken from the registry, version 2; the folder here was another"


def test_an_alias_moved_by_hand_is_said(project: Path, book: Book) -> None:
    run(project, "good")
    book.recorded = "9"
    run(project, "worse")
    told = [check["found"] for check in verdict(project)["checks"]]
    assert "the same; the alias was moved by hand to version 1, the history says 9" in told


def test_a_champion_that_moves_during_the_judgement_refuses(
    project: Path, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(project, "good")
    before = content(project / "models" / "champion")
    judge = promotion.contest

    def slow(challenger: Model, champion: Model | None, params: Params, on: Ground) -> Judged:
        book.head += 1  # another promotion is done while this one measures
        return judge(challenger, champion, params, on)

    monkeypatch.setattr(promotion, "contest", slow)
    outcome = run(project, "better")
    assert outcome.text == "better-v is refused: version 1 is champion by now"
    assert verdict(project)["outcome"] == "refused"
    assert (content(project / "models" / "champion"), book.alias) == (before, "1")


def test_the_card_of_a_champion_is_whole(project: Path, book: Book) -> None:
    run(project, "good")
    run(project, "better")
    card = book.versions[1]["README.md"].decode()
    heads = [line for line in card.splitlines() if line.startswith("## ")]
    assert heads == ["## Figures", "## Failures", "## Limits", "## Gate"]
    for text in ("| discs | better-v | ", "| discs | bicubic | ", "| discs | champion | "):
        assert text in card
    assert "![discs/0](failures/discs-0.png)" in card
    assert "Made for LR by bicubic at x2" in card
    assert "time as a ratio" not in card  # another figure each time


def test_why_says_the_last_verdict_of_a_model(project: Path, book: Book) -> None:
    run(project, "good")
    run(project, "worse")
    told = explain(project / "reports", "worse-v").splitlines()
    assert told[:3] == ["worse-v: refused", "champion before: good-v", "broken:"]
    assert told[3].startswith("  PSNR-Y above bicubic on discs: found -")
    assert "kept:" in told
    assert explain(project / "reports", "good-v").startswith("good-v: promoted as version 1")
    with pytest.raises(ModelError, match=r"'nobody': no verdict .* judged here: good-v, worse-v"):
        explain(project / "reports", "nobody")


def ships(project: Path, **strengths: float) -> None:
    for name, strength in strengths.items():
        write_model(project / "models" / "pretrained" / name, strength)


def test_where_nobody_is_champion_a_shipped_model_defends(project: Path, book: Book) -> None:
    ships(project, fast=STRENGTHS["better"])
    outcome = run(project, "good")
    first, second = outcome.text.split("\n")[:2]
    assert first == (
        "no champion yet, so the shipped fast is judged first: "
        "fast-v is champion, version 1 of 'superres'"
    )
    assert second == "good-v is refused; fast-v stays champion:"
    assert "mean PSNR-Y above the champion: found gain -0." in outcome.text
    assert not outcome.failed
    assert (book.alias, len(book.versions)) == ("1", 1)
    assert load_model(project / "models/champion").version == "fast-v"
    assert (project / "models/pretrained/fast").is_dir(), "the shipped folder itself stays"
    told = (project / "reports/promotion.md").read_text()
    assert "| discs | champion |" in told, "the figures of both stand below the rules"
    assert explain(project / "reports", "fast-v").startswith("fast-v: promoted as version 1")
    again = run(project, "good")
    assert again.text.startswith("good-v is refused; fast-v stays champion"), "once is enough"


def test_a_better_training_replaces_the_shipped_champion(project: Path, book: Book) -> None:
    ships(project, fast=STRENGTHS["good"])
    outcome = run(project, "better")
    assert outcome.text.endswith("better-v is champion, version 2 of 'superres'")
    assert [tags["model_version"] for tags in book.tags] == ["fast-v", "better-v"]


def test_a_shipped_model_that_the_gate_refuses_is_no_champion(project: Path, book: Book) -> None:
    ships(project, fast=STRENGTHS["worse"])
    outcome = run(project, "good")
    assert "the shipped fast is judged first: fast-v is refused; there is no" in outcome.text
    assert outcome.text.endswith("good-v is champion, version 1 of 'superres'")


def test_a_shipped_model_of_another_scale_is_left_alone(project: Path, book: Book) -> None:
    write_model(project / "models" / "pretrained" / "quality-x4", 0.04, scale=4)
    assert run(project, "good").text == "good-v is champion, version 1 of 'superres'"


def test_a_dry_run_is_judged_against_the_shipped_model(project: Path, book: Book) -> None:
    ships(project, fast=STRENGTHS["better"])
    outcome = run(project, "good", dry_run=True)
    assert "fast-v would be promoted\ngood-v is refused; fast-v stays champion" in outcome.text
    assert (book.alias, book.versions) == (None, [])
    assert not (project / "models" / "champion").exists()


def test_params_may_name_the_first_champion_or_none(project: Path) -> None:
    ships(project, fast=0.02, photo=0.02)
    folder = project / "models" / "pretrained"

    def named(wanted: str) -> Path | None:
        return measuring.first_champion(small_params(gate={"first_champion": wanted}), folder)

    assert named("auto") == folder / "fast"
    assert named("photo") == folder / "photo"
    assert named("none") is None
    with pytest.raises(ModelError, match=r"first_champion 'slow': accepted: auto, .* fast, photo"):
        named("slow")


BOTH = """
import sys, time
from pathlib import Path
from small import small_params
from superres import promote as promotion
from superres.release import promotion as measuring

name, root = sys.argv[1], Path(sys.argv[2])
measuring.export_onnx = lambda model, path: path.write_bytes(b"onnx")
measuring.export_difference = lambda model, path: 0
crown = promotion._crown

def wait_for_the_other(*words):  # both have judged against the same champion
    (root / f"{name}.judged").touch()
    while len(list(root.glob("*.judged"))) < 2:
        time.sleep(0.05)
    return crown(*words)

promotion._crown = wait_for_the_other
params = small_params("good", "better", gate={"max_colour_shift": 99})
places = (root / "data/pairs", root / "reports" / name, root / "models/champion")
contest = promotion.Contest(params, *places, root / "models" / f".challenger-{name}" / "model")
print(promotion.promote(contest, name).text)
"""


def test_of_two_promotions_at_the_same_time_one_wins(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    registry.champion(settings=PARAMS.tracking)  # makes the database, which takes seconds
    paths = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    processes = {
        name: subprocess.Popen(
            [sys.executable, "-c", BOTH, name, str(project)],
            cwd=project,
            env=os.environ | {"PYTHONPATH": paths},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("good", "better")
    }
    told = {name: one.communicate(timeout=400) for name, one in processes.items()}
    texts = {name: out.strip() for name, (out, _) in told.items()}
    won = [name for name, text in texts.items() if "is champion, version" in text]
    lost = [name for name, text in texts.items() if "is refused: version" in text]
    assert (len(won), len(lost)) == (1, 1), told
    assert "run superres promote again" in texts[lost[0]]
    assert load_model(project / "models" / "champion").version == f"{won[0]}-v"
    (entry,) = registry.history(settings=PARAMS.tracking)
    assert entry.version == registry.champion(settings=PARAMS.tracking)
    refused = json.loads((project / "reports" / lost[0] / "promotion.json").read_text())
    assert (refused["outcome"], refused["passed"]) == ("refused", False)
