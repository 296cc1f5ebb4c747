"""What a run of `kind: features` has in place of a generator's parts."""

from pathlib import Path

from superres.data.manifest import read_manifest
from superres.data.sampler import Sampler
from superres.losses.feature_network import STD
from superres.training.feature_training import Accuracy, build_classifier, write_features
from superres.training.journal import RunInfo
from superres.training.lineage import Job, weights_digest
from superres.training.networks import Networks
from superres.training.trainer import Setting, Trainer, Weights


def trainer(job: Job, setting: Setting) -> Trainer:
    """Return the one loop, around a classifier instead of a generator."""
    experiment, device, seed = job.experiment, setting.device, setting.seed
    classifier = build_classifier(experiment, job.pack, seed)
    networks = Networks(experiment, device, seed, classifier, setting.engine())
    sampler = Sampler(job.pack, "train", hr_patch=experiment.hr_patch, seed=seed, device=device)
    judge = Accuracy(job.pack, experiment, seed, device)
    return Trainer(experiment, sampler, judge, setting, networks)


def keep(
    job: Job, trained: Trainer, weights: Weights, folder: Path, run: tuple[RunInfo, str | None]
) -> tuple[Path, dict[str, float]]:
    """Write the feature network's folder; return it with its figures."""
    experiment, (info, run_id) = job.experiment, run
    classifier = build_classifier(experiment, job.pack, job.params.seed)
    classifier.load_state_dict(weights)
    judge = Accuracy(job.pack, experiment, job.params.seed, "cpu")
    metrics = judge.scores(classifier)
    rows = [row for row in read_manifest(job.pack) if row.split == "train"]
    sets = sorted({row.source for row in rows})
    begun = f"from {experiment.init}" if experiment.init else "from scratch"
    digest = weights_digest(weights)
    imagenet = abs(float(classifier.network.std[0, 0, 0, 0]) - STD[0]) < 1e-6
    facts = {
        "version": f"{job.name}-{digest[:8]}",
        "weights": digest,
        "experiment": job.name,
        "source": experiment.source,
        "learned": f"{begun}, to tell {experiment.target} of {', '.join(sets)} apart",
        "statistics": "imagenet" if imagenet else "original",
        "configuration": experiment.model_dump(mode="json", exclude={"demo"}),
        "run_id": run_id,
        "git_commit": info.tags["git_commit"],
        "data_sha256": info.tags["data_sha256"],
        "data": {"sets": sets, "licences": sorted({row.licence for row in rows})},
        "steps": trained.standing.step,
        "training_seconds": round(trained.standing.seconds, 1),
        "metrics": metrics,
    }
    return write_features(folder, classifier, facts), metrics
