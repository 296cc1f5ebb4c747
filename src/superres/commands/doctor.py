"""`superres doctor`: what this machine has, and what to install for the rest."""

import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from superres import __version__

PACKAGES = ("torch", "torchvision", "numpy", "opencv-python-headless", "pillow", "av", "onnx",
            "onnxruntime", "openvino", "spandrel", "mlflow", "prefect", "dvc", "bentoml",
            "gradio")  # fmt: skip
EXTRAS = {
    "onnxruntime": "superres[serve]",
    "openvino": "superres[openvino]",
    "spandrel": "superres[community]",
    "mlflow": "superres[pipeline]",
    "prefect": "superres[pipeline]",
    "dvc": "superres[pipeline]",
    "bentoml": "superres[serve]",
    "gradio": "superres[ui]",
}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="print JSON on stdout")] = False,
) -> None:
    """Show devices, memory, backends, formats, codecs and versions.

    Exit code 1 when something that every command needs is missing.
    """
    found = {
        "superres": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "devices": _devices(),
        "memory": _memory(),
        "backends": _backends(),
        "pictures": _pictures(),
        "videos": _videos(),
        "models": _models(),
        "versions": {name: _version(name) for name in PACKAGES},
    }
    problems = _problems(found)
    if as_json:
        typer.echo(json.dumps({**found, "problems": problems}))
    else:
        _print(found)
        for problem in problems:
            typer.echo(f"problem: {problem}", err=True)
    if any(problem.startswith("missing") for problem in problems):
        raise typer.Exit(1)


def _devices() -> dict[str, Any]:
    from superres.inference.memory import cores

    found: dict[str, Any] = {"cpu": {"name": _cpu(), "cores": cores()}, "cuda": []}
    if find_spec("torch") is not None:
        import torch

        found["cpu"]["threads"] = torch.get_num_threads()
        found["cpu"]["instructions"] = torch.backends.cpu.get_cpu_capability()
        for index in range(torch.cuda.device_count()):
            facts = torch.cuda.get_device_properties(index)
            found["cuda"].append({"name": facts.name, "bytes": facts.total_memory})
    return found


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _memory() -> dict[str, int]:
    from superres.inference.memory import free_bytes

    names = ("SC_PAGE_SIZE", "SC_PHYS_PAGES")
    known = all(name in os.sysconf_names for name in names)
    total = os.sysconf(names[0]) * os.sysconf(names[1]) if known else 0
    return {"total_bytes": total, "free_bytes": free_bytes()}


def _backends() -> dict[str, bool]:
    wanted = {"torch": "torch", "onnx": "onnxruntime", "openvino": "openvino"}
    return {name: find_spec(module) is not None for name, module in wanted.items()}


def _pictures() -> dict[str, list[str]]:
    from superres.images import FORMATS
    from superres.images.animation import ANIMATED

    return {
        "read and written": sorted(set(FORMATS.values())),
        "animated": sorted(set(ANIMATED.values())),
    }


def _videos() -> dict[str, Any]:
    if find_spec("av") is None:
        return {"codecs": [], "containers": []}
    from superres.video import SUFFIXES
    from superres.video.available import codecs_here

    return {"codecs": codecs_here(), "containers": sorted(SUFFIXES)}


def _models() -> list[str]:
    return [file.parent.as_posix() for file in sorted(Path("models").glob("**/model.json"))
            if not any(part.startswith(".") for part in file.parts)]  # fmt: skip


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _problems(found: dict[str, Any]) -> list[str]:
    required = ("torch", "numpy", "opencv-python-headless", "pillow", "av")
    versions = found["versions"]
    problems = [f"missing: {name}; install superres again" for name in required
                if versions[name] is None]  # fmt: skip
    for name, extra in EXTRAS.items():
        if versions[name] is None:
            problems.append(f"optional: {name} is not installed; `pip install '{extra}'`")
    if "models/champion" not in found["models"]:
        problems.append("optional: no models/champion here; `superres promote` makes one")
    return problems


def _print(found: dict[str, Any], indent: str = "") -> None:
    for key, value in found.items():
        if isinstance(value, dict):
            typer.echo(f"{indent}{key}:")
            _print(value, indent + "  ")
        elif isinstance(value, list):
            typer.echo(f"{indent}{key}: {', '.join(str(one) for one in value) or 'none'}")
        else:
            typer.echo(f"{indent}{key}: {'not installed' if value is None else value}")
