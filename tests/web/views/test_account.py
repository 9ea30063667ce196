"""The account page: what is shown once, what a form sent twice does, and whose things these are."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from django.urls import reverse

from segmentation.models import Arrival, Delivery, Quota, Token, Webhook
from segmentation.services.access import tokens, webhooks
from tests.web.finished import words

pytestmark = pytest.mark.django_db
URL = "https://lab.example.org/deepsegm"


def make_token(browser, **fields):
    form = {"form": str(uuid4()), "name": "the microscope", "days": "90", **fields}
    return browser.post("/account/tokens/", form), form


def test_the_page_asks_for_sign_in(client):
    assert client.get("/account/").status_code == 302


def test_the_name_leads_to_it_and_it_to_the_password(signed_in):
    assert 'href="/account/"' in words(signed_in.get("/"))
    assert reverse("account_change_password") in words(signed_in.get("/account/"))


def test_who_signs_in_and_the_staff_see_what_is_used_and_allowed(signed_in, alice, desk):
    Arrival.objects.create(owner=alice, job=uuid4(), pixels=1_260_000)
    Quota.objects.create(user=alice, stored_gb=1500, megapixels_a_day=90)
    page, status = words(signed_in.get("/account/")), words(desk.get("/status/"))
    assert "Stored: 0 bytes of 1,500 GB." in page and "Analysed in the last 24 hours: 1.3 of 90 megapixels." in page
    assert ">0 bytes of 1,500 GB<" in status and ">1.3 of 90<" in status


def test_a_token_is_shown_once(signed_in, alice):
    answer, form = make_token(signed_in, read_only="on")
    text = re.search(r"deepsegm_[\w-]{40,}", words(answer))[0]
    row = Token.objects.get()
    assert (row.owner, row.name, row.read_only, row.key) == (alice, "the microscope", True, tokens._keyed_hash(text))
    assert "no-store" in answer["Cache-Control"]
    assert text not in words(signed_in.get("/account/"))
    second_response = signed_in.post("/account/tokens/", form)
    assert second_response.status_code == 303 and Token.objects.count() == 1


@pytest.mark.parametrize("fields", [{"name": " "}, {"name": "a" * 101}, {"days": "7"}, {"days": ""}, {"name": "\x07"}])
def test_a_token_that_is_not_made(signed_in, fields):
    answer, _ = make_token(signed_in, **fields)
    assert answer.status_code == 400 and 'role="alert"' in words(answer)
    assert not Token.objects.exists()


def test_a_token_without_end(signed_in):
    make_token(signed_in, days="never")
    assert Token.objects.get().expires is None


def test_revoking_asks_first(signed_in):
    make_token(signed_in)
    address = reverse("token-revoke", args=[Token.objects.get().pk])
    assert "Revoke this token?" in words(signed_in.get(address)) and not Token.objects.get().revoked
    assert signed_in.post(address).status_code == 303
    assert Token.objects.get().revoked and "revoked" in words(signed_in.get("/account/"))


def test_a_webhooks_secret_is_shown_once(signed_in):
    form = {"form": str(uuid4()), "url": URL}
    answer = signed_in.post("/account/webhooks/", form)
    assert Webhook.objects.get().secret in words(answer) and "no-store" in answer["Cache-Control"]
    assert Webhook.objects.get().secret not in words(signed_in.get("/account/"))
    assert signed_in.post("/account/webhooks/", form).status_code == 303 and Webhook.objects.count() == 1


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "ftp://lab.example.org/", "http://lab.example.org/", "https://", "https:///a", "https://a b/",
     "https://localhost/", "https://me.localhost:8443/a", "https://127.0.0.1/", "https://[::1]/",
     "https://[::ffff:127.0.0.1]/", "https://169.254.169.254/latest", "https://user:pass@lab.example.org/",
     "https://lab.example.org:22/", "https://lab.example.org:99999/", "https://[::1", "https://läb.example.org/",
     "https://a/" + "b" * 500, "javascript:alert(1)"],
)  # fmt: skip
def test_an_address_that_is_not_taken(signed_in, url):
    answer = signed_in.post("/account/webhooks/", {"form": str(uuid4()), "url": url})
    assert answer.status_code == 400 and 'role="alert"' in words(answer)
    assert not Webhook.objects.exists()


def test_what_is_done_with_a_webhook(signed_in, alice):
    hook = webhooks.create_webhook(user=alice, url=URL, pk=uuid4())
    at = {name: reverse(f"webhook-{name}", args=[hook.pk]) for name in ("test", "start", "delete")}
    assert signed_in.post(at["test"]).status_code == 303
    Delivery.objects.update(answer="no such door")
    assert "no such door" in words(signed_in.get("/account/"))
    Webhook.objects.update(stopped=hook.created, failing=hook.created)
    assert "Start again" in words(signed_in.get("/account/"))
    signed_in.post(at["test"])
    assert Delivery.objects.count() == 1
    signed_in.post(at["start"])
    assert Webhook.objects.get().stopped is None
    assert "Delete this webhook?" in words(signed_in.get(at["delete"])) and Webhook.objects.exists()
    signed_in.post(at["delete"])
    assert not Webhook.objects.exists()


def test_what_belongs_to_others_is_not_there(signed_in, charlie):
    webhooks.create_webhook(user=charlie, url=URL, pk=uuid4())
    token, _ = tokens.create_token(user=charlie, name="his", days=None, read_only=False, pk=uuid4())
    assert "his" not in words(signed_in.get("/account/")).split() and URL + "<" not in words(signed_in.get("/account/"))
    form = {"form": str(token.pk), "name": "mine", "days": "30"}
    assert signed_in.post("/account/tokens/", form).status_code == 303
    assert Token.objects.get().name == "his"


def test_the_sign_in_says_where_an_account_comes_from(client):
    """Nobody can sign up, so that who has no account must know whom to ask."""
    assert "The people who run this site make accounts" in words(client.get("/accounts/login/"))
