"""`superres`: dispatch to the commands; one error message instead of a traceback."""

import logging
import os
import sys

import typer

from superres import __version__
from superres.commands.bench import bench
from superres.commands.clips import clips
from superres.commands.compare import compare
from superres.commands.degrade import degrade
from superres.commands.doctor import doctor
from superres.commands.evaluate import evaluate
from superres.commands.export import export
from superres.commands.fetch import fetch
from superres.commands.frames import frames
from superres.commands.import_model import import_model
from superres.commands.import_run import import_run
from superres.commands.leaks import leaks
from superres.commands.losses import losses
from superres.commands.models import models
from superres.commands.package import package
from superres.commands.pairs import pairs
from superres.commands.promote import promote
from superres.commands.quantize import quantize
from superres.commands.rollback import rollback
from superres.commands.ship import ship
from superres.commands.train import train
from superres.commands.upscale import upscale
from superres.commands.validate import validate
from superres.errors import SuperresError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="From a team's own photographs to a served super-resolution model.",
)
for command in (
    fetch,
    frames,
    pairs,
    validate,
    train,
    evaluate,
    compare,
    clips,
    promote,
    rollback,
    package,
    export,
    quantize,
    upscale,
    degrade,
    bench,
    models,
    losses,
    leaks,
    import_model,
    import_run,
    ship,
    doctor,
):
    app.command()(command)


@app.callback(invoke_without_command=True)
def _options(
    verbose: bool = typer.Option(False, "--verbose", "-v", help="show more"),
    version: bool = typer.Option(False, "--version", help="print the version"),
) -> None:
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line. Exit codes: 0 ok, 1 failed, 2 usage, 3 partly failed."""
    # Waiting threads sleep: on a busy machine spinning ones made trainings up to 4 times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app()
    except SuperresError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
