"""Every address of the site with every kind of caller: nothing breaks, and nobody gets what is not his."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from segmentation.models import Dataset, DatasetImage, Sample, Token, Training, Webhook
from segmentation.services import tokens
from tests.web.finished import FILES, SUMMARY

from .test_jobs import basic, secret

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
UNSAFE = ("post", "put", "patch", "delete")
WORDS = {"name": "figure.png", "which": "1", "rest": "nothing/here", "kind": "csv"}


def routes(patterns=None, before=""):
    """Every address as it stands in the URL conf, but the admin's, which is Django's own."""
    for each in get_resolver().url_patterns if patterns is None else patterns:
        route = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from () if route == "admin/" else routes(each.url_patterns, route)
        elif isinstance(each, URLPattern):
            yield route.replace("<uuidstr:", "<uuid:")  # of django-ninja


ADDRESSES = sorted(set(routes()))
API = [each for each in ADDRESSES if each.startswith("api/v1/") and each not in ("api/v1/", "api/v1/docs")]
PAGES = [each for each in ADDRESSES if not each.startswith("api/")]


@pytest.fixture
def cast(alice, charlie, make_job, make_micrograph, settings):
    """What Alice has, by the part of an address before its id; and the headers of each caller."""
    settings.AXES_FAILURE_LIMIT = settings.DEEPSEGM_TOKEN_REQUESTS_PER_MINUTE = 10**6
    job = make_job(owner=alice, state="done", summary=SUMMARY, files=FILES, attempt=1)
    sample = Sample.objects.create(owner=alice, name="a", settings=job.settings, submission="s", state="done")
    make_job(owner=alice, state="done", summary=SUMMARY, sample=sample, attempt=1)
    dataset = Dataset.objects.create(owner=alice, name="a", task="particles")
    image = DatasetImage.objects.create(dataset=dataset, name="a.png", sha256="a" * 64, by=alice)
    training = Training.objects.create(owner=alice, dataset=dataset, base="particles", state="failed")
    webhook = Webhook.objects.create(owner=alice, url="https://lab.example.org/", secret="whsec_YWJj")
    own = {"jobs": job, "samples": sample, "uploads": job.micrograph, "datasets": dataset, "trainings": training}
    own |= {"images": image, "webhooks": webhook, "samples/images": sample.jobs.get()}

    def token(user, read_only=False, **fields):
        row, text = tokens.create_token(user=user, name="t", days=30, read_only=read_only, pk=uuid4())
        Token.objects.filter(pk=row.pk).update(**fields)
        own["tokens"] = row
        return secret(text)

    yesterday = timezone.now() - timedelta(days=1)
    callers = {
        "nobody": {},
        "stranger": basic("charlie"),
        "stranger's token": token(charlie),
        "expired": token(alice, expires=yesterday),
        "revoked": token(alice, revoked=yesterday),
        "read-only": token(alice, read_only=True),
        "owner": basic("alice"),
        "owner's token": token(alice),
    }
    return own, callers


def filled(route, own):
    """An address with the ids of what there is."""
    for kind, name in re.findall(r"<(?:(\w+):)?(\w+)>", route):
        before = route.split("<", 1)[0].strip("/").split("/")
        near = before[-1] if before[-1] in own else ""
        both = f"{before[-4] if len(before) > 3 else before[0]}/{near}"
        value = own.get(both) or own.get(near)
        value = value.pk if kind == "uuid" and value else uuid4() if kind == "uuid" else 0 if kind == "int" else ""
        value = value if value != "" else WORDS.get(name, "particles")
        route = re.sub(r"<(?:\w+:)?\w+>", str(value), route, count=1)
    return "/" + route


def ask(method, address, headers):
    """The status of an answer; what the request changed is taken back."""
    client = Client(raise_request_exception=False)
    bodies = [{"data": "{}", "content_type": "application/json"}] if method in UNSAFE else [{}]
    bodies = [{"data": {}}] if method == "post" and not address.startswith("/api/") else bodies
    found = set()
    for body in bodies:
        with transaction.atomic():
            response = getattr(client, method)(address, headers=headers, **body)
            found.add(response.status_code)
            if response.streaming:
                b"".join(response.streaming_content)
            response.close()
            transaction.set_rollback(True)
    return found


def test_the_list_is_whole():
    assert {"api/v1/jobs", "api/v1/jobs/<uuid:pk>", "api/v1/samples/<uuid:pk>/cancel", "api/v1/me"} <= set(API)
    assert {"", "jobs/<uuid:pk>/", "account/"} <= set(PAGES)


def test_the_ids_of_what_there_is_are_found(cast):
    own, _ = cast
    job, sample = own["jobs"].pk, own["samples"].pk
    assert filled("api/v1/jobs/<uuid:pk>/files/<str:name>", own) == f"/api/v1/jobs/{job}/files/figure.png"
    member = own["samples/images"].pk
    assert filled("samples/<uuid:pk>/images/<uuid:job>/", own) == f"/samples/{sample}/images/{member}/"


@pytest.mark.parametrize("route", API)
def test_scripts(cast, route):
    own, callers = cast
    address = filled(route, own)
    for method in ("get", *UNSAFE):
        if ask(method, address, callers["owner's token"]) == {405}:
            continue
        told = {caller: ask(method, address, headers) for caller, headers in callers.items()}
        assert not any(500 in each for each in told.values()), (method, told)
        assert told["expired"] == told["revoked"] == {401}, (method, told)
        assert told["owner's token"] == told["owner"], (method, told)
        if method in UNSAFE:
            assert told["read-only"] == {403}, (method, told)
        else:
            assert told["read-only"] == told["owner"], (method, told)
        if "<uuid:" in route:
            assert told["nobody"] | told["stranger"] | told["stranger's token"] <= {401, 404}, (method, told)


@pytest.mark.parametrize("route", PAGES)
def test_pages_know_no_tokens(cast, route):
    own, callers = cast
    address = filled(route, own)
    for method in ("get", "post"):
        nobody = ask(method, address, {})
        assert nobody != {500}
        for caller in ("owner's token", "read-only", "expired", "stranger's token"):
            assert ask(method, address, callers[caller]) == nobody, (method, caller)


def test_a_token_opens_no_account_page(cast):
    response = Client().get("/account/", headers=cast[1]["owner's token"])
    assert response.status_code == 302 and "login" in response["Location"]


def test_what_is_not_there_asks_who_calls(cast):
    callers = cast[1]
    for method in ("get", *UNSAFE):
        assert ask(method, "/api/v1/tokens", callers["owner's token"]) == {404}
        assert ask(method, "/api/v1/tokens", callers["expired"]) == {401}
