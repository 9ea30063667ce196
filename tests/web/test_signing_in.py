"""Guessing passwords: slowed, locked out for whoever guesses and for nobody else, and never at the pages' cost."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.contrib.auth import authenticate
from django.contrib.auth.models import Permission
from django.test import Client, RequestFactory
from django.utils import timezone

from segmentation import accounts
from segmentation.middleware import hash_address, network_of
from tests.web.api.test_jobs import JOBS, basic

from .finished import words

pytestmark = pytest.mark.django_db
PROXY = "10.0.0.1"


@pytest.fixture(autouse=True)
def _three(settings, monkeypatch):
    settings.AXES_FAILURE_LIMIT = 3
    monkeypatch.setattr(accounts, "_remembered", {})


def form(name="alice", password="wrong", address="192.0.2.1", **headers):
    client = Client(REMOTE_ADDR=address)
    return client.post("/accounts/login/", {"login": name, "password": password}, headers=headers)


def script(name="alice", password="wrong", address="192.0.2.1", **headers):
    return Client(REMOTE_ADDR=address).get(f"{JOBS}/{0:032x}", headers={**basic(name, password), **headers})


@pytest.mark.parametrize("way", [form, script])
def test_a_guesser_is_locked_out_however_he_tries(way, alice):
    assert [way().status_code for _ in range(5)][2:] == [429] * 3
    for locked in (form, script):
        response = locked(password="alice's password")
        assert response.status_code == 429 and "15 minutes" in words(response)
        assert response["Retry-After"] == "900"
    assert Client().post("/admin/login/", {"username": "alice"})["Location"].startswith("/accounts/login/")  # no way in
    assert script(password="alice's password", address="192.0.2.2").status_code == 404  # signed in, and nothing there


def test_the_lock_ends_by_itself_also_under_further_guesses(alice):
    for _ in range(20):
        form()
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=16))
    assert form(password="alice's password").status_code == 302


def test_success_forgets_slips(alice):
    for _ in range(3):
        form(), form()
        assert form(password="alice's password").status_code == 302


def test_a_name_that_nobody_has_is_locked_as_well():
    assert [form(name="nobody").status_code for _ in range(4)][-1] == 429


class TestProxies:
    """Behind a proxy the visitor's own address counts; a proxy's never locks out everybody."""

    def test_a_trusted_one(self, alice, charlie, settings):
        settings.DEEPSEGM_TRUSTED_PROXIES = [PROXY]
        for way in (form, script):
            for _ in range(4):
                response = way(address=PROXY, **{"X-Forwarded-For": "6.6.6.6, 203.0.113.9"})
            assert response.status_code == 429
            honest = way(address=PROXY, password="alice's password", **{"X-Forwarded-For": "203.0.113.10"})
            assert honest.status_code in (302, 404)

    def test_an_invented_header_makes_no_new_guesser(self, alice):
        answers = [form(**{"X-Forwarded-For": f"203.0.113.{n}"}).status_code for n in range(5)]
        assert answers[-1] == 429

    def test_one_that_nobody_told_us_of(self, alice, charlie):
        """All come from one address: a guesser locks that one name there, and nobody else."""
        for _ in range(5):
            form(address=PROXY)
        assert form(name="charlie", password="charlie's password", address=PROXY).status_code == 302

    def test_the_address_in_the_log_of_attempts(self, alice, settings):
        settings.DEEPSEGM_TRUSTED_PROXIES = [PROXY]
        form(address=PROXY, **{"X-Forwarded-For": "2001:db8:1:2:3:4:5:6"})
        assert AccessAttempt.objects.get().ip_address == "2001:db8:1:2::"


@pytest.mark.parametrize(
    ("address", "network"),
    [("192.0.2.1", "192.0.2.1"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"), ("2001:db8:1:2::1", "2001:db8:1:2::"),
     ("::ffff:192.0.2.1", "192.0.2.1"), ("", ""), ("unix:", "unix:")],
)  # fmt: skip
def test_of_ipv6_the_network_is_the_sender(address, network):
    assert network_of(address) == network


def test_a_sender_has_one_hash_in_all_of_his_network():
    assert hash_address("2001:db8::1") == hash_address("2001:db8::2") != hash_address("2001:db8:0:1::1")


def test_few_wait_for_their_password_and_the_others_are_told(alice, monkeypatch):
    """16 guessers raised the pages' median from 3 ms to 2 s: they had all the threads."""
    checking, go_on = threading.Event(), threading.Event()

    def slow(*args, **kwargs):
        checking.set()
        go_on.wait(10)

    monkeypatch.setattr("django.contrib.auth.backends.ModelBackend.authenticate", slow)
    backend, request = accounts.OneAtATime(), RequestFactory().get("/")
    waiting = [
        threading.Thread(target=backend.authenticate, args=(request, "a", "b")) for _ in range(accounts.MOST_REQUESTS)
    ]
    for thread in waiting:
        thread.start()
    checking.wait(5)
    while accounts._places._value:
        checking.wait(0.01)
    try:
        assert "few seconds" in words(form())
        response = script()
        assert response.status_code == 429 and "few seconds" in response.json()["error"]
    finally:
        go_on.set()
        for thread in waiting:
            thread.join()
    assert accounts._places._value == accounts.MOST_REQUESTS


