"""HR to LR as a chain of named steps: parsed, described, seeded, applied."""

from superres.data.degradations.chain import DEFAULT, PRESETS, Degradation, picture_seed

__all__ = ["DEFAULT", "PRESETS", "Degradation", "picture_seed"]
