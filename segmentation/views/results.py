"""The page "My results": images and samples of the account or of the browser, to search, sort, download and delete."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Case, Exists, F, FloatField, OuterRef, Q, QuerySet, Value, When
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Lower, NullIf
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from ..forms.settings import models_by_task
from ..http.access import ask_to_delete, see_other
from ..http.zipped import ResultsArchive, serve_table
from ..learning.trainings.pages import start_again
from ..middleware import sender
from ..models import Job, Micrograph, Sample
from ..presenters.listing import cards
from ..services.access.claiming import claim_results, count_claimable
from ..services.ground.refusal import Refused
from ..services.results.jobs import delete_jobs
from ..services.results.samples import delete_sample, sample_of_results
from .forms import to_uuid

ROWS_PER_PAGE = 50  # results and samples
LONGEST_SEARCH = 100  # characters of a search
UNDER_WAY = "under-way"  # value of the filter "state": waiting or running
STATES = {"done": "Done", UNDER_WAY: "Under way", "failed": "Failed", "cancelled": "Cancelled"}
SHOWN = {"images": "Images", "samples": "Samples"}
# Value of the filter "sort" -> its title; a minus reverses the order.
SORTS = {
    "-made": "Newest first",
    "made": "Oldest first",
    "name": "Name, A to Z",
    "-name": "Name, Z to A",
    "state": "State",
    "-state": "State, reversed",
    "-kept": "Most counted first",
    "kept": "Fewest counted first",
    "-median": "Largest median first",
    "median": "Smallest median first",
}
STATISTICS = {"job": "summary__statistics", "sample": "pooled"}  # the field of the row with its size distribution
REFUSED_VISITOR = "claiming-left"  # key of the session: the browser whose results the user did not want to take over
ARCHIVE_NOTES_SHOWN = timedelta(hours=1)  # so long the list says which files of an archive were left out
NOTHING_CHOSEN = "Select results first, then choose what to do with them."
NOT_DELETED = (
    "Signed results were not deleted, and neither were the results that were corrected for them. Only an administrator"
    " may delete these."
)


@require_safe
@never_cache
def results(request: HttpRequest) -> HttpResponse:
    """The list, filtered and sorted by the query. A request of HTMX gets only the list, which asks again while a job
    runs."""
    page = Paginator(entries(request, request.GET), ROWS_PER_PAGE).get_page(request.GET.get("page"))
    listed_jobs = [pk for kind, pk, *_ in page if kind == "job"]
    images = Job.objects.filter(pk__in=listed_jobs).values("micrograph")
    versions = _own_jobs(request).filter(micrograph__in=images).exclude(pk__in=listed_jobs)
    older = Counter(versions.order_by().values_list("micrograph", flat=True))
    page_cards = cards([(kind, pk) for kind, pk, *_ in page], older)
    # Archives of single images that are being unpacked, or from which something was left out within the last hour.
    visible_archives = Micrograph.objects.visible_to(request.user, request.visitor).filter(is_archive=True, sample=None)
    recent = timezone.now() - ARCHIVE_NOTES_SHOWN
    archives = [
        archive
        for archive in visible_archives.exclude(asked={}).order_by("created")
        if not archive.is_finished or (archive.created > recent and (archive.notes or archive.error))
    ]
    may_offer_claiming = not request.htmx and request.session.get(REFUSED_VISITOR) != str(request.visitor)
    context = {
        "page": page,
        "claimable": count_claimable(user=request.user, visitor=request.visitor) if may_offer_claiming else 0,
        "cards": page_cards,
        "archives": archives,
        "any_active": any(card.active for card in page_cards) or any(not archive.is_finished for archive in archives),
        "states": STATES,
        "shown": SHOWN,
        "sorts": SORTS,
        "sort": _sort(request.GET),
        "q": request.GET.get("q", "")[:LONGEST_SEARCH],
        "narrowed": any(request.GET.get(name) for name in ("q", "state", "show")),
        "query": request.GET.urlencode(),
        "token": uuid4().hex,
    }
    return render(request, "_results.html" if request.htmx else "results.html", context)


@require_POST
def selected(request: HttpRequest) -> HttpResponse:
    """Delete, compare, pool, analyse again or download the selected results and samples. Field do: which of these. Rows
    of other people are ignored."""
    newest_jobs, samples = _selected_rows(request)
    request.back = reverse("results")
    if not newest_jobs and not samples:
        raise Refused(NOTHING_CHOSEN)
    action = request.POST.get("do", "")
    if action == "delete":
        return _delete(request, newest_jobs, samples)
    if action == "compare":
        sides = sorted([*newest_jobs, *samples], key=lambda side: side.created)
        names = ("a", "b") if len(sides) < 3 else ("r",) * len(sides)
        query = urlencode([(name, side.pk) for name, side in zip(names, sides, strict=False)])
        return see_other(f"{reverse('compare')}?{query}")
    jobs = list(newest_jobs)
    for sample in samples:
        jobs += sample.members.select_related("micrograph", "sample").defer("summary")
    if action == "sample":
        sample = sample_of_results(name="", jobs=jobs[::-1], token=request.POST.get("token", ""), **sender(request))
        return see_other(reverse("sample-page", args=[sample.pk]))
    if action == "again":
        return _analyse_selected_again(request, jobs)
    if action == "table":
        return serve_table(jobs[::-1])
    zipped = ResultsArchive(jobs, samples)
    # The page's script asks with this header until the archive is ready, and then sends the form.
    is_script_waiting = "X-Prepare" in request.headers
    if not zipped.is_ready:
        progress = {"written": zipped.written, "of": zipped.finished}
        if is_script_waiting:
            return JsonResponse(progress, status=202)
        return render(request, "preparing.html", {**progress, "back": reverse("results")}, status=202)
    return HttpResponse(status=204) if is_script_waiting else zipped.response()


@require_POST
def claim(request: HttpRequest) -> HttpResponse:
    """Move the results that this browser made before the sign-in into the account; or, by "leave", do not ask
    again during this sign-in."""
    if request.POST.get("answer") == "leave":
        request.session[REFUSED_VISITOR] = str(request.visitor)
        return redirect("results")
    claim_results(user=request.user, visitor=request.visitor)
    return redirect("results")


def _own_jobs(request: HttpRequest) -> QuerySet[Job]:
    return Job.objects.visible_to(request.user, request.visitor)


def entries(request: HttpRequest, query: QueryDict) -> QuerySet:
    """The entries of the list, filtered and sorted by `query`: tuples (kind, id, created, ...) with the kind "job" or
    "sample". They are the caller's samples, and the newest result of each image that is in no sample.

    query: "q", words that must be in the name of the image or sample; "state", of STATES; "show", of SHOWN; "sort", of
    SORTS. Unknown values are ignored.
    """
    newer = Q(created__gt=OuterRef("created")) | Q(created=OuterRef("created"), pk__gt=OuterRef("pk"))
    same_image = _own_jobs(request).filter(micrograph=OuterRef("micrograph"))
    # An image stays with its sample even if it was analysed again by itself.
    jobs = _own_jobs(request).filter(
        ~Exists(same_image.filter(newer)), ~Exists(same_image.filter(sample__isnull=False))
    )
    samples = Sample.objects.visible_to(request.user, request.visitor)
    for word in query.get("q", "")[:LONGEST_SEARCH].split():
        jobs = jobs.filter(micrograph__name__icontains=word)
        images = _own_jobs(request).filter(micrograph__name__icontains=word, sample__isnull=False)
        samples = samples.filter(Q(name__icontains=word) | Q(pk__in=images.order_by().values("sample")))
    if (state := query.get("state")) in STATES:
        under_way = {*Job.UNFINISHED, Sample.State.WAITING}
        jobs, samples = (
            rows.filter(state__in=under_way if state == UNDER_WAY else (state,)) for rows in (jobs, samples)
        )
    sort = _sort(query)
    kinds = {"images": {"job": jobs}, "samples": {"sample": samples}}.get(query.get("show", ""))
    parts = [
        _ranked_rows(kind, rows, sort.lstrip("-")) for kind, rows in (kinds or {"job": jobs, "sample": samples}).items()
    ]
    ranks = [name for name in parts[0].query.annotations if name.startswith("rank")]
    ranking = [F(name).desc(nulls_last=True) if sort[0] == "-" else F(name).asc(nulls_last=True) for name in ranks]
    last = "created" if sort == "made" else "-created"
    return parts[0].union(*parts[1:], all=True).order_by(*ranking, last, "pk")


def _ranked_rows(kind: str, rows: QuerySet, sort: str) -> QuerySet:
    """Rows as (kind, id, created, values to sort by). Only particles are sorted by size: other kinds show another
    number in the list."""
    field = STATISTICS[kind]

    def number(name: str) -> Case:
        value = Cast(NullIf(KT(f"{field}__{name}"), Value("null")), FloatField())
        return Case(When(**{f"{field}__screened": False}, then=None), default=value)

    ranks: list[Any] = {
        "name": [Lower("micrograph__name" if kind == "job" else "name")],
        "state": [F("state")],
        "kept": [number("n_kept")],
        "median": [KT(f"{field}__unit"), number("median")],
    }.get(sort, [])
    columns = {f"rank{number}": rank for number, rank in enumerate(ranks)}
    return rows.order_by().annotate(kind=Value(kind), **columns).values_list("kind", "pk", "created", *columns)


def _sort(query: QueryDict) -> str:
    return query["sort"] if query.get("sort") in SORTS else "-made"


def _selected_rows(request: HttpRequest) -> tuple[list[Job], list[Sample]]:
    """The results and samples of the caller that the form names; with "all", all that its filter finds."""
    if request.POST.get("all"):
        rows = list(entries(request, QueryDict(request.POST.get("query", ""))))
        ids = {kind: [pk for kind_of_row, pk, *_ in rows if kind_of_row == kind] for kind in STATISTICS}
    else:
        sent_ids = {kind: ",".join(request.POST.getlist(kind)).split(",") for kind in STATISTICS}
        ids = {kind: [pk for pk in map(to_uuid, texts) if pk] for kind, texts in sent_ids.items()}
    jobs = _own_jobs(request).filter(pk__in=ids["job"]).select_related("micrograph", "sample").defer("summary")
    samples = Sample.objects.visible_to(request.user, request.visitor).filter(pk__in=ids["sample"])
    return list(jobs.order_by("-created", "pk")), list(samples.order_by("-created", "pk"))


def _analyse_selected_again(request: HttpRequest, jobs: list[Job]) -> HttpResponse:
    """Analyse each image again with another model, as a revision; without "model", show the page that asks for it."""
    if "model" not in request.POST:
        context = {
            "names": [job.micrograph.name for job in jobs],
            "jobs": ",".join(str(job.pk) for job in jobs),
            "models": models_by_task(request.user),
            "back": reverse("results"),
        }
        return render(request, "trainings/choose.html", context)
    return start_again(request, request.POST.get("model", "")[:100], jobs[::-1])


def _delete(request: HttpRequest, newest_jobs: list[Job], samples: list[Sample]) -> HttpResponse:
    """Delete results with all versions of their images, and samples with their images; without "sure", show the page
    that asks for confirmation."""
    query = request.POST.get("query", "")
    back = reverse("results") + (f"?{query}" if query else "")
    images = {job.micrograph_id for job in newest_jobs}
    image_of_job = dict(_own_jobs(request).filter(micrograph__in=images).values_list("pk", "micrograph"))
    total = len(newest_jobs) + len(samples)
    if "sure" in request.POST:
        remaining = {image_of_job[pk] for pk in delete_jobs(image_of_job)}
        remaining |= {sample.pk for sample in samples if not _delete_unless_signed(sample)}
        if count := total - len(remaining):
            messages.success(request, f"{count} {'result is' if count == 1 else 'results are'} deleted.")
        if remaining:
            messages.warning(request, NOT_DELETED)
        return redirect(back)
    versions = len(image_of_job) - len(newest_jobs)
    sentences = [
        f"{'The result' if total == 1 else f'These {total} results'} and all files will be deleted.",
        f"So will {versions} earlier version{'' if versions == 1 else 's'}." if versions else "",
        "Samples are deleted with all their images." if samples else "",
    ]
    return ask_to_delete(
        request,
        "Delete this result?" if total == 1 else f"Delete {total} results?",
        " ".join(filter(None, sentences)),
        back=back,
        names=[*(job.micrograph.name for job in newest_jobs), *(sample.name for sample in samples)],
        hidden=[
            *(("do", "delete"), ("sure", "yes"), ("query", query)),
            *(
                (kind, ",".join(str(row.pk) for row in rows))
                for kind, rows in (("job", newest_jobs), ("sample", samples))
            ),
        ],
    )


def _delete_unless_signed(sample: Sample) -> bool:
    """Delete a sample unless it has a signed result; returns whether it was deleted."""
    try:
        delete_sample(sample=sample)
    except Refused:
        return False
    return True