def test_a_script_that_asks_again_and_again_pays_once(alice, monkeypatch):
    assert script(password="alice's password").status_code == 404
    monkeypatch.setattr("django.contrib.auth.backends.ModelBackend.authenticate", lambda *arguments, **more: None)
    assert script(password="alice's password").status_code == 404
    assert script(password="wrong").status_code == 401


@pytest.mark.parametrize("change", ["password", "inactive", "deleted", "time"])
def test_what_was_right_is_forgotten_with_any_change(alice, monkeypatch, change):
    assert script(password="alice's password").status_code == 404
    if change == "password":
        alice.set_password("new")
        alice.save()
    if change == "inactive":
        alice.is_active = False
        alice.save()
    if change == "deleted":
        alice.delete()
    if change == "time":
        monkeypatch.setattr(
            accounts, "_remembered", {key: (*entry[:2], 0.0) for key, entry in accounts._remembered.items()}
        )
        monkeypatch.setattr("django.contrib.auth.backends.ModelBackend.authenticate", lambda *arguments, **more: None)
    assert script(password="alice's password").status_code == 401


def test_a_name_that_no_account_can_have_is_not_even_checked(monkeypatch):
    monkeypatch.setattr("django.contrib.auth.backends.ModelBackend.authenticate", None)
    for name in ("n" * 151, "a\0b"):
        assert authenticate(RequestFactory().get("/", REMOTE_ADDR="192.0.2.1"), username=name, password="x") is None


class TestStaff:
    """The permissions of the admin decide, not the flag."""

    @pytest.fixture
    def member(self, charlie):
        charlie.is_staff = True
        charlie.save()
        return charlie

    def allow(self, member, *names):
        member.user_permissions.set(Permission.objects.filter(codename__in=names))
        return type(member).objects.get(pk=member.pk)

    @pytest.mark.parametrize(
        ("names", "page", "cancel", "delete"),
        [(["view_job"], 200, 403, 403), (["view_job", "change_job"], 200, 303, 403),
         (["view_job", "delete_job"], 200, 403, 302), (["delete_job"], 404, 404, 404)],
    )  # fmt: skip
    def test_each_permission_opens_its_own(self, client, member, make_job, alice, names, page, cancel, delete):
        job = make_job(owner=alice)
        client.force_login(self.allow(member, *names))
        assert client.get(f"/jobs/{job.pk}/").status_code == page
        assert client.post(f"/jobs/{job.pk}/cancel/").status_code == cancel
        assert client.post(f"/jobs/{job.pk}/delete/").status_code == delete

    def test_the_same_for_what_nobody_owns(self, client, member, make_job):
        job = make_job()
        client.force_login(member)
        assert client.get(f"/jobs/{job.pk}/").status_code == 200  # whoever has the link
        assert client.post(f"/jobs/{job.pk}/delete/").status_code == 403
        client.force_login(self.allow(member, "delete_job"))
        assert client.post(f"/jobs/{job.pk}/delete/").status_code == 302
