"""The page of Quality, with all methods, charts and reference materials; the page of one method with its versions, and
the forms that change them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ...core.names import clean_text, portable_name
from ...core.quality.reference import ReferenceMaterial
from ...http.access import address_of, row_of, see_other, visible
from ...models import ControlChart, Job, Method, MethodVersion, Reference
from ...services.access.links import check_open
from ...services.ground.refusal import Refused
from ...views.forms import LONGEST_TEXT, to_uuid
from ..control_charts.pages import form_for
from ..control_charts.words import ChartView
from ..limits.words import certificate_facts
from . import services as service
from .forms import MethodForm
from .words import MethodView, address_of_version, method_of, version_of

NO_RESULT = "This result is gone: open another one, and save that as a method."
MOST_LOGGED = 100  # entries of the log on the page of a method
NO_METHOD = "This method is gone: choose another one, or save a new one."


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def methods(request: HttpRequest) -> HttpResponse:
    """The page of Quality, for accounts. POST saves a finished result as a method or as its next version, or makes the
    demo method."""
    if request.method == "POST":
        is_demo = "demo" in request.POST
        version = service.make_demo(user=request.user) if is_demo else _save_version(request)
        return see_other(address_of_version(version))
    if not request.user.is_authenticated:
        raise Refused(service.SIGN_IN, 401)
    return quality(request)


@require_safe
@never_cache
def quality(request: HttpRequest) -> HttpResponse:
    """The methods, control charts and reference materials of the caller; what needs attention first."""
    methods = Method.objects.visible_to(request.user)
    rows = [(row, row.versions.all()[0]) for row in methods.with_versions()]
    drawn = ControlChart.objects.filter(method__in=methods).select_related("method").prefetch_related("points")
    charts = [ChartView(chart, chart.points.all()) for chart in drawn]
    references = Reference.objects.listed_for(request.user, request.visitor).order_by("name")
    context = {
        "attention": list(_attention(request.user, [version for _, version in rows], charts)),
        "rows": rows,
        "charts": charts,
        "references": [(row, certificate_facts(ReferenceMaterial.read(row.material))[0][1]) for row in references],
    }
    return render(request, "quality.html", context)


def _attention(
    user: Any, versions: Iterable[MethodVersion], charts: Iterable[ChartView]
) -> Iterator[tuple[str, str, str]]:
    """What waits for the caller: a title, its address, and a sentence."""
    for chart in charts:
        waiting = sum(point.needs_agreement for point in chart.points)
        if chart.is_out_of_control:
            yield chart.title, address_of(chart.row), chart.sentence
        if waiting:
            yield chart.title, address_of(chart.row), f"Points that wait for a yes: {waiting}."
    for version in versions:
        if version.state == MethodVersion.State.DRAFT and service.may_approve(version, user):
            yield version.title, address_of_version(version), "It waits for your approval."


def _save_version(request: HttpRequest) -> MethodVersion:
    """Save a result as a version. Fields: job, its id; method, the id of a method that gets a version, or "" for a new
    method; name and group of a new method."""
    pk = to_uuid(request.POST.get("job", ""))
    job = row_of(Job, pk) if pk else None
    if job is None:
        raise Refused(NO_RESULT, 404)
    visible(request, job)
    check_open(job, request.user, request.visitor)
    method = None
    if method_id := request.POST.get("method", ""):
        method = Method.objects.visible_to(request.user).filter(pk=to_uuid(method_id)).first()
        if method is None:
            raise Refused(NO_METHOD, 404)
    name, group = (clean_text(request.POST.get(field, ""), LONGEST_TEXT) for field in ("name", "group"))
    fields = {"name": name, "group": group, "method": method, "reason": request.POST.get("reason", "")}
    return service.save_as_method(job=job, user=request.user, **fields)


@require_safe
@never_cache
def method(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The page of a version of a method: ?version=NUMBER, otherwise the newest."""
    number = request.GET.get("version", "")
    return _page(request, version_of(request, pk, number) if number else service.newest_version(method_of(request, pk)))


