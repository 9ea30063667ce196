"""The progress of a job, and of the images of a sample, in words. Reads rows of the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from django.db.models import Count
from django.http import QueryDict

from ..core.report.wording import capital, uncapital
from ..core.stages.pace import time_words
from ..models import Job, Micrograph, Sample

PLACE_DIGITS = 7  # a number with so many digits or more is no place in a queue
# Name of a stage in the stored timings -> what pages call it.
STAGES = {
    "load": "Load the model",
    "prepare": "Prepare the image",
    "search": "Choose size and contrast",
    "network": "Run the network",
    "labels": "Separate the objects",
    "measure": "Measure",
}


def stage_times(job: Job) -> list[tuple[str, float]]:
    """The seconds of each stage of a finished job: (stage in words, seconds). First comes the wait before its last
    attempt, last the time outside all stages. [] before the job has ended."""
    if job.started is None or job.finished is None:
        return []
    stages = [(STAGES.get(name, name), seconds) for name, seconds in job.stored.timings.items()]
    unstaged = (job.finished - job.started).total_seconds() - sum(seconds for _, seconds in stages)
    wait = (job.started - job.queued).total_seconds()
    return [("Wait for a worker", max(wait, 0.0)), *stages, ("Read, store and all else", max(unstaged, 0.0))]


class PageProgress(NamedTuple):
    """The progress of a sample that a page already shows. The page sends it with each request, so that the shown
    progress never goes back. place: the smallest place in the queue so far, None if unknown. per_cent: the largest."""

    place: int | None = None
    per_cent: int = 0

    @classmethod
    def of(cls, query: QueryDict) -> PageProgress:
        """The progress that a page has sent; unusable values count as none."""
        texts = [query.get(name, "") for name in cls._fields]
        place, per_cent = (
            int(text) if text.isascii() and text.isdigit() and len(text) < PLACE_DIGITS else 0 for text in texts
        )
        return cls(place or None, min(per_cent, 100))

    @property
    def query(self) -> str:
        """The query of the page's next request."""
        return "&".join(f"{name}={value}" for name, value in self._asdict().items() if value)


NEW_PAGE = PageProgress()


@dataclass(frozen=True)
class Progress:
    """The progress of the images of a sample.

    total, done, failed, under_way: numbers of images; failed includes cancelled ones, under_way those that wait, run or
    are still to be read. running: the jobs that run. seconds: until all jobs are done, None if not known. arriving:
    number of images still to be read. partial_jobs: sum of the progress of all jobs under way, each from 0 to 1.
    place: the place of its first image in the queue, while none runs. page: what the page has shown before.
    """

    total: int
    done: int
    failed: int
    under_way: int
    running: tuple[Job, ...] = ()
    seconds: float | None = None
    arriving: int = 0
    partial_jobs: float = 0.0
    place: int | None = None
    page: PageProgress = NEW_PAGE

    @classmethod
    def of(cls, sample: Sample, page: PageProgress = NEW_PAGE) -> Progress:
        counts = dict(sample.members.order_by().values_list("state").annotate(Count("pk")))
        arriving = sample.arriving.filter(state__in=Micrograph.UNFINISHED).count()
        unfinished = sample.members.filter(state__in=Job.UNFINISHED).select_related("micrograph")
        under_way = sum(counts.get(state, 0) for state in Job.UNFINISHED)
        jobs = list(unfinished.defer("summary", "settings").order_by("queued", "pk")) if under_way else []
        running = [job for job in jobs if job.state == Job.State.RUNNING]
        waiting = [job for job in jobs if job.state == Job.State.QUEUED]
        return cls(
            sum(counts.values()) + arriving,
            counts.get(Job.State.DONE, 0),
            counts.get(Job.State.FAILED, 0) + counts.get(Job.State.CANCELLED, 0),
            under_way + arriving,
            tuple(running),
            None if arriving else _seconds(running, waiting),
            arriving,
            sum(job.progress for job in jobs),
            waiting[0].position() if waiting and not running else None,
            page,
        )

    @property
    def ended(self) -> int:
        return self.total - self.under_way

    @property
    def per_cent(self) -> int:
        done = self.ended + self.partial_jobs
        return max(round(100 * done / self.total) if self.total else 0, self.page.per_cent)

    @property
    def next_page(self) -> PageProgress:
        """What the page has shown after this progress."""
        places = [place for place in (self.place, self.page.place) if place]
        return PageProgress(min(places, default=None), self.per_cent)

    @property
    def line(self) -> str:
        """How many images are done, and the remaining time."""
        text = f"{self.done} of {self.total} images done"
        text += f", {self.failed} without a result" if self.failed else ""
        text += f", {self.arriving} still to be read" if self.arriving else ""
        # Another sender may have overtaken this one; then the page does not show the larger place.
        is_no_setback = self.place is not None and self.place == self.next_page.place
        text += f", {place_words(self.place)}" if self.place and is_no_setback else ""
        return text + (f", {time_words(self.seconds)} left" if self.seconds and self.under_way else "")

    @property
    def running_lines(self) -> list[str]:
        """A line for each job that runs: image, stage and per cent."""
        return [
            f"{job.micrograph.name}: {job.stage or 'starting'}, {round(100 * job.progress)} %" for job in self.running
        ]


def _seconds(running: list[Job], waiting: list[Job]) -> float | None:
    """Seconds until all these jobs are done: of the last waiting job, else of the slowest running one. None if not
    known."""
    if not all(job.ready for job in waiting):
        return None
    seconds = [job.expected_seconds() for job in waiting[-1:] or running]
    return None if None in seconds else max((value or 0.0 for value in seconds), default=None)


def place_words(place: int) -> str:
    # Several may stand first: small images and those of other senders take turns with them.
    return "among the next in the queue" if place == 1 else f"number {place} in the queue"


@dataclass(frozen=True)
class Status:
    """What a waiting page shows: title and line in words, and per cent."""

    title: str
    line: str
    per_cent: int = 0


def status_of(job: Job) -> Status:
    """The state of a job in words, and its per cent, which stay while it waits for its scale or for another attempt."""
    title, line = _words_of(job)
    return Status(title, line, 100 if job.is_done else 0 if job.is_finished else round(100 * job.progress))


def _words_of(job: Job) -> tuple[str, str]:
    if job.state == Job.State.QUEUED and job.stage:
        return f"Waiting: {uncapital(job.stage)}", "It continues by itself once the problem is solved."
    if job.state == Job.State.QUEUED and (job.deaths or job.faults):
        return "Starting again", "The process that analysed it has ended. Nothing is lost."
    if job.state == Job.State.QUEUED and not job.ready:
        return "Reading the scale" if job.micrograph.is_read else "Reading the image", "The numbers follow."
    if job.state == Job.State.QUEUED and job.progress:  # it was begun, so no place in the queue is said
        return "Waiting to go on", f"{round(100 * job.progress)} % done."
    if job.state == Job.State.QUEUED:
        return "Waiting for its turn", _line(place_words(job.position() or 1), job)
    if job.state == Job.State.RUNNING:
        return capital(job.stage or "starting"), _line(f"{round(100 * job.progress)} % done", job)
    if job.state == Job.State.FAILED:
        return "The analysis failed", job.error
    if job.state == Job.State.CANCELLED:
        return "Cancelled", "The analysis was stopped. The image is kept, so you can try again."
    return "Done", "The result is ready."


def _line(words: str, job: Job) -> str:
    seconds = job.expected_seconds()
    return capital(words if seconds is None else f"{words}, {time_words(seconds)} left")
