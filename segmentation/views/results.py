"""My results: what this account, or this browser, has made; found, sorted, downloaded and deleted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import chain
from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Case, Exists, F, FloatField, OuterRef, Q, QuerySet, Value, When
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Lower, NullIf
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from ..core.report.wording import capital
from ..forms.settings import models_by_task
from ..http.access import ask_to_delete, refused, see_other
from ..http.serving import thumbnails
from ..http.zipped import Zipped
from ..middleware import sender
from ..models import Job, Micrograph, Sample
from ..presenters.result import main_number, warning_of
from ..services import Refused, combined_table, delete_job, sample_of_results
from ..services.access.claiming import claim_results
from ..services.ground.calibration import is_scaled
from .trainings import start_again
from .upload import to_uuid

A_PAGE = 50
MOST_SAMPLES = 200  # in the list of samples to choose from
LONGEST = 100  # characters that are searched for
UNDER_WAY = "under-way"
STATES = {
    "done": "Done",
    UNDER_WAY: "Under way",
    "failed": "Failed",
    "cancelled": "Cancelled",
}
NO_SAMPLE = "none"
# Of particles alone: other kinds show another number in the list.
_NUMBER = {
    name: Case(
        When(summary__statistics__screened=False, then=None),
        default=Cast(NullIf(KT(f"summary__statistics__{name}"), Value("null")), FloatField()),
    )
    for name in ("n_kept", "median")
}
ORDERS = {
    "name": (Lower("micrograph__name"),),
    "state": (F("state"),),
    "kept": (_NUMBER["n_kept"],),
    "median": (KT("summary__statistics__unit"), _NUMBER["median"]),
    "made": (F("created"),),
}
SORTS = {
    "-made": "Newest first",
    "made": "Oldest first",
    "name": "Name, A to Z",
    "-name": "Name, Z to A",
    "state": "State",
    "-state": "State, reversed",
    "-kept": "Most kept first",
    "kept": "Fewest kept first",
    "-median": "Largest median first",
    "median": "Smallest median first",
}
# Title, whether numbers stand below it, and by which sort it begins when it is clicked.
HEADS = {
    "name": ("Name", False, "name"),
    "state": ("State", False, "state"),
    "kept": ("Kept", True, "-kept"),
    "median": ("Median min. Feret, or first number", True, "-median"),
    "made": ("Made", False, "-made"),
}
LEFT = "claiming-left"  # in the session: the browser whose results this user refused to take over
NOTHING_CHOSEN = "Tick the results first, then choose what to do with them."
KEPT = (
    "Signed results were not deleted, and neither were the results that were corrected for them. Only an administrator"
    " may delete these."
)
TWO = "Tick exactly two results to compare them."
NO_FILES = "None of these results has files yet. Only finished results can be downloaded."


@require_safe
@never_cache
def results(request: HttpRequest) -> HttpResponse:
    """The list, by the query's choices; for HTMX only its fragment, which asks again while something runs."""
    page = Paginator(_found(request, request.GET), A_PAGE).get_page(request.GET.get("page"))
    older = _older(request, page)
    pictures = thumbnails([job.pk for job in page])
    rows = [{**_row(job, pictures.get(job.pk)), "older": older[job.micrograph_id]} for job in page]
    archives = _archives(request)
    context = {
        "page": page,
        "rows": rows,
        "archives": archives,
        "any_active": any(row["active"] for row in rows) or any(not archive.is_finished for archive in archives),
        "samples": _samples(request),
        "states": STATES,
        "sorts": SORTS,
        "sort": _sort(request.GET),
        "heads": _heads(request.GET),
        "q": request.GET.get("q", "")[:LONGEST],
        "narrowed": any(request.GET.get(name) for name in ("q", "state", "sample")),
        "query": request.GET.urlencode(),
        "token": uuid4().hex,
    }
    return render(request, "_results.html" if request.htmx else "results.html", context)


@require_POST
def selected(request: HttpRequest) -> HttpResponse:
    """Download the results that were ticked, compare two of them, make a sample or one table of them, or ask and then
    delete them; those of others are as if not ticked."""
    heads = _ticked(request)
    if not heads:
        return refused(request, Refused(NOTHING_CHOSEN), reverse("results"))
    actions = {"delete": _delete, "compare": _compare, "sample": _sample, "table": _table, "again": _again}
    other = actions.get(request.POST.get("do", ""))
    if other is not None:
        return other(request, heads)
    zipped = Zipped(heads)
    if not zipped.finished:
        return refused(request, Refused(NO_FILES, 409), reverse("results"))
    asked = "X-Prepare" in request.headers  # by the page's script, which waits in place
    if not zipped.is_ready:
        how_far = {"written": zipped.written, "of": zipped.finished}
        if asked:
            return JsonResponse(how_far, status=202)
        return render(request, "preparing.html", {**how_far, "back": reverse("results")}, status=202)
    return HttpResponse(status=204) if asked else zipped.response()


