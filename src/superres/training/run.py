"""One experiment from a pack to a model folder: assembles the parts, keeps the lineage."""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from superres.checkpoint import remove_states, save_model
from superres.config import Experiment, Params, resolve_budget
from superres.data.clip_sampler import ClipSampler
from superres.data.manifest import data_hash
from superres.data.sampler import Sampler
from superres.errors import ConfigError, StorageError
from superres.losses import Features, feature_nets
from superres.models import build
from superres.training import feature_run
from superres.training.agreement import require_clips, require_one_scale, run_key
from superres.training.card import training_card
from superres.training.clip_validation import ClipValidation
from superres.training.distributed import joined, own_device, processes
from superres.training.features import feature_networks, lpips_network
from superres.training.journal import NullTracker, ProgressFile, RunInfo, Tracker
from superres.training.lineage import (
    Job,
    flatten,
    git_commit,
    origins,
    provenance,
    weights_digest,
)
from superres.training.starting import keep_discriminator, start_from
from superres.training.trainer import Setting, Trainer, Weights
from superres.training.validation import Validation

log = logging.getLogger(__name__)

OnStep = Callable[[int, int, dict[str, float]], None]  # step, steps, newest validation


@dataclass(frozen=True)
class Place:
    """Where a run reads and writes."""

    pack: Path = Path("data/pairs")
    runs: Path = Path("runs")  # runs/<experiment>: log, state, pictures
    models: Path = Path("models/runs")  # models/runs/<experiment> becomes the model folder


@dataclass(frozen=True)
class Result:
    """How a run ended."""

    model: Path
    steps: int
    seconds: float
    metrics: dict[str, float]
    weights: str  # digest of the kept weights
    resumed: bool


def choose_device(wanted: str) -> str:
    """Return `wanted`, or for "auto" cuda where there is one; ConfigError for an absent device."""
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"device '{wanted}': no CUDA device here; accepted: auto, cpu")
    return wanted


def train(
    name: str,
    experiment: Experiment,
    params: Params,
    tracker: Tracker,
    place: Place = Place(),
    on_step: OnStep = lambda step, steps, latest: None,
) -> Result:
    """Train `experiment` under the budget of `params` and write models/runs/<name>.

    Continues from the run's state when it is of the same configuration and data. Raises
    KeyboardInterrupt (state saved) on SIGTERM or SIGINT, SuperresError for the caller's faults.
    Started by torchrun, all processes train the one run and the first of them tells and writes.
    """
    with joined(own_device(choose_device(params.training.device), processes())) as all_of_them:
        if all_of_them.leads:
            return _train(name, experiment, params, tracker, place, on_step)
        return _train(name, experiment, params, NullTracker(), place, lambda *_: None)


def _train(
    name: str,
    experiment: Experiment,
    params: Params,
    tracker: Tracker,
    place: Place,
    on_step: OnStep,
) -> Result:
    experiment = resolve_budget(experiment, params.budget)
    require_one_scale(name, experiment, params, place.pack)
    job = Job(name, experiment, params, place.pack, run_key(name, experiment, params, place.pack))
    if params.training.threads:
        torch.set_num_threads(params.training.threads)
    of_features = experiment.kind == "features"
    trainer = _trainer(job, place)
    resumed = trainer.resume()
    if not resumed and not of_features:
        trainer.standing.init = start_from(trainer.networks, experiment, place.runs)
    features = _features(job, trainer, place.runs / name / "features.safetensors")
    run = _run_info(job, trainer, features, place)
    tracker.start(run)
    if resumed:
        log.warning("%s: resumed at step %d of %d", name, run.step, experiment.steps)
    progress = ProgressFile(run.folder, experiment.steps, writes=trainer.processes.leads)
    try:
        weights = trainer.run(
            tracker,
            features,
            progress,
            lambda step, latest: on_step(step, experiment.steps, latest),
        )
        keep = feature_run.keep if of_features else _keep
        result = None
        if trainer.processes.leads:
            made = keep(job, trainer, weights, place.models / name, (run, tracker.run_id))
            keep_discriminator(trainer.networks, run.folder)
            result = _result(trainer, weights, made, resumed)
    except KeyboardInterrupt:
        tracker.finish("KILLED", None)
        raise
    except BaseException:
        progress.end("failed")
        with suppress(StorageError):  # the first error says more than the second
            tracker.finish("FAILED", None)
        raise
    if result is not None:
        _end(trainer, progress, tracker, result)
    told = trainer.processes.told(result)
    assert told is not None  # the first process has one, or has raised
    return told


