"""Sign-in by an OpenID provider, against one that runs here and, asked to, lies."""

from __future__ import annotations

import time
import tomllib
from copy import deepcopy
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers import registry
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from .finished import visit, words
from .provider import CLIENT, OTHER_KEY, SECRET, Provider
from .test_settings import show

pytestmark = pytest.mark.django_db
CLAIMS = tomllib.loads(Path(__file__).with_name("claims.toml").read_text(encoding="utf-8"))
SCOPE = {"openid", "profile", "email", "eduperson_entitlement"}
START, ARRIVE, CONNECTED = "/accounts/oidc/", "/accounts/oidc/callback/", "/accounts/oidc/identities/"


@pytest.fixture
def provider(settings):
    made = Provider()
    registry.register(OpenIDConnectProvider)  # which a site without DEEPSEGM_OIDC_URL leaves out
    cache.clear()
    settings.DEEPSEGM_OIDC_URL = urlsplit(made.url)
    given = {"URL": made.url, "CLIENT_ID": CLIENT, "SECRET": SECRET, "NAME": "Institute", "SCOPE": " ".join(SCOPE)}
    site = show("SOCIALACCOUNT_PROVIDERS", **{f"DEEPSEGM_OIDC_{name}": value for name, value in given.items()})
    settings.SOCIALACCOUNT_PROVIDERS = site["SOCIALACCOUNT_PROVIDERS"]
    settings.ROOT_URLCONF = "tests.web.provider"
    settings.DEEPSEGM_OIDC_NAME, settings.DEEPSEGM_OIDC_ACCOUNTS = "Institute", "new"
    yield made
    made.close()


def sign_in(provider, client, start=START):
    """The way of a browser; the answer at its end."""
    response = client.get(start)
    assert response.status_code == 302, words(response)
    return client.get(provider.authorise(response["Location"]))


def who(client):
    return User.objects.filter(pk=client.session.get("_auth_user_id", 0)).first()


def test_a_new_person_gets_an_account_where_the_site_says_so(provider, client):
    response = sign_in(provider, client, f"{START}?next=/models/")
    assert response.status_code == 302 and response["Location"] == "/models/"
    made = who(client)
    assert (made.username, made.email, made.is_staff) == ("dora", "dora@example.org", False)
    assert not made.has_usable_password()
    second_browser = Client()
    provider.person["preferred_username"] = "another name"
    sign_in(provider, second_browser)
    assert who(second_browser) == made and User.objects.count() == 1


def test_an_identity_longer_than_any_is_refused(provider, client):
    provider.person["sub"] = "x" * 5000
    response = sign_in(provider, client)
    assert response.status_code == 400 and "did not work" in words(response) and not User.objects.exists()


def test_by_default_only_accounts_that_exist(provider, client, settings):
    settings.DEEPSEGM_OIDC_ACCOUNTS = "existing"
    response = sign_in(provider, client)
    assert response.status_code == 403 and "No account of this site belongs to you" in words(response)
    assert not User.objects.exists() and who(client) is None


def test_an_account_is_connected_by_its_owner(provider, client, alice, settings):
    settings.DEEPSEGM_OIDC_ACCOUNTS = "existing"
    client.force_login(alice)
    assert "Connect with Institute" in words(client.get("/account/"))
    assert sign_in(provider, client, f"{START}?connect")["Location"] == "/account/"
    assert "connected since" in words(client.get("/account/"))
    other = Client()
    sign_in(provider, other)
    assert who(other) == alice
    other.force_login(User.objects.create_user("dora"))
    refused = sign_in(provider, other, f"{START}?connect")
    assert refused["Location"] == "/account/" and "different account" in words(other.get("/account/"))
    form = {"account": SocialAccount.objects.get().pk}
    assert other.post(CONNECTED, form).status_code == 200 and SocialAccount.objects.exists()
    assert "connected since" in words(client.get(CONNECTED))
    assert client.post(CONNECTED, form).status_code == 302
    assert sign_in(provider, Client()).status_code == 403


def test_the_last_way_in_stays(provider, client):
    sign_in(provider, client)
    response = client.post(CONNECTED, {"account": SocialAccount.objects.get().pk})
    assert "only way to sign in" in words(response) and SocialAccount.objects.exists()
    assert "Change password" not in words(client.get("/account/"))


