"""evaluate, models, bench, export and promote as a script uses them.

JSON alone on stdout; exit codes 0 ok, 1 failed, 2 usage; one clear line instead of a traceback.
"""

import json
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from small import scene, small_params, write_model, write_pack

from superres import __version__, images, registry
from superres.__main__ import main
from superres.images import Picture
from superres.models import MODELS, VIDEO_MODELS
from superres.release import promotion


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out, parse_constant=_refuse)


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


Run = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], project: Path) -> Run:
    """Run the command line in the project folder."""

    def call(*words: Any) -> Done:
        monkeypatch.chdir(project)
        monkeypatch.setattr(sys, "argv", ["superres", *map(str, words)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return Done(code, said.out, said.err)

    return call


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project folder: params.yaml, a pack, two trained models, pictures."""
    content = small_params("sharp", "wild").model_dump_json()  # JSON is YAML
    (tmp_path / "params.yaml").write_text(content)
    pictures = {"discs/0": scene(0), "discs/1": scene(1), "lines/2": scene(2)}
    write_pack(tmp_path / "data" / "pairs", pictures)
    for name, strength in (("sharp", 0.05), ("wild", 0.12)):
        write_model(tmp_path / "models" / "runs" / name, strength)
    (tmp_path / "hr").mkdir()
    for name in ("discs/0", "discs/1"):
        images.write(tmp_path / "hr" / f"{name[-1]}.png", Picture(pictures[name]))
    return tmp_path


def test_evaluate_gives_json_of_the_documented_form(run: Run) -> None:
    done = run("evaluate", "--model", "sharp", "--data", "hr", "--json")
    assert (done.code, done.err) == (0, "")
    found = done.json
    per_image = found.pop("per_image")
    figures = {key: found.pop(key) for key in ("psnr", "ssim", "mse")}
    expected = {"model": "sharp", "scale": 2, "data": "hr", "protocol": "y", "images": 2}
    assert found.items() >= expected.items()
    assert found["protocol_options"] == {
        "name": "y-shave2-uint8",
        "channel": "y",
        "shave": 2,
        "rounding": "uint8",
        "self_ensemble": False,
        "lr": "bicubic",
    }
    assert [one["image"] for one in per_image] == ["0", "1"]
    for key, value in figures.items():
        assert value == pytest.approx(sum(one[key] for one in per_image) / 2)


def test_evaluate_without_json_says_it_in_a_line(run: Run) -> None:
    done = run("evaluate", "--model", "bicubic", "--scale", 2, "--data", "hr")
    assert done.code == 0
    assert done.out.startswith("bicubic x2 on hr (2 pictures, y, 2 px shaved): PSNR ")


def test_evaluate_knows_sets_by_name_and_protocols_in_full(
    run: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPERRES_SHARED_DATA", str(project / "nothing"))
    folder = project / "data" / "raw" / "set5"
    folder.mkdir(parents=True)
    images.write(folder / "0.png", Picture(scene(0)))
    words = ("evaluate", "--model", "sharp", "--set", "set5", "--json")
    plain = run(*words, "--protocol", "y-shave").json
    assert (plain["data"], plain["images"]) == ("set5", 1)
    assert plain["per_image"][0]["set"] == "Set5"
    assert plain["psnr"] == run(*words).json["psnr"]
    other = run(*words, "--protocol", "rgb-shave0-none-x8").json
    assert other["protocol_options"]["self_ensemble"]
    assert other["psnr"] != plain["psnr"]
    assert run(*words, "--data", "hr").code == 2
    missing = run("evaluate", "--model", "sharp", "--set", "bsd100")
    assert missing.code == 1
    assert "superres fetch" in missing.err


def test_evaluate_takes_the_pack_or_one_of_its_sets(run: Run) -> None:
    counts = {}
    for name in ("test", "discs", "lines"):
        words = ("evaluate", "--model", "sharp", "--data", name, "--json")
        counts[name] = run(*words).json["images"]
    assert counts == {"test": 3, "discs": 2, "lines": 1}


def test_evaluate_measures_all_channels_when_asked(run: Run) -> None:
    words = ("evaluate", "--model", "sharp", "--data", "hr", "--json", "--protocol")
    y, rgb = run(*words, "y").json, run(*words, "rgb").json
    assert rgb["protocol"] == "rgb"
    assert rgb["psnr"] != y["psnr"]
    assert -10 * math.log10(rgb["per_image"][0]["mse"]) == pytest.approx(
        rgb["per_image"][0]["psnr"]
    )


def test_equal_pictures_are_null_not_infinity(run: Run, project: Path) -> None:
    images.write(project / "hr" / "1.png", Picture(scene(1) * 0 + 90))
    found = run("evaluate", "--model", "bicubic", "--scale", 2, "--data", "hr", "--json").json
    assert found["psnr"] is found["per_image"][1]["psnr"] is None
    assert found["per_image"][0]["psnr"] > 30
    assert found["mse"] > 0


def test_evaluate_without_a_model_writes_the_report(run: Run, project: Path) -> None:
    done = run("evaluate", "--json")
    assert done.code == 0
    assert done.json == json.loads((project / "reports" / "evaluation.json").read_text())
    assert {"bicubic", "sharp", "wild"} <= done.json.keys()
    assert "| discs | sharp |" in done.err
    assert (project / "reports" / "index.html").is_file()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--model", "bicubic", "--protocol", "ycbcr", "--data", "hr"], "accepted: y, rgb"),
        (["--model", "sharp", "--scale", "4", "--data", "hr"], "'sharp' is x2, --scale says 4"),
        (["--model", "bicubic", "--scale", "0", "--data", "hr"], "--scale"),
        (["--model", "bicubic", "--scale", "-2", "--data", "hr"], "--scale"),
        (["--model", "sharp", "--tile", "-1", "--data", "hr"], "--tile"),
        (["--model", "sharp", "--data", "discs", "--lr", "hr"], "--lr"),
        (["--model"], "--model"),
        (["--fast"], "--fast"),
    ],
)
def test_wrong_usage_of_evaluate(run: Run, words: list[str], told: str) -> None:
    done = run("evaluate", "--json", *words)
    assert (done.code, done.out) == (2, "")
    plain = " ".join(done.err.replace("│", " ").split())
    assert told in plain


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--model", "nobody", "--data", "hr"], "error: model 'nobody'"),
        (["--model", "sharp", "--data", "nowhere"], "'discs', 'lines'"),
        (["--model", "sharp", "--data", "models"], "no pictures"),
        (["--model", "sharp", "--data", "hr", "--lr", "gone"], "gone: no such folder"),
        (["--model", "sharp", "--data", "hr", "--lr", "hr"], "0: LR is 64x48 and HR 64x48"),
        (["--model", "bicubic", "--scale", "4", "--data", "discs"], "not for scale 4"),
        (["--model", "sharp", "--pack", "gone"], "superres pairs"),
        (["--params", "gone.yaml"], "gone.yaml: no such file"),
    ],
)
def test_evaluate_fails_with_one_clear_line(run: Run, words: list[str], told: str) -> None:
    done = run("evaluate", *words, "--json")
    assert (done.code, done.out) == (1, "")
    assert told in done.err
    assert done.err.startswith("error: ")


def test_a_damaged_picture_is_named(run: Run, project: Path) -> None:
    (project / "hr" / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    done = run("evaluate", "--model", "sharp", "--data", "hr", "--json")
    assert (done.code, done.out) == (1, "")
    assert "0.png" in done.err


def test_models_lists_baselines_networks_and_folders(
    run: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model(project / "models" / ".challenger-x" / "model", 0.1)
    damaged = write_model(project / "models" / "damaged", 0.1)
    (damaged / "model.safetensors").write_bytes(b"torn")
    shipped = write_model(project / "elsewhere" / "fast-x2", 0.1)
    monkeypatch.setattr("superres.pretrained._places", lambda: [shipped.parent])
    done = run("models", "--json", "--scale", 2)
    assert done.code == 0
    by_name = {one["name"]: one for one in done.json}
    assert by_name.keys() == {*MODELS, *VIDEO_MODELS, "sharp-v", "wild-v", "fast-x2-v"}
    assert by_name["fast-x2-v"]["source"] == shipped.as_posix()
    assert by_name["bicubic"] == {
        "name": "bicubic",
        "network": "bicubic",
        "scale": 2,
        "scales": [],
        "parameters": 0,
        "multiply_adds": 25 * 3 * 1280 * 720,
        "halo": 2,
        "paper": "Keys, 1981; R3, R4",
        "source": "baseline",
    }
    assert by_name["edsr"]["parameters"] == 1_369_859
    assert by_name["srresnet"]["scales"] == [2, 4, 8]
    assert by_name["sharp-v"]["source"] == "models/runs/sharp"
    assert by_name["sharp-v"]["network"] == "compact"
    assert by_name["srresnet"]["source"] == "network (untrained)"
    assert "models/damaged/model.safetensors" in done.err


def test_models_of_a_scale_that_some_networks_lack(run: Run) -> None:
    done = run("models", "--json", "--scale", 3, "--folder", "nowhere")
    assert done.code == 0
    names = [one["name"] for one in done.json]
    assert "bicubic" in names
    assert "srresnet" not in names
    assert "scale 3" in done.err
    table = run("models").out.splitlines()
    assert table[0].split() == ["name", "scale", "scales", "parameters", "FLOPs", "halo", "source"]
    (row,) = [line for line in table if line.startswith("edsr ")]
    assert row.split()[:7] == ["edsr", "x4", "x2", "x3", "x4", "x8", "1,517,571"]
    assert row.endswith("36  Lim et al., 2017")


def test_a_network_that_cannot_be_counted_is_listed_all_the_same(
    run: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(generator: object) -> None:
        raise RuntimeError("no meta kernel")

    monkeypatch.setattr("superres.models.cost.cost_at_hd", refuse)
    done = run("models", "--json")
    assert done.code == 0
    (row,) = [one for one in done.json if one["name"] == "srresnet"]
    assert (row["multiply_adds"], row["parameters"]) == (None, 1_549_462)
    assert "srresnet: FLOPs are not known (no meta kernel)" in done.err
    assert "?" in run("models").out


def test_bench_gives_json(run: Run) -> None:
    words = ("bench", "--model", "bicubic", "--size", "20x12", "--repeats", 2, "--json")
    found = run(*words, "--no-reference").json
    keys = ["model", "size", "ms_median", "fps", "backend", "threads", "ratio_to_srresnet"]
    assert list(found)[: len(keys)] == keys
    assert (found["model"], found["size"], found["backend"]) == ("bicubic", "20x12", "torch")
    assert (found["output"], found["parameters"]) == ("80x48", 0)
    assert found["multiply_adds"] == 20 * 12 * 25 * 3 * 4**2  # five taps a side, every phase
    assert found["fps"] == pytest.approx(1000 / found["ms_median"], rel=0.02)
    assert found["ratio_to_srresnet"] is None
    assert found["ratio_to_bicubic"] is None
    beside = run(*words, "--scale", 2, "--every-backend").json
    assert 0 < beside["ratio_to_srresnet"] < 1
    assert beside["ratio_to_bicubic"] > 0
    assert beside["backends"]["torch"] == beside["ms_median"]
    assert "no model.onnx" in beside["backends"]["onnx"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--size", "480"], 2),
        (["--size", "0x10"], 2),
        (["--size", "-3x10"], 2),
        (["--size", "axb"], 2),
        (["--repeats", "0"], 2),
        (["--scale", "0"], 2),
        (["--backend", "tensorrt"], 2),
        (["--backend", "onnx"], 1),
        (["--model", "nobody"], 1),
    ],
)
def test_bench_refuses(run: Run, words: list[str], code: int) -> None:
    done = run("bench", "--model", "bicubic", "--no-reference", *words, "--json")
    assert (done.code, done.out) == (code, "")
    assert done.err


def test_export_writes_into_the_model_folder_or_elsewhere(run: Run, project: Path) -> None:
    done = run("export", "sharp")
    assert (done.code, done.out) == (0, "")
    assert "models/runs/sharp/model.onnx: at most 0 grey levels from torch" in done.err
    first = (project / "models" / "runs" / "sharp" / "model.onnx").read_bytes()
    assert run("export", "sharp", "-o", "new/folder/sharp.onnx").code == 0
    assert (project / "new" / "folder" / "sharp.onnx").read_bytes() == first
    assert run("bench", "--model", "sharp", "--size", "9x9", "--backend", "onnx").code == 0


def test_export_refuses(run: Run, project: Path) -> None:
    done = run("export", "nobody")
    assert (done.code, done.err[:6]) == (1, "error:")
    assert run("export").code == 2
    assert run("export", "sharp", "-o", "models").code == 2
    assert not list(project.rglob("*.onnx"))


@pytest.fixture
def crowned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The versions that became champion, in the place of a registry."""
    versions: list[str] = []
    monkeypatch.setattr(promotion, "export_onnx", lambda model, path: path.write_bytes(b"onnx"))
    monkeypatch.setattr(promotion, "export_difference", lambda model, path: 0)
    monkeypatch.setattr(registry, "register", lambda *_, **__: str(len(versions) + 1))
    monkeypatch.setattr(registry, "set_champion", lambda version, **_: versions.append(version))
    monkeypatch.setattr(registry, "champion", lambda **_: None)
    monkeypatch.setattr(registry, "rolled_back", lambda **_: frozenset())
    return versions


def test_promote_returns_0_for_a_champion_and_1_for_none(
    run: Run, project: Path, crowned: list[str]
) -> None:
    done = run("promote", "--model", "wild")
    assert (done.code, done.out) == (1, "")
    assert "wild-v is refused; there is no champion:" in done.err
    assert "PSNR-Y above bicubic on discs: found -" in done.err
    assert run("promote", "--model", "sharp", "--dry-run").code == 0
    assert crowned == []
    done = run("promote", "--model", "sharp")
    assert (done.code, crowned) == (0, ["1"])
    assert "sharp-v is champion, version 1" in done.err
    assert run("promote", "--model", "wild").code == 0  # refused, and a champion stays
    assert crowned == ["1"]
    verdict = json.loads((project / "reports" / "promotion.json").read_text())
    assert verdict["outcome"] == "refused"
    assert sorted(path.name for path in (project / "models").iterdir()) == ["champion", "runs"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "superres evaluate"),
        (["--model", "bicubic"], "is a baseline"),
        (["--model", "nobody"], "model 'nobody'"),
        (["--model", "sharp", "--pack", "gone"], "superres pairs"),
    ],
)
def test_promote_fails_with_one_clear_line(
    run: Run, crowned: list[str], words: list[str], told: str
) -> None:
    done = run("promote", *words)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: ")
    assert told in done.err


def test_package_checks_its_picture_before_anything_is_built(run: Run) -> None:
    done = run("package", "--check", "gone.png")
    assert done.code == 2
    assert "gone.png" in done.err


def test_help_and_version(run: Run) -> None:
    assert run("--version").out == f"{__version__}\n"
    told = run("--help").out
    for name in ("evaluate", "models", "bench", "export", "promote", "rollback", "package"):
        assert name in told
    assert run("nothing").code == 2


def test_an_interruption_is_one_line_and_code_130(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt("interrupted at step 7; the state is saved")

    monkeypatch.setattr("superres.config.load_params", lambda *_: None)
    monkeypatch.setattr("superres.config.load_experiment", lambda *_: None)
    monkeypatch.setattr("superres.training.run.train", interrupted)
    done = run("train", "any", "--no-track")
    assert (done.code, done.out) == (130, "")
    assert "stopped: interrupted at step 7; the state is saved; the same command" in done.err