@require_POST
def claim(request: HttpRequest) -> HttpResponse:
    """Keep in the account what this browser made before, or stop asking for as long as this sign-in lasts."""
    if request.POST.get("answer") == "leave":
        request.session[LEFT] = str(request.visitor)
        return redirect("results")
    try:
        claim_results(user=request.user, visitor=request.visitor)
    except Refused as refusal:
        return refused(request, refusal)
    return redirect("results")


def _mine(request: HttpRequest) -> QuerySet[Job]:
    return Job.objects.visible_to(request.user, request.visitor)


def _found(request: HttpRequest, asked: QueryDict) -> QuerySet[Job]:
    """The newest result of each image of the caller, narrowed and sorted as asked; what is unknown is as if not asked.

    asked: "q", words that must be in the names of image or sample; "state"; "sample", its id or "none"; "sort".
    """
    newer = Q(created__gt=OuterRef("created")) | Q(created=OuterRef("created"), pk__gt=OuterRef("pk"))
    found = _mine(request).filter(~Exists(_mine(request).filter(newer, micrograph=OuterRef("micrograph"))))
    for word in asked.get("q", "")[:LONGEST].split():
        found = found.filter(Q(micrograph__name__icontains=word) | Q(sample__name__icontains=word))
    if (state := asked.get("state")) in STATES:
        found = found.filter(state__in=Job.UNFINISHED if state == UNDER_WAY else (state,))
    # An image belongs to a sample of the caller's also where it was analysed again by itself.
    pooled = _mine(request).filter(micrograph=OuterRef("micrograph"), sample__isnull=False)
    if asked.get("sample") == NO_SAMPLE:
        found = found.filter(~Exists(pooled))
    elif sample := to_uuid(asked.get("sample", "")):
        found = found.filter(Exists(pooled.filter(sample=sample)))
    sort = _sort(asked)
    order = [
        each.desc(nulls_last=True) if sort.startswith("-") else each.asc(nulls_last=True)
        for each in ORDERS[sort.removeprefix("-")]
    ]
    return found.select_related("micrograph", "sample").order_by(*order, "-created", "pk")


def _sort(asked: QueryDict) -> str:
    return asked["sort"] if asked.get("sort") in SORTS else "-made"


def _heads(asked: QueryDict) -> list[dict[str, Any]]:
    """The heads of the table, each a link that sorts by its column, or the other way round where that is so already."""
    now = _sort(asked)
    heads = []
    for name, (title, number, first) in HEADS.items():
        query = asked.copy()
        query.pop("page", None)
        query["sort"] = first if now != first else first.removeprefix("-") if first.startswith("-") else f"-{first}"
        sorted_by = {name: "ascending", f"-{name}": "descending"}.get(now, "")
        heads.append({"title": title, "number": number, "query": query.urlencode(), "sorted": sorted_by})
    return heads


def _older(request: HttpRequest, newest: Iterable[Job]) -> dict[Any, list[dict[str, Any]]]:
    """The earlier revisions of the images of these jobs, the newest first, by micrograph."""
    heads = list(newest)
    others = _mine(request).filter(micrograph__in=[job.micrograph_id for job in heads]).select_related("micrograph")
    found = defaultdict(list)
    for job in others.exclude(pk__in=[job.pk for job in heads]).order_by("-created", "-pk"):
        found[job.micrograph_id].append({"job": job, "state": capital(job.get_state_display()), **_numbers(job)})
    return found


def _archives(request: HttpRequest) -> list[Micrograph]:
    """Archives of images for single analyses that are being unpacked, or that left something out."""
    mine = Micrograph.objects.visible_to(request.user, request.visitor).filter(is_archive=True, sample=None)
    asked = mine.exclude(asked={}).order_by("created")
    return [archive for archive in asked if not archive.is_finished or archive.notes or archive.error]


def _samples(request: HttpRequest) -> list[tuple[str, str]]:
    mine = Sample.objects.visible_to(request.user, request.visitor).order_by("-created", "pk")
    return [(str(pk), name) for pk, name in mine.values_list("pk", "name")[:MOST_SAMPLES]]


def _numbers(job: Job) -> dict[str, Any]:
    done = job.is_done
    statistics = job.summary.get("statistics") if done else None
    screened = statistics and statistics.get("screened", True)
    return {
        "kept": statistics["n_kept"] if statistics and screened else "",
        "median": main_number(job.summary).removeprefix("median ") if done else "",
        "unscaled": bool(statistics and statistics["n_kept"]) and not is_scaled(job.summary),
        "warning": warning_of(job) if done else "",
    }


