"""One model, ready to use: picture in, picture out; video in, video out.

Tiles with a halo, join, clamp and round once: what comes out does not depend on the tile size.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from superres import images
from superres.errors import ConfigError, InputError, ModelError
from superres.images import Picture
from superres.images.picture import Pixels
from superres.inference.backends import BackendName, Floats, open_backend
from superres.inference.tiled import CancelledError, Core, Question, TiledNetwork

if TYPE_CHECKING:
    from superres.checkpoint import Model
    from superres.models import ModelInfo
    from superres.video import VideoInfo, VideoLimits

__all__ = ["CancelledError", "Upscaler"]

GREY = (0.299, 0.587, 0.114)  # BT.601 weights: one level from the three of a grey picture
LINEAGE = ("run_id", "experiment", "git_commit", "data_sha256")


class Upscaler:
    """A model with its tiling and backend; several threads may share one.

    `tile`: core size in LR pixels; None picks one for the device, 0 takes the whole picture at
    once. When memory runs out the tile is halved, for this picture and those after it.
    """

    def __init__(
        self,
        model: "Model",
        *,
        tile: int | None = None,
        backend: BackendName = "auto",
        device: str = "auto",
    ) -> None:
        """Raise ConfigError or ModelError when tile, backend or device do not suit the model."""
        if model.info.kind != "image":
            raise ModelError(
                f"model '{model.info.name}' is of kind '{model.info.kind}'; "
                "the upscaler takes models of kind 'image'."
            )
        if tile is not None and tile < 0:
            raise ConfigError(f"tile {tile}: expected LR pixels, 0 (the whole picture) or auto.")
        self.model = model
        self.backend = open_backend(model, backend, device)
        best = self.backend.best_tile(model.info.halo) if tile is None else tile
        self._network = TiledNetwork(self.backend, model.info, best)

    @property
    def info(self) -> "ModelInfo":
        """Facts of the network."""
        return self.model.info

    @property
    def version(self) -> str:
        """Short name of exactly these weights."""
        return self.model.version

    @property
    def lineage(self) -> dict[str, str]:
        """Say where a result comes from: model, version and what is known of run, code, data."""
        known = {key: self.model.provenance.get(key) for key in LINEAGE}
        found = {key: str(value) for key, value in known.items() if value}
        return {"model": self.info.name, "version": self.version, **found}

    def pixels(self, rgb: Pixels, *, cancelled: Question | None = None) -> Pixels:
        """Upscale RGB (h, w, 3) uint8 or uint16 -> (s*h, s*w, 3) of the same type.

        Raises InputError for other arrays, ModelError for a non-finite result, CancelledError.
        """
        return self._pixels(rgb, is_grey=False, cancelled=cancelled)

    def tensor(self, lr: Floats, *, cancelled: Question | None = None) -> Floats:
        """`lr (N, 3, h, w) in [0, 1] -> sr (N, 3, s*h, s*w) in [0, 1]`, float32, not rounded."""
        if lr.ndim != 4 or lr.shape[1] != 3 or 0 in lr.shape:
            raise InputError(f"expected an array (N, 3, h, w), found shape {lr.shape}", status=400)
        scale = self.info.scale
        sr = _room((len(lr), 3, scale * lr.shape[2], scale * lr.shape[3]), np.dtype(np.float32))

        def keep(core: Core) -> None:
            np.clip(core.sr, 0, 1, out=sr[:, :, core.rows, core.columns])

        self._network.run(lr.transpose(0, 2, 3, 1), keep, cancelled)
        return sr

    @overload
    def image(self, source: Pixels, *, cancelled: Question | None = None) -> Pixels: ...

    @overload
    def image(
        self, source: Picture | Path | str, *, cancelled: Question | None = None
    ) -> Picture: ...

    def image(
        self, source: Picture | Path | str | Pixels, *, cancelled: Question | None = None
    ) -> Picture | Pixels:
        """Upscale an array, a Picture or a picture file; alpha by bicubic, grey stays grey.

        Colour profile and EXIF are carried over. Raises InputError for what cannot be read.
        """
        if isinstance(source, np.ndarray):
            return self.pixels(source, cancelled=cancelled)
        picture = source if isinstance(source, Picture) else images.read(Path(source))
        pixels = self._pixels(picture.pixels, is_grey=picture.grey, cancelled=cancelled)
        alpha = None if picture.alpha is None else _bicubic(picture.alpha, self.info.scale)
        return replace(picture, pixels=pixels, alpha=alpha)

    def video(
        self,
        src: Path | str,
        dst: Path | str,
        *,
        limits: "VideoLimits | None" = None,
        progress: Callable[[int, int | None], None] | None = None,
        cancelled: Question | None = None,
    ) -> "VideoInfo":
        """Upscale a video frame by frame into an MP4; timestamps and audio are carried over.

        Decoding, computing and encoding overlap; only a few frames are in memory at a time.

        `progress(done, total)` after each frame; total is None when the file does not say.
        Raises InputError for what is no video, CancelledError when `cancelled()` answers True.
        """
        from superres.inference.footage import upscale_video

        return upscale_video(
            self, Path(src), Path(dst), limits=limits, progress=progress, cancelled=cancelled
        )

    def _pixels(self, rgb: Pixels, *, is_grey: bool, cancelled: Question | None) -> Pixels:
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype not in (np.uint8, np.uint16):
            raise InputError(
                "expected an array (h, w, 3) of uint8 or uint16, "
                f"found shape {rgb.shape} of {rgb.dtype}",
                status=400,
            )
        if 0 in rgb.shape:
            raise InputError("the picture has no pixels", code="empty", status=400)
        scale = self.info.scale
        sr = _room((scale * rgb.shape[0], scale * rgb.shape[1], 3), rgb.dtype)

        def keep(core: Core) -> None:
            planes = _grey(core.sr) if is_grey else core.sr
            sr[core.rows, core.columns] = images.to_pixels(torch.from_numpy(planes), rgb.dtype)

        self._network.run(rgb[np.newaxis], keep, cancelled)
        return sr


def _room(shape: tuple[int, ...], dtype: "np.dtype[Any]") -> NDArray[Any]:
    try:
        return np.empty(shape, dtype)
    except MemoryError:
        raise InputError(
            f"the result of shape {shape} does not fit into memory; upscale a smaller picture",
            code="too_many_output_pixels",
            status=413,
        ) from None


def _grey(planes: Floats) -> Floats:
    weights = np.array(GREY, np.float32).reshape(1, 3, 1, 1)
    level = (planes * weights).sum(axis=1, keepdims=True)
    return np.repeat(level, 3, axis=1)


def _bicubic(alpha: Pixels, scale: int) -> Pixels:
    """Upscale one plane (h, w); float inside, clamped and rounded once."""
    height, width = alpha.shape
    plane = Image.fromarray(alpha.astype(np.float32))
    resized = np.asarray(
        plane.resize((scale * width, scale * height), Image.Resampling.BICUBIC), np.float32
    )
    most = np.iinfo(alpha.dtype).max
    rounded: Pixels = np.floor(np.clip(resized, 0, most) + 0.5).astype(alpha.dtype)
    return rounded
