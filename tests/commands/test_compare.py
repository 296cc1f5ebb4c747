"""`superres compare`: one report, findings on stderr, JSON alone on stdout."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from small import SCALE, scene, write_model, write_pack

PARAMS = """
scale: 2
experiments: [sharp]
data: {sources: [{name: photographs}]}
evaluation: {repeats: 1, metrics: [checkerboard]}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "params.yaml").write_text(PARAMS)
    write_pack(tmp_path / "data" / "pairs", {f"discs/{seed}": scene(seed) for seed in range(2)})
    for name, strength in (("sharp", 0.04), ("wild", 0.2)):
        write_model(tmp_path / "models" / "runs" / name, strength)
    return tmp_path


def run(project: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "superres", "compare", *words]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)


def test_a_report_is_written_and_its_findings_are_told(project: Path) -> None:
    done = run(project, "sharp", "models/runs/wild", "nearest", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["best"], found["scale"]) == ("sharp", SCALE)
    assert set(found["mean_psnr_y"]) == {"bicubic", "sharp", "wild", "nearest"}
    assert "sharp has the highest PSNR-Y" in done.stderr
    assert "Below bicubic: wild." in done.stderr
    written = {file.name for file in (project / "reports" / "compare").iterdir() if file.is_file()}
    assert {"index.html", "evaluation.md", "comparison.json"} <= written


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["nobody"], 1, "model 'nobody': no model.json"),
        (["sharp", "--data", "lines"], 1, "test set 'lines' is not in data/pairs"),
        (["sharp", "--lr", "x"], 2, "--lr goes with a folder of HR pictures"),
        (["sharp", "--set", "set99"], 1, "set 'set99' is not known"),
    ],
)
def test_what_cannot_be_compared_is_said(
    project: Path, words: list[str], code: int, told: str
) -> None:
    done = run(project, *words)
    assert done.returncode == code
    assert told in " ".join(done.stderr.replace("│", " ").split())
    assert not (project / "reports").exists()