def _row(job: Job, picture: str | None) -> dict[str, Any]:
    preview = reverse("upload-preview", args=[job.micrograph_id]) if job.micrograph.preview else ""
    return {
        "job": job,
        "active": not job.is_finished,
        "state": capital(job.get_state_display()),
        "per_cent": round(100 * job.progress),
        "picture": picture or preview,
        **_numbers(job),
    }


def _ticked(request: HttpRequest) -> list[Job]:
    """The results of the caller that the form names, or all that its filter finds."""
    if request.POST.get("all"):
        return list(_found(request, QueryDict(request.POST.get("query", ""))).defer("summary"))
    named = ",".join(request.POST.getlist("job")).split(",")
    ids = [pk for pk in map(to_uuid, named) if pk]
    mine = _mine(request).filter(pk__in=ids).select_related("micrograph", "sample")
    return list(mine.defer("summary").order_by("-created", "pk"))


def _compare(request: HttpRequest, heads: list[Job]) -> HttpResponse:
    """The older one first."""
    if len(heads) != 2:
        return refused(request, Refused(TWO), reverse("results"))
    second, first = sorted(heads, key=lambda job: job.created, reverse=True)
    return see_other(f"{reverse('compare')}?a={first.pk}&b={second.pk}")


def _sample(request: HttpRequest, heads: list[Job]) -> HttpResponse:
    name = f"{heads[-1].micrograph.name} and {len(heads) - 1} more" if len(heads) > 1 else heads[0].micrograph.name
    try:
        made = sample_of_results(name=name, jobs=heads[::-1], token=request.POST.get("token", ""), **sender(request))
    except Refused as refusal:
        return refused(request, refusal, reverse("results"))
    return see_other(reverse("sample-page", args=[made.pk]))


def _again(request: HttpRequest, heads: list[Job]) -> HttpResponse:
    """Each once more with another model, as a revision; first the model is asked for."""
    if "model" not in request.POST:
        context = {
            "names": [job.micrograph.name for job in heads],
            "jobs": ",".join(str(job.pk) for job in heads),
            "models": models_by_task(request.user),
            "back": reverse("results"),
        }
        return render(request, "trainings/choose.html", context)
    return start_again(request, request.POST.get("model", "")[:100], heads[::-1], reverse("results"))


def _table(request: HttpRequest, heads: list[Job]) -> HttpResponse:
    """All objects of the results as CSV."""
    pieces = combined_table(heads[::-1])
    first = next(pieces, None)
    if first is None:
        return refused(request, Refused(NO_FILES, 409), reverse("results"))
    response = StreamingHttpResponse(chain([first], pieces), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="objects.csv"'
    response["Cache-Control"] = "private, no-store"
    return response


def _delete(request: HttpRequest, heads: list[Job]) -> HttpResponse:
    """Each with all revisions of its image, once that has been confirmed."""
    query = request.POST.get("query", "")
    back = reverse("results") + (f"?{query}" if query else "")
    every = list(_mine(request).filter(micrograph__in={job.micrograph_id for job in heads}))
    if "sure" in request.POST:
        stay = _deleted(every)
        count = len([job for job in heads if job.micrograph_id not in stay])
        if count:
            messages.success(request, f"{count} {'result is' if count == 1 else 'results are'} deleted.")
        if stay:
            messages.warning(request, KEPT)
        return redirect(back)
    revisions = len(every) - len(heads)
    sampled = len({job.micrograph_id for job in every if job.sample_id is not None})
    said = [
        f"{'The result' if len(heads) == 1 else f'These {len(heads)} results'} and all files will be deleted.",
        f"So will {revisions} earlier revision{'' if revisions == 1 else 's'}." if revisions else "",
        f"{sampled} of them {'belongs' if sampled == 1 else 'belong'} to a sample, which will be pooled again."
        if sampled
        else "",
    ]
    question = "Delete this result?" if len(heads) == 1 else f"Delete {len(heads)} results?"
    return ask_to_delete(
        request,
        question,
        " ".join(filter(None, said)),
        back=back,
        names=[job.micrograph.name for job in heads],
        hidden=[("do", "delete"), ("sure", "yes"), ("query", query), ("job", ",".join(str(job.pk) for job in heads))],
    )


def _deleted(jobs: list[Job]) -> set[Any]:
    """Delete jobs; the micrographs of signed ones, which stay."""
    stay = set()
    for job in jobs:
        try:
            delete_job(job=job)
        except Refused:
            stay.add(job.micrograph_id)
    return stay
