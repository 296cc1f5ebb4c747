"""Networks of video: windows of frames, memories, and features carried along the motion."""

from typing import ClassVar

import pytest
import torch
from generator_specification import Options
from video_specification import VideoSpecification, clip, stirred

from superres.errors import ModelError
from superres.models import VIDEO_MODELS, build, build_discriminator, parameter_count
from superres.models.both_directions import BothDirections
from superres.models.cost import cost
from superres.models.recurrent import Recurrent
from superres.models.steady import Steady


class TestVolume(VideoSpecification):
    name = "volume"
    variants: ClassVar[list[Options]] = [
        {"scale": 2, "channels": 4, "blocks": 1},
        {"scale": 4, "channels": 4, "blocks": 1, "frames": "differences", "skip": "bicubic"},
    ]


class TestVideoSRGAN(VideoSpecification):
    name = "video_srgan"
    variants: ClassVar[list[Options]] = [
        {"scale": 2, "channels": 4, "blocks": 1},
        {"scale": 2, "channels": 4, "blocks": 1, "recurrent": True},
        {"scale": 2, "channels": 4, "blocks": 1, "recurrent": True, "align": "farneback"},
        {
            **{"scale": 2, "channels": 4, "blocks": 1, "align": "dis"},
            **{"smoothing": "exponential", "skip": "bicubic"},
        },
        {
            **{"scale": 4, "channels": 4, "blocks": 1, "recurrent": True, "align": "dis"},
            **{"smoothing": "gaussian", "norm": False},
        },
    ]


class TestRecurrent(VideoSpecification):
    name = "recurrent"
    variants: ClassVar[list[Options]] = [
        {"scale": 2, "channels": 6, "layers": 2, "expansion": 2},
        {"scale": 4, "channels": 9, "layers": 3, "expansion": 2, "colour": "rgb"},
        {"scale": 2, "channels": 4, "layers": 2, "expansion": 2, "ahead": 2},
        {"scale": 2, "channels": 4, "layers": 2, "deployed": True, "method": "farneback"},
    ]

    def test_untrained_it_is_bicubic(self, options: Options) -> None:
        lr = clip(3, 7, 6)
        bicubic = build("bicubic", scale=options["scale"])(lr[0])
        begun = build("recurrent", **{**options, "deployed": False})
        assert torch.equal(begun(lr)[0], bicubic)

    def test_it_can_begin_as_a_fast_network(self, options: Options) -> None:
        shared = {key: options[key] for key in ("scale", "channels", "layers")}
        more = {"expansion": 2, "colour": options.get("colour", "luma")}
        fast = stirred(build("fast", **shared, **more))
        begun = build("recurrent", **{**options, "deployed": False, "expansion": 2})
        assert isinstance(begun, Recurrent)
        begun.load_state_dict(begun.from_image_network(fast.state_dict()))
        lr = clip(3, 9, 8)
        torch.testing.assert_close(begun(lr)[0], fast(lr[0]), rtol=1e-4, atol=1e-5)


class TestSteady(VideoSpecification):
    name = "steady"
    variants: ClassVar[list[Options]] = [
        {
            **{"scale": 2, "channels": 6, "layers": 2, "fusion": 2, "memory": 3},
            **{"hold": False},
        },
        {
            **{"scale": 4, "channels": 9, "layers": 2, "fusion": 1, "memory": 9},
            **{"expansion": 2, "hold": False},
        },
        {
            **{"scale": 2, "channels": 4, "layers": 2, "fusion": 2, "memory": 1},
            **{"deployed": True, "hold": False},
        },
    ]
    rounding = 1e-4  # a frame's result goes into the next

    def test_untrained_its_first_frame_is_bicubic(self, options: Options) -> None:
        lr = clip(3, 7, 6)
        bicubic = build("bicubic", scale=options["scale"])(lr[0])
        begun = build("steady", **{**options, "deployed": False})
        assert torch.equal(begun(lr)[0, :1], bicubic[:1])

    def test_its_first_frame_is_that_of_the_image_network(self, options: Options) -> None:
        shared = {key: options[key] for key in ("scale", "channels", "layers")}
        fast = stirred(build("fast", **shared, expansion=2, colour="rgb"))
        begun = stirred(build("steady", **{**options, "deployed": False}))
        assert isinstance(begun, Steady)
        begun.load_state_dict(begun.from_image_network(fast.state_dict()))
        lr = clip(3, 17, 18)
        assert torch.equal(begun(lr)[0, :1], fast(lr[0, :1]))
        assert torch.equal(begun(lr[:, 2:])[0], fast(lr[0, 2:]))  # a picture
        assert not torch.equal(begun(lr)[0, 1:], fast(lr[0, 1:]))

    def test_an_open_gate_keeps_what_was_decided_on_a_still_scene(self) -> None:
        network = stirred(build("steady", **self.variants[0]))
        with torch.no_grad():
            network.gate.bias.fill_(30.0)
        still = clip(1, 24, 24).expand(-1, 4, -1, -1, -1)
        first, *others = network(still)[0]
        for sr in others:
            torch.testing.assert_close(sr, first.clamp(0, 1), rtol=0, atol=1e-4)

    def test_the_image_network_is_held_while_the_memory_learns(self) -> None:
        network = stirred(build("steady", **{**self.variants[0], "hold": True}))
        network(clip(3, 17, 18)).square().mean().backward()
        for name, value in network.named_parameters():
            assert value.requires_grad == (not name.startswith("alone.")), name
            assert (value.grad is not None) == value.requires_grad, name

    def test_options_that_make_no_network_are_refused(self) -> None:
        for option, value in (("memory", 0), ("memory", 7), ("fusion", 0)):
            with pytest.raises(ModelError, match=f"{option} {value}.*accepted"):
                build("steady", **{**self.variants[0], option: value})


