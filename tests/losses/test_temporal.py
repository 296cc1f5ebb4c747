"""Losses of clips: what they see, what they leave alone, and their gradients."""

import pytest
import skimage
import torch
from video_specification import clip

from superres.data.degrade import imresize
from superres.losses import LOSSES, build_term, is_loss
from superres.losses.temporal import there_and_back
from superres.models.motion import METHODS, fetched, motion

TEMPORAL = ("temporal", "warped", "ping_pong")


@pytest.mark.parametrize("name", TEMPORAL)
def test_they_are_losses_of_experiments(name: str) -> None:
    assert name in LOSSES
    assert is_loss(name)


def test_r5s_temporal_term_is_the_error_of_the_changes_alone() -> None:
    hr = clip(4, 16, 16)
    term = build_term("temporal")
    assert term(hr + 0.2, hr).item() == pytest.approx(0, abs=1e-12)  # wrong, but steadily so
    sr = hr.clone()
    sr[:, 1] += 0.1  # one change up, one down, of three
    assert term(sr, hr).item() == pytest.approx(2 / 3 * 0.01, rel=1e-4)
    assert term(hr[:, :1], hr[:, :1]).item() == 0


def test_the_warped_term_takes_motion_for_steady_and_flicker_for_not() -> None:
    hr = clip(4, 40, 40)
    term = build_term("warped")
    wave = 0.1 * torch.tensor([1.0, -1.0, 1.0, -1.0]).view(1, 4, 1, 1, 1)
    own, flickering = term(hr, hr).item(), term(hr + wave, hr).item()
    assert own < 0.02
    assert flickering > 0.15
    assert term(hr[:, :1], hr[:, :1]).item() == 0


def test_the_warped_term_does_not_count_where_hr_itself_disagrees() -> None:
    term = build_term("warped")
    hr = torch.zeros(1, 2, 3, 32, 32)
    hr[:, 1] = 1  # a cut: nothing of the frame before can be found
    assert term(torch.rand(1, 2, 3, 32, 32), hr).item() < 1e-6


def test_ping_pong_compares_the_way_there_with_the_way_back() -> None:
    lr = torch.arange(4.0).view(1, 4, 1, 1, 1).expand(1, 4, 3, 5, 5)
    both = there_and_back(lr)
    assert both[0, :, 0, 0, 0].tolist() == [0, 1, 2, 3, 2, 1, 0]
    term = build_term("ping_pong")
    assert term(both, lr).item() == 0
    drifting = both + 0.01 * torch.arange(7.0).view(1, 7, 1, 1, 1)
    assert term(drifting, lr).item() == pytest.approx(0.01 * (6 + 4 + 2) / 3, rel=1e-4)


@pytest.mark.parametrize("name", TEMPORAL)
def test_the_gradient_of_every_frame_is_finite(name: str) -> None:
    hr = clip(3, 16, 16)
    sr = (clip(5 if name == "ping_pong" else 3, 16, 16) + 0.05).requires_grad_(True)
    build_term(name)(sr, hr).backward()
    assert sr.grad is not None
    assert torch.isfinite(sr.grad).all()
    assert sr.grad.flatten(2).abs().amax(dim=2).gt(0).sum() >= 3


def test_losses_of_pictures_take_clips_frame_by_frame() -> None:
    sr, hr = clip(3, 16, 16), clip(3, 16, 16).flip(1)
    for name in ("mse", "tv", "luma_l1", "frequency"):
        term = build_term(name)
        frames = [term(sr[:, k], hr[:, k]).item() for k in range(3)]
        assert term(sr, hr).item() == pytest.approx(sum(frames) / 3, rel=1e-4), name


@pytest.mark.parametrize("method", METHODS)
def test_motion_says_where_things_were(method: str) -> None:
    lr = clip(2, 60, 80)  # the view moves by one row and two columns
    flow = motion(lr[:, 1], lr[:, 0], method)
    inner = flow[0, :, 15:-15, 15:-15].mean(dim=(1, 2))
    torch.testing.assert_close(inner, torch.tensor([2.0, 1.0]), rtol=0, atol=0.25)
    again = fetched(lr[:, 0], flow)
    middle = (again - lr[:, 1])[..., 10:-10, 10:-10].abs().mean()
    assert middle < 0.2 * (lr[:, 0] - lr[:, 1])[..., 10:-10, 10:-10].abs().mean()


def test_the_fine_flow_brings_hr_of_things_that_move_before_each_other() -> None:
    photograph, views = skimage.data.astronaut(), []
    for k in range(2):
        view = photograph[100 - 3 * k : 356 - 3 * k, 100 + 5 * k : 356 + 5 * k].copy()
        for row, column in ((40, 50), (140, 30), (100, 160)):
            top, left = row + 6 * k, column - 7 * k
            view[top : top + 64, left : left + 48] = photograph[60:124, 200:248]
        views.append(view)
    hr, hr_before = (torch.from_numpy(view).permute(2, 0, 1)[None] / 255 for view in views)
    lr, lr_before = (
        torch.from_numpy(imresize(view, 0.25)).permute(2, 0, 1)[None] / 255 for view in views
    )
    off = {}
    for method in METHODS:
        flow = motion(lr, lr_before, method)
        large = torch.nn.functional.interpolate(flow, scale_factor=4, mode="bilinear") * 4
        off[method] = (fetched(hr_before, large) - hr).square().mean().item()
    assert off["dis-fine"] < 0.7 * min(off["dis"], off["farneback"])


def test_nothing_moves_in_a_still_picture_however_small() -> None:
    for size in ((1, 1), (5, 30), (40, 40)):
        still = clip(1, *size)[:, 0]
        assert motion(still, still).abs().max() < 0.1
        torch.testing.assert_close(fetched(still, motion(still, still) * 0), still)