@pytest.fixture(params=CLAIMS)
def verifies(request, provider, settings):
    """Sends the claims of a product; whether it says that it has verified the address."""
    vars(provider).update(deepcopy(CLAIMS[request.param]))
    settings.DEEPSEGM_OIDC_STAFF = provider.staff
    return "email_verified" in provider.person


def test_who_signs_in_is_known_by_sub_and_staff_by_group(provider, client, verifies):
    sign_in(provider, client)
    dora, claim = who(client), provider.staff.partition("=")[0]
    named = ("dora", "dora@example.org") if verifies else ("theodora", "")
    assert (dora.username, dora.email, dora.is_staff, provider.scope) == (*named, True, SCOPE)
    changed = {"email": "new@example.org", "preferred_username": "new", claim: ["other", None]}
    for told in (provider.person, provider.id_token, provider.userinfo):
        told.update({name: value for name, value in changed.items() if name in told})
    sign_in(provider, Client())
    now = User.objects.get()
    assert (now.username, now.email, now.is_staff) == (*named, False)
    User.objects.update(is_superuser=True, is_staff=True)
    sign_in(provider, Client())
    assert who(client).is_staff  # administrators are made here


def test_a_name_that_is_taken_takes_nothing_over(provider, client, alice):
    provider.person["preferred_username"] = "alice"
    sign_in(provider, client)
    assert who(client) not in (None, alice) and User.objects.count() == 2


class TestMail:
    """An e-mail address takes no account over, but where the provider verified it and the site allows it."""

    @pytest.fixture(autouse=True)
    def local(self, alice):
        User.objects.filter(pk=alice.pk).update(email="Dora@example.org")

    @pytest.mark.parametrize(
        ("allowed", "verified", "staff", "hers"),
        [
            (False, True, False, False),
            (True, False, False, False),
            (True, "true", False, False),  # a word is no promise
            (True, True, True, False),  # staff connect by hand
            (True, True, False, True),
        ],
    )
    @pytest.mark.services
    def test_when_it_does(self, provider, client, alice, settings, allowed, verified, staff, hers):
        settings.DEEPSEGM_OIDC_MATCH_EMAIL = allowed
        User.objects.filter(pk=alice.pk).update(is_staff=staff)
        provider.person["email_verified"] = verified
        sign_in(provider, client)
        assert (who(client) == alice) == hers
        assert hers or who(client).email == ""
        assert User.objects.get(username="alice").has_usable_password()

    def test_what_each_product_verifies(self, provider, client, alice, settings, verifies):
        settings.DEEPSEGM_OIDC_MATCH_EMAIL = True
        sign_in(provider, client)
        assert (who(client) == alice) == verifies

    @pytest.mark.services
    def test_two_accounts_with_one_address_get_nobody(self, provider, client, settings):
        settings.DEEPSEGM_OIDC_MATCH_EMAIL, settings.DEEPSEGM_OIDC_ACCOUNTS = True, "existing"
        User.objects.create_user("eve", email="dora@example.org")
        assert sign_in(provider, client).status_code == 403


def test_a_closed_account_stays_closed(provider, client):
    sign_in(provider, client)
    User.objects.update(is_active=False)
    other = Client()
    response = sign_in(provider, other)
    assert response.status_code == 403 and "closed" in words(response) and who(other) is None


def test_the_results_of_the_browser_can_be_taken_over(provider, make_job):
    visitor = uuid4()
    make_job(visitor=visitor, state="done")
    assert sign_in(provider, visit(Client(), visitor))["Location"] == "/results/"


def test_staff_are_asked_for_their_second_factor_here_too(provider, desk, ada, settings):
    from .test_second_factor import ASK, code_at, with_factor, works_as_staff

    sign_in(provider, desk, f"{START}?connect")
    settings.DEEPSEGM_STAFF_SECOND_FACTOR = "required"
    with_factor(ada)
    other = Client()
    assert sign_in(provider, other, f"{START}?next=/status/")["Location"] == ASK and who(other) is None
    assert not works_as_staff(other)
    assert other.post(ASK, {"code": code_at()})["Location"] == "/status/" and works_as_staff(other)


@pytest.mark.parametrize("after", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "\\\\evil"])
def test_it_leads_to_no_other_site(provider, client, after):
    assert sign_in(provider, client, f"{START}?next={after}")["Location"] == "/"


def test_a_foreign_page_starts_nothing(provider, client):
    assert client.get(START, headers={"Sec-Fetch-Site": "cross-site"})["Location"] == "/accounts/login/"


