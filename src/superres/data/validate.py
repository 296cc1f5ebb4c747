"""Great Expectations over the manifest, and checks of the pixels: is this fit to train on?"""

import gc
import importlib.resources
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from superres.atomic import write_text
from superres.data.checks import Check, ValidationReport
from superres.data.drift import ACCEPTED, check_drift
from superres.data.manifest import REBUILD, Row, read_manifest, read_pack
from superres.data.pixel_checks import check_pixels
from superres.data.splits import SPLITS
from superres.data.tables import ManifestTables, clips_table, frames_of_clips
from superres.data.validation_page import page
from superres.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

EXPECTATIONS: Final = "expectations.json"
CLIPS: Final = "expectations_clips.json"
# What has to see every row at once; all other expectations judge each row by itself.
OF_ALL_ROWS: Final = (
    "expect_table_row_count_to_be_between",
    "expect_column_distinct_values_to_contain_set",
    "expect_column_mean_to_be_between",
)


def validate(
    pairs: Path,
    report: Path = Path("reports/validation.html"),
    accepted: Path | None = None,
) -> ValidationReport:
    """Check the packed pairs in `pairs`; write `report` and, beside it, a .json summary.

    The expectations over the manifest are in expectations.json, those over the frames of clips in
    expectations_clips.json; the shards are checked against their checksums, a sample of LR
    pictures is made anew, copies between splits are searched, and the data sets are compared with
    the ones last accepted (`accepted`, by default accepted.json beside `pairs`; nothing to compare
    when it is not there). Both files are the same for the same data: no times, no run numbers.

    Raises DataError when there are no pairs or their manifest cannot be read.
    """
    rows = read_manifest(pairs)
    if not rows:
        raise DataError(f"{pairs}: the manifest lists no pair. {REBUILD}")
    pack = read_pack(pairs)
    checks = _check_manifest(rows, pack)
    if frames := frames_of_clips(rows):
        checks += _check_table(expectations(CLIPS), clips_table(frames))
    checks += check_pixels(pairs, rows, pack)
    checks += check_drift(accepted or pairs.parent / ACCEPTED, rows)
    counts = {str(split): sum(row.split == split for row in rows) for split in SPLITS}
    result = ValidationReport(tuple(checks), counts, pack["sha256"])
    write_text(report, page(result, pairs, rows))
    write_text(report.with_suffix(".json"), _summary(result))
    return result


def expectations(name: str = EXPECTATIONS) -> dict[str, Any]:
    """Return a suite as it is in the repository."""
    text = importlib.resources.files("superres.data").joinpath(name).read_text("utf-8")
    suite: dict[str, Any] = json.loads(text)
    return suite


def _check_manifest(rows: Sequence[Row], pack: Mapping[str, Any]) -> list[Check]:
    """Check row by row in parts, and what concerns all rows together on a few columns."""
    tables, suite = ManifestTables(rows, pack), expectations()
    together = [one for one in suite["expectations"] if one["type"] in OF_ALL_ROWS]
    alone = [one for one in suite["expectations"] if one["type"] not in OF_ALL_ROWS]
    found = _check_table({**suite, "expectations": together}, tables.whole())
    parts: dict[str, Check] = {}
    for table in tables.parts():
        wanted = {**suite, "expectations": alone}
        for check in _check_table(wanted, table, {"min_side": pack["min_side"]}):
            before = parts.get(check.sentence, check)
            failing = check.failing if before is check else before.failing + check.failing
            detail = before.detail or check.detail
            parts[check.sentence] = replace(check, failing=failing, detail=detail)
        gc.collect()  # what Great Expectations made refers to itself, and to the table
    told = {check.sentence: check for check in found} | parts
    return [told[one["description"]] for one in suite["expectations"]]


def _great_expectations() -> ModuleType:
    """Import it here: it takes seconds, and its dependencies warn about each other."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations

    return great_expectations


def _check_table(
    wanted: dict[str, Any], table: "pd.DataFrame", parameters: Mapping[str, Any] | None = None
) -> list[Check]:
    gx = _great_expectations()
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    suite = context.suites.add(gx.ExpectationSuite(**wanted))
    asset = context.data_sources.add_pandas("pairs").add_dataframe_asset("manifest")
    definition = context.validation_definitions.add(
        gx.ValidationDefinition(
            name="manifest", data=asset.add_batch_definition_whole_dataframe("all"), suite=suite
        )
    )
    outcome = definition.run(
        batch_parameters={"dataframe": table},
        expectation_parameters=dict(parameters or {}),
        result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["id"]},
    )
    found = {
        result["expectation_config"]["description"]: result
        for result in outcome.to_json_dict()["results"]
    }
    return [
        _check(entry["description"], entry["severity"], found[entry["description"]])
        for entry in wanted["expectations"]
    ]


def _check(sentence: str, severity: Any, result: Mapping[str, Any]) -> Check:
    if result["success"]:
        return Check(sentence, severity)
    details = result["result"]
    failing = tuple(str(place["id"]) for place in details.get("unexpected_index_list") or ())
    if failing:
        return Check(sentence, severity, failing)
    error = result["exception_info"].get("exception_message")
    missing = details.get("partial_missing_list")
    found = f"missing {missing}" if missing else f"found {details.get('observed_value')}"
    return Check(sentence, severity, detail=str(error or found))


def _summary(result: ValidationReport) -> str:
    content = {
        "success": result.success,
        "data_sha256": result.sha256,
        "pairs": result.pairs,
        "checks": [
            {
                "expectation": check.sentence,
                "severity": check.severity,
                "success": check.success,
                "failing": list(check.failing),
                **({"detail": check.detail} if check.detail else {}),
            }
            for check in result.checks
        ],
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