def _trainer(job: Job, place: Place) -> Trainer:
    experiment, setting = job.experiment, _setting(job, place)
    if experiment.kind == "features":
        return feature_run.trainer(job, setting)
    judge = _validation(job, setting.device)
    trainer = Trainer(experiment, _sampler(job, setting.device), judge, setting)
    require_clips(job.name, experiment, trainer.kind)
    return trainer


def _sampler(job: Job, device: str, *, pictures: bool = False) -> Sampler:
    """Return what draws the batches: clips where the experiment names their length."""
    patch, frames, seed = job.experiment.hr_patch, job.experiment.frames, job.params.seed
    if frames is None or pictures:
        return Sampler(job.pack, "train", hr_patch=patch, seed=seed, device=device)
    return ClipSampler(job.pack, "train", frames=frames, hr_patch=patch, seed=seed, device=device)


def _validation(
    job: Job, device: str, lpips: nn.Module | None = None
) -> Validation | ClipValidation:
    params, frames = job.params, job.experiment.frames
    images = params.training.validation_images
    if frames is not None:
        return ClipValidation(job.pack, params.scale, images, frames, device)
    if lpips is None and "lpips" in job.experiment.watched:
        lpips = lpips_network(params.perceptual.weights)
    return Validation(job.pack, params.scale, images, device, lpips)


def _setting(job: Job, place: Place) -> Setting:
    params, state = job.params, place.runs / job.name / "state.pt"
    group = processes()
    device = own_device(choose_device(params.training.device), group)
    return Setting(params.training, params.seed, device, state, job.key, group)


def _features(job: Job, trainer: Trainer, kept: Path) -> Features | None:
    nets = feature_nets(name for phase in job.experiment.phases for name in phase.losses)
    if not nets:
        return None
    kept = kept.with_stem(f"features-{job.key}")
    random = torch.get_rng_state()  # the run draws the same numbers whoever made the features
    group, weights = trainer.processes, job.params.perceptual.weights
    if not group.leads:
        group.wait()  # until the first has made them
    sampler = trainer.sampler
    if job.experiment.frames is not None:  # features are of pictures
        sampler = _sampler(job, str(sampler.device), pictures=True)
    found = feature_networks(weights, nets, sampler, kept, job.params.seed)
    if group.leads:
        group.wait()
    group.copy([value for one in found.values() for value in one.state_dict().values()])
    trainer.networks.engine.prepare_features(found)
    torch.set_rng_state(random)
    return found


def _run_info(job: Job, trainer: Trainer, features: Features | None, place: Place) -> RunInfo:
    tags = {
        "experiment": job.name,
        "source": job.experiment.source,
        "budget": str(job.params.budget),
        "git_commit": git_commit(),
        "data_sha256": data_hash(job.pack),
        "config": job.key,
        "perceptual_weights": origins(features or {}),
        "init": trainer.standing.init,
    }
    plain = job.experiment.model_dump(mode="json", exclude={"demo", "source", "expected"})
    extra = {"seed": str(job.params.seed), "device": trainer.setting.device}
    step = trainer.standing.step
    return RunInfo(job.name, flatten(plain) | extra, tags, place.runs / job.name, step > 0, step)


def _keep(
    job: Job, trainer: Trainer, weights: Weights, folder: Path, run: tuple[RunInfo, str | None]
) -> tuple[Path, dict[str, float]]:
    """Write the model folder; return it with its figures."""
    generator = build(**job.experiment.model)
    generator.load_state_dict(weights)
    lpips = getattr(trainer.validation, "lpips", None)
    metrics = _validation(job, "cpu", lpips).scores(generator)
    facts = provenance(job, generator, metrics, run)
    facts["training_seconds"] = round(trainer.standing.seconds, 1)
    facts["steps"] = trainer.standing.step
    return save_model(folder, generator, facts, training_card(facts)), metrics


def _result(
    trainer: Trainer, weights: Weights, made: tuple[Path, dict[str, float]], resumed: bool
) -> Result:
    standing, (folder, metrics) = trainer.standing, made
    digested = weights_digest(weights)
    return Result(folder, standing.step, standing.seconds, metrics, digested, resumed)


def _end(trainer: Trainer, progress: ProgressFile, tracker: Tracker, result: Result) -> None:
    phase = len(trainer.experiment.phases) - 1
    final = {name.replace("val/", "final/"): value for name, value in result.metrics.items()}
    tracker.metrics(result.steps, {**final, "seconds": result.seconds})
    tracker.finish("FINISHED", result.model)
    progress.write(result.steps, phase=phase, eta_seconds=0)
    progress.end("done")
    remove_states(trainer.setting.state)
