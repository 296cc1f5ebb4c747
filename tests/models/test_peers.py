"""Public weights in our networks and through our evaluation give the figures of their authors."""

from pathlib import Path

import peers
import pytest

from superres.evaluation import evaluate, folder_pairs, means
from superres.inference import Upscaler
from superres.models import parameter_count

PUBLISHED = {  # loader, luma PSNR on Set5 x4 with MATLAB's LR, parameters
    "SRGAN": (peers.srgan, 30.66, 734_092),  # the file has 1,280 running statistics more
    "IMDN": (peers.imdn, 32.21, 715_176),
    "VDSR": (peers.vdsr, 31.44, 664_704),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_public_weights_reach_their_published_figure(shared_data: Path, name: str) -> None:
    load, expected, parameters = PUBLISHED[name]
    model = load(shared_data / "weights" / "peers")
    assert parameter_count(model.generator) == parameters
    set5 = shared_data / "benchmarks" / "Set5"
    pairs = folder_pairs(set5 / "HR", 4, set5 / "LR_x4")
    found = means(evaluate(name, Upscaler(model, tile=0), pairs, shave=4))[name]["Set5"]
    assert found["psnr_y"] == pytest.approx(expected, abs=0.02)
