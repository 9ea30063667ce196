"""What staff change leaves a row: by the admin, by pages, by the API and on the command line."""

from __future__ import annotations

import csv
import io
from unittest.mock import Mock
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command

from segmentation import urls
from segmentation.models import Job, Quota, StaffAction
from segmentation.services.access import tokens
from segmentation.services.ground import staff_log
from segmentation.services.ground.refusal import Refused
from tests.web.api.test_jobs import basic

from .finished import words

pytestmark = pytest.mark.django_db
LOG = "/admin/segmentation/staffaction/"


def last():
    return StaffAction.objects.first()


def test_what_the_staff_do_with_others_results(desk, ada, alice, make_job):
    job = make_job(owner=alice, state="queued")
    desk.post(f"/jobs/{job.pk}/cancel/")
    row = last()
    assert (row.account, row.action, row.target, row.name) == ("ada", "cancelled", str(job.pk), "tio2.png")
    assert row.before["state"] == "queued" and row.after["state"] == "cancelled"
    desk.post(f"/api/v1/jobs/{job.pk}/retry", headers=basic("ada"))
    assert last().action == "tried again"
    desk.delete(f"/api/v1/jobs/{job.pk}", headers=basic("ada"))
    assert last().before["state"] == "queued" and last().after == {} and not Job.objects.exists()
    assert last().action == "deleted"
    desk.post(f"/jobs/{make_job(owner=alice, state='done').pk}/link/", {"do": "off"})
    assert last().action == "changed the private link"


def test_each_address_that_changes_a_row_has_words():
    looks = {
        "page",
        "status",
        "state",
        "proposals",
        "histogram",
        "tile",
        "log",
        "log-csv",
        "file",
        "preview",
        "export",
        "new",
    }
    parts = [pattern.name.partition("-") for pattern in urls.urlpatterns if getattr(pattern, "name", None)]
    rows = ("job", "sample", "dataset", "training")
    changing = [f"{row}-{what}" for row, _, what in parts if row in rows and what and what not in looks | {"download"}]
    assert len(changing) > 25
    assert all(staff_log.action_of(name, "POST") in staff_log.ACTION_WORDS for name in changing)
    assert staff_log.action_of("api:dataset-image", "DELETE") == "remove"
    assert staff_log.action_of("api:job", "DELETE") == "delete" and staff_log.action_of("api:retry", "POST") == "retry"


def test_what_is_refused_or_only_looked_at_leaves_nothing(desk, alice, make_job):
    job = make_job(owner=alice, state="done")
    desk.get(f"/jobs/{job.pk}/"), desk.get(f"/jobs/{job.pk}/delete/"), desk.post(f"/jobs/{job.pk}/retry/")
    assert not StaffAction.objects.exists()


def test_ones_own_results_leave_nothing(desk, ada, make_job):
    desk.post(f"/jobs/{make_job(owner=ada, state='queued').pk}/cancel/")
    assert not StaffAction.objects.exists()


def test_actions_of_the_admin(desk, make_job):
    job = make_job(state="queued")
    desk.post("/admin/segmentation/job/", {"action": "cancel", "_selected_action": [str(job.pk)]})
    assert last().action == "cancelled" and last().after["state"] == "cancelled"
    many = {"action": "delete_selected", "_selected_action": [str(job.pk), str(make_job().pk)], "post": "yes"}
    desk.post("/admin/segmentation/job/", many)
    assert list(StaffAction.objects.values_list("action", flat=True)) == ["deleted", "deleted", "cancelled"]
    assert last().before["state"]


def test_a_token_that_is_revoked(desk, alice):
    token, text = tokens.create_token(user=alice, name="microscope", days=30, read_only=False, pk=uuid4())
    desk.post("/admin/segmentation/token/", {"action": "revoke", "_selected_action": [str(token.pk)]})
    assert (last().name, list(last().after)) == ("microscope", ["revoked"])
    assert text not in str(list(StaffAction.objects.values()))


