"""Videos over HTTP: handed in, followed, fetched, stopped; over a restart of the service too."""

import io
import json
import logging
import shutil
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from serving.conftest import told

from superres import video
from superres.checkpoint import save_model
from superres.config import ServingParams
from superres.errors import ConfigError, InputError
from superres.models import build
from superres.serving import jobs as table_of_jobs
from superres.serving import limits
from superres.serving.errors import UnavailableError
from superres.serving.job import MOST_INTERRUPTIONS, Job
from superres.serving.job_folder import make_temporary, own_folder
from superres.serving.jobs import KEPT, WAITING, Jobs
from superres.serving.logs import request_id
from superres.serving.models import Models
from superres.serving.videos import Footage

Serve = Any
Work = Any


def wait_for(condition: Callable[[], Any], seconds: float = 20) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


def submit(jobs: Jobs, frames: int | None = 10) -> Job:
    return jobs.submit(io.BytesIO(b"upload"), "nearest", lambda path: frames)


def test_a_video_comes_back_larger(serve: Serve, clip: bytes, tmp_path: Path) -> None:
    client = serve()
    response = client.post("/upscale_video/submit", files={"video": ("my.mp4", clip)})
    assert response.status_code == 200
    task = {"task_id": response.json()["task_id"]}

    def completed() -> bool:
        return bool(client.get("/upscale_video/status", params=task).json()["percent"] == 100)

    wait_for(completed)
    status = client.get("/upscale_video/status", params=task).json()
    assert (status["status"], status["frames_done"], status["frames"]) == ("completed", 12, 12)
    result = client.get("/upscale_video/get", params=task)
    assert result.headers["content-type"] == "video/mp4"
    (tmp_path / "sr.mp4").write_bytes(result.content)
    info = video.probe(tmp_path / "sr.mp4")
    assert (info.width, info.height, info.frames) == (96, 64, 12)


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [(b"", 400, "empty"), (b"text", 415, "unsupported_type"), (None, 415, "unsupported_type")],
)
def test_bad_videos(
    serve: Serve, png: bytes, content: bytes | None, status: int, code: str
) -> None:
    upload = png if content is None else content
    response = serve().post("/upscale_video/submit", files={"video": ("a.mp4", upload)})
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert "/" not in response.json()["error"]["message"]  # no path of the server


@pytest.mark.parametrize(
    ("limit", "code"),
    [
        ({"max_frames": 5}, "too_many_frames"),
        ({"max_seconds": 0.2}, "too_many_seconds"),
        ({"max_pixels": 100}, "too_many_pixels"),
        ({"max_output_pixels": 1000}, "too_many_output_pixels"),
        ({"max_video_bytes": 100}, "too_many_bytes"),
    ],
)
def test_videos_too_large(serve: Serve, clip: bytes, limit: dict[str, Any], code: str) -> None:
    response = serve(**limit).post("/upscale_video/submit", files={"video": ("a.mp4", clip)})
    assert (response.status_code, response.json()["error"]["code"]) == (413, code)


@pytest.mark.parametrize("address", ["status", "get"])
def test_tasks_that_are_not_there(serve: Serve, address: str) -> None:
    client = serve()
    unknown = client.get(f"/upscale_video/{address}", params={"task_id": "../x"})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "unknown_task")
    missing = client.get(f"/upscale_video/{address}")
    assert (missing.status_code, missing.json()["error"]["code"]) == (400, "missing_task_id")


@pytest.mark.parametrize("method", ["put", "post"])
def test_cancelling_stops_the_work(
    serve: Serve, clip: bytes, monkeypatch: pytest.MonkeyPatch, work: Work, method: str
) -> None:
    client = serve()
    jobs: Jobs = client.app.state.runtime.jobs
    monkeypatch.setattr(jobs, "_work", work)
    task = client.post("/upscale_video/submit", files={"video": ("a.mp4", clip)}).json()["task_id"]
    wait_for(lambda: work.begun)
    early = client.get("/upscale_video/get", params={"task_id": task})
    assert (early.status_code, early.json()["error"]["code"]) == (409, "not_finished")
    answer = client.request(method, "/upscale_video/cancel", params={"task_id": task})
    assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
    again = client.request(method, "/upscale_video/cancel", params={"task_id": task})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "already_over")


