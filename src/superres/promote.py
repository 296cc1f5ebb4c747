"""Promotion from end to end: challenger, gate, registry, champion folder, verdict."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from superres import pretrained, registry
from superres.atomic import replaced_folder
from superres.checkpoint import Model, load_model
from superres.config import Params
from superres.errors import ModelError
from superres.release.card import complete_card
from superres.release.gate import HERE
from superres.release.promotion import best_of, contest, first_champion, ground, stage
from superres.release.score_table import score_table
from superres.release.verdict import Check, Verdict, write_verdict


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
    shipped: Path = pretrained.FOLDER  # where the first champion may come from


@dataclass(frozen=True)
class Outcome:
    """How it ended, in words; `failed`: refused, and there is no champion either."""

    text: str
    failed: bool = False


@dataclass(frozen=True)
class Defender:
    """The champion that is judged against, and how its folder and the registry agree."""

    model: Model | None
    standing: registry.Standing
    told: str


def promote(where: Contest, name: str | None) -> Outcome:
    """Judge the challenger and, on a pass, move the champion; the verdict is always written.

    `name`: an experiment or model folder; None takes the best of evaluation.json. Where nothing is
    champion yet, a shipped model is judged first and then defends. When anything fails, or the
    champion moves while the challenger is judged, alias and champion folder stay as they are.
    """
    name = name or best_of(_scores(where.report), where.params.experiments)
    first = first_champion(where.params, where.shipped)
    if first is None or _defender(where).model is not None:
        return _judge(where, name)
    opening = _judge(replace(where, staging=where.staging.with_name("first")), str(first))
    outcome = _judge(where, name, first if where.dry_run and not opening.failed else None)
    told = f"no champion yet, so the shipped {first.name} is judged first"
    return replace(outcome, text=f"{told}: {opening.text}\n{outcome.text}")


def _judge(where: Contest, name: str, instead: Path | None = None) -> Outcome:
    """Judge one challenger; `instead` defends where there is no champion (of a dry run)."""
    defender = _defender(where)
    if instead is not None:
        defender = replace(defender, model=load_model(instead))
    champion = defender.model
    try:
        trained = load_model(name)
    except ModelError as error:
        return _refuse(where, _unusable(name, champion, error), defender)
    if trained.folder is None:
        raise ModelError(f"'{name}' is a baseline; only a trained model can be promoted.")
    _require_scale(where, trained, champion)
    if champion is not None and champion.version == trained.version:
        verdict = Verdict(trained.version, champion.version, ())
        write_verdict(verdict, "is the champion already", where.report)
        return Outcome(f"{trained.version} is the champion already")
    challenger = stage(trained.folder, where.staging)
    on = ground(where.params, where.pack)
    judged = contest(challenger, champion, where.params, on)
    rest = _outside(where, trained, defender, on.data_sha256)
    verdict = replace(judged.verdict, checks=(*judged.verdict.checks, *rest))
    if not verdict.passed:
        return _refuse(where, verdict, defender)
    if where.dry_run:
        _write(where, verdict, "would be promoted (dry run)")
        return Outcome(f"{trained.version} would be promoted")
    complete_card(challenger, verdict, judged.rows, on.pairs)
    return _crown(where, trained, verdict, defender)


def _refuse(where: Contest, verdict: Verdict, defender: Defender) -> Outcome:
    _write(where, verdict, "refused")
    champion = defender.model
    reasons = "\n".join(f"  {reason}" for reason in verdict.reasons)
    stays = f"{champion.version} stays champion" if champion else "there is no champion"
    text = f"{verdict.challenger} is refused; {stays}:\n{reasons}"
    return Outcome(text, failed=champion is None)


def _write(where: Contest, verdict: Verdict, outcome: str) -> None:
    table = score_table(verdict) if verdict.figures else ""
    write_verdict(verdict, outcome, where.report, table)


def _unusable(name: str, champion: Model | None, error: ModelError) -> Verdict:
    """Return the verdict of a folder whose weights cannot be used; no folder at all is an error."""
    folders = (Path(name), Path("models/runs") / name)
    if not any((folder / "model.safetensors").is_file() for folder in folders):
        raise error
    check = Check("weights are whole and finite", False, str(error), "finite, as model.json says")
    return Verdict(Path(name).name, champion.version if champion else None, (check,))


def _crown(where: Contest, trained: Model, verdict: Verdict, defender: Defender) -> Outcome:
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
    try:
        with registry.locked(where.champion), replaced_folder(where.champion) as folder:
            for file in where.staging.iterdir():
                file.replace(folder / file.name)
            registry.set_champion(version, judged=defender.standing, settings=settings)
    except registry.ConflictError as error:
        rule = "no other champion in the meantime"
        late = Check(rule, False, str(error), "the one judged against")
        _write(where, replace(verdict, checks=(*verdict.checks, late)), "refused")
        return Outcome(f"{trained.version} is refused: {error}")
    _write(where, verdict, f"promoted as version {version}")
    return Outcome(f"{trained.version} is champion, version {version} of '{registry.MODEL}'")


def _outside(where: Contest, trained: Model, defender: Defender, data: str) -> Iterator[Check]:
    """Yield the rules about what was measured or done before: report, rollback, champion."""
    evaluated = _evaluated_on(where.report, trained)
    if evaluated is not None:
        same, found = evaluated == data, f"{evaluated[:12]} and {data[:12]}"
        yield Check("the report is of the same data", same, found, "one data hash")
    left = registry.rolled_back(settings=where.params.tracking)
    back = trained.version in left and not where.again
    found = "rolled back" if back else "no"
    yield Check("was not rolled back", not back, found, "no, or promote --again")
    yield Check(HERE, True, defender.told, "said when it is not")


def _evaluated_on(report: Path, trained: Model) -> str | None:
    """Return the data hash of comparison.json; None when it does not hold the challenger."""
    try:
        content = json.loads((report / "comparison.json").read_text(encoding="utf-8"))
        known = str(trained.provenance.get("experiment")) in content["mean_psnr_y"]
        return str(content["data_sha256"]) if known else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _defender(where: Contest) -> Defender:
    """Open the registry's champion: the folder here when it is that one, else a copy of it."""
    settings, folder = where.params.tracking, where.champion
    standing = registry.standing(settings=settings)
    here = (folder / "model.json").is_file()
    told = "the same" if here else "none here"
    if standing.champion is None:
        told = "a folder here, none in the registry" if here else "none in either"
    elif not here or registry.content_hash(folder) != standing.content:
        told = f"taken from the registry, version {standing.champion}; the folder here was another"
        told = told if here else f"taken from the registry, version {standing.champion}"
        folder = where.staging.with_name("champion") if where.dry_run else folder
        with registry.locked(where.champion):
            registry.download(standing.champion, folder, settings=settings)
        here = True
    if standing.champion != standing.recorded and standing.recorded is not None:
        told += (
            f"; the alias was moved by hand to version {standing.champion}, the history says "
            f"{standing.recorded}"
        )
    return Defender(load_model(folder) if here else None, standing, told)


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
