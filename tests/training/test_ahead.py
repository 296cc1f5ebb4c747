"""Batches cut ahead are the sampler's, and the state is that of the batches handed out."""

from pathlib import Path
from typing import Any

import pytest
import torch
from trainings import adversarial

from superres.data.sampler import Batch, Sampler
from superres.errors import DataError
from superres.training.ahead import Ahead
from superres.training.journal import ProgressFile


@pytest.fixture
def sampler(pack: Path) -> Sampler:
    return Sampler(pack, "train", hr_patch=16, seed=5)


def twin(pack: Path) -> Sampler:
    return Sampler(pack, "train", hr_patch=16, seed=5)


def same(one: Batch, other: Batch) -> bool:
    return torch.equal(one.lr, other.lr) and torch.equal(one.hr, other.hr)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_they_are_the_samplers_batches_in_order(pack: Path, sampler: Sampler, count: int) -> None:
    ahead, plain = Ahead(sampler, count, 4, slice(None)), twin(pack)
    assert all(same(ahead.batch(), plain.batch(4)) for _ in range(8))
    ahead.close()


@pytest.mark.parametrize("count", [0, 2])
def test_the_state_is_that_of_the_batches_handed_out(
    pack: Path, sampler: Sampler, count: int
) -> None:
    ahead, plain = Ahead(sampler, count, 4, slice(None)), twin(pack)
    for _ in range(3):
        assert torch.equal(ahead.state()["random"], plain.state()["random"])
        ahead.batch()
        plain.batch(4)
    state = ahead.state()
    later = [plain.batch(4) for _ in range(2)]
    other = Ahead(twin(pack), count, 4, slice(None))
    other.batch()  # its thread is already ahead of another place
    other.restore(state)
    assert all(same(other.batch(), batch) for batch in later)
    other.close()
    ahead.close()
    assert same(sampler.batch(4), later[0])  # the sampler itself goes on there, too


def test_an_error_of_the_thread_is_raised_where_the_batch_is_asked_for(sampler: Sampler) -> None:
    def fail(size: int, share: slice) -> Batch:
        raise DataError("train-00000.hr.u8: the pack cannot be read")

    vars(sampler)["batch"] = fail
    ahead = Ahead(sampler, 2, 4, slice(None))
    with pytest.raises(DataError, match="cannot be read"):
        ahead.batch()
    ahead.close()


def test_a_run_is_the_same_with_and_without(make_trainer: Any, recorder: Any) -> None:
    found = []
    for count in (0, 2):
        trainer = make_trainer(adversarial(2, 4), prefetch=count)
        progress = ProgressFile(trainer.setting.state.parent, 6)
        found.append(trainer.run(recorder, None, progress))
    assert all(torch.equal(value, found[1][name]) for name, value in found[0].items())
