"""Every address of the site with every caller and method, compared with the table in every_address.txt.

A new address fails here until it has its lines. `EVERY_ADDRESS=write pytest -m slow tests/web/test_every_address.py`
writes the table anew; read each line that changed before you commit it.
"""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from django.test import Client, override_settings
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from segmentation.core.micrograph.calibration.sources import Source
from segmentation.core.quality.control_chart import ChartPlan
from segmentation.core.quality.method import MethodDescription
from segmentation.models import (
    ChartPoint,
    ControlChart,
    Dataset,
    DatasetImage,
    Method,
    MethodVersion,
    ModelDefault,
    Reference,
    Sample,
    StaffAction,
    Study,
    Token,
    Training,
    Webhook,
)
from segmentation.services.access import links, tokens
from tests.web.finished import FILES, SUMMARY

from .api.test_jobs import secret
from .views.test_references import MATERIAL

TABLE = Path(__file__).with_name("every_address.txt")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
BROWSERS = ("nobody", "link", "owner", "other", "staff", "staff+", "super", "no-2nd")
SCRIPTS = ("token", "reading", "expired", "revoked", "other's")
WORDS = {"which": "1", "address": "nothing/here", "kind": "csv", "app_label": "segmentation"}
HEAD = """# What each caller is answered at each address. Written by test_every_address.py; read by people.
# nobody: without anything. link: with the private link of the result and the sample. owner: who made everything here.
# other: another account. staff: without permissions. staff+: may view, change and delete. super: superuser.
# no-2nd: a superuser without the second factor that the site requires. Then the owner's token, a read-only, an expired,
# a revoked one and another account's; pages know no tokens ("="). A method that is not listed is answered 405 to all,
# and in the admin as GET or POST are.
"""


