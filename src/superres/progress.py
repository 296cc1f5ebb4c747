"""Progress bars on stderr, with rate and time left."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm


@contextmanager
def step_bar(name: str) -> Iterator[Callable[[int, int, dict[str, float]], None]]:
    """Show the steps of a training; without a terminal, one line every half minute."""
    interactive = sys.stderr.isatty()
    bar = tqdm(desc=name, unit="step", mininterval=0.2 if interactive else 30, file=sys.stderr)

    def show(step: int, steps: int, latest: dict[str, float]) -> None:
        if bar.total != steps:
            bar.total, bar.initial, bar.n = steps, step - 1, step - 1
        if "val/psnr" in latest:
            bar.set_postfix(psnr=f"{latest['val/psnr']:.2f}", refresh=False)
        bar.update(step - bar.n)

    with bar:
        yield show
