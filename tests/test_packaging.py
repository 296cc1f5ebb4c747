"""What packs the service agrees with the rest of the repository."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def test_the_bento_has_the_locked_versions() -> None:
    packages = yaml.safe_load((ROOT / "bentofile.yaml").read_text())["python"]["packages"]
    locked = re.findall(r"^[a-z0-9.-]+==[^ ;\n]+", (ROOT / "requirements.lock").read_text(), re.M)
    assert set(packages) <= set(locked)
