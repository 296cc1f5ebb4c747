"""What Dockerfile, compose.yaml and docs/deployment.md promise, as far as it can be read."""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from deployed import ROOT, command_of, compose, environment_of, services, stages

from superres.config import ServingParams

DOCUMENT = ROOT / "docs" / "deployment.md"
KEYS = {  # of the compose specification, those used here
    "image", "build", "command", "user", "working_dir", "environment", "ports", "volumes",
    "healthcheck", "depends_on", "restart", "read_only", "tmpfs", "cap_drop", "security_opt",
    "stop_grace_period",
}  # fmt: skip
NAMES = re.compile(
    r"(SUPERRES|MLFLOW|PREFECT|BENTOML|DVC|GX|GRADIO|OMP|CUDA|SVT|DO_NOT)_[A-Z][A-Z_]+"
    r"|RANK|WORLD_SIZE|LOCAL_RANK|TMPDIR"
)
EVERYBODYS = {"HOME", "PATH", "PYTHONPATH", "PYTHONUNBUFFERED", "LANG"}


def settings() -> dict[str, str]:
    """Read variable -> default from the one table."""
    _, _, part = DOCUMENT.read_text(encoding="utf-8").partition("## Settings")
    found: dict[str, str] = {}
    for names, default in re.findall(r"^\| (`[^|]+`) \| ([^|]*) \|", part, re.M):
        for name in re.findall(r"`(\w+)`", names):
            assert name not in found, f"{name} stands there twice"
            found[name] = default.strip("` ")
    return found


