"""My results: the images and samples of this account, or of this browser; found, sorted, downloaded and deleted."""

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
from ..middleware import sender
from ..models import Job, Micrograph, Sample
from ..presenters.listing import cards
from ..services.access.claiming import claim_results, claimable
from ..services.ground.refusal import Refused
from ..services.results.jobs import delete_jobs
from ..services.results.samples import delete_sample, sample_of_results
from .forms import to_uuid
from .trainings import start_again

A_PAGE = 50
LONGEST = 100  # characters that are searched for
UNDER_WAY = "under-way"
STATES = {"done": "Done", UNDER_WAY: "Under way", "failed": "Failed", "cancelled": "Cancelled"}
SHOWN = {"images": "Images", "samples": "Samples"}
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
STATISTICS = {"job": "summary__statistics", "sample": "pooled"}
LEFT = "claiming-left"  # in the session: the browser whose results this user refused to take over
NEWS = timedelta(hours=1)  # so long the list says what was left out of an archive
NOTHING_CHOSEN = "Select results first, then choose what to do with them."
KEPT = (
    "Signed results were not deleted, and neither were the results that were corrected for them. Only an administrator"
    " may delete these."
)


@require_safe
@never_cache
def results(request: HttpRequest) -> HttpResponse:
    """The list, by the query's choices; for HTMX only its fragment, which asks again while something runs."""
    page = Paginator(entries(request, request.GET), A_PAGE).get_page(request.GET.get("page"))
    listed_jobs = [pk for kind, pk, *_ in page if kind == "job"]
    images = Job.objects.filter(pk__in=listed_jobs).values("micrograph")
    versions = _mine(request).filter(micrograph__in=images).exclude(pk__in=listed_jobs)
    older = Counter(versions.order_by().values_list("micrograph", flat=True))
    page_cards = cards([(kind, pk) for kind, pk, *_ in page], older)
    # Archives of single images that are being unpacked, or from which something was left out within the last hour.
    visible_archives = Micrograph.objects.visible_to(request.user, request.visitor).filter(is_archive=True, sample=None)
    recent = timezone.now() - NEWS
    archives = [
        archive
        for archive in visible_archives.exclude(asked={}).order_by("created")
        if not archive.is_finished or (archive.created > recent and (archive.notes or archive.error))
    ]
    is_asked = not request.htmx and request.session.get(LEFT) != str(request.visitor)
    context = {
        "page": page,
        "claimable": claimable(user=request.user, visitor=request.visitor) if is_asked else 0,
        "cards": page_cards,
        "archives": archives,
        "any_active": any(card.active for card in page_cards) or any(not archive.is_finished for archive in archives),
        "states": STATES,
        "shown": SHOWN,
        "sorts": SORTS,
        "sort": _sort(request.GET),
        "q": request.GET.get("q", "")[:LONGEST],
        "narrowed": any(request.GET.get(name) for name in ("q", "state", "show")),
        "query": request.GET.urlencode(),
        "token": uuid4().hex,
    }
    return render(request, "_results.html" if request.htmx else "results.html", context)


@require_POST
def selected(request: HttpRequest) -> HttpResponse:
    """Do something with the results and samples that were selected; those of others are as if not selected."""
    heads, samples = _ticked_rows(request)
    request.back = reverse("results")
    if not heads and not samples:
        raise Refused(NOTHING_CHOSEN)
    do = request.POST.get("do", "")
    if do == "delete":
        return _delete(request, heads, samples)
    if do == "compare":
        sides = sorted([*heads, *samples], key=lambda side: side.created)
        names = ("a", "b") if len(sides) < 3 else ("r",) * len(sides)
        query = urlencode([(name, side.pk) for name, side in zip(names, sides, strict=False)])
        return see_other(f"{reverse('compare')}?{query}")
    for sample in samples:
        heads = [*heads, *sample.members.select_related("micrograph", "sample").defer("summary")]
    if do == "sample":
        sample = sample_of_results(name="", jobs=heads[::-1], token=request.POST.get("token", ""), **sender(request))
        return see_other(reverse("sample-page", args=[sample.pk]))
    if do == "again":
        return _analyse_ticked_again(request, heads)
    if do == "table":
        return serve_table(heads[::-1])
    zipped = ResultsArchive(heads, samples)
    is_prepared = "X-Prepare" in request.headers  # by the page's script, which waits in place
    if not zipped.is_ready:
        how_far = {"written": zipped.written, "of": zipped.finished}
        if is_prepared:
            return JsonResponse(how_far, status=202)
        return render(request, "preparing.html", {**how_far, "back": reverse("results")}, status=202)
    return HttpResponse(status=204) if is_prepared else zipped.response()


@require_POST
def claim(request: HttpRequest) -> HttpResponse:
    """Keep in the account what this browser made before, or stop asking for as long as this sign-in lasts."""
    if request.POST.get("answer") == "leave":
        request.session[LEFT] = str(request.visitor)
        return redirect("results")
    claim_results(user=request.user, visitor=request.visitor)
    return redirect("results")


