"""A machine with torch, numpy, safetensors and pydantic trains; it needs nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from trainings import GAME, adversarial, parameters, small_pack

PHASES: list[dict[str, Any]] = [
    {"steps": 2, "losses": {"mse": 1, "vgg19_22": 0.1}},
    {"steps": 2, "losses": GAME, "adversarial": {"objective": "hinge"}},
]
ABSENT = (
    "mlflow",
    "prefect",
    "bentoml",
    "PIL",
    "cv2",
    "av",
    "skimage",
    "torchvision",
    "typer",
    "pandas",
    "matplotlib",
    "great_expectations",
    "onnxruntime",
    "gradio",
    "dvc",
    "psutil",
    "yaml",
    "tqdm",
)
SCRIPT = f"""
import sys
from pathlib import Path

sys.modules |= dict.fromkeys({ABSENT!r})  # None: cannot be imported
import superres.checkpoint, superres.data.sampler, superres.losses, superres.metrics
import superres.models, superres.training.run

from superres.config import Experiment, Params
from superres.training.journal import JsonlTracker
from superres.training.run import Place, train

experiment = Experiment.model_validate_json(Path("experiment.json").read_text())
params = Params.model_validate_json(Path("params.json").read_text())
superres.training.features.STEPS = 2
place = Place(Path("pairs"), Path("runs"), Path("models"))
assert train("small", experiment, params, JsonlTracker(), place).steps == 4
"""


def test_it_trains_with_nothing_else_installed(tmp_path: Path) -> None:
    small_pack(tmp_path / "pairs")
    (tmp_path / "experiment.json").write_text(adversarial(phases=PHASES).model_dump_json())
    (tmp_path / "params.json").write_text(parameters().model_dump_json())
    told = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert (tmp_path / "models" / "small" / "model.safetensors").is_file()
    log = (tmp_path / "runs" / "small" / "log.jsonl").read_text().splitlines()
    kinds = [json.loads(line)["kind"] for line in log]
    assert kinds[0] == "start"
    assert kinds[-1] == "finish"
    assert "image" not in kinds  # no Pillow, no pictures, and no harm