def test_accounts_with_their_rights(desk, alice):
    page = f"/admin/auth/user/{alice.pk}/change/"
    may = Permission.objects.get(codename="view_job")
    joined = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    form = {"username": "alice", "is_active": "on", "is_staff": "on", "user_permissions": [may.pk], **joined}
    assert desk.post(page, form).status_code == 302
    row = last()
    assert (row.before["is_staff"], row.after["is_staff"]) == ("False", "True")
    assert row.after["user_permissions"] == "Analysis: view"
    new = {"password1": "lantern fig 7", "password2": "lantern fig 7", "usable_password": "true"}
    assert desk.post(f"/admin/auth/user/{alice.pk}/password/", new).status_code == 302
    assert "lantern" not in str(list(StaffAction.objects.values()))
    assert (last().action, last().name) == ("set a new password for", "alice")
    off = {"usable_password": "false", "unset-password": "on"}
    assert desk.post(f"/admin/auth/user/{alice.pk}/password/", off).status_code == 302
    assert last().action == "switched off the password of"


def test_quotas(desk, alice):
    physics = Group.objects.create(name="Physics")
    both = desk.post("/admin/segmentation/quota/add/", {"user": alice.pk, "group": physics.pk, "stored_gb": 5})
    assert "Choose a user or a group." in words(both) and "The usual limit: none." in words(both)
    assert desk.post("/admin/segmentation/quota/add/", {"group": physics.pk, "stored_gb": 5}).status_code == 302
    assert (last().action, last().name, last().after["stored_gb"]) == ("added", "quota of Physics", "5")
    assert "quota of Physics" in words(desk.get("/admin/segmentation/quota/"))
    page = f"/admin/segmentation/quota/{Quota.objects.get().pk}/"
    assert desk.post(f"{page}change/", {"group": physics.pk, "megapixels_a_day": 900}).status_code == 302
    assert last().before == {"stored_gb": "5", "megapixels_a_day": "None"}
    desk.post(f"{page}delete/", {"post": "yes"})
    assert last().before == {"group_id": physics.pk, "megapixels_a_day": 900} and not Quota.objects.exists()


def test_second_factors(settings, ada):
    settings.DEEPSEGM_STAFF_SECOND_FACTOR = "optional"
    from .test_second_factor import with_factor

    with_factor(ada)
    call_command("reset_second_factor", "ada")
    assert (last().account, last().name) == ("command line", "ada") and not ada.authenticator_set.exists()


class TestLooking:
    @pytest.fixture
    def rows(self, ada, make_job):
        job = make_job(state="queued")
        for name in ("=1+1", "b"):
            StaffAction.objects.create(account="ada", action="a", kind="job", target=job.pk, name=name, after={"x": 1})

    def test_superusers_see_and_export_it(self, desk, rows):
        assert "→ 1" in words(desk.get(LOG))
        assert desk.get(f"{LOG}{last().pk}/change/").status_code == 200
        keys = list(StaffAction.objects.values_list("pk", flat=True))
        made = desk.post(LOG, {"action": "export", "_selected_action": keys})
        read = list(csv.DictReader(io.StringIO(made.content.decode())))
        assert [row["account"] for row in read] == ["ada", "ada"]
        assert not any(row["name"].startswith("=") for row in read)

    def test_nobody_changes_it(self, desk, rows):
        pk = last().pk
        assert desk.post(f"{LOG}{pk}/delete/", {"post": "yes"}).status_code == 403
        desk.post(LOG, {"action": "delete_selected", "_selected_action": [pk], "post": "yes"})
        desk.post(f"{LOG}{pk}/change/", {"name": "c"})
        assert desk.get(f"{LOG}add/").status_code == 403
        assert sorted(StaffAction.objects.values_list("name", flat=True)) == ["=1+1", "b"]

    def test_other_staff_do_not_see_it(self, signed_in, rows, alice):
        alice.is_staff = True
        alice.save()
        alice.user_permissions.set(Permission.objects.filter(content_type__app_label="segmentation"))
        assert signed_in.get(LOG).status_code == 403
        assert "staffaction" not in words(signed_in.get("/admin/advanced/"))

    def test_it_outlives_the_account(self, rows, ada):
        ada.delete()
        assert StaffAction.objects.filter(account="ada").count() == 2


def test_a_refused_correction_was_not_made(desk, alice, make_job, monkeypatch):
    """An answer has one status for everybody."""
    monkeypatch.setattr(
        "segmentation.services.results.corrections.edits.edit_job",
        Mock(side_effect=Refused("There is no object 9.", 422)),
    )
    send = {"content_type": "application/json", "headers": {"X-Requested-With": "DeepSegm"}}
    address = f"/api/v1/jobs/{make_job(owner=alice, state='done').pk}/edits"
    refused = desk.post(address, {"base": 0, "operations": [{"op": "delete", "ids": [9]}]}, **send)
    assert refused.status_code == 422 and refused.json()["error"] and not StaffAction.objects.exists()
