"""`superres losses`: every loss term and adversarial objective, with paper, range and weights."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer


def losses(
    params: Annotated[Path, typer.Option(help="its perceptual.weights are looked for")] = Path(
        "params.yaml"
    ),
    json_: Annotated[bool, typer.Option("--json", help="print JSON on stdout")] = False,
) -> None:
    """List the loss terms and adversarial objectives that experiments can name."""
    from superres.config import load_params
    from superres.losses.catalog import OBJECTIVE_ENTRIES, loss_entries

    weights = load_params(params).perceptual.weights if params.is_file() else "auto"
    given = None if weights in ("auto", "torchvision", "here") else Path(weights)
    found = [_facts("loss", entry, given) for entry in loss_entries()]
    found += [_facts("objective", entry, given) for entry in OBJECTIVE_ENTRIES]
    if json_:
        typer.echo(json.dumps(found))
        return
    for one in found:
        state = "" if one["weights"] is None else f"needs {one['weights']}: "
        if state:
            state += one["located"] or "not here"
        typer.echo(f"{one['kind']:9} {one['name']:16} {one['range']:38} {one['paper']}  {state}")


def _facts(kind: str, entry: Any, given: Path | None) -> dict[str, Any]:
    from superres.losses.catalog import located, wanted

    return {
        "kind": kind,
        "name": entry.name,
        "paper": entry.paper,
        "range": entry.range,
        "weights": wanted(entry.needs) if entry.needs else None,
        "located": located(entry.needs, given) if entry.needs else None,
        "here": entry.needs is None or located(entry.needs, given) is not None,
    }
