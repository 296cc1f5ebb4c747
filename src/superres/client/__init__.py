"""The service from Python: `superres.Client("http://host:3000").image("photo.png").save(...)`.

Speaks HTTP only: no torch, no model, no server of its own.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import ArrayLike

from superres.client.answers import Batch, Task, Tensor, Upscaled
from superres.client.folders import count, pack, packs, pictures_of, unpack
from superres.client.messages import Source, content, failure, form, joined
from superres.client.sending import Ask, Sender, checked
from superres.errors import InputError, ServiceError, SuperresError

__all__ = ["Batch", "Client", "Task", "Tensor", "Upscaled"]

Progress = Callable[[Task], None]

LOST_SECONDS = 300.0  # how long a service may be away while its video is waited for
# Pictures of one archive: its answer begins when all are done, and a proxy may not wait long.
PACK = 16


class Client:
    """A superres service; several threads may share one client.

    `key`: what SUPERRES_API_KEY is there. `timeout`: seconds for one answer; an archive has as many
    for each of its pictures as the service does. Busy services (429, 503) are asked again after
    the seconds they name, broken connections too where asking twice does no harm, `retries` times
    and `patience` seconds at most.
    InputError is what the service refuses, with its code, status, words and cure; ServiceError is
    a service that cannot be reached, stays busy or failed.
    """

    def __init__(
        self,
        address: str = "http://127.0.0.1:3000",
        *,
        key: str | None = None,
        timeout: float = 120.0,
        retries: int = 8,
        patience: float = 300.0,
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        times = httpx.Timeout(timeout, connect=min(10.0, timeout))
        self._http = httpx.Client(base_url=checked(address), headers=headers, timeout=times)
        self._sender = Sender(self._http, retries, patience)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def image(
        self,
        source: Source,
        *,
        model: str | None = None,
        format: str | None = None,
        scale: float | None = None,
        size: str | None = None,
    ) -> Upscaled:
        """Upscale a picture file, its bytes, a Picture or an RGB array (h, w, 3) of uint8/uint16.

        `format`: png, jpg, webp, tiff or bmp; else as it came. What moves comes back
        moving (gif, webp, png). `scale` or `size` ("1920x", "x1080", "1920x1080"): another size
        than the model's own.
        """
        factor = None if scale is None else str(scale)
        query = {"model": model, "format": format, "scale": factor, "size": size}
        ask = Ask("POST", "/upscale", query, lambda stack: form("image", source, stack))
        return Upscaled.of(self._sender.send(ask))

    def tensor(self, lr: ArrayLike, *, model: str | None = None) -> Tensor:
        """`lr (N, 3, h, w) in [0, 1] -> sr (N, 3, s*h, s*w)`; numpy or torch, on the CPU."""
        batch = np.asarray(lr, dtype=np.float32)
        if batch.ndim != 4 or batch.shape[1] != 3:
            raise InputError(f"expected an array (N, 3, h, w), found {batch.shape}", status=400)
        instances = batch.transpose(0, 2, 3, 1).tolist()
        ask = Ask(
            "POST", "/predict", {"model": model}, lambda _: {"json": {"instances": instances}}
        )
        answer = content(self._sender.send(ask))
        sr = np.asarray(answer["predictions"], dtype=np.float32).transpose(0, 3, 1, 2)
        return Tensor(np.ascontiguousarray(sr), answer["model"], answer["version"])

    def batch(
        self,
        source: Path | str | Sequence[Path],
        folder: Path | str,
        *,
        model: str | None = None,
        format: str | None = None,
        scale: float | None = None,
        size: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Batch:
        """Upscale a folder of pictures, a zip or a list of files into `folder`.

        `format`, `scale` and `size` as in `image`. Folders go in archives of a few pictures;
        `progress(done, all)` after each. A picture that the service refuses is reported, the
        others are done.
        """
        factor = None if scale is None else str(scale)
        query = {"model": model, "format": format, "scale": factor, "size": size}
        if isinstance(source, str | Path) and Path(source).is_file():
            seconds = self.limits()["timeout_seconds"]
            report = self._archive(Path(source), Path(folder), query, seconds)
            return joined([report])
        given = Path(source) if isinstance(source, str) else source
        named = pictures_of(given)
        limits = self.limits()
        most, seconds = min(PACK, limits["max_files"]), limits["timeout_seconds"]
        reports, done = [], 0
        for group in packs(named, most, limits["max_video_bytes"]):
            with tempfile.TemporaryDirectory(prefix="superres-") as place:
                archive = Path(place) / "pictures.zip"
                pack(group, archive)
                reports.append(self._archive(archive, Path(folder), query, seconds))
            done += len(group)
            if progress is not None:
                progress(done, len(named))
        return joined(reports)

    def video(
        self,
        source: Path | str,
        target: Path | str,
        *,
        model: str | None = None,
        progress: Progress | None = None,
    ) -> Task:
        """Upscale a video into `target`; `progress(task)` whenever its state has changed.

        Ctrl-C, or any error of `progress`, cancels the task on the service.
        """
        task = self.submit(source, model=model)
        try:
            done = self.wait(task.task_id, progress=progress)
        except SuperresError:
            raise  # the task is over, or goes on without us: its id finds it again
        except BaseException:
            with suppress(SuperresError):
                self.cancel(task.task_id)
            raise
        self.result(done.task_id, target)
        return done

    def submit(self, source: Path | str, *, model: str | None = None) -> Task:
        """Hand in a video; `task_id` finds it again from any client."""
        query = {"model": model}
        ask = Ask(
            "POST",
            "/upscale_video/submit",
            query,
            lambda stack: form("video", Path(source), stack),
            again=False,
        )
        return Task.of(content(self._sender.send(ask)))

    def status(self, task_id: str) -> Task:
        """Return the state of a video."""
        query = {"task_id": task_id}
        return Task.of(content(self._sender.send(Ask("GET", "/upscale_video/status", query))))

    def wait(self, task_id: str, *, progress: Progress | None = None, every: float = 1.0) -> Task:
        """Wait until a video is done, also over a restart of the service.

        Raises InputError or ServiceError with the task's own error when it failed or was
        cancelled, ServiceError when the service stays away for minutes.
        """
        last: Task | None = None
        seen = time.monotonic()
        while last is None or not last.is_over:
            try:
                task = self.status(task_id)
            except ServiceError as error:
                if error.code != "unreachable" or time.monotonic() - seen > LOST_SECONDS:
                    raise
                time.sleep(every)
                continue
            seen = time.monotonic()
            if progress is not None and task != last:
                progress(task)
            last = task
            if not task.is_over:
                time.sleep(every)
        if last.status != "completed":
            raise failure(last)
        return last

    def result(self, task_id: str, target: Path | str) -> Path:
        """Write a finished video into a file, which appears whole or not at all."""
        ask = Ask("GET", "/upscale_video/get", {"task_id": task_id})
        self._sender.save(ask, Path(target))
        return Path(target)

    def cancel(self, task_id: str) -> Task:
        """Stop a video; returns when it has stopped."""
        ask = Ask("PUT", "/upscale_video/cancel", {"task_id": task_id})
        return Task.of(content(self._sender.send(ask)))

    def models(self) -> list[dict[str, Any]]:
        """Return the facts of every model, the default first."""
        listed: list[dict[str, Any]] = content(self._sender.send(Ask("GET", "/models")))["models"]
        return listed

    def limits(self) -> dict[str, Any]:
        """Return what the service accepts: bytes, pixels, frames, seconds, files."""
        return content(self._sender.send(Ask("GET", "/limits")))

    def is_ready(self) -> bool:
        """Tell whether the service can upscale now; asks once."""
        try:
            return self._http.get("/readyz", timeout=5).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def _archive(
        self, archive: Path, folder: Path, query: dict[str, str | None], seconds: float
    ) -> dict[str, Any]:
        """Send an archive; the service may take so many seconds for each of its members."""
        ask = Ask(
            "POST",
            "/upscale_batch",
            query,
            lambda stack: form("archive", archive, stack),
            seconds=count(archive) * seconds,
        )
        with tempfile.TemporaryDirectory(prefix="superres-") as place:
            answer = Path(place) / "answer.zip"
            self._sender.save(ask, answer)
            return unpack(answer, folder)
