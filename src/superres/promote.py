"""Promotion from end to end: challenger, gate, registry, champion folder, verdict."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

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
    """How it ended, in words; `failed`: refused, and there is no champion either."""

    text: str
    failed: bool = False


def promote(where: Contest, name: str | None) -> Outcome:
    """Judge the challenger and, on a pass, move the champion; the verdict is always written.

    `name`: an experiment or model folder; None takes the best of evaluation.json. When anything
    fails, alias and champion folder stay as they are.
    """
    name = name or best_of(_scores(where.report), where.params.experiments)
    trained = load_model(name)
    if trained.folder is None:
        raise ModelError(f"'{name}' is a baseline; only a trained model can be promoted.")
    champion = _champion(where)
    _require_scale(where, trained, champion)
    if champion is not None and champion.version == trained.version:
        verdict = Verdict(trained.version, champion.version, ())
        write_verdict(verdict, "is the champion already", where.report)
        return Outcome(f"{trained.version} is the champion already")
    challenger = stage(trained.folder, where.staging)
    on = ground(where.params, where.pack)
    verdict = _with_history(contest(challenger, champion, where.params, on), where)
    if not verdict.passed:
        write_verdict(verdict, "refused", where.report)
        reasons = "\n".join(f"  {reason}" for reason in verdict.reasons)
        stays = f"{champion.version} stays champion" if champion else "there is no champion"
        text = f"{trained.version} is refused; {stays}:\n{reasons}"
        return Outcome(text, failed=champion is None)
    if where.dry_run:
        write_verdict(verdict, "would be promoted (dry run)", where.report)
        return Outcome(f"{trained.version} would be promoted")
    version = _crown(where, trained, verdict)
    write_verdict(verdict, f"promoted as version {version}", where.report)
    return Outcome(f"{trained.version} is champion, version {version} of '{registry.MODEL}'")


def _crown(where: Contest, trained: Model, verdict: Verdict) -> str:
    add_to_card(where.staging, verdict)
    settings = where.params.tracking
    figures = {
        f"{name}.{key}": value for name, row in verdict.scores.items() for key, value in row.items()
    }
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
    return version


def _with_history(verdict: Verdict, where: Contest) -> Verdict:
    """Add the rule that a rolled-back model does not come back by itself."""
    left = registry.rolled_back(settings=where.params.tracking)
    back = verdict.challenger in left and not where.again
    found = "rolled back" if back else "no"
    check = Check("was not rolled back", not back, found, "no, or promote --again")
    return replace(verdict, checks=(*verdict.checks, check))


def _champion(where: Contest) -> Model | None:
    """Open the champion's folder; when it is not here, the registry's champion."""
    folder = where.champion
    if not (folder / "model.json").is_file():
        settings = where.params.tracking
        version = registry.champion(settings=settings)
        if version is None:
            return None
        folder = where.staging.with_name("champion") if where.dry_run else folder
        registry.download(version, folder, settings=settings)
    return load_model(folder)


def _require_scale(where: Contest, *models: Model | None) -> None:
    for model in models:
        if model is not None and model.info.scale != where.params.scale:
            raise ModelError(
                f"{model.folder}: {model.version} is for scale {model.info.scale}, params.yaml "
                f"says {where.params.scale}. Each scale has its own champion folder and registry: "
                "--champion and tracking.uri."
            )


def _scores(report: Path) -> dict[str, Any]:
    path = report / "evaluation.json"
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"{path}: no evaluation ({error}); run 'superres evaluate'.") from None
