"""The second factor of staff: asked for at every way in, used up, and nowhere to be gone around."""

from __future__ import annotations

import base64
import hmac
import re
import time

import pytest
from allauth.account import app_settings
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.test import Client

from segmentation.adapters import Factors
from segmentation.models import Laboratory
from segmentation.services.access import tokens
from tests.web.api.test_jobs import JOBS, basic, secret

from .finished import words

pytestmark = pytest.mark.django_db
PAGE, LOGIN = "/account/second-factor/", "/accounts/login/"
ASK, AGAIN, SET_UP = f"{PAGE}authenticate/", f"{PAGE}reauthenticate/", f"{PAGE}totp/activate/"
REMOVE, CODES, NEW_CODES = f"{PAGE}totp/deactivate/", f"{PAGE}recovery-codes/", f"{PAGE}recovery-codes/generate/"
STAFF_PAGES = ("/admin/", "/admin/advanced/", "/admin/segmentation/job/", "/admin/auth/user/", "/status/")
KEY = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def code_at(offset=0, key=KEY):
    """The code of RFC 6238."""
    counter = (int(time.time()) // 30 + offset).to_bytes(8, "big")
    digest = hmac.digest(base64.b32decode(key), counter, "sha1")
    start = digest[-1] & 15
    return f"{(int.from_bytes(digest[start : start + 4], 'big') & 0x7FFFFFFF) % 10**6:06}"


@pytest.fixture(autouse=True)
def _no_tries_yet():
    cache.clear()


@pytest.fixture(params=["optional", "required"])
def setting(request, settings):
    settings.DEEPSEGM_STAFF_SECOND_FACTOR = request.param
    settings.AXES_FAILURE_LIMIT = 3
    return request.param


@pytest.fixture
def required(settings):
    settings.DEEPSEGM_STAFF_SECOND_FACTOR = "required"
    settings.AXES_FAILURE_LIMIT = 3


def with_factor(user):
    """Gives an account a factor; its recovery codes."""
    Authenticator.objects.create(user=user, type="totp", data={"secret": Factors().encrypt(KEY)})
    seed = {"seed": Factors().encrypt("ab" * 40), "used_mask": 0}
    return Authenticator.objects.create(user=user, type="recovery_codes", data=seed).wrap().generate_codes()


def password(client, name="ada", **more):
    return client.post(LOGIN, {"login": name, "password": f"{name}'s password", **more})


def name_of(client):
    return client.get("/api/v1/me", headers={"X-Requested-With": "DeepSegm"}).json()["account"]


def works_as_staff(client):
    answers = {client.get(page).status_code for page in STAFF_PAGES}
    assert len(answers) == 1
    return answers == {200}


class TestSigningIn:
    @pytest.fixture(autouse=True)
    def factor_of_ada(self, ada):
        with_factor(ada)

    def test_the_code_is_asked_for(self, setting, client):
        response = password(client, next="/status/")
        assert response["Location"] == ASK and name_of(client) is None
        assert not works_as_staff(client)
        response = client.post(ASK, {"code": code_at()})
        assert response["Location"] == "/status/" and works_as_staff(client)

    def test_the_admins_own_page_asks_too(self, required, client):
        assert client.post("/admin/login/?next=/admin/")["Location"] == f"{LOGIN}?next=%2Fadmin%2F"
        password(client, next="/admin/")
        assert not works_as_staff(client)
        assert client.post(ASK, {"code": code_at()})["Location"] == "/admin/" and works_as_staff(client)

    @pytest.mark.parametrize("forgotten", [False, True])
    @pytest.mark.services
    def test_a_code_counts_once(self, required, forgotten):
        """Also where another process, or a minute, has forgotten what allauth keeps in memory."""
        first, second, code = Client(), Client(), code_at()
        password(first), password(second)
        first.post(ASK, {"code": code})
        if forgotten:
            cache.clear()
        response = second.post(ASK, {"code": f"{code[:3]} {code[3:]}"})
        assert "was used already" in words(response) and name_of(second) is None
        assert second.post(ASK, {"code": code_at(1)}).status_code == 302

    @pytest.mark.parametrize("code", ["", "000000", "١٢٣٤٥٦", "1" * 5000])
    def test_a_wrong_code(self, required, client, code):
        password(client)
        assert client.post(ASK, {"code": code}).status_code == 200 and name_of(client) is None

    def test_codes_of_other_times_and_keys(self, required, client):
        password(client)
        for code in (code_at(-3), code_at(3), code_at(0, "A" * 32)):
            cache.clear()
            client.post(ASK, {"code": code})
            assert name_of(client) is None

    def test_a_guesser_of_codes_is_locked_out(self, required, client, settings):
        settings.ACCOUNT_RATE_LIMITS = {"login_failed": "3/15m/key"}
        password(client)
        assert [client.post(ASK, {"code": "000000"}).status_code for _ in range(3)] == [200, 200, 429]
        assert "15 minutes" in words(client.post(ASK, {"code": code_at()})) and name_of(client) is None
        assert password(Client()).status_code == 429

    def test_the_password_again_forgets_no_wrong_codes(self, required, client):
        for _ in range(3):
            client = Client()
            password(client)
            client.post(ASK, {"code": "000000"})
        assert password(Client()).status_code == 429

    def test_no_step_can_be_left_out(self, required, client):
        assert client.get(ASK)["Location"] == LOGIN
        assert client.post(ASK, {"code": code_at()})["Location"] == LOGIN and name_of(client) is None

    def test_the_second_step_is_not_for_ever(self, required, client, settings):
        password(client)
        assert app_settings.LOGIN_TIMEOUT <= 900
        settings.ACCOUNT_LOGIN_TIMEOUT = 0
        assert client.get(ASK)["Location"] == LOGIN

    def test_two_people_in_one_browser(self, required, client, alice):
        """Ada's half sign-in is given up, then Alice's whole one: Ada's step is gone."""
        password(client)
        client.post("/accounts/logout/")
        password(client, "alice")
        assert name_of(client) == "alice"
        assert client.post(ASK, {"code": code_at()}).status_code == 302 and name_of(client) == "alice"

    def test_it_leads_to_no_other_site(self, required, client):
        password(client, next="https://evil.example/")
        assert client.post(f"{ASK}?next=https://evil.example/", {"code": code_at()})["Location"] == "/"

    def test_the_closed_site_asks_too(self, required, client, settings):
        settings.DEEPSEGM_REQUIRE_LOGIN = True
        password(client)
        assert client.get(ASK).status_code == 200
        assert client.post(ASK, {"code": code_at()}).status_code == 302 and works_as_staff(client)


class TestWithout:
    """Staff who have not shown a factor are ordinary accounts."""

    def test_only_required_takes_the_rights(self, setting, desk):
        assert works_as_staff(desk) == (setting == "optional")

    def test_a_session_from_before_the_factor(self, setting, desk, ada):
        with_factor(ada)
        assert not works_as_staff(desk)
        wrong = desk.post("/accounts/again/", {"password": "ada's password"})
        assert wrong["Location"] == AGAIN and not works_as_staff(desk)  # the password alone is not enough
        assert desk.post(REMOVE)["Location"].startswith(AGAIN) and Authenticator.objects.exists()
        assert desk.post(AGAIN, {"code": code_at()}).status_code == 302 and works_as_staff(desk)

    def test_every_page_of_staff_leads_to_the_set_up(self, required, desk):
        for page in STAFF_PAGES:
            response = desk.get(page, follow=True)
            assert response.request["PATH_INFO"] == PAGE and "Set up the second factor" in words(response)

    def test_a_password_alone_by_api(self, setting, ada, alice, make_job):
        job = make_job(owner=alice)
        with_factor(ada)
        response = Client().get(f"{JOBS}/{job.pk}", headers=basic("ada"))
        assert response.status_code == 401 and "token" in response.json()["error"]

    def test_a_password_of_staff_without_a_factor(self, required, ada, alice, make_job):
        job = make_job(owner=alice)
        assert Client().get(f"{JOBS}/{job.pk}", headers=basic("ada")).status_code == 404

    def test_tokens_work_for_ones_own_only(self, required, ada, alice, make_job):
        with_factor(ada)
        from uuid import uuid4

        _, text = tokens.create_token(user=ada, name="t", days=30, read_only=False, pk=uuid4())
        own_job, theirs = make_job(owner=ada), make_job(owner=alice)
        assert Client().get(f"{JOBS}/{own_job.pk}", headers=secret(text)).status_code == 200
        assert Client().get(f"{JOBS}/{theirs.pk}", headers=secret(text)).status_code == 404
        me = Client().get("/api/v1/me", headers=secret(text)).json()
        assert me["account"] == "ada" and me["staff"] is False

    def test_nothing_is_signed(self, required, desk, ada, make_job):
        job = make_job(owner=ada, state="done")
        Laboratory.objects.create(owner=ada, texts={"quality": "on"})
        form = {"password": "ada's password", "name": "Ada", "meaning": "made"}
        response = desk.post(f"/jobs/{job.pk}/sign/", form)
        assert response.status_code == 403 and "second factor" in words(response)
        response = Client().post(f"{JOBS}/{job.pk}/signatures", form, "application/json", headers=basic("ada"))
        assert response.status_code == 403 and "second factor" in response.json()["error"]
        assert not job.signatures.exists()

    def test_a_new_password_costs_no_rights(self, required, desk, ada):
        form = {"oldpassword": "ada's password", "password1": "lantern fig 7", "password2": "lantern fig 7"}
        assert desk.post("/accounts/password/", form).status_code == 302
        ada.refresh_from_db()
        assert ada.check_password("lantern fig 7") and ada.is_staff and ada.is_superuser

    def test_other_accounts_may_have_one(self, required, client, alice):
        with_factor(alice)
        assert password(client, "alice")["Location"] == ASK and name_of(client) is None

    def test_off_means_off(self, client, ada, settings):
        with_factor(ada)
        settings.DEEPSEGM_STAFF_SECOND_FACTOR = "off"
        password(client)
        assert works_as_staff(client) and client.get(PAGE).status_code == client.get(SET_UP).status_code == 404


class TestSetUp:
    def set_up(self, client, code=None):
        assert client.get(SET_UP)["Location"].startswith("/accounts/again/")
        client.post("/accounts/again/", {"password": "ada's password"})
        key = re.search(r'class="secret">(\w+)<', words(client.get(SET_UP)))[1]
        self.code = code or code_at(0, key)
        return key, client.post(SET_UP, {"code": self.code})

    @pytest.mark.django_db(transaction=True)  # setting it up shows it once it is stored
    def test_it_gives_codes_once_and_the_rights(self, required, desk):
        before = desk.session.session_key
        key, response = self.set_up(desk)
        codes = re.findall(r"<li><code>(\d{8})</code>", words(desk.get(response["Location"])))
        assert len(set(codes)) == 10 and works_as_staff(desk)
        assert desk.session.session_key != before
        pages = words(desk.get(PAGE)) + words(desk.get(CODES))
        assert not any(secret in pages for secret in (*codes, key))
        assert key not in str(list(Authenticator.objects.values_list("data")))
        other = Client()
        password(other)
        assert other.post(ASK, {"code": self.code}).status_code == 200  # used to set it up
        assert other.post(ASK, {"code": codes[3]}).status_code == 302

    def test_what_is_wrong_changes_nothing(self, required, desk):
        assert desk.post("/accounts/again/", {"password": "wrong"}).status_code == 200
        assert desk.get(SET_UP).status_code == 302
        assert self.set_up(desk, code="000000")[1].status_code == 200
        assert not Authenticator.objects.exists()

    def test_new_codes_and_removal_need_a_code(self, setting, client, ada):
        old = with_factor(ada)
        password(client), client.post(ASK, {"code": code_at()})
        for address in (NEW_CODES, REMOVE):
            assert client.post(address)["Location"].startswith(AGAIN)
        assert Authenticator.objects.count() == 2
        client.post(AGAIN, {"code": code_at(1)})
        assert old[0] not in words(client.post(NEW_CODES, follow=True))
        other = Client()
        password(other)
        assert other.post(ASK, {"code": old[0]}).status_code == 200
        assert client.post(REMOVE).status_code == 302
        assert not Authenticator.objects.exists() and works_as_staff(client) == (setting == "optional")


def test_a_lost_factor_is_reset(required, client, ada):
    with_factor(ada)
    password(client), client.post(ASK, {"code": code_at()})
    assert works_as_staff(client)
    call_command("reset_second_factor", "ada")
    assert not works_as_staff(client) and password(Client())["Location"] == "/"
    for name, message in (("ada", "no second factor"), ("nobody", "no account")):
        with pytest.raises(CommandError, match=message):
            call_command("reset_second_factor", name)


def test_with_another_secret_key_there_is_one_sentence(required, client, ada):
    with_factor(ada)
    Authenticator.objects.update(data={"secret": "unreadable"})
    password(client)
    response = client.post(ASK, {"code": code_at()})
    assert response.status_code == 409 and "administrator" in words(response)


def test_the_admin_shows_no_secrets(desk):
    for address in (
        "mfa/authenticator",
        "socialaccount/socialapp",
        "socialaccount/socialtoken",
        "account/emailaddress",
    ):
        assert desk.get(f"/admin/{address}/").status_code == 404
    assert desk.get("/admin/socialaccount/socialaccount/").status_code == 200


def test_who_is_signed_in_without_being_staff_is_refused(signed_in):
    for page in STAFF_PAGES:
        assert signed_in.get(page, follow=True).status_code == 403
