"""The state of the site for monitors and administrators: health checks, metrics for Prometheus, the status page."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.crypto import get_random_string
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ..core.stages.pace import time_words
from ..models import Job, WorkerProcess
from ..presenters.listing import cards
from ..presenters.progress import STAGES
from ..services.ground import staff_log
from ..services.ground.refusal import Refused
from ..services.upkeep import health

MOST_WORKERS = 50  # on the status page
MOST_LATEST, MOST_MATCHES = 8, 32  # jobs on the status page, without and with a search
LONGEST_SEARCH = 100  # characters of a search
NO_NAME = "Give the name with which the person will sign in."
# Metric of a queue -> attribute of `health.queues`, and what the metric means.
QUEUE_METRICS = {
    "waiting": ("waiting", "Rows that wait."),
    "running": ("running", "Rows at work."),
    "workers": ("workers", "Workers that are alive."),
    "hung": ("hung", "Processes of living workers that gave no sign of life and were ended."),
    "oldest_seconds": ("oldest", "How long the first has waited."),
}


@require_safe
@login_not_required
def healthz(request: HttpRequest) -> JsonResponse:
    """Whether this process can answer requests: whether the database can be read. /readyz has all other checks."""
    if not health.database_answers():
        return JsonResponse({"ok": False, "why": "the database does not answer"}, status=503)
    return JsonResponse({"ok": True})


@require_safe
@never_cache
@login_not_required
def readyz(request: HttpRequest) -> JsonResponse:
    """Every check with its sentence; 503 if pages cannot work. Without a worker or free disk space pages still work,
    and jobs wait."""
    results = health.readiness()
    ready = all(check.ok for check in results if check.needed)
    checks = {check.name: "ok" if check.ok else check.why for check in results}
    answer = {"ok": ready, "degraded": not all(check.ok for check in results), "checks": checks}
    return JsonResponse(answer, status=200 if ready else 503)


@require_safe
@never_cache
@login_not_required
def metrics(request: HttpRequest) -> HttpResponse:
    """Metrics for Prometheus. The request needs the token of DEEPSEGM_METRICS_TOKEN; without that setting: 404."""
    token = settings.DEEPSEGM_METRICS_TOKEN
    if not token:
        raise Http404
    sent_token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not secrets.compare_digest(sent_token.encode(), token.encode()):
        return HttpResponse("Send the token of DEEPSEGM_METRICS_TOKEN as a bearer token.\n", "text/plain", 401)
    return HttpResponse(generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def status(request: HttpRequest) -> HttpResponse:
    """The status page for staff: checks that fail, queues, workers, disk space, the latest jobs or those that match the
    search `q`, and accounts, as far as the caller may view them. POST makes an account for the person `name`."""
    new_account = _invite(request) if request.method == "POST" else None
    q = request.GET.get("q", "")[:LONGEST_SEARCH]
    jobs = Job.objects.filter(
        Q(micrograph__name__icontains=q) | Q(owner__username__icontains=q) | Q(error__icontains=q)
    )
    latest = jobs.order_by("-created", "pk").values_list("pk", flat=True)[: MOST_MATCHES if q else MOST_LATEST]
    queues = [(queue, time_words(queue.oldest) if queue.waiting else "–") for queue in health.queues()]
    context = {
        "wrong": [check for check in health.readiness() if not check.ok],
        "queues": queues,
        "workers": WorkerProcess.objects.order_by("-seen")[:MOST_WORKERS],
        "failures": health.count_failures(),
        "stages": [(STAGES.get(stage, stage), seconds) for stage, seconds in health.slowest_stages()],
        "disk": health.disk_bytes(),
        "cards": cards([("job", pk) for pk in latest]) if request.user.has_perm("segmentation.view_job") else [],
        "q": q,
        "invited": new_account,
        "may_invite": request.user.has_perm("auth.add_user"),
        "people": health.people() if request.user.has_perm("auth.view_user") else [],
    }
    return render(request, "status.html", context)


def _invite(request: HttpRequest) -> tuple[str, str]:
    """Make an account, and return its name and first password, which is shown only once. Raises Refused (422)."""
    request.back = reverse("status")
    if not request.user.has_perm("auth.add_user"):
        raise PermissionDenied
    if not (name := request.POST.get("name", "").strip()):
        raise Refused(NO_NAME, 422)
    person, password = get_user_model()(username=name), get_random_string(14)
    person.set_password(password)
    try:
        person.full_clean()
    except ValidationError as error:
        raise Refused(" ".join(error.messages), 422) from None
    person.save()
    staff_log.note(request.user, "added", person, {}, staff_log.snapshot(person))
    return person.get_username(), password


def _gauge(name: str, words: str, labels: list[str], values: Iterable[tuple[list[str], float]]) -> Metric:
    """A metric with labels. words: its meaning. values: (texts of the labels, value)."""
    family = GaugeMetricFamily(f"deepsegm_{name}", words, labels=labels)
    for labels_of_value, value in values:
        family.add_metric(labels_of_value, value)
    return family


class RowCollector(Collector):
    """The metrics that are counted from rows of the database, at each request."""

    def collect(self) -> Iterator[Metric]:
        """All metrics. Those that database or disk do not give within seconds are left out; the checks are always
        there."""
        numbers = health.site_numbers()
        checks = numbers["checks"]
        yield _gauge(
            "check_ok", "1 if a check of /readyz is passed.", ["check"], (([c.name], float(c.ok)) for c in checks)
        )
        failed = (([check.name, check.why], 1.0) for check in checks if not check.ok)
        yield _gauge("check_failed", "1 for each check that is not passed, with why.", ["check", "why"], failed)
        for name in ("free", "total", "stored"):
            if numbers.get(name) is not None:
                yield GaugeMetricFamily(f"deepsegm_disk_{name}_bytes", f"Bytes, {name}.", value=numbers[name])
        if "states" in numbers:
            rows = (([kind, state], count) for kind, state, count in numbers["states"])
            yield _gauge("rows", "Rows by kind and state.", ["kind", "state"], rows)
        if "queues" in numbers:
            for name, (field, words) in QUEUE_METRICS.items():
                values = (([row.queue], getattr(row, field)) for row in numbers["queues"])
                yield _gauge(f"queue_{name}", words, ["queue"], values)
        if "ended" in numbers:
            by_state = (([state], count) for state, count in numbers["ended"].items())
            yield _gauge("ended_lately", "Analyses that ended in the last hour.", ["state"], by_state)
        if numbers.get("backup"):
            yield GaugeMetricFamily(
                "deepsegm_backup_seconds",
                "Time of the last backup; of a site without any, that of its first migration.",
                value=numbers["backup"],
            )
        if "stages" in numbers:
            stages = (([stage], seconds) for stage, seconds in numbers["stages"])
            yield _gauge("stage_seconds", "Mean seconds a job, of the latest jobs.", ["stage"], stages)

    def describe(self) -> list[Metric]:
        return []  # then registering the collector sends no queries to the database


REGISTRY.register(RowCollector())