def _mine(request: HttpRequest) -> QuerySet[Job]:
    return Job.objects.visible_to(request.user, request.visitor)


def entries(request: HttpRequest, query: QueryDict) -> QuerySet:
    """Kind ("job" or "sample"), id ... of the caller's samples and of the newest result of each image that is in none,
    narrowed and sorted as asked; what is unknown is as if not asked.

    query: "q", words that must be in the names of image or sample; "state"; "show", one of `SHOWN`; "sort".
    """
    newer = Q(created__gt=OuterRef("created")) | Q(created=OuterRef("created"), pk__gt=OuterRef("pk"))
    same_image = _mine(request).filter(micrograph=OuterRef("micrograph"))
    # An image belongs to a sample of the caller's also where it was analysed again by itself.
    jobs = _mine(request).filter(~Exists(same_image.filter(newer)), ~Exists(same_image.filter(sample__isnull=False)))
    samples = Sample.objects.visible_to(request.user, request.visitor)
    for word in query.get("q", "")[:LONGEST].split():
        jobs = jobs.filter(micrograph__name__icontains=word)
        images = _mine(request).filter(micrograph__name__icontains=word, sample__isnull=False)
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
    """Kind, id, time and what the list is sorted by. Only sizes of particles are compared: other kinds show another
    number in the list."""
    field = STATISTICS[kind]

    def number(name: str) -> Case:
        size = Cast(NullIf(KT(f"{field}__{name}"), Value("null")), FloatField())
        return Case(When(**{f"{field}__screened": False}, then=None), default=size)

    ranks: list[Any] = {
        "name": [Lower("micrograph__name" if kind == "job" else "name")],
        "state": [F("state")],
        "kept": [number("n_kept")],
        "median": [KT(f"{field}__unit"), number("median")],
    }.get(sort, [])
    named = {f"rank{number}": rank for number, rank in enumerate(ranks)}
    return rows.order_by().annotate(kind=Value(kind), **named).values_list("kind", "pk", "created", *named)


def _sort(query: QueryDict) -> str:
    return query["sort"] if query.get("sort") in SORTS else "-made"


def _ticked_rows(request: HttpRequest) -> tuple[list[Job], list[Sample]]:
    """The results and samples of the caller that the form names, or all that its filter finds."""
    if request.POST.get("all"):
        rows = list(entries(request, QueryDict(request.POST.get("query", ""))))
        ids = {kind: [pk for kind_of_row, pk, *_ in rows if kind_of_row == kind] for kind in STATISTICS}
    else:
        named = {kind: ",".join(request.POST.getlist(kind)).split(",") for kind in STATISTICS}
        ids = {kind: [pk for pk in map(to_uuid, texts) if pk] for kind, texts in named.items()}
    jobs = _mine(request).filter(pk__in=ids["job"]).select_related("micrograph", "sample").defer("summary")
    samples = Sample.objects.visible_to(request.user, request.visitor).filter(pk__in=ids["sample"])
    return list(jobs.order_by("-created", "pk")), list(samples.order_by("-created", "pk"))


def _analyse_ticked_again(request: HttpRequest, heads: list[Job]) -> HttpResponse:
    """Each once more with another model, as a revision; first the model is asked for."""
    if "model" not in request.POST:
        context = {
            "names": [job.micrograph.name for job in heads],
            "jobs": ",".join(str(job.pk) for job in heads),
            "models": models_by_task(request.user),
            "back": reverse("results"),
        }
        return render(request, "trainings/choose.html", context)
    return start_again(request, request.POST.get("model", "")[:100], heads[::-1])


def _delete(request: HttpRequest, heads: list[Job], samples: list[Sample]) -> HttpResponse:
    """Each with all versions of its image, and each sample with its images, once that has been confirmed."""
    query = request.POST.get("query", "")
    back = reverse("results") + (f"?{query}" if query else "")
    image_of_job = dict(
        _mine(request).filter(micrograph__in={job.micrograph_id for job in heads}).values_list("pk", "micrograph")
    )
    total = len(heads) + len(samples)
    if "sure" in request.POST:
        stay = {image_of_job[pk] for pk in delete_jobs(image_of_job)}
        stay |= {sample.pk for sample in samples if not _is_deleted(sample)}
        if count := total - len(stay):
            messages.success(request, f"{count} {'result is' if count == 1 else 'results are'} deleted.")
        if stay:
            messages.warning(request, KEPT)
        return redirect(back)
    versions = len(image_of_job) - len(heads)
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
        names=[*(job.micrograph.name for job in heads), *(sample.name for sample in samples)],
        hidden=[
            *(("do", "delete"), ("sure", "yes"), ("query", query)),
            *((kind, ",".join(str(row.pk) for row in rows)) for kind, rows in (("job", heads), ("sample", samples))),
        ],
    )


def _is_deleted(sample: Sample) -> bool:
    """Delete a sample; False of one with a signed result, which stays."""
    try:
        delete_sample(sample=sample)
    except Refused:
        return False
    return True