def test_progress_and_time_left_are_told(tmp_path: Path, work: Work) -> None:
    jobs = Jobs(tmp_path, work, 60)
    job = submit(jobs)
    wait_for(lambda: job.done >= 5)
    told = job.describe()
    assert told["status"] == "in_progress"
    assert told["percent"] == 50
    assert told["eta_seconds"] is not None
    written = json.loads((job.folder / "job.json").read_text())
    assert written["task_id"] == job.task_id
    jobs.close()


def test_videos_wait_in_line_and_the_line_has_an_end(tmp_path: Path, work: Work) -> None:
    jobs = Jobs(tmp_path, work, 60)
    first = submit(jobs)
    wait_for(lambda: work.begun)
    waiting = [submit(jobs) for _ in range(WAITING)]
    assert [jobs.position(job) for job in waiting] == [1, 2, 3, 4]
    with pytest.raises(UnavailableError) as refused:
        submit(jobs)
    assert refused.value.retry_after > 0
    assert jobs.cancel(waiting[0].task_id).status == "canceled"
    work.release.set()
    wait_for(lambda: all(job.is_over for job in waiting))
    assert [job.status for job in (first, *waiting)] == ["completed", "canceled"] + [
        "completed"
    ] * 3
    assert waiting[0].task_id not in work.begun
    jobs.close()