def in_code() -> Iterator[str]:
    """Every variable that Python, Make, the images and the bento name."""
    yield from (f"SUPERRES_{name.upper()}" for name in ServingParams.model_fields)
    for path in [*(ROOT / "src").rglob("*.py"), *(ROOT / "flows").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield from (node.value,) if NAMES.fullmatch(node.value) else ()
    for stage in stages().values():
        yield from stage.env
    for service in services().values():
        yield from service.get("environment", {})
    yield from re.findall(r"\$\{(\w+):-", (ROOT / "compose.yaml").read_text(encoding="utf-8"))
    yield from re.findall(r"^export (\w+) ", (ROOT / "Makefile").read_text(), re.M)
    bento = yaml.safe_load((ROOT / "bentofile.yaml").read_text(encoding="utf-8"))
    yield from (one["name"] for one in bento.get("envs", ()))


def test_the_table_has_every_variable_and_no_other() -> None:
    code = {*in_code()} - EVERYBODYS
    # Read by a library alone, and said here because deployments need it.
    assert {*settings()} - code <= {"OMP_NUM_THREADS"}
    assert code - {*settings()} == set()


def test_the_table_states_the_limits_as_they_are() -> None:
    table = settings()
    for name, fact in ServingParams.model_fields.items():
        assert table[f"SUPERRES_{name.upper()}"] == str(fact.default), name


def test_the_service_is_the_last_stage_and_not_root() -> None:
    found = stages()
    assert [*found] == ["base", "pipeline", "service"]
    for name in ("pipeline", "service"):
        user, _, group = found[name].user.partition(":")
        assert int(user) > 0 < int(group)
    assert found["service"].health[:2] == ["python", "-c"]
    compile(found["service"].health[2], "HEALTHCHECK", "exec")


def test_the_images_copy_only_what_is_there_and_not_ignored() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = {source for stage in stages().values() for one in stage.copied for source in one[:-1]}
    assert {path.partition("/")[0] for path in kept} == copied
    made_by_running = {"models/champion"}
    assert all((ROOT / path).exists() for path in kept - made_by_running)


def test_what_the_images_write_is_theirs() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    made = re.search(r"install -d -o 10001 -g 10001 (.*)", text)
    assert made is not None
    env = stages()["service"].env
    assert {env["SUPERRES_JOBS"], env["TMPDIR"]} <= {*made[1].split()}
    assert text.count("VOLUME /data") == 2
    assert env["HOME"] == "/tmp"


def chosen(folder: Path, torch: str) -> subprocess.CompletedProcess[str]:
    """Run what the image does with its build argument, as far as nothing is installed."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert "ARG TORCH=default\n" in text
    (script,) = re.findall(r'case "\$TORCH".*?esac', text, re.S)
    shutil.copy(ROOT / "requirements.lock", folder)
    env = {"PATH": os.environ["PATH"], "TORCH": torch}
    return subprocess.run(
        ["sh", "-c", script], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


def test_an_image_for_the_cpu_has_torch_from_its_own_index_and_nothing_of_cuda(
    tmp_path: Path,
) -> None:
    assert chosen(tmp_path, "cpu").returncode == 0
    names = [
        re.fullmatch(r"([a-z0-9.-]+)==[^ ;\\]+( ;.*)?", line)
        for line in (tmp_path / "versions.txt").read_text().splitlines()
    ]
    found = {name[1] for name in names if name}
    assert len(found) > 100
    assert all(names)  # versions alone: those of the other index have other hashes
    assert {"torch", "bentoml", "openvino"} <= found
    assert not [name for name in found if name.startswith(("nvidia-", "triton"))]
    assert (tmp_path / "options.txt").read_text().split() == ["--torch-backend", "cpu"]


def test_an_image_has_the_locked_versions_unless_it_is_told_otherwise(tmp_path: Path) -> None:
    assert chosen(tmp_path, "default").returncode == 0
    assert (tmp_path / "versions.txt").read_bytes() == (ROOT / "requirements.lock").read_bytes()
    assert (tmp_path / "options.txt").read_text() == ""
    wrong = chosen(tmp_path, "gpu")
    assert (wrong.returncode, wrong.stderr) == (1, "TORCH=gpu: expected default or cpu\n")


@pytest.mark.parametrize("name", services())
def test_a_container_may_little_and_says_how_it_is(name: str) -> None:
    service = services()[name]
    assert set(service) <= KEYS
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["build"]["target"] in stages()
    for port in service.get("ports", ()):
        assert port.startswith("127.0.0.1:"), port
    if "ports" in service:
        check = service["healthcheck"]["test"]
        inside = service["ports"][0].rpartition(":")[2]
        assert check[:3] == ["CMD", "python", "-c"]
        assert f"127.0.0.1:{inside}/" in check[3]
        compile(check[3], name, "exec")
        words = " ".join(command_of(service))
        assert re.search(rf"--port[= ]{inside}\b", words)
        assert re.search(r"--host[= ]0\.0\.0\.0\b", words)


@pytest.mark.parametrize("name", services())
def test_its_program_volumes_and_neighbours_exist(name: str) -> None:
    service, declared = services()[name], compose()["volumes"]
    program = command_of(service)[0]
    assert program == "sh" or (Path(sys.executable).parent / program).exists()
    for volume in service.get("volumes", ()):
        source, target = volume.split(":")[:2]
        assert target.startswith("/")
        assert source in declared or (source.startswith(".") and (ROOT / source).exists())
    for other, how in service.get("depends_on", {}).items():
        one_shot = how["condition"] == "service_completed_successfully"
        assert one_shot == ("healthcheck" not in services()[other])
    for value in environment_of(service).values():
        for host in re.findall(r"http://([a-z]+):\d+", value):
            assert host in services()


def test_mlflow_lets_its_own_name_in() -> None:
    (hosts,) = (
        word.removeprefix("--allowed-hosts=")
        for word in command_of(services()["mlflow"])
        if word.startswith("--allowed-hosts=")
    )
    address = environment_of(services()["worker"])["MLFLOW_TRACKING_URI"]
    assert address.removeprefix("http://") in hosts.split(",")
    assert "*" not in hosts


def test_no_secret_is_in_any_file() -> None:
    for service in services().values():
        for name, value in environment_of(service).items():
            if re.search("KEY|SECRET|TOKEN|PASSWORD", name):
                assert value == "", name
    assert 'SUPERRES_API_KEY: "${SUPERRES_API_KEY:-}"' in (ROOT / "compose.yaml").read_text()


def test_the_kubernetes_notes_are_yaml_that_agrees_with_the_image() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.S)
    pod: dict[str, Any] = yaml.safe_load(block)
    (container,) = pod["containers"]
    assert container["ports"] == [{"containerPort": 3000}]
    assert {one["name"] for one in container["env"]} <= {*settings()}
    mounted = {one["mountPath"] for one in container["volumeMounts"]}
    assert mounted == {"/data", "/tmp"}


def test_the_commands_of_the_document_are_there() -> None:
    assert shutil.which("bentoml", path=str(Path(sys.executable).parent))
    text = DOCUMENT.read_text(encoding="utf-8")
    for path in re.findall(r"`((?:tests|models|docs)/[\w./-]+\.\w+)`", text):
        assert (ROOT / path).is_file() or path.startswith("models/"), path
