"""The page that compares two results (numbers, distributions, differing objects), and the chart of the distributions
of several results."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django_htmx.http import HttpResponseClientRefresh

from ..core.analysis import AnalysisSettings
from ..core.report.wording import calibration_words
from ..http.access import address_of, refusal_page, reload_if_gone, visible
from ..http.serving import files_of
from ..models import Job, Sample
from ..models.jobs import Compared
from ..presenters.comparison import ComparedResults
from ..presenters.listing import cards, distribution_chart
from ..presenters.sample import PooledResult
from ..presenters.stored import headline, numbers_of
from ..services.ground.refusal import Refused
from ..services.results.comparisons import comparison_group, comparison_of, result_for
from .forms import to_uuid
from .job.revisions import revisions, setting_changes

MOST_OFFERED = 100  # newest results, and as many samples, among which the second result is chosen
MOST_OVERLAID = 8  # distributions in one chart
TOO_MANY = f"At most {MOST_OVERLAID} results fit over each other: select fewer."
NO_RESULT = "The address names no result to compare: choose two in My results."


@reload_if_gone
def compare(request: HttpRequest) -> HttpResponse:
    """The comparison of two results. Query: a and b, the ids of both; a alone shows a list of results to compare it
    with; r, several times, shows the distributions of several results in one chart."""
    if several := request.GET.getlist("r"):
        return _overlay(request, [pk for pk in map(to_uuid, several) if pk])
    ids = [to_uuid(request.GET.get(name, "")) for name in ("a", "b")]
    if ids[0] is None or (ids[1] is None and request.GET.get("b")):
        return refusal_page(request, Refused(NO_RESULT), reverse("results"))
    try:
        first_result = visible(request, result_for(ids[0]))
        if ids[1] is None:
            return _choose(request, first_result)
        second_result = visible(request, result_for(ids[1]))
        row = comparison_of(first_result, second_result)
    except Refused as refusal:
        return HttpResponseClientRefresh() if request.htmx else refusal_page(request, refusal, address_of(first_result))
    results = ComparedResults(row)
    if request.htmx and row.is_finished:
        return HttpResponseClientRefresh()
    if request.htmx:
        return render(request, "compare/_status.html", {"compared": results})
    image_revisions = revisions(first_result, request.user, request.visitor) if isinstance(first_result, Job) else []
    versions = {version.job.pk: version.number for version in image_revisions if len(image_revisions) > 1}
    sides = [
        _side(side, letter) | {"version": versions.get(side.pk)}
        for side, letter in ((first_result, "A"), (second_result, "B"))
    ]
    differs = setting_changes(_used_settings(second_result), _used_settings(first_result))
    context = {"compared": results, "sides": sides, "viewed": all(side["files"] for side in sides), "differs": differs}
    return render(request, "compare/compare.html", context)


def _used_settings(side: Compared) -> AnalysisSettings:
    """The settings of a result, with the names of the models that were really used, also if the choice was
    automatic."""
    settings = AnalysisSettings.from_dict(side.settings)
    is_counted = {"state": Job.State.DONE, "included": True}
    jobs = Job.objects.filter(pk=side.pk) if isinstance(side, Job) else side.members.filter(**is_counted)
    names = {*jobs.with_stored("model_used").values_list("model_used", flat=True)} - {None}
    return settings.replaced(model=", ".join(sorted(names))) if names else settings


def _overlay(request: HttpRequest, ids: list[UUID]) -> HttpResponse:
    """The page with the distributions of several results in one chart."""
    if len(ids) > MOST_OVERLAID:
        return refusal_page(request, Refused(TOO_MANY, 422), reverse("results"))
    sides = [visible(request, result_for(pk)) for pk in ids]
    request.back = reverse("results")
    rows = cards([("sample" if isinstance(side, Sample) else "job", side.pk) for side in sides])
    return render(request, "compare/several.html", {"chart": distribution_chart(sides), "rows": rows})


def _side(side: Compared, letter: str) -> dict[str, Any]:
    """One of the two results, for templates. "files": addresses of files for the viewer; None for a sample."""
    context = {"letter": letter, "name": side.name, "page": address_of(side), "files": None, "row": side}
    context |= {"warning": side.stored.warning}
    if isinstance(side, Sample):
        return context
    further = ["image.webp"] if side.micrograph.viewer_image else []
    files = files_of(side, "image", side.settings["task"], "artifact", further)["files"]
    return {
        **context,
        "files": files if "outlines_json" in files else None,
        "pixel": side.calibration.nm_per_pixel,
        "scale": calibration_words(side.calibration, detail=False),
        "corrected": side.stored.corrections["outlines"],
    }


def _choose(request: HttpRequest, first_result: Compared) -> HttpResponse:
    """The page to choose the second result: other versions of the image, samples, the newest result of other images."""
    kind, caller = comparison_group(first_result), (request.user, request.visitor)
    jobs = Job.objects.visible_to(*caller).filter(state=Job.State.DONE).select_related("micrograph")
    newest = list(jobs.order_by("-created", "pk")[:MOST_OFFERED])
    others = {job.micrograph_id: job for job in newest[::-1] if comparison_group(job) == kind}
    versions = revisions(first_result, *caller) if isinstance(first_result, Job) else []
    versions = [
        version
        for version in versions
        if version.job.is_done and comparison_group(version.job) == kind and version.job.pk != first_result.pk
    ]
    samples = Sample.objects.visible_to(*caller).filter(state=Sample.State.DONE).exclude(pk=first_result.pk)
    others.pop(getattr(first_result, "micrograph_id", None), None)
    groups = [
        ("Other versions of this image", [_choice(version.job, f"version {version.number}") for version in versions]),
        ("Samples", [_choice(sample) for sample in samples[:MOST_OFFERED] if comparison_group(sample) == kind]),
        ("Other results", [_choice(other) for other in reversed(others.values())]),
    ]
    groups.sort(key=lambda group: isinstance(first_result, Sample) and group[0] != "Samples")
    groups = [(title, choices) for title, choices in groups if choices]
    return render(request, "compare/choose.html", {"first": _side(first_result, "A"), "groups": groups})


def _choice(side: Compared, version: str = "") -> dict[str, Any]:
    """One entry of the list: id and words of a result."""
    number = headline(numbers_of(side.stored) if isinstance(side, Job) else PooledResult(side))
    words = (side.name, version, number, f"{side.created:%-d %b %Y, %H:%M}")
    return {"pk": side.pk, "words": ", ".join(filter(None, words))}
