"""Video files as a stream of RGB frames with their timestamps: the only place that uses PyAV."""

from superres.video.opening import VideoLimits
from superres.video.reading import Frame, VideoInfo, probe, read, shortness
from superres.video.recompressing import recompressed
from superres.video.writing import SUFFIXES, write

__all__ = [
    "SUFFIXES",
    "Frame",
    "VideoInfo",
    "VideoLimits",
    "probe",
    "read",
    "recompressed",
    "shortness",
    "write",
]