def test_where_it_is_not_set_up_there_is_nothing(client):
    assert client.get(START).status_code == client.get(ARRIVE).status_code == 404
    assert "Sign in with" not in words(client.get("/accounts/login/"))


def test_the_closed_site_lets_people_sign_in(provider, client, settings):
    settings.DEEPSEGM_REQUIRE_LOGIN = True
    page = words(client.get("/accounts/login/"))
    assert "Sign in with Institute" in page and "You need not ask for one" in page
    assert sign_in(provider, client)["Location"] == "/"
    settings.DEEPSEGM_OIDC_ACCOUNTS = "existing"
    assert "ask them for one" in words(Client().get("/accounts/login/"))


class TestAttacks:
    def test_the_address_of_somebody_elses_sign_in(self, provider, client):
        """A sends the address with his own code to B: the state is not that of B's browser."""
        address = provider.authorise(Client().get(START)["Location"])
        response = client.get(address)
        assert response.status_code == 400 and who(client) is None

    def test_the_same_address_twice(self, provider, client):
        address = provider.authorise(client.get(START)["Location"])
        client.get(address)
        client.logout()
        assert client.get(address).status_code == 400 and who(client) is None

    def test_a_code_of_another_browser_with_ones_own_state(self, provider, client):
        theirs = provider.authorise(Client().get(START)["Location"])
        location = client.get(START)["Location"]
        code, state = (parse_qs(urlsplit(url).query)[name][0] for url, name in ((theirs, "code"), (location, "state")))
        assert client.get(ARRIVE, {"code": code, "state": state}).status_code == 400  # PKCE
        assert who(client) is None

    def test_a_state_that_is_too_old(self, provider, client, monkeypatch):
        address = provider.authorise(client.get(START)["Location"])
        later = time.time() + 601
        monkeypatch.setattr(time, "time", lambda: later)
        assert client.get(address).status_code == 400 and who(client) is None

    @pytest.mark.parametrize("query", ["", "?code=1", "?state=1", "?code=1&state=1", "?error=access_denied&state=1"])
    def test_anything(self, provider, client, query):
        assert client.get(ARRIVE + query).status_code == 400
        assert client.post(ARRIVE + query).status_code == 405

    def test_somebody_cancels(self, provider, client):
        state = parse_qs(urlsplit(client.get(START)["Location"]).query)["state"][0]
        response = client.get(ARRIVE, {"error": "access_denied", "state": state})
        assert response.status_code == 400 and "cancelled" in words(response)

    @pytest.mark.parametrize(
        "lies",
        [{"key": OTHER_KEY}, {"key": None, "algorithm": "none"},
         {"userinfo": {"sub": "1"}},
         {"token": {"id_token": None}}],
    )  # fmt: skip
    def test_a_token_that_is_not_signed_by_the_provider(self, provider, client, lies):
        provider.lies = lies
        response = sign_in(provider, client)
        assert response.status_code in (400, 502) and who(client) is None
        assert "Institute" in words(response) and not User.objects.exists()

    @pytest.mark.parametrize("claims", [{"aud": "others"}, {"iss": "https://evil.example"}, {"exp": 1}, {"nbf": 2**40}])
    def test_a_token_for_others_or_of_another_time(self, provider, client, claims):
        provider.id_token = claims
        assert sign_in(provider, client).status_code == 400 and who(client) is None


class TestTrouble:
    @pytest.mark.parametrize("lies", [{"status": 500}, {"body": "<html>"}, {"body": "{}"}])
    def test_a_provider_that_answers_nonsense(self, provider, client, lies):
        provider.lies = lies
        response = client.get(START)
        assert response.status_code == 502 and "try again later" in words(response)

    @pytest.mark.parametrize("lies", [{"status": 500}, {"body": "[]"}])
    def test_nonsense_after_the_way_there(self, provider, client, lies):
        address = provider.authorise(client.get(START)["Location"])
        provider.lies = lies
        assert client.get(address).status_code in (400, 502) and who(client) is None

    def test_a_provider_that_is_down(self, provider, client):
        provider.close()
        assert client.get(START).status_code == 502

    def test_it_never_takes_all_threads(self, provider, client, monkeypatch):
        from segmentation.views import openid

        monkeypatch.setattr(openid._requests, "_value", 0)
        assert client.get(START).status_code == 429
