"""NIQE equals the MATLAB release, and worsens with what a person dislikes."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from superres import images
from superres.data.degrade import degrade, imresize
from superres.errors import InputError
from superres.metrics.niqe import niqe


@pytest.fixture(scope="module")
def baboon(shared_data: Path) -> NDArray[np.uint8]:
    """BasicSR's tests/data/baboon.png: Set14's, cut to multiples of 12."""
    picture = images.read(shared_data / "benchmarks" / "Set14" / "HR" / "baboon.png").pixels
    return np.asarray(picture[:480, :492], dtype=np.uint8)


def test_it_equals_matlab(baboon: NDArray[np.uint8]) -> None:
    """MATLAB R2021a gives 5.72957338 (quoted in basicsr/metrics/niqe.py)."""
    assert niqe(baboon) == pytest.approx(5.72957338, abs=2e-6)


def test_blur_and_noise_are_less_natural(baboon: NDArray[np.uint8]) -> None:
    blurred = imresize(degrade(baboon, 4), 4)
    noisy = baboon + np.random.default_rng(0).normal(0, 40, baboon.shape)
    assert niqe(blurred) > niqe(baboon) + 1
    assert niqe(noisy.clip(0, 255)) > niqe(baboon) + 1


def test_a_plane_is_taken_as_it_is(baboon: NDArray[np.uint8]) -> None:
    assert niqe(images.luma(baboon)) == pytest.approx(niqe(baboon), abs=1e-12)


def test_what_is_beyond_the_last_whole_block_does_not_count(baboon: NDArray[np.uint8]) -> None:
    assert niqe(baboon[:390, :290]) == pytest.approx(niqe(baboon[:384, :288]), abs=1e-12)


def test_too_few_blocks_or_no_texture_are_refused(baboon: NDArray[np.uint8]) -> None:
    with pytest.raises(InputError, match="two blocks of 96x96 pixels with texture, found 1 in"):
        niqe(baboon[:191, :191])
    with pytest.raises(InputError, match="found 0 in 95x300"):
        niqe(np.zeros((300, 95, 3), np.uint8))
    with pytest.raises(InputError, match="found 0 in 300x300"):
        niqe(np.full((300, 300, 3), 7, np.uint8))
