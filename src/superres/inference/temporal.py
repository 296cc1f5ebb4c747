"""Networks of video: LR frames in, SR frames out, in pieces, with what a scene remembers.

Pictures come out in the order they went in, a few frames later: a network that looks `ahead`
waits for that many. Memory is that of one piece, however long the film.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, tee
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from superres.errors import ConfigError, ModelError
from superres.images.picture import Pixels
from superres.inference.facts import Floats
from superres.inference.levels import to_levels
from superres.inference.rows import ArrayRows, joined
from superres.inference.sizing import passes, resampled
from superres.inference.tiled import CancelledError, Question, not_finite

if TYPE_CHECKING:
    import torch

    from superres.checkpoint import Model
    from superres.inference.upscaler import Upscaler
    from superres.models import Generator, VideoGenerator

LEAST_PIECE = 8  # frames, of networks that see frames again in the next piece

Item = TypeVar("Item")


class VideoBackend:
    """A generator of video in PyTorch. As a backend of pictures, each is a clip of one frame."""

    name = "torch"

    def __init__(self, model: "Model", device: str = "auto") -> None:
        """Raise ModelError when the network is none of video."""
        from superres.inference.backends import device_named
        from superres.models import VideoGenerator

        self.device = device_named(device)
        self.info = model.info
        network = _prepared(model.generator, self.device)
        if not isinstance(network, VideoGenerator):
            raise ModelError(f"model '{model.info.name}' says it is of video, and takes pictures")
        self._takes(network)

    def _takes(self, network: "VideoGenerator") -> None:
        self._network = network
        self.behind, self.ahead = network.behind, network.ahead
        self.keeps_state = network.keeps_state
        again = self.behind + self.ahead
        self.frames = 1 if again == 0 else max(LEAST_PIECE, 2 * self.ahead)

    def both_directions(self) -> "VideoBackend":
        """Return the mean of this one forwards and backwards; ModelError where it has no state."""
        from superres.models.both_directions import BothDirections

        both = copy.copy(self)
        both._takes(BothDirections(self._network))
        return both

    def __call__(self, lr: Floats) -> Floats:
        """Super-resolve `lr (N, 3, h, w) in [0, 1]`, each a clip of its own."""
        import torch

        with torch.inference_mode():
            clips = torch.from_numpy(np.ascontiguousarray(lr)).to(self.device)[:, None]
            sr: Floats = self._network(clips)[:, 0].float().cpu().numpy()
        return sr

    def best_tile(self, halo: int) -> int:
        """Return 0: the whole picture, since motion is of the whole."""
        return 0

    def piece(self, frames: Sequence[Pixels], state: Any, later: int) -> tuple[list[Pixels], Any]:
        """Upscale frames (h, w, 3), the last `later` of which are only looked at.

        Raises ModelError for a non-finite result.
        """
        import torch

        most = np.float32(np.iinfo(frames[0].dtype).max)
        lr = np.stack([frame.astype(np.float32) / most for frame in frames])
        with torch.inference_mode():
            clip = torch.from_numpy(lr).to(self.device).permute(0, 3, 1, 2)[None]
            made, state = self._network.piece(clip, state, later)
            sr = made[0].float().cpu().numpy()
        if not np.isfinite(sr.sum()):
            raise ModelError(not_finite(self.info.name))
        return [to_levels(one[np.newaxis], frames[0].dtype) for one in sr], state


def through(
    network: VideoBackend, frames: Iterable[Pixels], begins: Callable[[Pixels], bool]
) -> Iterator[Pixels]:
    """Yield every frame upscaled. `begins` says of each, in order, whether a scene starts there.

    Nothing of one scene is seen in another: there, the network's state is new, and neighbours
    that are missing are those it invents at the ends of a clip.
    """
    scene = 0

    def number(frame: Pixels) -> int:
        nonlocal scene
        scene += bool(begins(frame))
        return scene

    for _, own in groupby(frames, key=number):
        yield from _scene(network, own)


def _scene(network: VideoBackend, frames: Iterable[Pixels]) -> Iterator[Pixels]:
    held: list[Pixels] = []  # `seen` frames that were made and are looked at again, and new ones
    seen, state = 0, None
    for frame in frames:
        held.append(frame)
        if len(held) - seen == network.frames + network.ahead:
            made, state = network.piece(held, state, network.ahead)
            yield from made[seen:]
            again = min(network.behind, len(made))
            held = held[len(made) - again :]
            seen = again
    if len(held) > seen:
        yield from network.piece(held, state, 0)[0][seen:]


def upscaled(
    items: Iterable[Item],
    pixels_of: Callable[[Item], Pixels],
    upscaler: "Upscaler",
    begins: Callable[[Item], bool],
    cancelled: Question | None = None,
) -> Iterator[tuple[Item, Pixels]]:
    """Yield every item with its picture upscaled to the size that is wanted.

    Raises ConfigError for a size that the network would have to run twice for, CancelledError.
    """
    network = upscaler.backend
    if not isinstance(network, VideoBackend):
        raise ConfigError(f"model '{upscaler.info.name}' is none of video")
    coming, kept = tee(items)
    asked = tee(coming)
    starts = map(begins, asked[1])
    made = through(network, map(pixels_of, asked[0]), lambda _: next(starts))
    for item, sr in zip(kept, made, strict=True):
        if cancelled is not None and cancelled():
            raise CancelledError("stopped before the film was done")
        yield item, _sized(sr, pixels_of(item).shape, upscaler)


def _sized(sr: Pixels, shape: tuple[int, ...], upscaler: "Upscaler") -> NDArray[Any]:
    height, width = upscaler.size(shape[0], shape[1])
    if sr.shape[:2] == (height, width):
        return sr
    factor = max(height / shape[0], width / shape[1])
    if passes(factor, upscaler.info.scale) > 1:
        raise ConfigError(
            f"a network of video runs once: at most about x{upscaler.info.scale}, asked for "
            f"x{factor:.3g}. Upscale the result again, or take a network of pictures."
        )
    return joined(resampled(ArrayRows(sr), height, width))


def _prepared(generator: "Generator", device: "torch.device") -> "Generator":
    """Return a copy of the network in the form to use; the original is left alone."""
    import torch

    network = copy.deepcopy(generator.deployed()).eval().requires_grad_(False).to(device)
    if all(value.dim() != 5 for value in network.parameters()):
        network.to(memory_format=torch.channels_last)
    return network
