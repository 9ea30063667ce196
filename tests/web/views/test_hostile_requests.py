"""Addresses and headers that nobody types by accident: a sentence with the right status, never a traceback."""

from __future__ import annotations

import base64
import logging
from unittest.mock import Mock
from uuid import UUID, uuid4

import pytest
from django.core.exceptions import BadRequest
from django.db import OperationalError
from django.test import Client

from segmentation.models import Job
from tests.web.finished import FILES, SUMMARY, words
from tests.web.test_every_address import routes

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("reader")]
NUL, LONG = "a%00b", "a" * 3000
HOSTILE = [NUL, "%00", LONG, "%ff%fe", "9" * 30, "..%2f..%2fetc%2fpasswd", "%0d%0aX:%20y", "😀"]


def filled(route: str, value: str) -> str:
    """An address of a route with its parameters filled: ids by a number that nobody has, the rest by `value`."""
    parts = []
    for part in route.split("<"):
        name, closed, rest = part.partition(">")
        kind = name.partition(":")[0]
        parts.append((str(UUID(int=5)) if kind == "uuid" else value) + rest if closed else part)
    return "".join(parts)


@pytest.mark.parametrize(
    ("value", "who"),
    [(NUL, "ada"), (LONG, "nobody"), *(pytest.param(value, "ada", marks=pytest.mark.slow) for value in HOSTILE[1:]),
     pytest.param(NUL, "nobody", marks=pytest.mark.slow)],
)  # fmt: skip
def test_every_route_answers(client, ada, value, who):
    """On PostgreSQL a NUL byte was a 500, in file names above all."""
    if who == "ada":
        client.force_login(ada)
    for route in map("/{}".format, routes()):
        usual, hostile = filled(route, "a"), filled(route, value)
        requests = [(client.get, f"{usual}?q={value}&page={value}&next={value}")]
        requests += [(client.get, hostile), (client.post, hostile)] if hostile != usual else []
        for method, address in requests:
            response = method(address)
            assert response.status_code < 500, (method, address)
            if NUL in address:
                assert response.status_code in (400, 404)


@pytest.mark.parametrize("value", [NUL, LONG, "9" * 30])
def test_files_of_a_result(client, make_job, value):
    job = make_job(state=Job.State.DONE, summary=SUMMARY, files=FILES)
    for address in (f"/jobs/{job.pk}/files/{value}", f"/api/v1/jobs/{job.pk}/files/{value}", f"/static/{value}"):
        assert client.get(address).status_code in (400, 404)


@pytest.mark.parametrize("name", ["a\0b", "n" * 100_000, "\ud800", "", ":"])
@pytest.mark.parametrize("password", ["x", "\0", "p" * 100_000])
def test_names_and_passwords_in_basic_auth(name, password):
    encoded = base64.b64encode(f"{name}:{password}".encode("utf-8", "surrogatepass")).decode()
    response = Client().get(f"/api/v1/jobs/{uuid4()}", headers={"Authorization": f"Basic {encoded}"})
    assert response.status_code == 401
    assert response.json()["error"].endswith(".")


@pytest.mark.parametrize("name", ["login", "password", "next", "csrfmiddlewaretoken"])
def test_nul_bytes_in_the_sign_in_form(client, name):
    assert client.post("/accounts/login/", {"login": "a", "password": "b", name: "a\0b"}).status_code in (200, 403)


@pytest.mark.parametrize("field", ["name", "width", "threshold", "model", "nm_per_pixel", "otherwise_width"])
def test_nul_bytes_in_fields(field, queue):
    from tests.web.api.test_samples import png

    for address in ("/api/v1/jobs", "/api/v1/samples"):
        response = Client().post(address, {"file": png("a\0b.png"), field: "1\0", "token": "\0"})
        assert response.status_code in (202, 400), response.content


@pytest.mark.parametrize("field", ["width", "sample_name", "pages", "token"])
@pytest.mark.parametrize("one_sample", ["", "on"])
def test_nul_bytes_in_the_page_s_form(client, field, one_sample, queue):
    from tests.web.api.test_samples import png

    typed = {"file": png(), "width": "640", "one_sample": one_sample, field: "50\0 nm"}
    assert client.post("/", typed).status_code in (303, 400)


@pytest.mark.parametrize("name", ["sessionid", "visitor", "csrftoken", "messages"])
def test_nul_bytes_in_cookies(name):
    for address in ("/", "/results/", "/api/v1/jobs"):
        response = Client(headers={"Cookie": f'{name}="\\000\\000"'}).get(address)
        assert response.status_code in (400, 405)


class TestJson:
    """Scripts are told everything in JSON."""

    def test_our_own_fault(self, monkeypatch, make_job, caplog):
        monkeypatch.setattr("segmentation.models.Job.position", Mock(side_effect=ZeroDivisionError("secret detail")))
        response = Client(raise_request_exception=False).get(f"/api/v1/jobs/{make_job().pk}")
        assert response.status_code == 500
        assert "our software" in response.json()["error"] and "secret" not in response.json()["error"]
        assert "ZeroDivisionError" in caplog.text

    @pytest.mark.parametrize(
        ("problem", "status", "message"),
        [
            (OperationalError("database or disk is full"), 507, "disk is full"),
            (OperationalError("connection refused"), 503, "database"),
        ],
    )
    def test_trouble_of_the_machine(self, monkeypatch, make_job, client, problem, status, message):
        broken = Mock(side_effect=problem)
        monkeypatch.setattr("segmentation.models.Job.position", broken)
        monkeypatch.setattr("segmentation.views.job.jobs.job_page", broken)
        job = make_job()
        response = client.get(f"/api/v1/jobs/{job.pk}")
        assert response.status_code == status and message in response.json()["error"]
        response = client.get(f"/jobs/{job.pk}/")
        assert response.status_code == status and message in words(response)

    @pytest.mark.parametrize("raised", [BadRequest("x"), RuntimeError("x")])
    def test_before_any_view(self, monkeypatch, raised):
        monkeypatch.setattr("segmentation.middleware.Visitor.__call__", Mock(side_effect=raised))
        client = Client(raise_request_exception=False)
        response = client.get("/api/v1/jobs")
        assert response.status_code == (400 if isinstance(raised, BadRequest) else 500)
        assert response.json()["error"].endswith(".")
        assert client.get("/").status_code == response.status_code

    def test_a_host_name_that_is_not_ours(self, caplog):
        with caplog.at_level(logging.DEBUG):
            response = Client().get("/api/v1/jobs", headers={"Host": "evil.example"})
            page = Client().get("/", headers={"Host": "evil.example"})
        assert (response.status_code, page.status_code) == (400, 400)
        assert response.json()["error"]

    def test_such_names_fill_no_log(self, settings):
        """Each left a traceback of forty lines."""
        logger = settings.LOGGING["loggers"]["django.security.DisallowedHost"]
        assert logger == {"level": "CRITICAL", "propagate": False}


class TestClosedSite:
    """A login-required site answers a page's script with 401, not with a sign-in form."""

    @pytest.fixture(autouse=True)
    def _closed(self, settings):
        settings.DEEPSEGM_REQUIRE_LOGIN = True

    @pytest.mark.parametrize("header", [{"HX-Request": "true"}, {"Sec-Fetch-Dest": "empty"}])
    def test_fragments(self, client, make_job, header):
        for address in (f"/jobs/{make_job().pk}/status/", "/results/"):
            response = client.get(address, headers=header)
            assert (response.status_code, response["HX-Refresh"]) == (401, "true")
            assert b"<form" not in response.content