@sensitive_post_parameters("password")
@require_POST
def approve(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Approve the draft that was shown, with the password once more."""
    version = version_of(request, pk, request.POST.get("version", ""))
    password, checksum = (request.POST.get(name, "") for name in ("password", "checksum"))
    try:
        service.approve_version(version=version, request=request, password=password, checksum=checksum)
    except Refused as refusal:
        return _page(request, version, approve_error=refusal.sentence, status=refusal.status)
    return see_other(address_of_version(version))


@require_POST
def withdraw(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Withdraw an approved version, with a reason."""
    version, reason = version_of(request, pk, request.POST.get("version", "")), request.POST.get("reason", "")
    try:
        service.withdraw_version(version=version, user=request.user, reason=reason)
    except Refused as refusal:
        return _page(request, version, withdraw_error=refusal.sentence, reason=reason, status=refusal.status)
    return see_other(address_of_version(version))


@require_POST
def change(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Change the requirements of a method other than its settings: in its draft, or as the next version."""
    row = method_of(request, pk)
    last = service.newest_version(row)
    form = MethodForm(request.POST, service.read_description(last))
    if not form.is_valid():
        return _page(request, last, form=form, status=400)
    try:
        reason = request.POST.get("reason", "")
        version = service.change_method(method=row, description=form.description, user=request.user, reason=reason)
    except Refused as refusal:
        form.add_error(None, refusal.sentence)
        return _page(request, last, form=form, status=refusal.status)
    return see_other(address_of_version(version))


@require_POST
def discard(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Delete a draft; if it is the only version, its method is deleted, too."""
    version = version_of(request, pk, request.POST.get("version", ""))
    request.back = address_of_version(version)
    stays = service.delete_draft(version=version, user=request.user)
    return see_other(reverse("method", args=[pk]) if stays else reverse("methods"))


@require_safe
@never_cache
def file(request: HttpRequest, pk: UUID, number: int) -> HttpResponse:
    """A version as JSON, for the command line and the files of the laboratory."""
    version = version_of(request, pk, str(number))
    text = json.dumps(version.written.as_dict(), indent=2, ensure_ascii=False) + "\n"
    name = f"{portable_name(f'{version.method.name} version {number}')}.json"
    headers = {"Content-Disposition": content_disposition_header(True, name)}
    return HttpResponse(text, "application/json", headers=headers)


def _page(request: HttpRequest, version: MethodVersion, *, status: int = 200, **extra: Any) -> HttpResponse:
    """The page of a version. extra: further entries of the context, from a form that was refused."""
    row = version.method
    versions = list(row.versions.defer("description"))
    context = {
        "method": row,
        "version": version,
        "versions": versions,
        "may_change": row.is_changeable_by(request.user),
        "may_approve": service.may_approve(version, request.user),
        "may_withdraw": row.may_be_approved_by(request.user),
        "is_own": row.may_be_approved_by(request.user) and not service.may_approve(version, request.user),
        "needs_reason": version.state != MethodVersion.State.DRAFT or version.has_results,
        "charts": [ChartView(chart, chart.points.all()) for chart in row.charts.select_related("method")],
        "log": service.log_of(row)[:MOST_LOGGED] if row.is_changeable_by(request.user) else [],
        "results": version.jobs.filter(state=Job.State.DONE).count(),
    }
    try:
        description = version.written.read()
        context |= {"view": MethodView(description), "changes": service.changes_of(version)}
        is_form_shown = version == versions[0] and context["may_change"]
        context |= {"form": MethodForm(None, description)} if is_form_shown else {}
        context |= {"chart_form": form_for(request, row)} if context["may_change"] else {}
    except (ValueError, Refused) as error:
        context |= {"unreadable": str(error)}
    return render(request, "methods/method.html", {**context, **extra}, status=status)
