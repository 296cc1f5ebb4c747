"""How good a picture is: `fidelity` to HR, and what it costs to look at.

Here are the names that every caller needs, of numpy alone. `batched` is the same in torch,
`artefacts` the grid and the colours, `niqe` a figure without HR, `temporal` that of frames.
"""

from superres.metrics.fidelity import Channel, Score, mse, psnr, score, shave, ssim

__all__ = ["Channel", "Score", "mse", "psnr", "score", "shave", "ssim"]
