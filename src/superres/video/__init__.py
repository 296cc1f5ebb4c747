"""Video files as a stream of RGB frames with their timestamps: the only place that uses PyAV."""

from superres.video.codecs import SUFFIXES
from superres.video.facts import VideoInfo, probe, shortness
from superres.video.opening import VideoLimits
from superres.video.options import VideoOptions
from superres.video.reading import Frame, Part, Position, checksum_of, frame_at, read
from superres.video.recompressing import recompressed
from superres.video.writing import Film, parts_folder, write

__all__ = [
    "SUFFIXES",
    "Film",
    "Frame",
    "Part",
    "Position",
    "VideoInfo",
    "VideoLimits",
    "VideoOptions",
    "checksum_of",
    "frame_at",
    "parts_folder",
    "probe",
    "read",
    "recompressed",
    "shortness",
    "write",
]
