"""Luma inside a network: what luma-only networks see, and how their result gets its colour."""

import torch

from superres.colour import LUMA


def luma_of(image: torch.Tensor) -> torch.Tensor:
    """Return BT.601 luma without its offset: `(N, 3, H, W) in [0, 1] -> (N, 1, H, W)` to 0.859."""
    return (image * _weights(image)).sum(dim=1, keepdim=True)


def with_luma(image: torch.Tensor, luma: torch.Tensor) -> torch.Tensor:
    """Return `image (N, 3, H, W)` with another `luma (N, 1, H, W)` and its own chroma."""
    # Equal steps of R, G and B change luma alone: the weights' sum turns a luma step into one.
    return image + (luma - luma_of(image)) / _weights(image).sum()


def _weights(image: torch.Tensor) -> torch.Tensor:
    return image.new_tensor(LUMA).view(1, 3, 1, 1) / 255
