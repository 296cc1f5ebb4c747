"""`superres fetch`: the data sets of params.yaml, verified, into data/raw."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from superres.data.download_plan import Plan


def fetch(
    params: Annotated[Path, typer.Option(help="What to fetch: its `data.sources`.")] = Path(
        "params.yaml"
    ),
    raw: Annotated[Path, typer.Option(help="Folder to fill; it belongs to fetch.")] = Path(
        "data/raw"
    ),
    show_list: Annotated[
        bool, typer.Option("--list", help="Show the catalog and fetch nothing.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
    ] = False,
    parts: Annotated[int, typer.Option(min=1, max=16, help="Connections per download.")] = 4,
    keep_archives: Annotated[
        bool, typer.Option("--keep-archives", help="Keep data/downloads afterwards.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Bring every data set of params.yaml to data/raw, checked against its sha256.

    What is already right stays, what is no longer a source goes, a download is resumed.
    """
    from superres.config import load_params
    from superres.data.download_http import Transfer
    from superres.data.download_plan import plan, table
    from superres.data.fetch import FetchOptions
    from superres.data.fetch import fetch as bring

    if show_list:
        rows = table()
        typer.echo(json.dumps(rows, indent=2) if as_json else _table(rows))
        return
    sources = load_params(params).data.sources
    options = FetchOptions(transfer=Transfer(parts=parts), keep_archives=keep_archives)
    if dry_run:
        asked = plan(sources, raw, options.places(raw))
        typer.echo(json.dumps(asked.as_json(), indent=2) if as_json else _told(asked))
        return
    report = bring(sources, raw, options)
    names = ", ".join(f"{source.name} ({len(source.files)})" for source in report.sources)
    typer.echo(
        f"{raw}: {names}; {report.files} files, {report.bytes / 1e6:.1f} MB, "
        f"{len(report.written)} written, {len(report.removed)} removed",
        err=True,
    )
    if as_json:
        counts = {source.name: len(source.files) for source in report.sources}
        done = {"written": report.written, "removed": report.removed, "bytes": report.bytes}
        typer.echo(json.dumps({"files": counts, **done}))


def _table(rows: list[dict[str, Any]]) -> str:
    """Return the catalog for a terminal: name, kind, size, how, licence."""
    cells = [("name", "kind", "size", "how", "licence")]
    for row in rows:
        size = "?" if row["bytes"] is None else _size(row["bytes"])
        cells.append((row["name"], row["kind"], size, row["how"], row["licence"]))
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    lines = [
        "  ".join(
            [*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[4]]
        )
        for line in cells
    ]
    by_hand = [
        f"  {row['name']} ({row['homepage']}): {row['place']} -> data/manual/{row['name']}/ "
        + ", ".join(file["file"] for file in row["files"])
        for row in rows
        if row["how"] == "manual"
    ]
    by_hand = [line.rstrip() for line in by_hand]
    return "\n".join([*lines, "", "manual, to place by hand:", *by_hand])


def _told(asked: "Plan") -> str:
    lines = [
        f"{one.action:13}  {_size(one.bytes) if one.bytes else '?':>9}  {one.name}: {one.file}"
        for one in asked.steps
    ]
    end = f"to download {_size(asked.bytes)}, room needed {_size(asked.room)}, free"
    return "\n".join([*lines, f"{end} {_size(asked.free)}"])


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
