"""Promotion from end to end: challenger, gate, registry, champion folder, verdict."""

import json
from dataclasses import dataclass
from pathlib import Path

from superres import registry
from superres.atomic import replaced_folder
from superres.checkpoint import Model, load_model
from superres.config import Params
from superres.errors import ModelError
from superres.release.gate import Check, Verdict
from superres.release.promotion import add_to_card, best_of, contest, ground, stage, write_verdict


@dataclass(frozen=True)
class Contest:
    """Where a promotion reads and writes."""

    params: Params
    pack: Path
    report: Path
    champion: Path
    staging: Path  # the challenger is put together here
    dry_run: bool = False
    again: bool = False


@dataclass(frozen=True)
class Outcome:
    """How it ended, in words."""

    text: str
    has_champion: bool


def promote(where: Contest, name: str | None) -> Outcome:
    """Judge the challenger and, on a pass, move the champion; the verdict is always written."""
    scores = _scores(where.report)
    name = name or best_of(scores, where.params.experiments)
    trained = load_model(name)
    if trained.folder is None:
        raise ModelError(f"'{name}' is a baseline; only a trained model can be promoted.")
    champion = _champion(where.champion)
    if champion is not None and champion.version == trained.version:
        verdict = Verdict(trained.version, champion.version, ())
        write_verdict(verdict, "is the champion already", where.report)
        return Outcome(f"{trained.version} is the champion already", has_champion=True)
    challenger = stage(trained.folder, where.staging)
    on = ground(where.params, where.pack)
    verdict = _with_history(contest(challenger, champion, where.params, on), where)
    if not verdict.passed:
        write_verdict(verdict, "refused", where.report)
        reasons = "\n".join(f"  {reason}" for reason in verdict.reasons)
        stays = f"{champion.version} stays champion" if champion else "there is no champion"
        text = f"{trained.version} is refused; {stays}:\n{reasons}"
        return Outcome(text, has_champion=champion is not None)
    if where.dry_run:
        write_verdict(verdict, "would be promoted (dry run)", where.report)
        return Outcome(f"{trained.version} would be promoted", has_champion=champion is not None)
    version = _crown(where, trained, verdict, scores.get(name, {}))
    return Outcome(
        f"{trained.version} is champion, version {version} of '{registry.MODEL}'",
        has_champion=True,
    )


def _crown(
    where: Contest, trained: Model, verdict: Verdict, scores: dict[str, dict[str, float]]
) -> str:
    add_to_card(where.staging, verdict)
    settings = where.params.tracking
    figures = {f"{name}.{key}": value for name, row in scores.items() for key, value in row.items()}
    tags = {
        "model_version": trained.version,
        "experiment": str(trained.provenance.get("experiment")),
        "data_sha256": str(trained.provenance.get("data_sha256")),
        "git_commit": str(trained.provenance.get("git_commit")),
    }
    version = registry.register(where.staging, figures, tags, settings=settings)
    with replaced_folder(where.champion) as folder:
        for file in where.staging.iterdir():
            file.replace(folder / file.name)
    registry.set_champion(version, settings=settings)
    write_verdict(verdict, f"promoted as version {version}", where.report)
    return version


def _with_history(verdict: Verdict, where: Contest) -> Verdict:
    """Add the rule that a rolled-back model does not come back by itself."""
    left = registry.rolled_back(settings=where.params.tracking)
    back = verdict.challenger in left and not where.again
    found = "rolled back" if back else "no"
    check = Check("was not rolled back", not back, found, "no, or promote --again")
    return Verdict(verdict.challenger, verdict.champion, (*verdict.checks, check))


def _champion(folder: Path) -> Model | None:
    return load_model(folder) if (folder / "model.json").is_file() else None


def _scores(report: Path) -> dict[str, dict[str, dict[str, float]]]:
    path = report / "evaluation.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: no evaluation ({error}); run 'superres evaluate'.") from None
    return dict(content)
