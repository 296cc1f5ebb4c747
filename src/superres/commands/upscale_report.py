"""What `superres upscale` tells: bars while it works, a line per file, a table at the end."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from superres.inference.library import Outcome, Progress, Task, Writing
    from superres.inference.upscaler import Upscaler


def with_bars(upscaler: "Upscaler", tasks: list["Task"], writing: "Writing") -> Iterator["Outcome"]:
    """Yield outcomes with bars on stderr: files, and what is done of the current one."""
    from tqdm import tqdm

    from superres.inference.library import upscale_all

    with tqdm(unit="row", disable=None, leave=False, position=1) as bar:

        def begun() -> Iterator["Task"]:
            for task in tqdm(tasks, unit="file", disable=None, leave=False):
                bar.unit, bar.n = "frame" if task.is_video else "row", 0
                yield task

        yield from upscale_all(upscaler, begun(), writing=writing, progress=_shown_on(bar))


def _shown_on(bar: Any) -> "Progress":
    def progress(done: int, total: int | None) -> None:
        if bar.n == 0:  # a file begins, perhaps where it was left
            bar.reset(total)
            bar.initial = bar.n = done - 1
        bar.update(done - bar.n)

    return progress


def report(outcome: "Outcome", as_json: bool, *, beside_bytes: bool = False) -> None:
    """Tell what became of one file: results on stdout, errors on stderr.

    `beside_bytes`: stdout is the picture's, so everything goes to stderr.
    """
    where = f"{outcome.task.source} -> {outcome.task.target}"
    if as_json:
        typer.echo(json.dumps(outcome.as_dict(), ensure_ascii=False), err=beside_bytes)
    elif outcome.status == "ok" and not beside_bytes:
        typer.echo(f"{where}: {outcome.width}x{outcome.height}, {outcome.seconds:.1f} s")
    elif outcome.status == "skipped":
        typer.echo(f"{where}: skipped, it exists")
    if outcome.error is not None and not (as_json and beside_bytes):
        said = outcome.error.removeprefix(f"{outcome.task.source}: ")
        typer.echo(f"error: {outcome.task.source}: {said}", err=True)


def summary(outcomes: list["Outcome"]) -> str:
    """Return a table: how many files of each kind, their output megapixels and their time."""
    rows = [f"{'':8} {'files':>6} {'megapixels':>11} {'seconds':>9}"]
    for status in ("ok", "skipped", "failed"):
        found = [outcome for outcome in outcomes if outcome.status == status]
        pixels = sum((one.width or 0) * (one.height or 0) for one in found)
        seconds = sum(one.seconds for one in found)
        if found:
            rows.append(f"{status:8} {len(found):>6} {pixels / 1e6:>11.1f} {seconds:>9.1f}")
    return "\n".join(rows)