def routes(patterns: Any = None, before: str = "") -> Iterator[str]:
    """Every address as it stands in the URL conf."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = before + str(pattern.pattern).removeprefix("^").replace("\\Z", "").removesuffix("$")
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route.replace("<uuidstr:", "<uuid:")  # of django-ninja


class Cast:
    """What Alice has, by the part of an address before its id, and who asks."""

    def __init__(self, alice: User, charlie: User, ada: User, make_job: Any, settings: Any) -> None:
        settings.AXES_FAILURE_LIMIT = settings.DEEPSEGM_TOKEN_REQUESTS_PER_MINUTE = 10**6
        settings.ACCOUNT_RATE_LIMITS = False
        settings.DEEPSEGM_METRICS_TOKEN = "m" * 20
        # One client for all: each new one reads its middleware anew, and WhiteNoise then every static file.
        self.client = Client(raise_request_exception=False)
        job = make_job(owner=alice, state="done", summary=SUMMARY, files=FILES, attempt=1)
        sample = Sample.objects.create(owner=alice, name="a", settings=job.settings, submission="s", state="done")
        member = make_job(owner=alice, state="done", summary=SUMMARY, sample=sample, attempt=1)
        dataset = Dataset.objects.create(owner=alice, name="a", task="particles")
        image = DatasetImage.objects.create(dataset=dataset, name="a.png", sha256="a" * 64, by=alice)
        training = Training.objects.create(owner=alice, dataset=dataset, base="particles", state="failed")
        webhook = Webhook.objects.create(owner=alice, url="https://lab.example.org/", secret="whsec_YWJj")
        rows = {"jobs": job, "samples": sample, "uploads": job.micrograph, "datasets": dataset, "trainings": training}
        rows |= {"images": image, "webhooks": webhook, "samples/images": member}
        rows |= {"job": job, "sample": sample, "micrograph": job.micrograph, "dataset": dataset, "training": training}
        rows |= {"webhook": webhook, "user": alice, "group": Group.objects.create(name="microscopists")}
        rows["references"] = Reference.objects.create(owner=alice, name=MATERIAL["name"], material=MATERIAL)
        rows["modeldefault"] = ModelDefault.objects.create(owner=alice, task="particles", model_name="particles")
        rows["methods"] = rows["method"] = Method.objects.create(owner=alice, name="Powder")
        said = MethodDescription.of_result(job.get_settings(), "a" * 64, Source.METADATA)
        fields = {"description": said.as_dict(), "checksum": said.checksum, "author": "alice"}
        MethodVersion.objects.create(method=rows["method"], number=1, **fields)
        plan = ChartPlan().model_dump(mode="json")
        rows["charts"] = ControlChart.objects.create(method=rows["method"], plan=plan)
        point = {"name": "a", "version": 1, "measured": job.created, "value": 1.0, "job": job}
        rows["points"] = ChartPoint.objects.create(chart=rows["charts"], **point)
        study = {"title": "June", "author": "alice", "quantity": "median", "names": ["day"], "rows": []}
        rows["studies"] = rows["study"] = Study.objects.create(method=rows["method"], state="failed", **study)
        rows["staffaction"] = StaffAction.objects.create(account="ada", action="a", kind="k", target="t", name="n")
        self.rows = rows
        plain, permitted = (User.objects.create_user(name, is_staff=True) for name in ("sam", "sue"))
        assert plain
        permitted.user_permissions.set(Permission.objects.filter(content_type__app_label__in=("segmentation", "auth")))
        people = dict(zip(BROWSERS, (None, None, alice, charlie, plain, permitted, ada, ada), strict=True))
        self.cookies = {name: self._cookies(user) for name, user in people.items()}
        self.links = [links.secret_of(links.change_link(row=row, renew=True)) for row in (job, sample)]
        yesterday = timezone.now() - timedelta(days=1)
        self.headers = {
            "token": self._token(alice),
            "reading": self._token(alice, read_only=True),
            "expired": self._token(alice, expires=yesterday),
            "revoked": self._token(alice, revoked=yesterday),
            "other's": self._token(charlie),
        }

    def _cookies(self, user: User | None) -> Any:
        client = Client()
        if user is not None:
            client.force_login(user)
        return client.cookies

    def _token(self, user: User, read_only: bool = False, **fields: Any) -> dict[str, str]:
        row, text = tokens.create_token(user=user, name="t", days=30, read_only=read_only, pk=uuid4())
        Token.objects.filter(pk=row.pk).update(**fields)
        self.rows |= {"tokens": row, "token": row} if user.username == "alice" else {}
        return secret(text)

    def filled(self, route: str) -> str:
        """An address with the ids of what there is."""
        for kind, name in re.findall(r"<(?:(\w+):)?(\w+)>", route):
            before = route.split("<", 1)[0].strip("/").split("/")
            near = before[-1] if before[-1] in self.rows else ""
            row = self.rows.get(f"{before[-4] if len(before) > 3 else before[0]}/{near}") or self.rows.get(near)
            value: Any = row.pk if row is not None and kind in ("uuid", "path", "") and name != "name" else None
            if value is None:
                file = name == "name" and "files/" in route and not route.startswith("models/")
                value = {"uuid": f"{0:032x}", "int": int(name == "number")}.get(
                    kind, "figure.png" if file else WORDS.get(name, "particles")
                )
            route = re.sub(r"<(?:\w+:)?\w+>", str(value), route, count=1)
        return "/" + re.sub(r"\(\?P.*?\)", "segmentation", route)

    def ask(self, method: str, address: str, caller: str) -> int:
        """The status of an answer; what the request changed is taken back."""
        client, headers = self.client, dict(self.headers.get(caller, {}))
        client.cookies = copy.deepcopy(self.cookies.get(caller, self.cookies["nobody"]))
        script = address.startswith("/api/")
        if script and caller in BROWSERS and client.cookies:
            headers["X-Requested-With"] = "DeepSegm"
        if caller == "link":
            address += f"?link={self.links['samples' in address]}"
        required = {"DEEPSEGM_STAFF_SECOND_FACTOR": "required"} if caller == "no-2nd" else {}
        body = {"data": "{}", "content_type": "application/json"} if script else {"data": {}}
        body = {} if method in ("GET", "OPTIONS") else body if script or method == "POST" else {"data": b""}
        with transaction.atomic(), override_settings(**required):
            response = getattr(client, method.lower())(address, headers=headers, **body)
            if response.status_code == 415:  # it takes a form
                response = client.post(address, headers=headers)
            if response.streaming:
                b"".join(response.streaming_content)  # the client then closes it, and leaves the database alone
            transaction.set_rollback(True)
        return response.status_code


def line(cast: Cast, route: str, method: str) -> str:
    """The statuses of all callers, "" where the method is answered 405."""
    address = cast.filled(route)
    if route.startswith("admin/") and method not in ("GET", "POST"):  # the admin takes each of these as one of the two
        assert cast.ask(method, address, "nobody") in (200 if "login" in address else 302, 302, 403, 404, 405), route
        return ""
    if cast.ask(method, address, "owner") == 405:
        nobody = cast.ask(method, address, "nobody")
        assert nobody in (302, 401, 405), (method, route, nobody)
        return ""
    codes = [cast.ask(method, address, caller) for caller in BROWSERS]
    if route.startswith("api/"):
        codes += [cast.ask(method, address, caller) for caller in SCRIPTS]
    elif not route.startswith("admin/"):
        assert cast.ask(method, address, "token") == codes[0], f"{method} {route} knows a token"
    _check(route, method, dict(zip((*BROWSERS, *SCRIPTS), codes, strict=False)))
    return f"  {method:<8}" + "".join(f"{code:<8}" for code in codes).rstrip() + ("" if len(codes) > 8 else "   =")


def _check(route: str, method: str, statuses: dict[str, int]) -> None:
    """What holds for every line, whatever the table says."""
    context = (method, route, statuses)
    assert not any(status >= 500 for status in statuses.values()), context
    opened = {name for name, status in statuses.items() if status < 300}
    if route.startswith("admin/") and "login" not in route and "jsi18n" not in route:
        assert not opened & {"nobody", "link", "owner", "other", "no-2nd"}, context
    if route.startswith("api/v1/") and not route.endswith(("v1/", "docs", "openapi.json")):
        assert statuses["expired"] == statuses["revoked"] == 401, context
        if method not in ("GET", "OPTIONS"):
            assert statuses["reading"] == 403, context
    if "<uuid:" in route:
        assert not opened & {"nobody", "other", "staff", "no-2nd", "expired", "revoked", "other's"}, context
        assert method == "GET" or "link" not in opened or "revisions" in route, context


@pytest.mark.django_db
@pytest.mark.slow
def test_every_address(alice, charlie, ada, make_job, settings, reader):
    cast = Cast(alice, charlie, ada, make_job, settings)
    made = [HEAD, " " * 10 + "".join(f"{caller:<8}" for caller in (*BROWSERS, *SCRIPTS)).rstrip()]
    for route in sorted(set(routes())):
        made += ["", route or "(the start page)"]
        made += [row for method in METHODS if (row := line(cast, route, method))]
    text = "\n".join(made) + "\n"
    if os.environ.get("EVERY_ADDRESS") == "write":
        TABLE.write_text(text)
    stored = TABLE.read_text()
    missing = set(re.findall(r"^(?! |#).+$", text, re.M)) - set(re.findall(r"^(?! |#).+$", stored, re.M))
    assert not missing, f"these addresses are not in {TABLE.name}: {sorted(missing)}"
    assert text == stored
