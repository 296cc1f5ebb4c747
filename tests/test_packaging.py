"""What packs the service agrees with the rest of the repository."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def test_the_bento_has_the_locked_versions() -> None:
    packages = yaml.safe_load((ROOT / "bentofile.yaml").read_text())["python"]["packages"]
    locked = re.findall(r"^[a-z0-9.-]+==[^ ;\n]+", (ROOT / "requirements.lock").read_text(), re.M)
    assert set(packages) <= set(locked)


def test_the_service_comes_with_what_auto_computes_with_on_a_cpu() -> None:
    """Both as a package with [serve] and as a bento."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    serve = {re.split("[=><]", one)[0] for one in extras["optional-dependencies"]["serve"]}
    bento = yaml.safe_load((ROOT / "bentofile.yaml").read_text())["python"]["packages"]
    assert {"openvino", "onnxruntime"} <= serve & {one.split("==")[0] for one in bento}