def test_both_directions_are_the_mean_of_a_clip_and_of_its_reverse() -> None:
    network = stirred(build("recurrent", scale=2, channels=6, layers=2)).eval()
    both, lr = BothDirections(network, ahead=4), clip(9, 10, 12)
    mean = (network(lr) + network(lr.flip(1)).flip(1)) / 2
    torch.testing.assert_close(both(lr), mean)
    torch.testing.assert_close(both(lr.flip(1)).flip(1), mean)
    torch.testing.assert_close(both.deployed()(lr), mean, rtol=1e-4, atol=1e-4)
    first, state = both.piece(lr[:, :9], None, 4)
    rest, _ = both.piece(lr[:, 5:], state, 0)
    torch.testing.assert_close(torch.cat([first, rest], dim=1), mean)


def test_a_still_clip_of_the_3d_network_is_what_the_frame_alone_makes() -> None:
    network = stirred(build("volume", scale=2, channels=4, blocks=1, frames="differences"))
    frame = clip(1, 9, 9)
    alone, repeated = network(frame), network(frame.expand(-1, 7, -1, -1, -1))
    torch.testing.assert_close(repeated, alone.expand(-1, 7, -1, -1, -1))


def test_the_memory_of_the_lstm_fits_any_size() -> None:
    network = build("video_srgan", scale=2, channels=4, blocks=1, recurrent=True).eval()
    for size in ((9, 14), (6, 5)):
        assert network(clip(3, *size)).shape[-2:] == (2 * size[0], 2 * size[1])


def test_the_memory_can_outlast_many_frames() -> None:
    network = stirred(build("video_srgan", scale=2, channels=4, blocks=1, recurrent=True)).eval()
    lr = clip(6, 8, 8)
    changed = lr.clone()
    changed[:, 0] = 0
    assert (network(lr) - network(changed))[:, -1].abs().max() > 0


def test_what_our_network_costs() -> None:
    causal, both = (build("recurrent", ahead=ahead) for ahead in (0, 7))
    fast = cost(build("fast", channels=16, layers=9), 270, 480)
    one, two = cost(causal, 270, 480), cost(both, 270, 480)
    carried = 19 * 16 * 9  # inputs of the first convolution that the fast network has not
    assert one.parameters == fast.parameters + carried
    assert one.multiply_adds == pytest.approx(fast.multiply_adds + carried * 270 * 480, rel=1e-3)
    assert two.multiply_adds < 2 * one.multiply_adds


def test_the_clip_discriminator_sees_motion_and_keeps_clips_apart() -> None:
    torch.manual_seed(1)
    critic = build_discriminator("clip", channels=4, layers=2).eval()
    real = clip(5, 16, 16, count=2)
    logits = critic(real)
    assert logits.shape == (2, 1, 5, 4, 4)
    assert not torch.allclose(critic(real[:, [0, 2, 1, 3, 4]])[..., 2, :, :], logits[..., 2, :, :])
    torch.testing.assert_close(critic(real[1:]), logits[1:])


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("recurrent", {"ahead": -1}, "ahead -1: accepted"),
        ("recurrent", {"method": "raft"}, "method 'raft': accepted: dis, dis-fine, farneback"),
        ("video_srgan", {"align": "raft"}, "align 'raft'"),
        ("video_srgan", {"smoothing": "gaussian"}, "needs a flow: align dis, farneback"),
        ("volume", {"frames": "cooked"}, "frames 'cooked'.*accepted: frames 'raw'"),
    ],
)
def test_a_wrong_choice_is_refused_with_the_accepted_ones(
    name: str, options: Options, told: str
) -> None:
    with pytest.raises(ModelError, match=told):
        build(name, **options)


def test_every_network_of_video_can_be_built_large() -> None:
    with torch.device("meta"):
        counts = {name: parameter_count(build(name)) for name in VIDEO_MODELS}
    assert counts["volume"] > counts["recurrent"]
