"""What the service counts, for Prometheus; BentoML shows it at /metrics beside its own figures.

The metrics are made on first use: prometheus_client decides when it is imported whether it keeps
its figures in files that several processes share, and BentoML says so shortly before.
"""

import threading
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from superres.serving.served import Which

_lock = threading.Lock()

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


def metrics() -> Any:
    """Return the metrics by name."""
    with _lock:  # two threads must not make them at the same time
        return _made()


@cache
def _made() -> Any:
    from prometheus_client import Counter, Gauge, Histogram

    which = ["model", "version", "network"]  # "model" is a name that clients can send
    here: Literal["livesum"] = "livesum"  # over the processes that live
    return SimpleNamespace(
        requests=Counter("superres_requests", "Answers.", ["path", "status"]),
        seconds=Histogram(
            "superres_request_seconds", "Until the last byte.", ["path"], buckets=SECONDS
        ),
        refused=Counter("superres_refused", "Requests refused for want of room.", ["code"]),
        input_pixels=Counter("superres_input_pixels", "LR pixels taken.", [*which, "kind"]),
        output_pixels=Counter(
            "superres_output_pixels", "SR pixels made; rate() is pixels/s.", [*which, "kind"]
        ),
        tiles=Counter("superres_tiles", "Tiles begun.", which),
        frames=Counter("superres_video_frames", "Frames of videos made.", which),
        waiting=Gauge(
            "superres_waiting", "Requests that wait for a thread.", multiprocess_mode=here
        ),
        computing=Gauge("superres_computing", "Requests that compute.", multiprocess_mode=here),
        videos=Gauge("superres_videos", "Video tasks.", ["status"], multiprocess_mode=here),
        loaded=Gauge(
            "superres_model_loaded",
            "1: this version is open under this name.",
            which,
            multiprocess_mode="livemax",
        ),
        reloads=Counter("superres_model_reloads", "Models that moved while serving.", ["result"]),
    )


def answered(path: str, status: int, seconds: float) -> None:
    """Count an answer."""
    metrics().requests.labels(path, str(status)).inc()
    metrics().seconds.labels(path).observe(seconds)


def refused(code: str) -> None:
    """Count a refusal for want of room."""
    metrics().refused.labels(code).inc()


def made(which: "Which", kind: str, taken: int, given: int) -> None:
    """Count the pixels of a picture, array or video, and those of its result."""
    metrics().input_pixels.labels(*which, kind).inc(taken)
    metrics().output_pixels.labels(*which, kind).inc(given)


def tile(which: "Which") -> None:
    """Count a tile."""
    metrics().tiles.labels(*which).inc()


def frame(which: "Which") -> None:
    """Count a frame of a video."""
    metrics().frames.labels(*which).inc()


def waiting(number: int) -> None:
    """Say how many requests wait."""
    metrics().waiting.set(number)


def computing(change: int) -> None:
    """Say that one more, or one less, computes."""
    metrics().computing.inc(change)


def videos(numbers: dict[str, int]) -> None:
    """Say how many video tasks there are of each status."""
    for status, number in numbers.items():
        metrics().videos.labels(status).set(number)


def loaded(which: "Which", *, is_there: bool) -> None:
    """Say that a version is open under a name, or is no more."""
    metrics().loaded.labels(*which).set(int(is_there))


def reloaded(result: str) -> None:
    """Count a reload: "moved" or "failed"."""
    metrics().reloads.labels(result).inc()
