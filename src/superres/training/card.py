"""The model card that a training writes; evaluation and promotion add their tables to it."""

from typing import Any


def training_card(facts: dict[str, Any]) -> str:
    """Return README.md for a model folder from its provenance."""
    degradation, data = facts["degradation"], facts["data"]
    scores = ", ".join(
        f"{name.removeprefix('val/')} {value:.4g}" for name, value in facts["metrics"].items()
    )
    lines = [
        f"# {facts['version']}",
        "",
        f"Super-resolution x{degradation['scale']}, {facts['parameters']:,} parameters. "
        f"From: {facts['source']}.",
        "",
        "## Intended use",
        "",
        _use(degradation, facts.get("lr_made_by", [])),
        "",
        "## Training",
        "",
        f"- Experiment `{facts['experiment']}`, budget {facts['budget']}, {facts['steps']} steps, "
        f"{facts['training_seconds']} s, seed {facts['seed']}.",
        f"- Data: {', '.join(data['sets'])}: {data['images']} pictures, {data['pixels']:,} pixels. "
        f"Licence: {'; '.join(data['licences'])}.",
        f"- Perceptual features: {facts['perceptual_weights']}. "
        f"Weights begun from: {facts.get('init', 'none')}.",
        f"- Validation (luma, {degradation['scale']} pixels shaved): {scores or 'none'}.",
        "",
        "## Lineage",
        "",
        f"- Code `{facts['git_commit']}`",
        f"- Data `{facts['data_sha256']}`",
        f"- Run `{facts['run_id'] or 'not tracked'}`, weights `{facts['weights']}`",
        "",
    ]
    return "\n".join(lines)


def _use(degradation: dict[str, Any], ways: list[str]) -> str:
    """Say what the network was trained to undo, as the manifest describes it."""
    scale, kernel, border = (degradation[name] for name in ("scale", "kernel", "border"))
    if ways in ([], [f"x{scale} {kernel} {border}"]):
        return (
            f"Pictures made smaller by {scale} with an antialiased {kernel} kernel (MATLAB's "
            f"imresize, {border} border). Noise, blur or JPEG damage in the input were not seen in "
            "training and are kept or amplified."
        )
    told = "; or ".join(
        f"by a camera or others, as real pairs (`{way}`)" if way.startswith("given") else f"`{way}`"
        for way in ways
    )
    return (
        f"Pictures made smaller by {scale} as in training: {told}. Damage of other kinds was not "
        "seen and is kept or amplified."
    )
