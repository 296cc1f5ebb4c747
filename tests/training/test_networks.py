"""Networks, optimizers and the moving average: the same from a seed, and back from a state."""

import copy
from pathlib import Path

import torch
from torch import nn
from trainings import CRITIC, adversarial, supervised

from superres.training.networks import Networks


def made(seed: int = 1, **changes: object) -> Networks:
    return Networks(adversarial(ema=0.9, **changes), "cpu", seed)


def drift(network: nn.Module, by: float) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(by)


def flat(network: nn.Module) -> torch.Tensor:
    return torch.cat([value.flatten().float() for value in network.state_dict().values()])


def descend(networks: Networks) -> None:
    for network, optimizer in (
        (networks.generator, networks.optimizer),
        (networks.discriminator, networks.discriminator_optimizer),
    ):
        optimizer.zero_grad()
        network(torch.ones(2, 3, 16, 16) / 2).square().mean().backward()
        optimizer.step()
    networks.average()


def test_the_seed_decides_the_first_weights() -> None:
    one, same, other = made(1), made(1), made(2)
    assert torch.equal(flat(one.generator), flat(same.generator))
    assert torch.equal(flat(one.discriminator), flat(same.discriminator))
    assert not torch.equal(flat(one.generator), flat(other.generator))


def test_without_a_critic_there_is_none() -> None:
    networks = Networks(supervised(), "cpu", 1)
    assert networks.discriminator is None
    assert networks.discriminator_optimizer is None
    assert networks.scored is networks.generator


def test_the_average_is_what_is_scored() -> None:
    networks = made()
    assert networks.scored is networks.ema
    assert torch.equal(flat(networks.ema), flat(networks.generator))


def test_the_average_follows_with_a_decay_that_rises_to_its_value() -> None:
    networks = made()
    start = networks.generator.tail.bias.detach().clone()
    for count in range(1, 200):
        before = networks.ema.tail.bias.detach().clone()
        drift(networks.generator, 0.01)
        networks.average()
        decay = min(0.9, (1 + count) / (10 + count))
        target = networks.generator.tail.bias
        expected = decay * before + (1 - decay) * target
        torch.testing.assert_close(networks.ema.tail.bias, expected)
    behind = networks.generator.tail.bias - networks.ema.tail.bias
    torch.testing.assert_close(behind, torch.full_like(start, 0.09), rtol=1e-3, atol=1e-4)


def test_the_average_takes_batch_statistics_as_they_are() -> None:
    networks = made()
    networks.generator.train()
    networks.generator(torch.rand(2, 3, 8, 8))
    networks.average()
    for kept, buffer in zip(networks.ema.buffers(), networks.generator.buffers(), strict=True):
        assert torch.equal(kept, buffer)


def test_rates_follow_experiment_phase_and_schedule() -> None:
    experiment = adversarial(
        10,
        10,
        optimizer={"learning_rate": 1e-3},
        discriminator_optimizer={"learning_rate": 4e-3},
        schedule={"warmup": 0.1},
        phases=[
            {"steps": 10, "losses": {"mse": 1}},
            {"steps": 10, "losses": {"mse": 1}, "learning_rate": 5e-4},
        ],
    )
    networks = Networks(experiment, "cpu", 1)

    def rates(step: int, phase: int) -> tuple[float, float, float]:
        told = networks.set_rates(step, experiment.phases[phase])
        groups = networks.optimizer.param_groups, networks.discriminator_optimizer.param_groups
        return told, groups[0][0]["lr"], groups[1][0]["lr"]

    assert rates(0, 0) == (5e-4, 5e-4, 2e-3)
    assert rates(5, 0) == (1e-3, 1e-3, 4e-3)
    assert rates(15, 1) == (5e-4, 5e-4, 5e-4)


def test_the_optimizer_is_the_one_of_the_experiment() -> None:
    spec = {"name": "adamw", "betas": [0.5, 0.99], "weight_decay": 0.1}
    networks = made(optimizer=spec)
    for optimizer in (networks.optimizer, networks.discriminator_optimizer):
        assert type(optimizer) is torch.optim.AdamW
        group = optimizer.param_groups[0]
        assert (group["betas"], group["weight_decay"]) == ((0.5, 0.99), 0.1)


def test_a_restored_state_goes_on_as_if_nothing_had_been() -> None:
    networks, other = made(1), made(2)
    for _ in range(3):
        descend(networks)
    other.restore(copy.deepcopy(networks.state()))
    for one in (networks, other):
        torch.manual_seed(5)  # of dropout
        for _ in range(3):
            descend(one)
    for name in ("generator", "discriminator", "ema"):
        assert torch.equal(flat(getattr(networks, name)), flat(getattr(other, name))), name
    assert other.averaged == 6


def test_the_state_holds_plain_values_only(tmp_path: Path) -> None:
    file = tmp_path / "state.pt"
    torch.save(made(discriminator=CRITIC).state(), file)
    assert set(torch.load(file, weights_only=True)) == {
        "generator",
        "optimizer",
        "discriminator",
        "discriminator_optimizer",
        "ema",
        "averaged",
        "engine",
    }
