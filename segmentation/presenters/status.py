"""What a waiting page says of a job."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.pace import about
from ..core.report.wording import capital
from ..models import Job


@dataclass(frozen=True)
class Status:
    """What a waiting page says."""

    title: str
    line: str
    per_cent: int = 0


def status_of(job: Job) -> Status:
    """The state of a job in words."""
    if job.state == Job.State.QUEUED and job.stage:
        return Status(
            f"Waiting: {job.stage[:1].lower()}{job.stage[1:]}", "It continues by itself once the problem is solved."
        )
    if job.state == Job.State.QUEUED and not job.ready:
        return Status("Reading the image", "We first read its size and scale.")
    if job.state == Job.State.QUEUED:
        position = job.position()
        position_words = "next in the queue" if position in (None, 1) else f"number {position} in the queue"
        return Status("Waiting for its turn", _line(position_words, job))
    if job.state == Job.State.RUNNING:
        per_cent = round(100 * job.progress)
        return Status(capital(job.stage or "starting"), _line(f"{per_cent} % done", job), per_cent)
    if job.state == Job.State.FAILED:
        return Status("The analysis failed", job.error)
    if job.state == Job.State.CANCELLED:
        return Status("Cancelled", "The analysis was stopped. The image is kept, so you can try again.")
    return Status("Done", "The result is ready.", 100)


def _line(now: str, job: Job) -> str:
    seconds = job.expected_seconds()
    return capital(now if seconds is None else f"{now}, {about(seconds)} left")
