"""Great Expectations over the manifest, and checks of the pixels: is this fit to train on?"""

import importlib.resources
import json
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from superres.atomic import write_text
from superres.data.checks import Check, ValidationReport
from superres.data.manifest import REBUILD, Row, read_manifest, read_pack
from superres.data.pixel_checks import check_pixels
from superres.data.splits import SPLITS
from superres.data.validation_page import page
from superres.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

EXPECTATIONS: Final = "expectations.json"


def validate(pairs: Path, report: Path = Path("reports/validation.html")) -> ValidationReport:
    """Check the packed pairs in `pairs`; write `report` and, beside it, a .json summary.

    The expectations over the manifest are in expectations.json; the packs are checked against
    their checksums, a sample of LR pictures is made anew, and copies between splits are
    searched. Both files are the same for the same data: no times, no run numbers.

    Raises DataError when there are no pairs or their manifest cannot be read.
    """
    rows = read_manifest(pairs)
    if not rows:
        raise DataError(f"{pairs}: the manifest lists no pair. {REBUILD}")
    pack = read_pack(pairs)
    checks = _check_manifest(rows, pack) + check_pixels(pairs, rows, pack)
    counts = {str(split): sum(row.split == split for row in rows) for split in SPLITS}
    result = ValidationReport(tuple(checks), counts, pack["sha256"])
    write_text(report, page(result, pairs, rows))
    write_text(report.with_suffix(".json"), _summary(result))
    return result


def expectations() -> dict[str, Any]:
    """Return the suite as it is in the repository."""
    text = importlib.resources.files("superres.data").joinpath(EXPECTATIONS).read_text("utf-8")
    suite: dict[str, Any] = json.loads(text)
    return suite


def _great_expectations() -> ModuleType:
    """Import it here: it takes seconds, and its dependencies warn about each other."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations

    return great_expectations


def _check_manifest(rows: Sequence[Row], pack: Mapping[str, Any]) -> list[Check]:
    gx = _great_expectations()
    wanted = expectations()
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
        batch_parameters={"dataframe": _table(rows, pack)},
        expectation_parameters={"min_side": pack["min_side"]},
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


def _table(rows: Sequence[Row], pack: Mapping[str, Any]) -> "pd.DataFrame":
    """Return the manifest with the columns the expectations compare it with."""
    import pandas as pd

    splits_by_pixels, splits_by_clip = defaultdict(set), defaultdict(set)
    for row in rows:
        splits_by_pixels[row.sha256].add(row.split)
        splits_by_clip[row.clip].add(row.split)
    offsets: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    records = []
    for row in rows:
        hr_offset, lr_offset = offsets[row.split]
        offsets[row.split][0] += 3 * row.height * row.width
        offsets[row.split][1] += 3 * row.lr_height * row.lr_width
        is_complete = row.kind != "frame" or (row.clip and row.index is not None)
        derived = {
            "splits_with_same_pixels": len(splits_by_pixels[row.sha256]),
            "splits_of_clip": len(splits_by_clip[row.clip]) if row.clip else 1,
            "is_frame_complete": "yes" if is_complete else "no",
            "degradation": f"x{row.scale} {row.kernel} {row.border}",
            "pack_degradation": f"x{pack['scale']} {pack['kernel']} {pack['border']}",
            "scaled_lr_height": row.lr_height * row.scale,
            "scaled_lr_width": row.lr_width * row.scale,
            "rest_after_scale": row.height % max(row.scale, 1) + row.width % max(row.scale, 1),
            "shortest_side": min(row.height, row.width),
            "expected_hr_offset": hr_offset,
            "expected_lr_offset": lr_offset,
        }
        records.append({**asdict(row), **derived})
    return pd.DataFrame(records)


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
