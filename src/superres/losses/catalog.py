"""What each loss and objective is: paper, range, and the weights it needs. For people to choose."""

from pathlib import Path
from typing import NamedTuple

from superres.errors import ModelError
from superres.losses.feature_network import LAYERS
from superres.losses.lpips import BACKBONES, LPIPS_NETS, lpips_files
from superres.losses.weights import (
    PREFIXES,
    find_weights,
    reaches,
    shared_weights,
    torchvision_cache,
)


class Entry(NamedTuple):
    """One loss term or objective; `needs` is a feature network as losses.feature_nets names it."""

    name: str
    paper: str
    range: str
    needs: str | None = None


PIXELS = (
    Entry("mse", "mean squared error", "0 at sr = hr, to 1"),
    Entry("l1", "mean absolute error", "0 at sr = hr, to 1"),
    Entry("charbonnier", "Lai et al., 2017", "0.001 at sr = hr, to 1"),
    Entry("luma_l1", "BT.601 luma, white 1", "0 at sr = hr, to 1"),
    Entry("luma_mse", "BT.601 luma, white 1", "0 at sr = hr, to 1"),
    Entry("tv", "Rudin et al., 1992", "0 for a flat sr, to 2"),
    Entry("grid", "what repeats every 4 pixels; after Odena et al., 2016", "0 for no grid, to 1"),
    Entry("frequency", "L1 of Fourier transforms, Cho et al., 2021", "0 at sr = hr"),
)
CLIPS = (
    Entry("temporal", "differences of frames; R5, Wen", "0 at sr = hr, to 4"),
    Entry("warped", "along HR's flow; Lai et al., 2018", "0 for a steady sr, to 1"),
    Entry("ping_pong", "there and back; Chu et al., 2020", "0 without drift, to 1"),
)
PAPERS = {
    "vgg19": "Simonyan and Zisserman, 2015; Ledig et al., 2017",
    "vgg16": "Simonyan and Zisserman, 2015; Johnson et al., 2016",
    "squeeze": "Iandola et al., 2016",
    "alex": "Krizhevsky, 2014",
}
OBJECTIVE_ENTRIES = (
    Entry(
        "bce", "non-saturating; Goodfellow et al., 2014", "0 and more; 1.39 = nothing told apart"
    ),
    Entry("minimax", "Goodfellow et al., 2014", "0 and more; 1.39 = nothing told apart"),
    Entry("lsgan", "Mao et al., 2017", "0 and more; 0.5 = nothing told apart"),
    Entry("hinge", "Lim and Ye, 2017", "0 and more; 2 = nothing told apart"),
    Entry("wgan", "weight clipping; Arjovsky et al., 2017", "any; minus it grows with distance"),
    Entry("wgan-gp", "gradient penalty; Gulrajani et al., 2017", "any; minus it is a distance"),
    Entry("ragan", "Jolicoeur-Martineau, 2018", "0 and more; 1.39 = nothing told apart"),
    Entry("probability", "mean(1 - D); R5, Wen", "0 to 2; 1 = nothing told apart"),
)


def loss_entries() -> list[Entry]:
    """Return every loss term; feature losses one per network, layers as `<net>_<layer>`."""
    layered = [
        Entry(f"{net}_<layer>", f"{PAPERS[net]}: {_layers(net)}", "0 at sr = hr", net)
        for net in LAYERS
    ]
    paper = "Zhang et al., 2018"
    learned = [Entry("lpips", f"{paper}, as lpips_squeeze", "0 at sr = hr", "lpips_squeeze")]
    learned += [Entry(f"lpips_{net}", paper, "0 at sr = hr", f"lpips_{net}") for net in LPIPS_NETS]
    return [*PIXELS, *CLIPS, *layered, *learned]


def located(needs: str, given: Path | None) -> str | None:
    """Return where the weights of a feature network lie; None when they are not here.

    `given` is `perceptual.weights` when it is a path; else torchvision's cache and
    SUPERRES_SHARED_DATA/weights are searched.
    """
    kind, _, net = needs.partition("_")
    if kind == "lpips":
        try:
            file, head = lpips_files(next(one for one in LPIPS_NETS if one == net), given)
        except ModelError:
            return None
        return f"{file} with {head}"
    places = [given] if given is not None else [torchvision_cache(), shared_weights()]
    found = [one for place in places if (one := find_weights(place, kind)) is not None]
    if not found:
        return None
    last = reaches(found[0], kind)
    return f"{found[0]} (to {last})" if last else str(found[0])


def wanted(needs: str) -> str:
    """Say which files a feature network needs."""
    kind, _, net = needs.partition("_")
    if kind == "lpips":
        return f"{PREFIXES[BACKBONES[net]]}*, lpips_linear/{net}.pth"
    return f"{PREFIXES[kind]}*"


def _layers(net: str) -> str:
    named = [name for name in LAYERS[net] if not name[0].isdigit()]
    return f"{named[0]} to {named[-1]}"
