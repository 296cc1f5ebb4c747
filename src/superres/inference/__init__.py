"""Pictures and videos through a model: tiles, backends, one upscaler."""

from superres.inference.upscaler import CancelledError, Upscaler

__all__ = ["CancelledError", "Upscaler"]