def test_one_video_too_many_is_refused_before_it_is_read(
    serve: Serve, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DRAIN_SECONDS", 0.0)
    client = serve()
    jobs: Jobs = client.app.state.runtime.jobs
    monkeypatch.setattr(jobs, "_work", work)
    submit(jobs)
    wait_for(lambda: work.begun)
    for _ in range(WAITING):
        submit(jobs)
    assert (
        anyio.run(partial(told, path="/upscale_video/submit"), client.app, b"", anyio.sleep_forever)
        == 503
    )


def test_a_failed_video_says_why(tmp_path: Path) -> None:
    def fail(job: Job, progress: Any) -> None:
        raise InputError(f"{job.upload}: damaged", code="corrupt_video")

    jobs = Jobs(tmp_path, fail, 60)
    job = submit(jobs)
    wait_for(lambda: job.is_over)
    assert job.status == "failed"
    assert job.error is not None
    assert (job.error["code"], job.error["message"]) == ("corrupt_video", "damaged")
    assert not job.upload.exists()
    jobs.close()


def test_a_refused_upload_leaves_nothing(tmp_path: Path, work: Work) -> None:
    def refuse(path: Path) -> int | None:
        raise InputError(f"{path}: no", code="unsupported_type", status=415)

    jobs = Jobs(tmp_path, work, 60)
    with pytest.raises(InputError, match=r"^no$"):
        jobs.submit(io.BytesIO(b"x"), "nearest", refuse)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    jobs.close()


def test_results_expire(tmp_path: Path, work: Work) -> None:
    work.release.set()
    jobs = Jobs(tmp_path, work, ttl_seconds=0.2)
    job = submit(jobs)
    wait_for(lambda: job.is_over)
    assert jobs.get(job.task_id) is job
    time.sleep(0.3)
    with pytest.raises(InputError, match="no task"):
        jobs.get(job.task_id)
    assert not job.folder.exists()
    jobs.close()


def test_only_the_latest_results_are_kept(tmp_path: Path, work: Work) -> None:
    work.release.set()
    jobs = Jobs(tmp_path, work, 60)
    made = []
    for _ in range(KEPT + 2):
        made.append(submit(jobs))
        wait_for(lambda: made[-1].is_over)
    assert jobs.get(made[-1].task_id)
    assert [job.folder.exists() for job in made] == [False] * 2 + [True] * KEPT
    jobs.close()


def test_cancelled_and_failed_tasks_drive_out_no_result(
    tmp_path: Path, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_of_jobs, "KEPT_NOTES", KEPT + 2)
    jobs = Jobs(tmp_path, work, 60)
    work.release.set()
    result = submit(jobs)
    wait_for(lambda: result.is_over)
    work.release.clear()
    running = submit(jobs)
    cancelled = [jobs.cancel(submit(jobs).task_id) for _ in range(KEPT + 5)]
    assert jobs.get(result.task_id).result.read_bytes() == b"video"
    assert [job.folder.exists() for job in cancelled] == [False] * 3 + [True] * (KEPT + 2)
    jobs.cancel(running.task_id)
    jobs.close()


def killed(table: Path, task_id: str, interruptions: int = 0) -> Job:
    """Write what a service leaves that was killed in the middle of a video."""
    job = Job(task_id, table, "nearest")
    job.folder.mkdir()
    job.upload.write_bytes(b"upload")
    job.interruptions = interruptions
    job.begin()
    return job


def test_results_outlive_the_service_and_unfinished_work_goes_on(
    tmp_path: Path, work: Work
) -> None:
    work.release.set()
    jobs = Jobs(tmp_path, work, 60)
    done = submit(jobs)
    wait_for(lambda: done.is_over)
    jobs.close()
    waiting = Job("a" * 32, tmp_path, "nearest")
    waiting.folder.mkdir()
    waiting.save()
    killed(tmp_path, "f" * 32)

    again = Jobs(tmp_path, work, 60)
    assert again.get(done.task_id).status == "completed"
    assert again.get(done.task_id).result.read_bytes() == b"video"
    interrupted = again.get("f" * 32)
    assert (interrupted.status, interrupted.interruptions) == ("interrupted", 1)
    assert again.get("a" * 32).status == "pending"
    again.start()
    wait_for(lambda: again.get("a" * 32).is_over)
    assert interrupted.status == "completed"
    assert work.begun[-2:] == ["f" * 32, "a" * 32]  # what had begun goes first
    assert sorted(path.name for path in interrupted.folder.iterdir()) == ["job.json", "video.mp4"]
    again.close()


def test_lines_of_a_video_have_the_id_of_its_request_also_over_a_restart(
    tmp_path: Path, work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    noted: list[tuple[str, str | None]] = []
    ours = logging.getLogger("superres.serving.jobs")
    listener = logging.Handler()
    listener.emit = lambda record: noted.append((record.getMessage(), request_id.get()))
    ours.addHandler(listener)
    token = request_id.set("mine-1")
    jobs = Jobs(tmp_path, work, 60)
    job = submit(jobs)
    request_id.reset(token)
    with caplog.at_level(logging.INFO, "superres"):
        wait_for(lambda: work.begun)
        jobs.close()
        work.release.set()
        again = Jobs(tmp_path, work, 60)
        again.start()
        wait_for(lambda: again.get(job.task_id).is_over and len(noted) == 4)
    again.close()
    ours.removeHandler(listener)
    told = ("begins", "is interrupted", "begins", "is completed")
    assert noted == [(f"video {job.task_id} {what}", "mine-1") for what in told]
    assert "request_id" not in again.get(job.task_id).describe()


def test_a_resumed_video_has_the_version_that_it_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "runs" / "mine"
    save_model(folder, build("bicubic", scale=2), {"version": "5"})
    footage = Footage(Models(tmp_path, "nearest", ServingParams()), ServingParams())
    for asked in ("mine", "mine@5"):
        job = killed(tmp_path, asked.replace("@", "-"))
        job.model, job.version, job.done = asked, "5", 7
        assert footage._upscaler(job).version == "5"
        assert job.done == 7  # not begun anew
    job.model = "mine@gone"
    with pytest.raises(InputError, match="no version 'gone'"):
        footage._upscaler(job)


def test_a_video_that_ends_the_service_again_and_again_is_given_up(
    tmp_path: Path, work: Work
) -> None:
    killed(tmp_path, "f" * 32, interruptions=MOST_INTERRUPTIONS - 1)
    jobs = Jobs(tmp_path, work, 60)
    job = jobs.get("f" * 32)
    assert (job.status, (job.error or {})["code"]) == ("failed", "interrupted")
    assert [path.name for path in job.folder.iterdir()] == ["job.json"]
    jobs.close()


def test_what_is_no_job_is_removed(tmp_path: Path, work: Work) -> None:
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "job.json").write_text("{")
    (tmp_path / "broken-off").mkdir()
    (tmp_path / "broken-off" / "upload").write_bytes(b"x")
    jobs = Jobs(tmp_path, work, 60)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    jobs.close()


def test_videos_have_a_quota_on_disk(tmp_path: Path, work: Work) -> None:
    work.release.set()
    jobs = Jobs(tmp_path, work, 60, most_bytes=4000)
    first = submit(jobs)
    wait_for(lambda: first.is_over)
    with pytest.raises(UnavailableError, match="at most 4000") as refused:
        jobs.submit(io.BytesIO(b"x" * 4000), "nearest", lambda path: 10)
    assert refused.value.code == "quota"
    assert 0 < refused.value.retry_after <= 60  # when the first result goes
    assert len(list(tmp_path.glob("*/job.json"))) == 1
    jobs.close()


def test_a_service_finds_its_own_folder_again(tmp_path: Path, work: Work) -> None:
    first = own_folder(tmp_path)
    jobs = Jobs(first, work, 60)
    second = own_folder(tmp_path)  # another service of the same project, at the same time
    jobs.close()
    try:
        assert first != second
        assert own_folder(tmp_path) == first
        assert own_folder(tmp_path / "other") not in (first, second)
    finally:
        for folder in (first, second, own_folder(tmp_path / "other")):
            shutil.rmtree(folder)


def test_one_folder_belongs_to_one_service(tmp_path: Path, work: Work) -> None:
    jobs = Jobs(tmp_path, work, 60)
    with pytest.raises(ConfigError, match="another service"):
        Jobs(tmp_path, work, 60)
    jobs.close()
    Jobs(tmp_path, work, 60).close()


def test_closing_stops_the_work_and_clears_its_folder(work: Work) -> None:
    jobs = Jobs(None, work, 60)
    job = submit(jobs)
    wait_for(lambda: work.begun)
    jobs.close()
    assert job.over.is_set()
    assert not job.folder.parent.exists()


def test_the_end_of_the_service_stops_the_work(serve: Serve, clip: bytes, work: Work) -> None:
    client = serve()
    jobs: Jobs = client.app.state.runtime.jobs
    jobs._work = work
    client.post("/upscale_video/submit", files={"video": ("a.mp4", clip)})
    (job,) = jobs._jobs.values()
    wait_for(lambda: work.begun)
    client.__exit__()
    assert (job.status, job.interruptions) == ("interrupted", 1)


def test_an_empty_volume_gets_the_folder_of_uploads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = tmp_path / "data"
    volume.mkdir()
    monkeypatch.setenv("TMPDIR", str(volume / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")  # what was found before
    make_temporary({"TMPDIR": str(volume / "tmp")})
    with tempfile.NamedTemporaryFile() as upload:
        assert Path(upload.name).parent == volume / "tmp"


def test_a_folder_of_uploads_that_cannot_be_made_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    make_temporary({"TMPDIR": str(tmp_path / "file" / "tmp")})
    assert "cannot be made" in caplog.text
    assert tempfile.gettempdir() == str(tmp_path)
    make_temporary({})
