"""Addresses behind proxies, the visitor's cookie, the closed site, the content-security policy."""

from __future__ import annotations

from urllib.parse import urlsplit
from uuid import UUID

import pytest
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import AnonymousUser
from django.http import HttpResponse

from segmentation import middleware
from segmentation.services.access.site_address import printed_address

PROXY, WORLD = "10.0.0.1", "203.0.113.7"


def seen(rf, address, **headers):
    """The request as views see it."""
    request = rf.get("/", REMOTE_ADDR=address, **headers)
    middleware.TrustedProxies(lambda request: HttpResponse())(request)
    return request


@pytest.mark.parametrize(
    ("address", "forwarded", "visitor"),
    [(WORLD, "", WORLD), (WORLD, "198.51.100.1", WORLD), (PROXY, "198.51.100.1", "198.51.100.1"),
     (PROXY, "invented, 198.51.100.1", "198.51.100.1"), (PROXY, "198.51.100.1, 10.9.9.9", "198.51.100.1"),
     (PROXY, "10.9.9.9", "10.9.9.9"), (PROXY, "", PROXY), ("", "198.51.100.1", "")],
)  # fmt: skip
def test_the_visitors_own_address(rf, settings, address, forwarded, visitor):
    settings.DEEPSEGM_TRUSTED_PROXIES = ["10.0.0.0/8"]
    assert seen(rf, address, HTTP_X_FORWARDED_FOR=forwarded).META["REMOTE_ADDR"] == visitor


def test_nobody_but_our_proxy_says_that_a_request_came_by_https(rf, settings):
    settings.DEEPSEGM_TRUSTED_PROXIES = ["10.0.0.0/8"]
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert seen(rf, PROXY, HTTP_X_FORWARDED_PROTO="https").is_secure()
    assert not seen(rf, WORLD, HTTP_X_FORWARDED_PROTO="https").is_secure()


def visit(rf, view, cookie=None):
    request = rf.get("/")
    request.user = None
    if cookie:
        request.COOKIES[middleware.VISITOR_COOKIE] = cookie
    return request, middleware.Visitor(view)(request)


def test_a_visitor_gets_a_number_only_when_something_is_made(rf):
    request, response = visit(rf, lambda request: HttpResponse())
    assert request.visitor is None and not response.cookies
    made = []
    _, response = visit(rf, lambda request: made.append(middleware.sender(request)["visitor"]) or HttpResponse())
    cookie = response.cookies["visitor"]
    assert cookie["httponly"] and cookie["samesite"] == "Lax" and cookie["max-age"] > 10**7
    request, _ = visit(rf, lambda request: HttpResponse(), cookie.value)
    assert request.visitor == made[0] and isinstance(made[0], UUID)


def test_a_number_that_was_tampered_with_is_no_number(rf):
    made = []
    _, response = visit(rf, lambda request: made.append(middleware.sender(request)["visitor"]) or HttpResponse())
    value = response.cookies["visitor"].value
    for bad in (value[:-1] + ("A" if value[-1] != "A" else "B"), str(made[0]), "", "x:y:z"):
        assert visit(rf, lambda request: HttpResponse(), bad)[0].visitor is None


def test_an_address_is_kept_only_as_a_keyed_hash(settings):
    first = middleware.hash_address(WORLD)
    assert first == middleware.hash_address(WORLD) and WORLD not in first and len(first) == 64
    assert first != middleware.hash_address(PROXY)
    assert middleware.hash_address("") == ""
    settings.SECRET_KEY = "another"
    assert first != middleware.hash_address(WORLD)


def test_the_closed_site(rf, settings, alice):
    def view(request):
        return HttpResponse()

    def ask(view, user):
        request = rf.get("/results/")
        request.user = user
        return middleware.RequireLogin(view).process_view(request, view, (), {})

    assert ask(view, AnonymousUser()) is None
    settings.DEEPSEGM_REQUIRE_LOGIN = True
    assert ask(view, AnonymousUser()).url == "/accounts/login/?next=/results/"
    for page, after in (("http://testserver/samples/7/?page=2", "/samples/7/"), ("https://elsewhere.example/x/", "/")):
        form = rf.post("/samples/7/add/", headers={"Referer": page})  # an address that answers no GET
        form.user = AnonymousUser()
        assert middleware.RequireLogin(view).process_view(form, view, (), {}).url == f"/accounts/login/?next={after}"
    assert ask(view, alice) is None
    assert ask(login_not_required(lambda request: HttpResponse()), AnonymousUser()) is None


@pytest.mark.django_db
def test_every_address_of_the_closed_site_asks_for_sign_in_but_the_few(client, settings, make_job):
    settings.DEEPSEGM_REQUIRE_LOGIN = True
    job = make_job()
    for address in (
        "/",
        "/results/",
        "/help/",
        "/models/",
        f"/jobs/{job.pk}/",
        f"/uploads/{job.micrograph_id}/preview.png",
    ):
        assert client.get(address).status_code == 302, address
    for address in ("/healthz", "/accounts/login/"):
        assert client.get(address).status_code == 200, address


@pytest.mark.django_db
def test_every_page_carries_the_policy(client):
    policy = client.get("/")["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy


@pytest.mark.django_db
def test_files_name_the_site_as_the_staff_last_did(client, admin_client, settings, make_job):
    job = make_job()
    assert printed_address(job) == ""
    settings.ALLOWED_HOSTS = ["lab-pc"]
    used = {"HTTP_HOST": "lab-pc:8000"}
    admin_client.get("/", **used)  # a probe or a reader changes nothing, nor do strangers and who is refused
    assert client.post("/accounts/logout/", **used).status_code == 302
    assert admin_client.post("/", **used).status_code == 400
    assert printed_address(job) == ""
    assert admin_client.post(f"/jobs/{job.pk}/cancel/", HTTP_HOST="elsewhere").status_code == 400
    assert admin_client.post(f"/jobs/{job.pk}/cancel/", **used).status_code == 303
    assert printed_address(job) == f"http://lab-pc:8000/{job.folder}/"
    settings.DEEPSEGM_URL = urlsplit("https://sem.example.org")
    assert printed_address(job) == f"https://sem.example.org/{job.folder}/"
