"""Every network has an ONNX form of any batch and size that computes the same."""

from pathlib import Path

import numpy as np
import pytest
import torch
from generator_specification import SMALL, redrawn

from superres.checkpoint import Model
from superres.inference.backends import OnnxBackend
from superres.models import build
from superres.release.export import export_onnx

VARIANTS = {
    **{name: (name, options) for name, options in SMALL.items()},
    "espcn rgb": ("espcn", {**SMALL["espcn"], "colour": "rgb"}),
    "fourier polar": ("fourier", {**SMALL["fourier"], "scale": 4, "spectrum": "polar"}),
    "srresnet tanh": ("srresnet", {**SMALL["srresnet"], "output": "tanh"}),
    "srunet norm": ("srunet", {**SMALL["srunet"], "scale": 4, "depth": 1, "norm": True}),
}
SHAPES = [(1, 1, 1), (3, 17, 5), (2, 8, 12)]


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_exported_form_computes_the_same(variant: str, tmp_path: Path) -> None:
    name, options = VARIANTS[variant]
    torch.manual_seed(3)
    generator = redrawn(build(name, **options)).eval()
    model = Model(generator, generator.info, {"version": name})
    exported = OnnxBackend(export_onnx(model, tmp_path / "model.onnx"), threads=1)
    for batch, height, width in SHAPES:
        lr = np.random.default_rng(width).random((batch, 3, height, width), dtype=np.float32)
        with torch.inference_mode():
            expected = generator(torch.from_numpy(lr)).numpy()
        np.testing.assert_allclose(exported(lr), expected, rtol=0, atol=1e-4)
