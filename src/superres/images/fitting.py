"""Whether a result fits into its format and onto the disk, known before anything is computed."""

import shutil
from pathlib import Path

from superres.errors import InputError, StorageError
from superres.images.picture import Picture

MAX_SIDE = {"JPEG": 65_500, "WEBP": 16_383, "AVIF": 65_536, "GIF": 65_535}
MOST_PIXELS = 1 << 34  # 17 gigapixels, 52 GB for whoever opens them in colour
# How many times smaller than its pixels a file is, as measured on upscaled photographs.
_PACKED = {"PNG": 4, "TIFF": 4, "BMP": 1}
_PACKED_LOSSY = 20
_MOST_BYTES = {"TIFF": 1 << 32, "BMP": 1 << 32}  # what their offsets of 32 bits reach
_GB = 1e9


def check_side(format_name: str, height: int, width: int) -> None:
    """Raise InputError when the format cannot hold a picture of that size."""
    longest = max(height, width)
    if longest > MAX_SIDE.get(format_name, longest):
        message = f"{width}x{height} does not fit into {format_name}, whose sides"
        raise InputError(f"{message} end at {MAX_SIDE[format_name]}", code="too_many_pixels")
    if height * width > MOST_PIXELS:
        message = f"{width}x{height} are {height * width} pixels, {format_name} is written with"
        raise InputError(f"{message} at most {MOST_PIXELS}", code="too_many_pixels")


def check_fits(path: Path, format_name: str, size: tuple[int, int], like: Picture) -> None:
    """Raise for a result of `size`, height and width, that `path` cannot hold.

    `like`: has the depth and channels of the result. InputError where the format is too small,
    StorageError where the disk is, by what such files usually take.
    """
    height, width = size
    check_side(format_name, height, width)
    pixel = like.channels * like.bit_depth // 8
    needed = height * width * pixel // _PACKED.get(format_name, _PACKED_LOSSY)
    told = f"{width}x{height} in {format_name} take about {needed / _GB:.1f} GB"
    most = _MOST_BYTES.get(format_name, needed)
    if needed > most:
        message = f"{told}, the format ends at {most / _GB:.1f} GB; write a PNG"
        raise InputError(message, code="too_many_output_pixels", status=413)
    place = next(folder for folder in path.absolute().parents if folder.is_dir())
    free = shutil.disk_usage(place).free
    if needed > free:
        raise StorageError(f"{path}: {told}, the disk has {free / _GB:.1f} GB left.")
