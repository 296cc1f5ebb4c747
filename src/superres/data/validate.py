"""Great Expectations over the manifest, and checks of the pixels: is this fit to train on?"""

import importlib.resources
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from superres.atomic import write_text
from superres.data.checks import Check, ValidationReport
from superres.data.drift import ACCEPTED, check_drift
from superres.data.manifest import REBUILD, read_manifest, read_pack
from superres.data.pixel_checks import check_pixels
from superres.data.splits import SPLITS
from superres.data.tables import clips_table, frames_of_clips, manifest_table
from superres.data.validation_page import page
from superres.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

EXPECTATIONS: Final = "expectations.json"
CLIPS: Final = "expectations_clips.json"


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
    checks = _check_table(
        expectations(), manifest_table(rows, pack), {"min_side": pack["min_side"]}
    )
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
