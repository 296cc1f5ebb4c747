"""How much larger a file becomes, from its header alone: for names, and to choose a model."""

from pathlib import Path

from superres.errors import InputError
from superres.images.decoding import size_of
from superres.inference.naming import is_video
from superres.inference.sizing import Wanted


def factor_of(source: Path, wanted: Wanted, own: int) -> float:
    """Return the factor of a file's result; `own` where the file does not say its size."""
    width, height = _shown(source)
    return wanted.factor(height, width, own) if width * height else own


def _shown(source: Path) -> tuple[int, int]:
    """Return width and height as a file is shown, zeros for what is no picture and no video."""
    if not is_video(source):
        return size_of(source)
    from superres import video

    try:
        info = video.probe(source)
        return info.width, info.height
    except InputError:  # which is the file's outcome, when it is its turn
        return 0, 0
