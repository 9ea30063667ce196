"""Several results in one ZIP archive, a folder for each, or all their objects in one table."""

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
from ..services.results.exports import unwritten_files
from ..services.results.steps import ask_for_numbers
from .serving import file_stem, serve_pieces

NO_FILES = "None of these results has files yet. Only finished results can be downloaded."


class Zipped:
    """The files of some results. Files not written yet are asked for at once. Raises Refused if there are none.

    finished: the number of results with files. written: of these, those whose files are all there. is_ready: whether no
    more files will come, because all are written or the rest failed.
    """

    def __init__(self, jobs: Iterable[Job], samples: Iterable[Sample] = ()) -> None:
        jobs = list(jobs)
        self._samples = [(sample, files) for sample in samples if (files := _offered_files(sample, "sample"))]
        self._stored = [(job, files) for job in jobs if job.is_done and (files := _offered_files(job, "image"))]
        if not self._stored:
            raise Refused(NO_FILES, 409)
        self.finished = len(self._stored) + len(self._samples)
        ready = {job.pk for job, _ in self._stored}
        self._others = [job for job in jobs if job.pk not in ready]
        asked_for = [row for result, _ in (*self._stored, *self._samples) if (row := _asked(result))]
        self.written = self.finished - len(asked_for)
        self.is_ready = all(export.error for export in asked_for)

    def response(self) -> StreamingHttpResponse:
        """The archive, made while it is sent."""
        return serve_pieces(streamed_zip(self._entries()), "application/zip", "results.zip")

    def _entries(self) -> Iterator[tuple[str, bytes]]:
        """A folder for each result, and what is missing by name: results without files, files that have gone
        meanwhile."""
        missing = [
            f"{job.micrograph.name}: {capital(job.get_state_display())}, so no files of it are here."
            for job in self._others
        ]
        for number, (row, files) in enumerate([*self._stored, *self._samples], 1):
            name = row.micrograph.name if isinstance(row, Job) else f"{row.name.replace('/', '_')}."
            folder = f"{number:03d} {file_stem(name)}"
            missing += [
                f"{folder}/{name}: it could not be written. Ask for it on the result's page."
                for name in unwritten_files(row)
            ]
            for artifact in files:
                try:
                    with bundles.opened(artifact) as file:
                        content = file.read()
                except (OSError, ValueError):
                    missing.append(f"{folder}/{artifact.name}: it could not be read.")
                    continue
                yield f"{folder}/{artifact.name}", content
        if missing:
            yield "NOT INCLUDED.txt", "\n".join([*missing, ""]).encode()


def _asked(result: Job | Sample) -> Measuring | ExportJob | Sample | None:
    """What makes the present numbers of a result, or writes its files; None where all are there."""
    if isinstance(result, Job) and (measuring := ask_for_numbers(result)):
        return measuring
    if not unwritten_files(result):
        return None
    return result if isinstance(result, Sample) and result.state != Sample.State.DONE else ask_for_files(result)


def _offered_files(row: Job | Sample, subject: Subject) -> list[StoredFile]:
    """The stored files of a result that people take away, archives of them left out."""
    listed = exports.listed(subject, tasks.find(row.settings["task"]), judged=bool(row.specification))
    offered = [name for name, export in listed.items() if not export.for_the_page and name not in bundles.ARCHIVES]
    artifacts = {artifact.name: artifact for artifact in row.artifacts.all()}
    return [artifacts[name] for name in offered if name in artifacts]


def serve_table(jobs: Iterable[Job]) -> StreamingHttpResponse:
    """All objects of some results as CSV; raises Refused without any."""
    pieces = combined_table(jobs)
    piece = next(pieces, None)
    if piece is None:
        raise Refused(NO_FILES, 409)
    return serve_pieces(chain([piece], pieces), "text/csv; charset=utf-8", "objects.csv")
