"""Video files as a stream of RGB frames with their timestamps: the only place that uses PyAV."""

from superres.video.reading import Frame, VideoInfo, VideoLimits, probe, read
from superres.video.writing import SUFFIXES, write

__all__ = ["SUFFIXES", "Frame", "VideoInfo", "VideoLimits", "probe", "read", "write"]
