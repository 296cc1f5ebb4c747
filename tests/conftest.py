"""Fixtures that every test may use."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from superres import pretrained

_ROOT = Path(__file__).resolve().parents[1]
pytest.register_assert_rewrite("generator_specification")  # before any folder's tests import it


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c() -> None:
    """Hear SIGINT as in a terminal: shells start what runs in the background without it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _nothing_shipped_but_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test in a folder of its own find this repository's models/pretrained."""
    monkeypatch.setattr(pretrained, "_places", lambda: [pretrained.FOLDER])


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with the real benchmarks, clips and weights; its tests are skipped where it is not."""
    folder = Path(os.environ.get("SUPERRES_SHARED_DATA", _ROOT / ".." / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data: no folder {folder}, set SUPERRES_SHARED_DATA")
    return folder.resolve()


@pytest.fixture(scope="session")
def photo() -> NDArray[np.uint8]:
    """A picture of 40 rows and 56 columns with smooth colour, an edge and some grain."""
    rows, columns = np.mgrid[0:40, 0:56]
    smooth = np.stack([rows * 6, columns * 4, 255 - rows * 3 - columns * 2], axis=-1)
    smooth[10:25, 20:40] = (230, 60, 90)
    grain = np.random.default_rng(7).integers(-6, 7, smooth.shape)
    return np.clip(smooth + grain, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def tiny() -> NDArray[np.uint8]:
    """Four rows and six columns, every value different."""
    return np.arange(3, 3 + 4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
