"""A file of weights from another project -> a generator, where it came from, and its card."""

import hashlib
import logging
from pathlib import Path
from typing import Any

import torch

from superres.errors import ModelError
from superres.inference.reach import measured_halo
from superres.models.community import Community, described

log = logging.getLogger(__name__)

UNKNOWN = "not stated; ask its authors before you publish what it makes"
NESTED = ("params_ema", "params", "state_dict", "model", "generator")

CARD = """# {name}

A network of another project, imported from `{file}` (sha256 `{sha256}`).

| fact | value |
|---|---|
| architecture | {architecture} |
| scale | x{scale} |
| halo (measured) | {halo} LR pixels |
| licence of the weights | {licence} |
| source | {source} |

superres neither trained nor checked these weights; `superres evaluate` says how good they are.
"""


def imported(
    file: Path, *, licence: str = "", source: str = ""
) -> tuple[Community, dict[str, Any], str]:
    """Return the generator, its provenance and the text of its card.

    Nothing in the file is executed: only tensors are read. Raises ModelError for a file without
    weights, of an unknown architecture or of another task than super-resolution.
    """
    weights = _weights(file)
    found = described(weights)
    needs = found.size_requirements
    minimum = max(1, needs.minimum)
    # Windows of attention must lie as they do on the whole picture: the smallest picture such a
    # network takes is a whole number of its windows.
    multiple_of = max(1, needs.multiple_of, minimum)
    network = found.model.eval()
    halo = measured_halo(network, found.scale, multiple_of)
    log.info("%s: %s, halo %d", file, found.architecture.name, halo)
    generator = Community(
        architecture=found.architecture.name,
        scale=found.scale,
        halo=halo,
        multiple_of=multiple_of,
        minimum=minimum,
    )
    generator.network = network
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    provenance = {
        "version": f"{file.stem}-{sha256[:8]}",
        "architecture": found.architecture.name,
        "file": file.name,
        "sha256": sha256,
        "licence": licence or UNKNOWN,
        "source": source or "not stated",
    }
    facts = {**provenance, "scale": found.scale, "halo": halo, "name": file.stem}
    return generator.eval(), provenance, CARD.format(**facts)


def _weights(file: Path) -> dict[str, torch.Tensor]:
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(str(file)))
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # what is no file of weights fails in many ways
        reason = str(error).partition("\n")[0]
        raise ModelError(f"{file}: cannot be read as weights ({reason}).") from None
    for key in NESTED:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict):
        raise ModelError(f"{file}: holds no weights by name, but a {type(content).__name__}.")
    tensors = {name: value for name, value in content.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise ModelError(f"{file}: holds no weights.")
    return {name.removeprefix("module."): value.float() for name, value in tensors.items()}
