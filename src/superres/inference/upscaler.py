"""One model, ready to use: picture in, picture out; video in, video out.

Tiles with a halo, join, clamp and round once: what comes out does not depend on the tile size.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from superres import images
from superres.errors import ConfigError, InputError, ModelError
from superres.images import Picture
from superres.images.picture import Pixels
from superres.inference.alpha import spread_colours
from superres.inference.backends import (
    BackendName,
    Compile,
    Facts,
    Floats,
    Opened,
    Precision,
    open_backend,
)
from superres.inference.ensemble import ensemble_of
from superres.inference.rows import ArrayRows, Progress, Rows, counted, joined, room
from superres.inference.sizing import Wanted, passes, resampled
from superres.inference.tiled import CancelledError, Core, Question, TiledNetwork

if TYPE_CHECKING:
    from superres.video import VideoInfo, VideoLimits, VideoOptions

__all__ = ["CancelledError", "Upscaler"]

LINEAGE = ("run_id", "experiment", "git_commit", "data_sha256")


class Upscaler:
    """A model with its tiling and backend; several threads may share one.

    `tile`: core size in LR pixels; None picks one for the device and its free memory, 0 takes the
    whole picture at once. When memory runs out the tile is halved, for the rest of this picture
    and those after it. `wanted`: another size than the model's own: the model runs as often as
    comes nearest, an exact bicubic resample does the rest. `ensemble`: the mean over the eight
    turns and mirrors, at eight times the cost; of a film, over both directions. `precision`,
    `compile`: see TorchBackend.
    """

    def __init__(
        self,
        model: Opened,
        *,
        tile: int | None = None,
        backend: BackendName = "auto",
        device: str = "auto",
        wanted: Wanted | None = None,
        ensemble: bool = False,
        precision: Precision = "auto",
        compile: Compile = "off",
    ) -> None:
        """Raise ConfigError or ModelError when tile, backend or device do not suit the model."""
        if model.info.kind not in ("image", "video"):
            raise ModelError(
                f"model '{model.info.name}' is of kind '{model.info.kind}'; "
                "the upscaler takes models of kind 'image' and 'video'."
            )
        if tile is not None and tile < 0:
            raise ConfigError(f"tile {tile}: expected LR pixels, 0 (the whole picture) or auto.")
        self.model: Any = model
        self.name = _name_of(model)
        self.wanted = wanted or Wanted()
        opened = open_backend(model, backend, device, precision, compile)
        self.backend = ensemble_of(opened) if ensemble else opened
        best = self.backend.best_tile(model.info.halo) if tile is None else tile
        self._network = TiledNetwork(self.backend, model.info, best)

    @property
    def info(self) -> Facts:
        """Facts of the network."""
        facts: Facts = self.model.info
        return facts

    @property
    def version(self) -> str:
        """Short name of exactly these weights."""
        return str(self.model.version)

    @property
    def lineage(self) -> dict[str, str]:
        """Say where a result comes from, in the words of the service's headers.

        That is the model's name, its version, its kind of network and what is known of run, code
        and data.
        """
        known = {key: self.model.provenance.get(key) for key in LINEAGE}
        found = {key: str(value) for key, value in known.items() if value}
        own = {"model": self.name, "version": self.version, "network": self.info.name}
        return {**own, **found}

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Return (height, width) of the result for a picture of that size."""
        return self.wanted.size(height, width, self.info.scale)

    def pixels(self, rgb: Pixels, *, cancelled: Question | None = None) -> Pixels:
        """Upscale RGB (h, w, 3) uint8 or uint16 -> (s*h, s*w, 3) of the same type.

        Raises InputError for other arrays, ModelError for a non-finite result, CancelledError.
        """
        return self._pixels(rgb, is_grey=False, cancelled=cancelled, progress=None)

    def rows(
        self, source: Rows, *, is_grey: bool = False, cancelled: Question | None = None
    ) -> Rows:
        """Upscale a picture that comes in rows; memory is bounded by rows of tiles."""
        height, width = self.size(source.height, source.width)
        scale = self.info.scale
        factor = self.wanted.factor(source.height, source.width, scale)
        for _ in range(passes(factor, scale)):
            strips = self._network.strips(source, is_grey=is_grey, cancelled=cancelled)
            source = Rows(scale * source.height, scale * source.width, source.dtype, strips)
        return resampled(source, height, width)

    def tensor(self, lr: Floats, *, cancelled: Question | None = None) -> Floats:
        """`lr (N, 3, h, w) in [0, 1] -> sr (N, 3, s*h, s*w) in [0, 1]`, float32, not rounded."""
        if lr.ndim != 4 or lr.shape[1] != 3 or 0 in lr.shape:
            raise InputError(f"expected an array (N, 3, h, w), found shape {lr.shape}", status=400)
        scale = self.info.scale
        sr = room((len(lr), 3, scale * lr.shape[2], scale * lr.shape[3]), np.dtype(np.float32))

        def keep(core: Core) -> None:
            np.clip(core.sr, 0, 1, out=sr[:, :, core.rows, core.columns])

        self._network.run(lr.transpose(0, 2, 3, 1), keep, cancelled)
        return sr

    @overload
    def image(
        self,
        source: Pixels,
        *,
        cancelled: Question | None = None,
        progress: Progress | None = None,
    ) -> Pixels: ...

    @overload
    def image(
        self,
        source: Picture | Path | str,
        *,
        cancelled: Question | None = None,
        progress: Progress | None = None,
    ) -> Picture: ...

    def image(
        self,
        source: Picture | Path | str | Pixels,
        *,
        cancelled: Question | None = None,
        progress: Progress | None = None,
    ) -> Picture | Pixels:
        """Upscale an array, a Picture or a picture file; alpha by bicubic, grey stays grey.

        Colour profile, EXIF and resolution are carried over. `progress(done, total)` counts the
        rows of the result. Raises InputError for what cannot be read.
        """
        if isinstance(source, np.ndarray):
            return self._pixels(source, is_grey=False, cancelled=cancelled, progress=progress)
        picture = source if isinstance(source, Picture) else images.read(Path(source))
        alpha, pixels = None, picture.pixels
        if picture.alpha is not None:
            pixels = spread_colours(pixels, picture.alpha)
            alpha = self._alpha(picture.alpha)
        pixels = self._pixels(pixels, is_grey=picture.grey, cancelled=cancelled, progress=progress)
        return replace(picture, pixels=pixels, alpha=alpha)

    def video(
        self,
        src: Path | str,
        dst: Path | str,
        *,
        options: "VideoOptions | None" = None,
        limits: "VideoLimits | None" = None,
        progress: Callable[[int, int | None], None] | None = None,
        cancelled: Question | None = None,
    ) -> "VideoInfo":
        """Upscale a video, frame by frame or as its model remembers; the rest is carried over.

        Decoding, computing and encoding overlap; only a few frames are in memory at a time.
        `options`: codec, quality, the part to take, resuming. `progress(done, total)` after each
        frame; total is None when the file does not say its length.
        Raises InputError for what is no video, CancelledError when `cancelled()` answers True.
        """
        from superres.inference.footage import upscale_video

        return upscale_video(
            self,
            Path(src),
            Path(dst),
            options=options,
            limits=limits,
            progress=progress,
            cancelled=cancelled,
        )

    def _pixels(
        self,
        rgb: Pixels,
        *,
        is_grey: bool,
        cancelled: Question | None,
        progress: Progress | None,
    ) -> Pixels:
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype not in (np.uint8, np.uint16):
            raise InputError(
                "expected an array (h, w, 3) of uint8 or uint16, "
                f"found shape {rgb.shape} of {rgb.dtype}",
                status=400,
            )
        if 0 in rgb.shape:
            raise InputError("the picture has no pixels", code="empty", status=400)
        made = self.rows(ArrayRows(rgb), is_grey=is_grey, cancelled=cancelled)
        return joined(counted(made, progress))

    def _alpha(self, alpha: Pixels) -> Pixels:
        """Upscale one plane (h, w) by bicubic; float inside, clamped and rounded once."""
        height, width = self.size(*alpha.shape)
        plane: Pixels = joined(resampled(ArrayRows(alpha[..., None]), height, width), 1)[..., 0]
        return plane


def _name_of(model: Opened) -> str:
    """Return the name by which people ask for a model: its folder's, for a baseline its own."""
    return model.info.name if model.folder is None else model.folder.resolve().name
