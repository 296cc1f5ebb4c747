"""One video job's work: the engine, told to go on where an earlier service was stopped."""

import logging

from superres.config import ServingParams
from superres.errors import ConfigError, InputError
from superres.serving import measures
from superres.serving.job import Job, Progress
from superres.serving.models import Models
from superres.serving.pictures import counted, video_limits
from superres.serving.served import Served

log = logging.getLogger(__name__)

# Frames that a kill can cost. A network of video sees a dozen again for each segment.
SEGMENTS = {"image": 30, "video": 120}


class Footage:
    """Upscales `job.upload` into `job.result`; called from the thread of the jobs."""

    def __init__(self, models: Models, params: ServingParams) -> None:
        self._models = models
        self._params = params

    def __call__(self, job: Job, progress: Progress) -> None:
        """Run to the end; raise once `job.stop` is set, finished segments stay then."""
        upscaler = self._upscaler(job)
        try:
            self._run(job, upscaler, progress)
        except ConfigError as error:
            if not job.begin_anew():
                raise
            log.warning("video %s: begun anew, for %s", job.task_id, error)
            self._run(job, upscaler, progress)

    def _run(self, job: Job, upscaler: Served, progress: Progress) -> None:
        from superres.video import VideoOptions

        def told(done: int, total: int | None) -> None:
            measures.frame(upscaler.which)
            progress(done, total)

        segment = SEGMENTS.get(upscaler.info.kind, 30)
        info = upscaler.video(
            job.upload,
            job.result,
            options=VideoOptions(resume=True, segment=segment),
            limits=video_limits(self._params),
            progress=told,
            cancelled=counted(job.stop.is_set, upscaler),
        )
        given = info.width * info.height * (info.frames or job.done)
        taken = given // upscaler.info.scale**2
        measures.made(upscaler.which, "video", taken, given)

    def _upscaler(self, job: Job) -> Served:
        """Return the version that the job began with; without it the job begins anew.

        A job that asks for name@version has exactly that, or fails.
        """
        if job.version is not None and "@" not in job.model:
            try:
                return self._models.get(f"{job.model}@{job.version}")
            except InputError:
                log.warning("video %s: version %s is gone", job.task_id, job.version)
                job.begin_anew()
        upscaler = self._models.get(job.model)
        job.version = upscaler.version
        job.save()
        return upscaler
