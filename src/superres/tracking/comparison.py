"""A comparison in MLflow: the report as artifacts, the figures on the runs that were compared.

Of each experiment the run compared last has the tag `compared` = "latest", earlier ones "before":
the filter tags.compared = 'latest' shows one row per experiment.
"""

import logging
import math
import time
from pathlib import Path

from superres.errors import ConfigError
from superres.images import Picture, encode
from superres.report.study import Study
from superres.report.tables import Entry, set_mean
from superres.tracking.run import Point, Run, Still
from superres.tracking.store import Settings, Store, brief, connect

log = logging.getLogger(__name__)

COMPARED, LATEST, BEFORE = "compared", "latest", "before"
KIND = "superres.kind"
FILES = ("index.html", "evaluation.md", "evaluation.csv", "evaluation.json", "comparison.json")


def record(study: Study, report: Path, settings: Settings, root: Path | None = None) -> str:
    """Record a written report and return its page in MLflow, or the run's id without a server.

    Raises ConfigError when the store does not answer.
    """
    store = connect(settings, root or Path())
    try:
        for entry in study.trained:
            _add_figures(store, study, entry)
        return _add_report(store, study, report)
    except ConfigError:
        raise
    except Exception as error:  # MLflow, its HTTP client and SQLAlchemy each raise their own
        raise ConfigError(f"the comparison could not be recorded ({brief(error)}).") from error


def record_or_warn(study: Study, report: Path, settings: Settings) -> None:
    """Record as `record`; a store that does not answer costs a warning, not the report."""
    try:
        record(study, report, settings)
    except ConfigError as error:
        log.warning("MLflow lacks this comparison: %s", error)


def _add_figures(store: Store, study: Study, entry: Entry) -> None:
    """Write eval/<set>/<measure>, the ratio of times and the first strips on the model's run."""
    known = entry.upscaler.model.provenance
    run = store.reopen(known.get("run_id"))
    if run is None:
        return
    base = next(one.ms for one in study.entries if one.name == study.reference)
    values = {f"eval/time_ratio_to_{study.reference}": entry.ms / base}
    for name in study.sets:
        for measure in study.measures:
            mean = set_mean(study.rows, entry.name, name, measure.key)
            if mean is not None and math.isfinite(mean):
                values[f"eval/{name}/{measure.key}"] = mean
    step = int(known.get("steps") or 0)
    run.points([Point(time.time(), step, values)])
    for key, value in {
        "eval.data_sha256": study.data_sha256,
        "eval.protocol": study.protocol,
        "model_version": entry.upscaler.model.version,
    }.items():
        run.tag(key, value)
    _mark_latest(store, run, str(known.get("experiment") or entry.name))
    for strip in study.strips:
        tile = next((one for one in strip.tiles if one.name == entry.name), None)
        if tile is not None:
            run.still(Still(time.time(), step, f"eval {strip.name}", encode(Picture(tile.pixels))))


def _mark_latest(store: Store, run: Run, experiment: str) -> None:
    quoted = experiment.replace("'", "")
    wanted = f"tags.{COMPARED} = '{LATEST}' and tags.experiment = '{quoted}'"
    for other in store.client.search_runs([store.experiment_id], wanted):
        if other.info.run_id != run.run_id:
            store.client.set_tag(other.info.run_id, COMPARED, BEFORE)
    run.tag(COMPARED, LATEST)


def _add_report(store: Store, study: Study, report: Path) -> str:
    now = time.time()
    tags = {
        KIND: "comparison",
        "data_sha256": study.data_sha256,
        "protocol": study.protocol,
        "best": study.ranking[0],
        "models": ", ".join(entry.name for entry in study.entries),
        "mlflow.note.content": "\n".join(f"- {line}" for line in study.summary),
    }
    run = store.create(f"comparison of {len(study.trained)} models", now, tags)
    means = {name: study.interval(name).mean for name in study.ranking}
    points = {f"psnr_y/{name}": value for name, value in means.items() if math.isfinite(value)}
    run.points([Point(now, 0, points)])
    for strip in study.strips:
        run.still(Still(now, 0, strip.name, encode(Picture(strip.joined))))
    for name in FILES:
        if (report / name).is_file():
            store.client.log_artifact(run.run_id, str(report / name))
    if (report / "plots").is_dir():
        store.client.log_artifacts(run.run_id, str(report / "plots"), "plots")
    run.end("FINISHED", time.time())
    return run.link or run.run_id
