"""Downloads of several results together: all their files as one ZIP archive, or all their objects as one table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from django.http import StreamingHttpResponse

from ..core import tasks
from ..core.archive import streamed_zip
from ..core.report import exports
from ..core.report.exports.base import Subject
from ..core.report.wording import capital
from ..models import ExportJob, Job, Measuring, Sample, StoredFile
from ..services.ground import bundles
from ..services.ground.queue import ask_for_files
from ..services.ground.refusal import Refused
from ..services.results.combined import combined_table
from ..services.results.corrections.steps import ask_for_numbers
from ..services.results.exports import unwritten_files
from .serving import file_stem, serve_chunks

NO_FILES = "None of these results has files yet. Only finished results can be downloaded."


class ResultsArchive:
    """The ZIP archive with the files of some results, a folder for each. Making it enqueues the writing of files that
    are not written yet. Raises Refused if no result has files.

    finished: the number of results with files. written: how many of these have all their files. is_ready: whether no
    more files will come, because all are written or writing the others failed.
    """

    def __init__(self, jobs: Iterable[Job], samples: Iterable[Sample] = ()) -> None:
        jobs = list(jobs)
        self._samples = [(sample, files) for sample in samples if (files := _offered_files(sample, "sample"))]
        self._jobs = [(job, files) for job in jobs if job.is_done and (files := _offered_files(job, "image"))]
        if not self._jobs:
            raise Refused(NO_FILES, 409)
        self.finished = len(self._jobs) + len(self._samples)
        jobs_with_files = {job.pk for job, _ in self._jobs}
        self._without_files = [job for job in jobs if job.pk not in jobs_with_files]
        writers = [row for result, _ in (*self._jobs, *self._samples) if (row := _enqueued_writer(result))]
        self.written = self.finished - len(writers)
        self.is_ready = all(writer.error for writer in writers)

    def response(self) -> StreamingHttpResponse:
        """The archive, made while it is sent."""
        return serve_chunks(streamed_zip(self._entries()), "application/zip", "results.zip")

    def _entries(self) -> Iterator[tuple[str, bytes]]:
        """Name and content of each file in the archive. If anything is missing, the last file lists it: results
        without files, and files that could not be written or read."""
        missing = [
            f"{job.micrograph.name}: {capital(job.get_state_display())}, so no files of it are here."
            for job in self._without_files
        ]
        for number, (row, files) in enumerate([*self._jobs, *self._samples], 1):
            name = row.micrograph.name if isinstance(row, Job) else f"{row.name.replace('/', '_')}."
            folder = f"{number:03d} {file_stem(name)}"
            missing += [
                f"{folder}/{name}: it could not be written. Ask for it on the result's page."
                for name in unwritten_files(row)
            ]
            for artifact in files:
                try:
                    with bundles.open_file(artifact) as file:
                        content = file.read()
                except (OSError, ValueError):
                    missing.append(f"{folder}/{artifact.name}: it could not be read.")
                    continue
                yield f"{folder}/{artifact.name}", content
        if missing:
            yield "NOT INCLUDED.txt", "\n".join([*missing, ""]).encode()


def _enqueued_writer(result: Job | Sample) -> Measuring | ExportJob | Sample | None:
    """The row whose work will write the missing files of a result, after enqueuing it; None if no file is missing."""
    if isinstance(result, Job) and (measuring := ask_for_numbers(result)):
        return measuring
    if not unwritten_files(result):
        return None
    return result if isinstance(result, Sample) and result.state != Sample.State.DONE else ask_for_files(result)


def _offered_files(row: Job | Sample, subject: Subject) -> list[StoredFile]:
    """The stored files of a result that people download, without those that are archives of other files."""
    listed = exports.by_file_name(subject, tasks.find(row.settings["task"]), judged=bool(row.specification))
    offered = [name for name, export in listed.items() if not export.for_the_page and name not in bundles.ARCHIVE_FILES]
    artifacts = {artifact.name: artifact for artifact in row.artifacts.all()}
    return [artifacts[name] for name in offered if name in artifacts]


def serve_table(jobs: Iterable[Job]) -> StreamingHttpResponse:
    """All objects of some results as one CSV file; raises Refused if no result has files."""
    chunks = combined_table(jobs)
    first_chunk = next(chunks, None)
    if first_chunk is None:
        raise Refused(NO_FILES, 409)
    return serve_chunks(chain([first_chunk], chunks), "text/csv; charset=utf-8", "objects.csv")
