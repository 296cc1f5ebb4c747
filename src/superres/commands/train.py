"""`superres train EXPERIMENT`: train one experiment, or continue it where it was stopped."""

import json
from pathlib import Path
from typing import Annotated

import typer


def train(
    experiment: Annotated[str, typer.Argument(help="name in experiments/, or a YAML file")],
    params: Annotated[Path, typer.Option(help="what to run here")] = Path("params.yaml"),
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="override, as budget=0.1 or seed=2")
    ] = None,
    track: Annotated[bool, typer.Option(help="record the run in MLflow")] = True,
    pack: Annotated[Path, typer.Option(help="packed pairs")] = Path("data/pairs"),
    report: Annotated[Path, typer.Option(help="where curve and result go")] = Path("reports"),
    json_: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Train one experiment; a killed run continues where its state was saved."""
    from superres.config import load_experiment, load_params
    from superres.progress import step_bar
    from superres.training.curve import write_curve, write_result
    from superres.training.distributed import processes
    from superres.training.journal import JsonlTracker, Tracker, Trackers
    from superres.training.run import Place
    from superres.training.run import train as run

    known = load_params(params, set_ or [])
    chosen = load_experiment(experiment)
    file = Path(experiment)
    name = file.stem if file.suffix in (".yaml", ".yml") else experiment
    trackers: list[Tracker] = [JsonlTracker()]
    leads = processes().leads
    if track and leads:
        from superres.tracking import MlflowTracker

        trackers.append(MlflowTracker(known.tracking))
    try:
        with step_bar(name) as on_step:
            result = run(name, chosen, known, Trackers(*trackers), Place(pack=pack), on_step)
    except KeyboardInterrupt as stop:
        typer.echo(f"stopped: {stop}; the same command goes on from there", err=True)
        raise typer.Exit(130) from None
    if not leads:
        return
    write_curve(Path("runs") / name / "log.jsonl", report / "curves" / f"{name}.csv")
    write_result(result, report / "train" / f"{name}.json")
    found = {name.removeprefix("val/"): value for name, value in result.metrics.items()}
    if json_:
        summary = {"experiment": name, "steps": result.steps, "seconds": result.seconds}
        typer.echo(json.dumps(summary | found | {"weights": result.weights}))
    figures = ", ".join(f"{key} {value:.4f}" for key, value in found.items())
    typer.echo(
        f"{name}: {result.steps} steps in {result.seconds:.0f} s, validation {figures or 'none'} "
        f"-> {result.model}",
        err=True,
    )
