"""From what a run was made: code commit, configuration, data, weights."""

import hashlib
import json
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from superres.config import Experiment, Params
from superres.data.manifest import read_manifest
from superres.losses import Features
from superres.models import Generator, parameter_count
from superres.training.journal import RunInfo


@dataclass(frozen=True)
class Job:
    """An experiment as this budget trains it, on this data."""

    name: str
    experiment: Experiment
    params: Params
    pack: Path
    key: str  # hash of configuration and data


def digest(content: Any) -> str:
    """Return a short hash of plain JSON values."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def weights_digest(state: dict[str, torch.Tensor]) -> str:
    """Return a short hash of weights, equal exactly when every value is."""
    found = hashlib.sha256()
    for name in sorted(state):
        found.update(name.encode())
        found.update(state[name].detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:12]


def git_commit(folder: Path = Path()) -> str:
    """Return the commit of the code, "-dirty" when files differ from it, or "unknown"."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    asked = [[git, "rev-parse", "HEAD"]]
    asked.append(
        [git, "status", "--porcelain", "--untracked-files=normal", "--", "src", "experiments"]
    )
    told = [
        subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        for words in asked
    ]
    commit = told[0].stdout.strip()
    if told[0].returncode or not commit:
        return "unknown"
    return f"{commit}-dirty" if told[1].stdout.strip() else commit


def flatten(content: Any, prefix: str = "") -> dict[str, str]:
    """Return nested mappings as one level of dotted keys; None is left out."""
    if isinstance(content, dict) and content:
        parts = list(content.items())
    elif isinstance(content, list) and any(isinstance(value, dict) for value in content):
        parts = [(str(index), value) for index, value in enumerate(content)]
    else:
        return {} if content is None else {prefix: str(content)}
    flat: dict[str, str] = {}
    for key, value in parts:
        flat |= flatten(value, f"{prefix}.{key}" if prefix else str(key))
    return flat


def origins(features: Features) -> str:
    """Say whose features a perceptual loss compares."""
    told = {net: str(vars(network)["origin"]) for net, network in features.items()}
    if len(told) == 1:
        return next(iter(told.values()))
    return "; ".join(f"{net}: {origin}" for net, origin in told.items()) or "none"


def provenance(
    job: Job, generator: Generator, metrics: dict[str, float], run: tuple[RunInfo, str | None]
) -> dict[str, Any]:
    """Return what model.json says about where the weights come from."""
    info, run_id = run
    rows = [row for row in read_manifest(job.pack) if row.split == "train"]
    weights = weights_digest(generator.state_dict())
    return {
        "version": f"{job.name}-{weights[:8]}",
        "weights": weights,
        "experiment": job.name,
        "source": job.experiment.source,
        "configuration": job.experiment.model_dump(mode="json", exclude={"demo"}),
        "budget": str(job.params.budget),
        "seed": job.params.seed,
        "run_id": run_id,
        "git_commit": info.tags["git_commit"],
        "data_sha256": info.tags["data_sha256"],
        "data": {
            "sets": sorted({row.source for row in rows}),
            "licences": sorted({row.licence for row in rows}),
            "images": len(rows),
            "pixels": sum(row.height * row.width for row in rows),
        },
        "degradation": {
            "kernel": rows[0].kernel,
            "border": rows[0].border,
            "scale": rows[0].scale,
        },
        "lr_made_by": sorted({row.degradation for row in rows} - {""}),
        "perceptual_weights": info.tags["perceptual_weights"],
        "init": info.tags["init"],
        "parameters": parameter_count(generator),
        "metrics": metrics,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
