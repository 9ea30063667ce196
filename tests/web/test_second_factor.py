"""The second factor of staff: asked for at every way in, used up, and nowhere to be gone around."""

from __future__ import annotations

import re
import time

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from segmentation.adapters import Factors
from segmentation.services.access import second_factor, tokens
from tests.web.api.test_jobs import JOBS, basic, secret

from .finished import words

pytestmark = pytest.mark.django_db
PAGE, ASK, LOGIN = "/account/second-factor/", "/accounts/second-factor/", "/accounts/login/"
STAFF_PAGES = ("/admin/", "/admin/segmentation/job/", "/admin/auth/user/", "/status/")
KEY = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def code_at(offset=0, key=KEY):
    return format_hotp_value(hotp_value(key, int(time.time()) // 30 + offset))


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
    return second_factor.set_up(user, KEY, code_at(-1))[1]


def password(client, name="ada", **more):
    return client.post(LOGIN, {"username": name, "password": f"{name}'s password", **more})


def name_of(client):
    return client.get("/api/v1/me", headers={"X-Requested-With": "DeepSegm"}).json()["account"]


def works_as_staff(client):
    answers = {client.get(page).status_code for page in STAFF_PAGES}
    assert len(answers) == 1
    return answers == {200}


class TestSigningIn:
    def test_the_code_is_asked_for(self, setting, client, ada):
        with_factor(ada)
        response = password(client, next="/status/")
        assert response["Location"] == ASK and name_of(client) is None
        assert not works_as_staff(client)
        response = client.post(ASK, {"code": code_at()})
        assert response["Location"] == "/status/" and works_as_staff(client)

    def test_the_admins_own_page_asks_too(self, setting, client, ada):
        with_factor(ada)
        said = {"username": "ada", "password": "ada's password", "next": "/admin/"}
        assert client.post("/admin/login/", said)["Location"] == ASK
        assert not works_as_staff(client)
        assert client.post(ASK, {"code": code_at()})["Location"] == "/admin/" and works_as_staff(client)

    def test_a_code_counts_once(self, setting, ada):
        with_factor(ada)
        first, second, code = Client(), Client(), code_at()
        password(first), password(second)
        first.post(ASK, {"code": code})
        response = second.post(ASK, {"code": code})
        assert response.status_code == 403 and name_of(second) is None
        assert second.post(ASK, {"code": code_at(1)}).status_code == 302

    def test_a_recovery_code_counts_once(self, setting, ada):
        codes = with_factor(ada)
        for status in (302, 403):
            client = Client()
            password(client)
            assert client.post(ASK, {"code": codes[0]}).status_code == status
        assert second_factor.left(ada) == 9

    @pytest.mark.parametrize("code", ["", "000000", "abcdef", "١٢٣٤٥٦", "1" * 5000, "\n", "12345"])
    def test_a_wrong_code(self, required, client, ada, code):
        with_factor(ada)
        password(client)
        response = client.post(ASK, {"code": code})
        assert response.status_code == 403 and name_of(client) is None
        assert client.post(ASK, {}).status_code == 403

    def test_codes_of_other_times_and_keys(self, required, ada):
        with_factor(ada)
        codes = (code_at(-1), code_at(-3), code_at(3), code_at(0, "A" * 32))
        assert not any(second_factor.accepts(ada, each) for each in codes)  # of -1: used to set it up

    def test_a_guesser_of_codes_is_locked_out(self, setting, client, ada):
        with_factor(ada)
        password(client)
        assert [client.post(ASK, {"code": "000000"}).status_code for _ in range(5)] == [403] * 2 + [429] * 3
        assert client.post(ASK, {"code": code_at()}).status_code == 429
        assert password(Client()).status_code == 429

    def test_the_password_again_forgets_no_wrong_codes(self, required, ada):
        with_factor(ada)
        for _ in range(3):
            client = Client()
            password(client)
            client.post(ASK, {"code": "000000"})
        assert password(Client()).status_code == 429

    def test_no_step_can_be_left_out(self, setting, client, ada):
        with_factor(ada)
        assert client.get(ASK)["Location"] == LOGIN
        assert client.post(ASK, {"code": code_at()})["Location"] == LOGIN and name_of(client) is None

    def test_the_second_step_is_not_for_ever(self, required, client, ada, monkeypatch):
        from allauth.account.internal import stagekit

        with_factor(ada)
        password(client)
        later = time.time() + 3600
        monkeypatch.setattr(stagekit.time, "time", lambda: later)
        assert client.get(ASK)["Location"] == LOGIN

    def test_two_people_in_one_browser(self, setting, client, ada, alice):
        """Ada's half sign-in, then Alice's whole one: Ada's step is gone."""
        with_factor(ada)
        password(client)
        password(client, "alice")
        assert name_of(client) == "alice"
        assert client.post(ASK, {"code": code_at()}).status_code == 302 and name_of(client) == "alice"

    def test_the_session_changes_its_number(self, setting, client, ada):
        with_factor(ada)
        password(client)
        before = client.session.session_key
        client.post(ASK, {"code": code_at()})
        assert client.session.session_key != before

    def test_it_leads_to_no_other_site(self, setting, client, ada):
        with_factor(ada)
        password(client, next="https://evil.example/")
        assert client.post(f"{ASK}?next=https://evil.example/", {"code": code_at()})["Location"] == "/"

    def test_the_closed_site_asks_too(self, setting, client, ada, settings):
        settings.DEEPSEGM_REQUIRE_LOGIN = True
        with_factor(ada)
        password(client)
        assert client.get(ASK).status_code == 200
        assert client.post(ASK, {"code": code_at()}).status_code == 302 and works_as_staff(client)


class TestWithout:
    """Staff who have not shown a factor are ordinary accounts."""

    def test_only_required_takes_the_rights(self, setting, client, ada):
        client.force_login(ada)
        assert works_as_staff(client) == (setting == "optional")

    def test_a_session_from_before_the_factor(self, setting, client, ada):
        client.force_login(ada)
        with_factor(ada)
        assert not works_as_staff(client)
        assert client.post(PAGE, {"code": code_at()}).status_code == 303 and works_as_staff(client)

    def test_every_page_of_staff_leads_to_the_set_up(self, required, client, ada):
        client.force_login(ada)
        for page in STAFF_PAGES:
            response = client.get(page, follow=True)
            assert response.request["PATH_INFO"] == PAGE and "Scan this picture" in words(response)

    def test_rows_of_others(self, required, client, ada, alice, make_job):
        job = make_job(owner=alice, state="queued")
        client.force_login(ada)
        addresses = (f"/jobs/{job.pk}/", f"/api/v1/jobs/{job.pk}")
        assert {client.get(each, headers={"X-Requested-With": "DeepSegm"}).status_code for each in addresses} == {404}
        assert client.post(f"/jobs/{job.pk}/cancel/").status_code == 404

    def test_a_password_alone_by_api(self, setting, ada, alice, make_job):
        job = make_job(owner=alice)
        with_factor(ada)
        response = Client().get(f"{JOBS}/{job.pk}", headers=basic("ada"))
        assert response.status_code == 401 and "token" in response.json()["error"]

    def test_a_password_of_staff_without_a_factor(self, required, ada, alice, make_job):
        job = make_job(owner=alice)
        assert Client().get(f"{JOBS}/{job.pk}", headers=basic("ada")).status_code == 404

    def test_tokens_work_for_ones_own_only(self, setting, ada, alice, make_job):
        with_factor(ada)
        from uuid import uuid4

        _, text = tokens.create_token(user=ada, name="t", days=30, read_only=False, pk=uuid4())
        mine, theirs = make_job(owner=ada), make_job(owner=alice)
        assert Client().get(f"{JOBS}/{mine.pk}", headers=secret(text)).status_code == 200
        assert Client().get(f"{JOBS}/{theirs.pk}", headers=secret(text)).status_code == 404
        me = Client().get("/api/v1/me", headers=secret(text)).json()
        assert me["account"] == "ada" and me["staff"] is False

    def test_nothing_is_signed(self, required, client, ada, make_job):
        job = make_job(owner=ada, state="done")
        client.force_login(ada)
        said = {"password": "ada's password", "name": "Ada", "meaning": "made"}
        response = client.post(f"/jobs/{job.pk}/sign/", said)
        assert response.status_code == 403 and "second factor" in words(response)
        response = Client().post(f"{JOBS}/{job.pk}/signatures", said, "application/json", headers=basic("ada"))
        assert response.status_code == 403 and "second factor" in response.json()["error"]
        assert not job.signatures.exists()

    def test_a_new_password_costs_no_rights(self, required, client, ada):
        client.force_login(ada)
        said = {"old_password": "ada's password", "new_password1": "lantern fig 7", "new_password2": "lantern fig 7"}
        assert client.post("/accounts/password/", said).status_code == 302
        ada.refresh_from_db()
        assert ada.check_password("lantern fig 7") and ada.is_staff and ada.is_superuser

    def test_others_know_nothing_of_it(self, setting, client, alice):
        client.force_login(alice)
        assert client.get(PAGE).status_code == 404
        assert "Second factor" not in words(client.get("/account/"))
        assert client.get("/status/").status_code == 403

    def test_off_means_off(self, client, ada, settings):
        settings.DEEPSEGM_STAFF_SECOND_FACTOR = "optional"
        with_factor(ada)
        settings.DEEPSEGM_STAFF_SECOND_FACTOR = "off"
        assert client.get(PAGE).status_code == 302
        password(client)
        assert works_as_staff(client) and client.get(PAGE).status_code == 404


class TestSetUp:
    def set_up(self, client, **more):
        key = re.search(r'class="secret">(\w+)<', words(client.get(PAGE)))[1]
        return key, client.post(PAGE, {"code": code_at(0, key), "password": "ada's password", **more})

    def test_it_gives_codes_once_and_the_rights(self, setting, client, ada):
        client.force_login(ada)
        before = client.session.session_key
        key, response = self.set_up(client)
        codes = re.findall(r"<li><code>(\d{8})</code>", words(response))
        assert len(set(codes)) == 10 and works_as_staff(client)
        assert client.session.session_key != before
        page = words(client.get(PAGE))
        assert not any(each in page for each in (*codes, key))
        assert key not in str(list(Authenticator.objects.values_list("data")))
        other = Client()
        password(other)
        assert other.post(ASK, {"code": codes[3]}).status_code == 302

    @pytest.mark.parametrize(("said", "status"), [({"code": "000000"}, 403), ({"password": "wrong"}, 403)])
    def test_what_is_wrong_changes_nothing(self, setting, client, ada, said, status):
        client.force_login(ada)
        assert self.set_up(client, **said)[1].status_code == status
        assert second_factor.factor_of(ada) is None

    def test_two_tabs(self, setting, client, ada):
        """The second tab shows the same key; sent after the first, it asks for a code of the factor that there is."""
        client.force_login(ada)
        key, response = self.set_up(client)
        assert response.status_code == 200
        assert client.post(PAGE, {"code": code_at(0, key), "password": "ada's password"}).status_code == 403
        assert Authenticator.objects.filter(type="totp").count() == 1

    def test_new_codes_and_removal_need_a_code(self, setting, client, ada):
        old = with_factor(ada)
        password(client), client.post(ASK, {"code": code_at()})
        for address in (f"{PAGE}codes/", f"{PAGE}remove/"):
            assert client.post(address, {"code": "000000"}).status_code == 403
        assert old[0] not in words(client.post(f"{PAGE}codes/", {"code": code_at(1)}))
        assert not second_factor.accepts(ada, old[0])
        codes = second_factor.new_codes(ada)
        assert client.post(f"{PAGE}remove/", {"code": codes[0]}).status_code == 303
        assert not Authenticator.objects.exists() and works_as_staff(client) == (setting == "optional")


def test_a_lost_factor_is_reset(required, client, ada):
    with_factor(ada)
    password(client), client.post(ASK, {"code": code_at()})
    assert works_as_staff(client)
    call_command("reset_second_factor", "ada")
    assert not works_as_staff(client) and password(Client())["Location"] != ASK
    for name, told in (("ada", "no second factor"), ("nobody", "no account")):
        with pytest.raises(CommandError, match=told):
            call_command("reset_second_factor", name)


def test_with_another_secret_key_there_is_one_sentence(required, client, ada, monkeypatch):
    with_factor(ada)
    monkeypatch.setattr(Factors, "encrypt", lambda *said: "unreadable")
    Authenticator.objects.update(data={"secret": "unreadable", "counter": 0}, last_used_at=timezone.now())
    password(client)
    response = client.post(ASK, {"code": code_at()})
    assert response.status_code == 409 and "administrator" in words(response)


def test_the_admin_shows_no_secrets(client, ada):
    client.force_login(ada)
    for address in (
        "mfa/authenticator",
        "socialaccount/socialapp",
        "socialaccount/socialtoken",
        "account/emailaddress",
    ):
        assert client.get(f"/admin/{address}/").status_code == 404
    assert client.get("/admin/socialaccount/socialaccount/").status_code == 200


def test_who_is_signed_in_without_being_staff_sees_why(client, alice):
    client.force_login(alice)
    response = client.get("/admin/", follow=True)
    assert response.status_code == 200 and "may not open this page" in words(response)
    assert client.get("/status/").status_code == 403
