"""What packs the service agrees with the rest of the repository."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def test_the_bento_has_the_locked_versions() -> None:
    packages = yaml.safe_load((ROOT / "bentofile.yaml").read_text())["python"]["packages"]
    locked = re.findall(r"^[a-z0-9.-]+==[^ ;\n]+", (ROOT / "requirements.lock").read_text(), re.M)
    assert set(packages) <= set(locked)


def test_the_image_copies_only_what_is_there_and_not_ignored() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    copied = [source for line in lines if line.startswith("COPY") for source in line.split()[1:-1]]
    kept = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    assert set(copied) == kept
    made_by_running = {"models/champion"}
    assert all((ROOT / source).exists() for source in set(copied) - made_by_running)
    assert any(line.startswith("USER ") and "root" not in line for line in lines)
    assert any("superres.service:SuperRes" in line for line in lines if line.startswith("CMD"))
