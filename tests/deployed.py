"""Dockerfile and compose.yaml as they are read: stages, services, commands, environment."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]


@dataclass
class Stage:
    """One stage of the Dockerfile with what it has from the one below."""

    name: str
    env: dict[str, str] = field(default_factory=dict)
    copied: list[tuple[str, ...]] = field(default_factory=list)
    user: str = "root"
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    folder: str = "/"


def stages() -> dict[str, Stage]:
    """Read the Dockerfile."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    found: dict[str, Stage] = {}
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            below, _, name = rest.split()
            stage = found[name] = _above(found.get(below), name)
        elif word == "ENV":
            stage.env |= dict(one.split("=", 1) for one in rest.split())
        elif word == "COPY":
            stage.copied.append(tuple(rest.split()))
        elif word == "USER":
            stage.user = rest
        elif word == "WORKDIR":
            stage.folder = rest
        elif word == "CMD":
            stage.command = json.loads(rest)
        elif word == "HEALTHCHECK":
            stage.health = json.loads(rest[rest.index("[") :])
    return found


def _above(below: Stage | None, name: str) -> Stage:
    if below is None:
        return Stage(name)
    return Stage(name, dict(below.env), list(below.copied), below.user, [], [], below.folder)


def compose() -> dict[str, Any]:
    """Read compose.yaml with every ${NAME:-default} as its default."""
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text))
    return content


def services() -> dict[str, dict[str, Any]]:
    """Return the services, anchors resolved."""
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def environment_of(service: dict[str, Any]) -> dict[str, str]:
    """Return what its image sets and what compose.yaml adds."""
    own = {name: str(value) for name, value in service.get("environment", {}).items()}
    return stages()[service["build"]["target"]].env | own


def command_of(service: dict[str, Any]) -> list[str]:
    """Return compose.yaml's command, else the image's."""
    return list(service.get("command") or stages()[service["build"]["target"]].command)
