"""Results and samples as cards of a list, and a chart of several distributions. Reads only rows of the database."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Count, F
from django.urls import reverse

from ..core.flags import LOOK, NOTE
from ..core.measure.sizes.bins import FEWEST_IN_HISTOGRAM
from ..core.report.entries import known_column
from ..core.report.wording import capital
from ..core.stored import StoredResult
from ..http.serving import thumbnails
from ..models import Job, Sample
from ..models.jobs import WaitingLine
from ..services.results.comparisons import check_alike, comparison_group
from .drawings import Lines, polygon
from .progress import place_words
from .sample import STATES, PooledResult, histogram_path
from .stored import count_words, headline, numbers_of

logger = logging.getLogger(__name__)
T = TypeVar("T")
MOST_PICTURES = 3  # in the card of a sample
UNREADABLE = "The numbers of this result cannot be read. Analyse its image again, or delete it."


@dataclass(frozen=True)
class Card:
    """A result or a sample in a list.

    kind: "job" or "sample". pictures: addresses, for a sample of its first images. mark: the state as a CSS class;
    state: in words. active: whether it waits or runs; per_cent: its progress. number: the main number in words: the
    median, for a kind without sizes its first number, for few particles their count. counted: how many objects (and
    images) are in that number. bars: its histogram as an SVG path. unscaled: a note that scales are missing. older:
    number of earlier versions. alike: results with equal texts can be compared. tone: the CSS class of the warning: a
    note does not look like a warning. The number of a card with Card.tone must not be used.
    """

    kind: str
    pk: Any
    name: str
    address: str
    pictures: list[str]
    mark: str
    state: str
    active: bool
    per_cent: int
    created: datetime
    owner: Any = None
    counted: str = ""
    number: str = ""
    bars: str = ""
    warning: str = ""
    unscaled: str = ""
    older: int = 0
    alike: str = ""
    tone: str = "wrong-text"


def cards(entries: Iterable[tuple[str, Any]], older: Counter[Any] | None = None) -> list[Card]:
    """The cards of jobs and samples, in the order of `entries`. entries: (kind, id). older: how many earlier versions
    of each micrograph there are."""
    entries = list(entries)
    ids = {kind: [pk for entry_kind, pk in entries if entry_kind == kind] for kind in ("job", "sample")}
    related = Job.objects.select_related("micrograph", "owner").defer("micrograph__metadata")
    jobs, samples = related.in_bulk(ids["job"]), Sample.objects.select_related("owner").in_bulk(ids["sample"])
    first_images = {pk: read_or_default(_first_images, sample, []) for pk, sample in samples.items()}
    pictures = {str(pk): address for pk, address in thumbnails([*jobs, *chain(*first_images.values())]).items()}
    # Like `Sample.members`: without jobs that were measured again in the sample.
    images = Job.objects.filter(sample__in=list(samples)).exclude(reruns__sample=F("sample")).order_by()
    states: dict[Any, dict[str, int]] = {}  # how many images of each sample are in which state
    for pk, state, count in images.values_list("sample", "state").annotate(Count("pk")):
        states.setdefault(pk, {})[state] = count
    by_key: dict[Any, Card] = {}
    line = WaitingLine() if any(job.state == Job.State.QUEUED for job in jobs.values()) else None
    places = {job.pk: place for job in jobs.values() if line and (place := job.position(line))}
    for pk, job in jobs.items():
        by_key[pk] = _card_of_job(job, pictures.get(str(pk), ""), (older or Counter())[job.micrograph_id])
    for pk, sample in samples.items():
        shown_pictures = [pictures[image] for image in first_images[pk] if image in pictures]
        by_key[pk] = _card_of_sample(sample, shown_pictures, states.get(pk, {}))
    waiting = {pk: replace(by_key[pk], state=f"{by_key[pk].state}, {place_words(places[pk])}") for pk in places}
    return [(by_key | waiting)[pk] for _, pk in entries if pk in by_key]


def read_or_default(read: Callable[..., T], row: Job | Sample, default: T) -> T:
    """read(row), or `default` if that raises, so that one damaged row does not break a whole list."""
    try:
        return read(row)
    except Exception:  # a damaged summary can raise anything
        logger.exception("The summary of %s %s cannot be read.", type(row).__name__, row.pk)
        return default


def _first_images(sample: Sample) -> list[str]:
    """The ids of the jobs whose pictures the card of a sample shows."""
    return [str(UUID(pk)) for pk in sample.stored.pooled_ids[:MOST_PICTURES]]


def _card_of_job(job: Job, picture: str, older: int) -> Card:
    """The card of a job. picture: address of the small picture of its result, "" without one. older: how many earlier
    versions of its image there are."""
    preview = reverse("upload-preview", args=[job.micrograph_id]) if job.micrograph.preview else ""
    without_numbers = Card(
        kind="job",
        pk=job.pk,
        name=job.micrograph.name,
        address=reverse("job", args=[job.pk]),
        pictures=[shown_picture for shown_picture in (picture or preview,) if shown_picture],
        mark=job.state,
        state=capital(job.get_state_display()),
        active=not job.is_finished,
        per_cent=round(100 * job.progress),
        created=job.created,
        owner=job.owner,
        warning=UNREADABLE if job.is_done else job.error,
        older=older,
    )

    def with_numbers(job: Job) -> Card:
        stored = job.stored
        numbers = numbers_of(stored)
        number, count = headline(numbers), count_words(numbers)
        is_scaled = stored.calibration is not None and stored.calibration.is_known
        return replace(
            without_numbers,
            counted="" if numbers.has_few else count,
            number=count if numbers.has_few else number,
            bars=histogram_path(_total_counts(stored)),
            warning=stored.warning,
            tone=_tone(stored),
            unscaled="scale not set" if number and not is_scaled else "",
            alike=comparison_group(job),
        )

    return read_or_default(with_numbers, job, without_numbers) if job.is_done else without_numbers


def _card_of_sample(sample: Sample, pictures: list[str], states: dict[str, int]) -> Card:
    """The card of a sample. pictures: addresses of the first images. states: how many images are in which state."""
    total = sum(states.values())
    ended = total - sum(states.get(state, 0) for state in Job.UNFINISHED)
    failed = states.get(Job.State.FAILED, 0) + states.get(Job.State.CANCELLED, 0)
    images = f"{total} image{'' if total == 1 else 's'}" + (f", {failed} without a result" if failed else "")
    without_numbers = Card(
        kind="sample",
        pk=sample.pk,
        name=sample.name,
        address=reverse("sample-page", args=[sample.pk]),
        pictures=pictures,
        mark=sample.state,
        state=capital(STATES[Sample.State(sample.state)]),
        active=not sample.is_finished,
        per_cent=round(100 * ended / total) if total else 0,
        created=sample.created,
        owner=sample.owner,
        counted=images,
        warning=UNREADABLE,
    )

    def with_numbers(sample: Sample) -> Card:
        pooled = PooledResult(sample)
        return replace(
            without_numbers,
            active=pooled.active,
            counted=f"{images}, {count_words(pooled)}" if pooled.kept else images,
            number=headline(pooled),
            bars=histogram_path(_total_counts(pooled.stored)),
            warning=pooled.stored.warning,
            tone=_tone(pooled.stored),
            unscaled=f"{pooled.unscaled} without a scale" if pooled.unscaled else "",
            alike=comparison_group(sample),
        )

    return read_or_default(with_numbers, sample, without_numbers)


def _tone(stored: StoredResult) -> str:
    return {NOTE: "quiet", LOOK: "check-text"}.get(stored.level, Card.tone)


def _total_counts(stored: StoredResult) -> list[float]:
    """The heights of the bars of all images together; [] if there are too few sizes for a histogram."""
    sums = [sum(column) for column in zip(*stored.histogram[1], strict=True)]
    # Rounded like `n_kept`: an object may count by a fraction.
    return sums if round(sum(sums)) >= FEWEST_IN_HISTOGRAM else []


def distribution_chart(results: Sequence[Job | Sample]) -> Lines | None:
    """The distributions of several results over each other, each as a polygon whose top is 1; a result that stores no
    histogram has an empty one. Raises Refused (422) where their sizes cannot be compared."""
    check_alike(*results)
    series = []
    for result in results:
        stored = result.stored
        counts, edges = _total_counts(stored), stored.histogram[0]
        heights = [count / (high - low) for count, low, high in zip(counts, edges, edges[1:], strict=False)]
        top = max(heights, default=0.0)
        series.append(polygon(edges, [height / top for height in heights]) if top else [])
    size = known_column(stored.size or "min_feret").title
    lines = Lines.of(series, f"{size}, {stored.unit}", "", from_zero=True)
    return lines and replace(lines, words="The size distributions of the results below, over each other.")
